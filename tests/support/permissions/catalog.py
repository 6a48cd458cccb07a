"""Who may call what of catalog."""

from datetime import UTC, datetime, timedelta
from typing import Any

from youai_runtime.auth import ROLES

from tests.support.market import new_id, session_body
from tests.support.permissions.scene import Row, Scene, Sent, at, bound, free

REGISTRARS = ("center", "platform")
PUBLISHERS = ("provider-staff", "center")
OWNERS = ("venue-staff", "provider-staff", "center", "platform")
RESOURCE = "/v1/resources/{resource_id}"
TEACHER: dict[str, Any] = {"kind": "person", "title": "形体老师", "skills": ["旗袍"], "categories": ["文化文艺"]}
DAY = "2098-05-05"
TIMES = ("opens_at", "closes_at", "starts_at", "ends_at")


async def _register(scene: Scene) -> Sent:
    station = {"kind": "venue", "level": "station", "name": "站", "town": "大新镇"}
    new = {"organization_id": new_id("made"), "parent_id": scene.market.institute_id}
    return Sent("/v1/organizations", station | new)


async def _import(scene: Scene) -> Sent:
    row = f"{new_id('made')},{scene.market.institute_id},venue,station,站,大新镇,\n"
    text = "organization_id,parent_id,kind,level,name,town,categories\n" + row
    return Sent("/v1/organizations:import", text, {"Content-Type": "text/csv"})


async def _organization(scene: Scene) -> Sent:
    return Sent(f"/v1/organizations/{scene.market.department_id}")


async def _publish(scene: Scene) -> Sent:
    return Sent("/v1/offers", {"provider_id": scene.market.department_id, "category": "环保", "title": "净滩"})


async def _import_offers(scene: Scene) -> Sent:
    head = "offer_key,title,category,provider_id,session_key,capacity,opens_at,closes_at,starts_at,ends_at,venue_name\n"
    row = f"{new_id('key')},净滩,环保,{scene.market.department_id},1,9,2098-05-01 09:00,2098-05-02 09:00,"
    text = head + row + "2098-05-03 09:00,2098-05-03 11:00,江边\n"
    return Sent("/v1/offers:import", text, {"Content-Type": "text/csv"})


async def _open(scene: Scene) -> Sent:
    return Sent(f"/v1/offers/{scene.offer}/sessions", session_body())


async def _withdraw(scene: Scene) -> Sent:
    return Sent(f"/v1/offers/{await scene.market.offer()}/withdraw", {"reason": "停办"})


async def _cancel(scene: Scene) -> Sent:
    (slot,) = await scene.market.sessions([{"capacity": 1}], scene.offer)
    return Sent(f"/v1/sessions/{slot}/cancel", {"reason": "讲师生病"})


async def _revise(scene: Scene) -> Sent:
    (slot,) = await scene.market.sessions([{"capacity": 1}], scene.offer)
    return Sent(f"/v1/sessions/{slot}", {"capacity": 2, "reason": "加位"})


async def _attendance(scene: Scene) -> Sent:
    ago = {name: datetime.now(UTC) - timedelta(hours=hours) for name, hours in zip(TIMES, (4, 3, 2, 1), strict=True)}
    (slot,) = await scene.market.sessions([ago], scene.offer)
    came = {"request_id": new_id("booking"), "venue_id": scene.market.institute_id, "attended": 1}
    return Sent(f"/v1/sessions/{slot}/attendance", {"attendance": [came]})


async def new_resource(scene_market: Any, owner_id: str, **more: Any) -> str:
    """Put something into the pool; returns its id."""
    id = new_id("resource")
    owner = scene_market.caller("catalog", owner_id, "provider-staff")
    answer = await owner.post("/v1/resources", TEACHER | {"resource_id": id, "owner_id": owner_id} | more, key=id)
    assert answer.status_code == 201, answer.text
    return id


