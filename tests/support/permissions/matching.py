"""Who may call what of matching."""

import uuid

from youai_runtime.auth import ROLES

from tests.support.permissions.scene import Row, Scene, Sent, at, bound, free

BOOKING = "/v1/bookings/{request_id}"
BOOKERS = ("venue-staff", "center")


async def _book(scene: Scene) -> Sent:
    return Sent("/v1/bookings", await _wanted(scene))


async def _batch(scene: Scene) -> Sent:
    item = await _wanted(scene) | {"idempotency_key": uuid.uuid4().hex}
    return Sent("/v1/bookings:batch", {"items": [item]}, batch=True)


async def _wanted(scene: Scene) -> dict[str, object]:
    return {"slot_id": await scene.new_slot(), "party_size": 1, "venue_id": scene.venue.organization_id}


async def _booking(scene: Scene) -> Sent:
    return Sent(f"/v1/bookings/{await scene.new_booking()}")


async def _held(scene: Scene, answer: str) -> Sent:
    return Sent(f"/v1/bookings/{await scene.new_held()}/{answer}")


async def _accept(scene: Scene) -> Sent:
    return await _held(scene, "accept")


async def _decline(scene: Scene) -> Sent:
    return await _held(scene, "decline")


async def _override(scene: Scene) -> Sent:
    body = {"venue_id": scene.venue.organization_id, "party_size": 1, "explanation": "权限试验"}
    return Sent(f"/v1/slots/{await scene.new_slot()}/overrides", body)


async def _booking_events(scene: Scene) -> Sent:
    return Sent(f"/v1/bookings/{await scene.new_booking()}/events")


TABLE = {
    "POST /v1/bookings": Row("venue", bound(*BOOKERS), _book),
    "POST /v1/bookings:batch": Row("venue", bound(*BOOKERS), _batch),
    f"GET {BOOKING}": Row("venue", bound(*ROLES), _booking),
    f"DELETE {BOOKING}": Row("venue", bound(*BOOKERS), _booking),
    f"POST {BOOKING}/accept": Row("venue", bound(*BOOKERS), _accept),
    f"POST {BOOKING}/decline": Row("venue", bound(*BOOKERS), _decline),
    f"GET {BOOKING}/events": Row("venue", bound(*ROLES), _booking_events),
    "POST /v1/slots/{slot_id}/overrides": Row("venue", bound("center"), _override),
    "GET /v1/slots/{slot_id}": Row("venue", free(*ROLES), at("/v1/slots/{slot}")),
    "GET /v1/slots/{slot_id}/events": Row("venue", free(*ROLES), at("/v1/slots/{slot}/events")),
}
