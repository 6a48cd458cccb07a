"""Who may open and send what of the portal: its pages, public and not, and its forms."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from youai_runtime.auth import ROLES

from tests.support.permissions.scene import Scene, bound, free
from tests.support.waiting import eventually

BOOKERS = ("venue-staff", "center")
POSTERS = ("collector", "venue-staff", "center")
PROVIDERS = ("provider-staff",)
OWNERS = ("venue-staff", "provider-staff", "center", "platform")
WHEN = "2030-01-01T09:00"


@dataclass(frozen=True)
class Page:
    """A page or, with `fields`, a form: for whom it is. What a stranger is told may be that there is no such thing."""

    path: str | Callable[[Scene, "Desk"], Awaitable[str]]
    cells: Mapping[str, Collection[str]] = field(default_factory=lambda: free(*ROLES))
    public: bool = False
    on: str = "venue"
    fields: Mapping[str, str] | None = None
    refused: int = 403
    file: str | None = None


class Desk:
    """Browsers of people who are signed in, each signed in once; and one of nobody."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._open: dict[tuple[str, str], tuple[httpx.AsyncClient, str]] = {}

    async def close(self) -> None:
        for client, _ in self._open.values():
            await client.aclose()

    async def browser(self, organization: str, role: str) -> tuple[httpx.AsyncClient, str]:
        """A browser, and what its forms carry; of nobody where the organization is empty."""
        if (organization, role) not in self._open:
            client = httpx.AsyncClient(base_url=self.url, timeout=30)
            self._open[organization, role] = client, ""
            if organization:
                await eventually(lambda: self._signed_in(client, organization, role), 30, f"{organization} signs in")
            self._open[organization, role] = client, await form_token(client)
        return self._open[organization, role]

    async def _signed_in(self, client: httpx.AsyncClient, organization: str, role: str) -> bool:
        form = {"csrf": await form_token(client), "organization_id": organization, "role": role}
        return (await client.post("/signin", data=form)).status_code == 303

    async def has(self, path: str) -> str:
        """The path, once there is such a page."""
        client, _ = await self.browser("", "")

        async def there() -> bool:
            return (await client.get(path)).status_code == 200

        await eventually(there, 30, f"there is {path}")
        return path


async def form_token(client: httpx.AsyncClient) -> str:
    """What the forms of this browser carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', (await client.get("/signin")).text)
    assert found, "the sign-in page has a form"
    return found[1]


async def outcome(scene: Scene, desk: Desk, call: str, page: Page, role: str | None, whose: str) -> int | str:
    """Open a page or send a form as somebody (None: nobody): the status, or `sign-in` where it leads there."""
    organization = "" if role is None else scene.actors[page.on][whose]
    client, token = await desk.browser(organization, role or "")
    path = page.path.format(**vars(scene)) if isinstance(page.path, str) else await page.path(scene, desk)
    data: dict[str, Any] = {}
    if page.fields is not None:
        data["data"] = {name: value.format(**vars(scene)) for name, value in page.fields.items()} | {"csrf": token}
    if page.file is not None:
        data["files"] = {"file": ("offers.csv", page.file.format(**vars(scene)), "text/csv")}
    async with client.stream(call.split()[0], path, **data) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            await answer.aread()
    leads = answer.headers.get("location", "")
    return "sign-in" if answer.status_code == 303 and leads.startswith("/signin") else answer.status_code


async def wrong_cells(scene: Scene, desk: Desk, call: str, page: Page) -> list[str]:
    """Try every cell of a page; those that are not as the table says."""
    done = 200 if page.fields is None else 303
    wrong = []
    nobody = await outcome(scene, desk, call, page, None, "own")
    if nobody != (done if page.public else "sign-in"):
        wrong.append(f"nobody: {nobody}, {'should' if page.public else 'must not'}")
    for whose, allowed in page.cells.items():
        for role in ROLES:
            got = await outcome(scene, desk, call, page, role, whose)
            fine = got == done if role in allowed else got in (403, page.refused)
            if not fine:
                wrong.append(f"{role}, {whose}: {got}, {'should' if role in allowed else 'must not'}")
    return wrong


async def _booking(scene: Scene, desk: Desk) -> str:
    """A booking's page, once its owner sees it."""
    path = f"/bookings/{await scene.new_booking()}"
    client, _ = await desk.browser(scene.venue.organization_id, "venue-staff")

    async def there() -> bool:
        return (await client.get(path)).status_code == 200

    await eventually(there, 30, f"there is {path}")
    return path