async def _list(scene: Scene) -> Sent:
    return Sent("/v1/resources", TEACHER | {"owner_id": scene.market.department_id})


async def _retire(scene: Scene) -> Sent:
    return Sent(f"/v1/resources/{await new_resource(scene.market, scene.market.department_id)}/retire")


async def _ask(scene: Scene) -> Sent:
    return Sent(f"/v1/resources/{scene.resource}/ask", {"asker_id": scene.venue.organization_id})


async def _answer(scene: Scene) -> Sent:
    return Sent(f"/v1/resources/{scene.resource}/answer", {"ask_id": scene.ask, "accepted": True})


# Who asked for a resource (`asked`) reads of the answer in its inbox: the owner alone sees the asks and answers them.
OF_OWNER = bound(*OWNERS) | {"asked": ()}

TABLE = {
    "POST /v1/organizations": Row("institute", bound(*REGISTRARS), _register),
    "POST /v1/organizations:import": Row("institute", bound(*REGISTRARS), _import),
    "GET /v1/organizations": Row("institute", free(*ROLES), at("/v1/organizations?limit=2")),
    "GET /v1/organizations/{organization_id}": Row("institute", free(*ROLES), _organization),
    "POST /v1/offers": Row("department", bound(*PUBLISHERS), _publish),
    "POST /v1/offers:import": Row("department", bound(*PUBLISHERS), _import_offers),
    "GET /v1/offers:template": Row("department", free(*PUBLISHERS), at("/v1/offers:template?format=csv")),
    "GET /v1/offers": Row("department", free(*ROLES), at("/v1/offers?limit=2")),
    "GET /v1/offers/{offer_id}": Row("department", free(*ROLES), at("/v1/offers/{offer}")),
    "POST /v1/offers/{offer_id}/sessions": Row("department", bound(*PUBLISHERS), _open),
    "POST /v1/offers/{offer_id}/withdraw": Row("department", bound(*PUBLISHERS), _withdraw),
    "GET /v1/sessions/{session_id}": Row("department", free(*ROLES), at("/v1/sessions/{slot}")),
    "PATCH /v1/sessions/{session_id}": Row("department", bound(*PUBLISHERS), _revise),
    "POST /v1/sessions/{session_id}/attendance": Row("department", bound(*PUBLISHERS), _attendance),
    "POST /v1/sessions/{session_id}/cancel": Row("department", bound(*PUBLISHERS), _cancel),
    "POST /v1/resources": Row("department", bound(*OWNERS), _list),
    "GET /v1/resources": Row("department", free(*ROLES), at("/v1/resources?limit=2")),
    f"GET {RESOURCE}": Row("department", free(*ROLES), at("/v1/resources/{resource}")),
    f"PATCH {RESOURCE}": Row("department", OF_OWNER, at("/v1/resources/{resource}", TEACHER)),
    f"POST {RESOURCE}/retire": Row("department", OF_OWNER, _retire),
    f"POST {RESOURCE}/ask": Row("venue", bound(*ROLES), _ask),
    f"POST {RESOURCE}/answer": Row("department", OF_OWNER, _answer),
    f"GET {RESOURCE}/asks": Row("department", OF_OWNER, at("/v1/resources/{resource}/asks")),
    "GET /v1/places/{place_id}/windows": Row(
        "department", free(*ROLES), at("/v1/places/{place}/windows?from=2026-12-01&to=2026-12-02")
    ),
    "POST /v1/calendar/overrides": Row(
        "city", {"own": ("center",), "other": ()}, at("/v1/calendar/overrides", {"day": DAY, "kind": "holiday"})
    ),
    "GET /v1/calendar/overrides": Row("city", {"own": ROLES, "other": ROLES}, at("/v1/calendar/overrides")),
    "DELETE /v1/calendar/overrides/{day}": Row(
        "city", {"own": ("center",), "other": ()}, at(f"/v1/calendar/overrides/{DAY}")
    ),
}
