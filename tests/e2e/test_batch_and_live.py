"""Bookings in batches, and the live streams of a booking and a slot, through the real door."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.client import Venue, assert_problem
from tests.support.market import Market, new_id

WAIT_S = 20.0


async def batch(venue: Venue, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = await venue.post("/v1/bookings:batch", {"items": items})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [result["idempotency_key"] for result in results] == [item["idempotency_key"] for item in items]
    return results


def item(slot_id: str, size: int = 1, key: str | None = None, **more: Any) -> dict[str, Any]:
    return {"idempotency_key": key or uuid.uuid4().hex, "slot_id": slot_id, "party_size": size, **more}


async def events(venue: Venue, path: str, **headers: str) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """The stream's events: name, id, data. Heartbeats are left out."""
    sent = {"Authorization": f"Bearer {venue.token}", "Accept": "text/event-stream", **headers}
    async with venue._http.stream("GET", venue.url + path, headers=sent, timeout=WAIT_S) as answer:
        assert answer.status_code == 200, await answer.aread()
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            elif not line and "data" in fields:
                yield fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])
                fields = {}


async def test_a_batch_answers_each_item_as_if_it_had_come_alone(market: Market) -> None:
    venue, other = await market.venues(2)
    slot_id = await market.session(capacity=3)
    early = await market.session(capacity=3, opens_at=datetime.now(UTC) + timedelta(hours=1))
    await venue.ask(slot_id, 1, "warm-up-of-the-venue")  # waits until the door knows the venue
    taken, twice, reused = item(await market.session()), item(await market.session()), uuid.uuid4().hex
    items = [
        taken,
        item(early),
        item(new_id("s")),
        item(await market.session(capacity=2), size=3),
        twice,
        twice,
        item(slot_id, key=reused),
        item(slot_id, size=2, key=reused),
        item(slot_id, venue_id=other.organization_id),
    ]
    results = await batch(venue, items)
    assert [result["status"] for result in results] == [202, 425, 404, 422, 202, 202, 202, 409, 403]
    assert results[4]["request_id"] == results[5]["request_id"]
    assert results[1]["retry_after"] > 0
    assert results[7]["code"] == "key-reused"
    assert (await venue.decided(results[0]["request_id"]))["status"] == "confirmed"

    again = await batch(venue, items)
    assert [r.get("request_id") for r in again] == [r.get("request_id") for r in results]

    alone = await venue.ask(taken["slot_id"], 1, taken["idempotency_key"])
    assert alone.json()["request_id"] == results[0]["request_id"], "an item's key is the single call's key"


async def test_a_full_batch_is_decided_whole(market: Market) -> None:
    venues = await market.venues(20)
    institute = market.as_venue(market.institute_id)
    slots = await market.sessions([{"capacity": 5} for _ in range(50)])
    for venue in venues:
        await venue.ask(slots[0], 1)
    for slot_id in slots:
        await institute.read_back(f"/v1/slots/{slot_id}")
    items = [item(slot_id, venue_id=venue.organization_id) for slot_id in slots[1:] for venue in venues]
    results = await batch(institute, items)
    assert {result["status"] for result in results} == {202}
    outcomes = await asyncio.gather(*(institute.decided(r["request_id"]) for r in results[:60]))
    assert {outcome["status"] for outcome in outcomes} == {"confirmed", "waitlisted"}


async def test_a_batch_that_is_none_is_refused_with_what_to_mend(market: Market) -> None:
    venue = await market.venue()
    assert_problem(await venue.post("/v1/bookings:batch", {"items": []}), 422, "invalid")
    too_many = [item("s") for _ in range(1001)]
    assert_problem(await venue.post("/v1/bookings:batch", {"items": too_many}), 422, "invalid")
    assert_problem(await venue.post("/v1/bookings:batch", {"items": [{"slot_id": "s"}]}), 422, "invalid")
    provider = market.caller("matching", market.department_id, "provider-staff")
    assert_problem(await provider.post("/v1/bookings:batch", {"items": [item("s")]}), 403, "forbidden")


async def test_a_waiting_venue_sees_its_place_move_and_its_promotion(market: Market) -> None:
    first, second, third = await market.venues(3)
    slot_id = await market.session(capacity=1)
    holds = await first.book(slot_id)
    await first.decided(holds, "confirmed")
    ahead = await second.book(slot_id)
    await second.decided(ahead, "waitlisted")
    mine = await third.book(slot_id)
    await third.decided(mine, "waitlisted")
    seen: list[tuple[str, int | None]] = []
    async with asyncio.timeout(WAIT_S):
        async for name, _, told in events(third, f"/v1/bookings/{mine}/events"):
            seen.append((told["status"], told["place"]))
            if seen[-1] == ("waitlisted", 2):
                await second.cancel(ahead)
            elif seen[-1] == ("waitlisted", 1):
                await first.cancel(holds)
            elif told["status"] == "promoted":
                await third.cancel(mine)
            if name == "end":
                break
    assert seen == [("waitlisted", 2), ("waitlisted", 1), ("promoted", None), ("released", None)]


async def test_a_slots_stream_tells_each_change_and_takes_up_where_it_broke_off(market: Market) -> None:
    venue, other = await market.venues(2)
    slot_id = await market.session(capacity=2)
    last = ""
    async with asyncio.timeout(WAIT_S):
        async for _, id_, told in events(venue, f"/v1/slots/{slot_id}/events"):
            last = id_
            if told["taken"] == 0:
                await venue.book(slot_id)
            else:
                assert told["free"] == 1
                break
        await other.book(slot_id)
        async for _, id_, told in events(venue, f"/v1/slots/{slot_id}/events", **{"Last-Event-ID": last}):
            if told["taken"] == 2:
                assert int(id_) > int(last)
                break


async def test_streams_are_for_those_who_may_look(market: Market) -> None:
    venue, stranger = await market.venues(2)
    slot_id = await market.session()
    mine = await venue.book(slot_id)
    assert_problem(await stranger.get(f"/v1/bookings/{mine}/events"), 403, "forbidden")
    assert_problem(await venue.get("/v1/bookings/nothing/events"), 404, "not-found")
    assert_problem(await venue.get("/v1/slots/nothing/events"), 404, "slot-unknown")
    nobody = market.caller("matching", None)
    assert_problem(await nobody.get(f"/v1/slots/{slot_id}/events"), 401, "unauthorized")
