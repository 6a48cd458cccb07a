"""Who may call what of demand."""

from youai_runtime.auth import ROLES

from tests.support.demands import demand_body
from tests.support.permissions.scene import Row, Scene, Sent, at, bound, free

DEMAND = "/v1/demands/{demand_id}"
POSTERS = ("collector", "venue-staff", "center")
VENUES = ("venue-staff", "center")
PROVIDERS = ("provider-staff",)
RESIDENT = {"name": "某居民", "phone": "", "address": "", "note": ""}
WHEN = {"scheduled_at": "2030-01-01T09:00:00Z"}

# The posting venue's own people, and a center that stands above it.
OF_RESIDENT = {"own": POSTERS, "above": ("center",), "other": ()}


async def _post(scene: Scene) -> Sent:
    return Sent("/v1/demands", demand_body(venue_id=scene.venue.organization_id))


async def _claim(scene: Scene) -> Sent:
    demand = await scene.demands.post(scene.venue.organization_id)
    return Sent(f"/v1/demands/{demand}/claims", {"provider_id": scene.market.department_id})


async def _hand_back(scene: Scene) -> Sent:
    return Sent(f"/v1/demands/{await scene.new_claimed()}/hand-back", {"reason": "讲师生病"})


async def _fulfil(scene: Scene) -> Sent:
    demand = await scene.new_claimed(scheduled=True)
    return Sent(f"/v1/demands/{demand}/fulfil", {"rating": 5, "residents_served": 40})


async def _withdraw(scene: Scene) -> Sent:
    demand = await scene.demands.post(scene.venue.organization_id)
    return Sent(f"/v1/demands/{demand}/withdraw", {"reason": "不再需要"})


async def _resident(scene: Scene) -> Sent:
    demand = await scene.demands.post(scene.venue.organization_id, resident=RESIDENT)
    return Sent(f"/v1/demands/{demand}/resident")


TABLE = {
    "POST /v1/demands": Row("venue", bound(*POSTERS), _post),
    "GET /v1/demands": Row("venue", free(*ROLES), at("/v1/demands?limit=2")),
    f"GET {DEMAND}": Row("venue", free(*ROLES), at("/v1/demands/{demand}")),
    f"POST {DEMAND}/fulfil": Row("venue", bound(*VENUES), _fulfil),
    f"POST {DEMAND}/withdraw": Row("venue", bound(*VENUES), _withdraw),
    f"POST {DEMAND}/claims": Row("department", bound(*PROVIDERS), _claim),
    f"GET {DEMAND}/claims/{{claim_id}}": Row(
        "department", bound(*ROLES) | {"asked": ROLES}, at("/v1/demands/{demand}/claims/{claim}")
    ),
    f"POST {DEMAND}/schedule": Row("department", bound(*PROVIDERS), at("/v1/demands/{demand}/schedule", WHEN)),
    f"POST {DEMAND}/hand-back": Row("department", bound(*PROVIDERS), _hand_back),
    f"GET {DEMAND}/resident": Row("venue", OF_RESIDENT, _resident),
    f"DELETE {DEMAND}/resident": Row("venue", OF_RESIDENT, _resident),
}