async def _booking_state(scene: Scene, desk: Desk) -> str:
    return f"{await _booking(scene, desk)}/state"


async def _accept(scene: Scene, desk: Desk) -> str:
    return f"/bookings/{await scene.new_held()}/accept"


async def _decline(scene: Scene, desk: Desk) -> str:
    return f"/bookings/{await scene.new_held()}/decline"


async def _manage(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/slots/{scene.slot}") + "/manage"


async def _change(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/slots/{await scene.new_slot()}") + "/change"


async def _override(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/slots/{await scene.new_slot()}") + "/override"


async def _attendance(scene: Scene, desk: Desk) -> str:
    """Of a session that is over, with one booking."""
    slot, scene.attended = await scene.market.held_before(scene.venue.organization_id)
    path = await desk.has(f"/slots/{slot}")
    known = "SELECT 1 FROM booking WHERE request_id = $1"
    await eventually(lambda: scene.stack.ask("portal", known, scene.attended), 30, "the portal knows the booking")
    return path + "/attendance"


async def _cancel(scene: Scene, desk: Desk) -> str:
    return f"/bookings/{await scene.new_booking()}/cancel"


async def _book(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/slots/{await scene.new_slot()}") + "/book"


async def _claim(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/demands/{await scene.demands.post(scene.venue.organization_id)}") + "/claim"


async def _withdraw(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/demands/{await scene.demands.post(scene.venue.organization_id)}") + "/withdraw"


async def _hand_back(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/demands/{await scene.new_claimed()}") + "/hand-back"


async def _fulfil(scene: Scene, desk: Desk) -> str:
    return await desk.has(f"/demands/{await scene.new_claimed(scheduled=True)}") + "/fulfil"


NEW = {"category": "理论宣讲", "title": "请来讲讲", "residents": "40", "places_wanted": "1"} | {
    "wanted_from": "2029-01-01T09:00",
    "wanted_until": "2029-02-01T09:00",
}
RATED = {"rating": "5", "residents_served": "40"}
ANSWER = {"ask_id": "{ask}", "accepted": "1"}
CHANGED = {"capacity": "7", "reason": "换了大教室", "said": "0-0"}
GIVEN = {"whom": "venue:{venue.organization_id}", "party_size": "1", "explanation": "权限试验"}
IMPORTED = (
    "offer_key,title,category,provider_id,session_key,capacity,opens_at,closes_at,starts_at,ends_at,venue_name\n"
    "权限,净滩,环保,{market.department_id},1,9,2098-05-01 09:00,2098-05-02 09:00,"
    "2098-05-03 09:00,2098-05-03 11:00,江边\n"
)
COMMAND = "POST /demands/{demand_id}/{command}"

TABLE = {
    "GET /": Page("/", public=True),
    "GET /demands": Page("/demands", public=True),
    "GET /demands/{demand_id}": Page("/demands/{demand}", public=True),
    "GET /demands/{demand_id}/state": Page("/demands/{demand}/state", public=True),
    "GET /offers": Page("/offers", public=True),
    "GET /offers/{offer_id}": Page("/offers/{offer}", public=True),
    "GET /offers/import": Page("/offers/import", free("provider-staff", "center")),
    "GET /offers/import/template": Page("/offers/import/template?format=csv", free("provider-staff", "center")),
    "POST /offers/import": Page(
        "/offers/import", bound("provider-staff", "center"), on="department", fields={}, file=IMPORTED
    ),
    "GET /slots/{slot_id}": Page("/slots/{slot}", public=True),
    "GET /slots/{slot_id}/state": Page("/slots/{slot}/state", public=True),
    "GET /events": Page("/events?slot={slot}", public=True),
    "GET /resources": Page("/resources", public=True),
    "GET /resources/{resource_id}": Page("/resources/{resource}", public=True),
    "GET /ledger": Page("/ledger", public=True),
    "GET /ledger.xlsx": Page("/ledger.xlsx", public=True),
    "GET /search": Page("/search?q=x", public=True),
    "GET /signin": Page("/signin", public=True),
    "GET /bookings": Page("/bookings"),
    "GET /bookings/{request_id}": Page(_booking, bound(*ROLES), refused=404),
    "GET /bookings/{request_id}/state": Page(_booking_state, bound(*ROLES), refused=404),
    "GET /slots/{slot_id}/manage": Page(_manage, bound("provider-staff", "center"), on="department"),
    "GET /claims": Page("/claims"),
    "GET /inbox": Page("/inbox"),
    "GET /places/{resource_id}": Page("/places/{place}"),
    "GET /demands/new": Page("/demands/new", free(*POSTERS)),
    "POST /demands/new": Page("/demands/new", bound(*POSTERS), fields=NEW | {"venue_id": "{venue.organization_id}"}),
    # The form names no provider: whoever claims does it for itself.
    f"{COMMAND} (claim)": Page(_claim, {"own": PROVIDERS, "other": PROVIDERS}, on="department", fields={}),
    f"{COMMAND} (schedule)": Page(
        "/demands/{demand}/schedule", bound(*PROVIDERS), on="department", fields={"scheduled_at": WHEN}
    ),
    f"{COMMAND} (hand-back)": Page(_hand_back, bound(*PROVIDERS), on="department", fields={"reason": "讲师生病"}),
    f"{COMMAND} (fulfil)": Page(_fulfil, bound(*BOOKERS), fields=RATED),
    f"{COMMAND} (withdraw)": Page(_withdraw, bound(*BOOKERS), fields={"reason": "不再需要"}),
    "POST /slots/{slot_id}/book": Page(
        _book, bound(*BOOKERS), fields={"party_size": "1", "venue_id": "{venue.organization_id}"}
    ),
    "POST /bookings/{request_id}/cancel": Page(_cancel, bound(*BOOKERS), fields={}),
    "POST /bookings/{request_id}/{command} (accept)": Page(_accept, bound(*BOOKERS), fields={}, refused=404),
    "POST /bookings/{request_id}/{command} (decline)": Page(_decline, bound(*BOOKERS), fields={}, refused=404),
    "POST /slots/{slot_id}/change": Page(_change, bound(*PROVIDERS), on="department", fields=CHANGED),
    "POST /slots/{slot_id}/attendance": Page(
        _attendance, bound(*PROVIDERS), on="department", fields={"request-0": "{attended}", "came-0": "1"}
    ),
    "POST /slots/{slot_id}/override": Page(_override, {"own": ("center",), "other": ()}, on="city", fields=GIVEN),
    "POST /inbox/read-all": Page("/inbox/read-all", fields={}),
    "POST /inbox/{notification_id}": Page(
        "/inbox/{notification}", {"own": ROLES, "above": (), "other": ()}, fields={}, refused=404
    ),
    "POST /resources/{resource_id}/{command} (ask)": Page("/resources/{resource}/ask", fields={}),
    "POST /resources/{resource_id}/{command} (answer)": Page(
        "/resources/{resource}/answer", bound(*OWNERS), on="department", fields=ANSWER
    ),
}
SIGNING = {"POST /signin", "POST /signout"}
"""Open to whoever has the page before it; these end the browser's session, so they are tried apart."""
