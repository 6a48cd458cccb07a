"""Holds at the door: accept, decline, automatic answers, what crosses a lapse; overrides; draws; and why."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
from youai_matching.domain import draw
from youai_matching.domain.keys import key_of
from youai_matching.domain.receipts import instant
from youai_matching.domain.request import Common, Request

from tests.support.client import Venue, assert_problem
from tests.support.matching_alone import DAY, HOUR, NEW, RULES, MatchingAlone, matching_alone
from tests.support.stack import Stack

MAY = datetime(2031, 5, 2, 9, tzinfo=UTC)
SEED = "5e" * 32
SEED_HASH = hashlib.sha256(bytes.fromhex(SEED)).hexdigest()
assert NEW.limits is not None
PER_OFFER = NEW.limits.per_offer


@pytest_asyncio.fixture
async def alone(stack: Stack) -> AsyncIterator[MatchingAlone]:
    async with matching_alone(stack) as made:
        yield made


async def promoted(alone: MatchingAlone, **more: Any) -> tuple[Venue, dict[str, Any]]:
    """A venue with a held place in a slot of one, and its booking; `more` goes to the request's body."""
    holder, venue = await alone.venues(2)
    slot_id = await alone.session(capacity=1, starts_at=more.pop("starts_at", MAY), offer_id=more.pop("offer_id", "o"))
    first = await alone.given(holder, slot_id)
    mine = await alone.given(venue, slot_id, **more)
    assert mine["status"] == "waitlisted"
    await holder.cancel(first["request_id"])
    await alone.decide()
    return venue, await venue.booking(mine["request_id"])


async def answer(venue: Venue, booking: dict[str, Any], kind: str, **more: Any) -> Any:
    return await venue.post(f"/v1/bookings/{booking['request_id']}/{kind}", **more)


async def fill(alone: MatchingAlone, venue: Venue, number: int) -> None:
    for n in range(number):
        await alone.given(venue, await alone.session(offer_id="o", starts_at=MAY + (1 + n) * DAY))


async def test_accepting_reserves_again_and_confirms(alone: MatchingAlone) -> None:
    venue, booking = await promoted(alone)
    assert booking["status"] == "promoted"
    assert booking["hold_until"] == booking["receipts"][-1]["hold_until"]
    assert await alone.reserved(venue) == 0
    first = await answer(venue, booking, "accept")
    assert first.status_code == 202
    assert await alone.reserved(venue) == 1
    again = await answer(venue, booking, "accept")
    assert (again.status_code, again.json()) == (202, first.json())
    await alone.decide()
    assert len(alone.appended("hold-accepted")) == 1
    now = await venue.booking(booking["request_id"])
    assert (now["status"], now["reason"], now["hold_until"]) == ("confirmed", "accepted", None)
    late = await answer(venue, booking, "accept")
    assert late.json() == first.json(), "the same answer ever after"
    assert_problem(await answer(venue, booking, "accept", key="another"), 409, "not-held")
    assert_problem(await answer(venue, booking, "decline"), 409, "not-held")
    assert await alone.reserved(venue) == 1


async def test_declining_lets_the_next_have_it(alone: MatchingAlone) -> None:
    venue, booking = await promoted(alone)
    assert (await answer(venue, booking, "decline")).status_code == 202
    await alone.decide()
    now = await venue.booking(booking["request_id"])
    assert (now["status"], now["reason"]) == ("released", "declined")
    assert_problem(await answer(venue, booking, "accept"), 409, "not-held")


async def test_at_a_limit_a_hold_is_not_accepted_and_nothing_is_appended(alone: MatchingAlone) -> None:
    venue, booking = await promoted(alone)
    await fill(alone, venue, PER_OFFER)
    body = assert_problem(await answer(venue, booking, "accept"), 409, "limit-offer")
    assert body["booked"] == PER_OFFER
    assert alone.appended("hold-accepted") == []
    assert await alone.pool.fetchval("SELECT count(*) FROM request WHERE kind = 'accept'") == 0
    assert await alone.reserved(venue) == PER_OFFER


async def test_of_two_holds_at_one_time_one_can_be_accepted(alone: MatchingAlone) -> None:
    holder, venue = await alone.venues(2)
    held = []
    for _ in range(2):
        slot_id = await alone.session(capacity=1, starts_at=MAY)
        first = await alone.given(holder, slot_id, overlap_ok=True)
        held.append(await alone.given(venue, slot_id))
        await holder.cancel(first["request_id"])
    await alone.decide()
    answers = await asyncio.gather(*(answer(venue, booking, "accept") for booking in held))
    assert sorted(one.status_code for one in answers) == [202, 409]
    await alone.decide()
    assert sorted([(await venue.booking(b["request_id"]))["status"] for b in held]) == ["confirmed", "promoted"]


async def test_who_asked_for_it_has_holds_accepted(alone: MatchingAlone) -> None:
    venue, booking = await promoted(alone, auto_accept=True)
    assert (booking["status"], booking["reason"]) == ("confirmed", "accepted")
    assert await alone.reserved(venue) == 1
    (accepted,) = alone.appended("hold-accepted")
    assert accepted["actor"]["organization_id"] == venue.organization_id
    kept = await alone.pool.fetchval("SELECT request_id FROM request WHERE kind = 'accept'")
    assert kept.startswith(f"auto-{booking['request_id']}-")


async def test_an_automatic_answer_declines_at_a_limit(alone: MatchingAlone) -> None:
    holder, venue = await alone.venues(2)
    slot_id = await alone.session(capacity=1, offer_id="o", starts_at=MAY)
    first = await alone.given(holder, slot_id)
    mine = await alone.given(venue, slot_id, auto_accept=True)
    await fill(alone, venue, PER_OFFER)
    await holder.cancel(first["request_id"])
    await alone.decide()
    now = await venue.booking(mine["request_id"])
    assert (now["status"], now["reason"]) == ("released", "limit")
    assert await alone.reserved(venue) == PER_OFFER


async def test_a_lane_that_lags_does_not_take_back_what_was_reserved_again(alone: MatchingAlone) -> None:
    holder, venue = await alone.venues(2)
    slot_id = await alone.session(capacity=1)
    first = await alone.given(holder, slot_id)
    asked = await venue.ask(slot_id)
    await alone.decide(follow=False)
    await holder.cancel(first["request_id"])
    await alone.decide(follow=False)
    booking = await venue.booking(asked.json()["request_id"])
    assert booking["status"] == "promoted"
    assert (await answer(venue, booking, "accept")).status_code == 202
    await alone.follow()  # only now it meets the waitlisting
    assert await alone.reserved(venue) == 1
    await alone.decide()
    assert (await venue.booking(booking["request_id"]))["status"] == "confirmed"
    assert await alone.reserved(venue) == 1


async def test_an_acceptance_that_comes_too_late_reserves_nothing(alone: MatchingAlone) -> None:
    venue, booking = await promoted(alone)
    assert (await answer(venue, booking, "accept")).status_code == 202
    line = next(
        line for line in alone.log.records.values() if line and b"hold-accepted" in str(line[-1].headers).encode()
    )
    accepted = line.pop()  # it is still on its way when the hold lapses
    await alone.fire(2 * DAY)
    assert (await venue.booking(booking["request_id"]))["status"] == "promoted", "alone in the queue, it is held again"
    assert await alone.reserved(venue) == 0
    for n in range(PER_OFFER):  # what the limit leaves is used up meanwhile
        opens_at = datetime.now(UTC) - HOUR
        other = await alone.session(offer_id="o", starts_at=MAY + (1 + n) * DAY, opens_at=opens_at)
        assert (await alone.given(venue, other))["status"] == "confirmed"
    line.append(
        accepted.__class__(accepted.partition, len(line), alone.now_ms, accepted.key, accepted.value, accepted.headers)
    )
    await alone.decide()
    now = await venue.booking(booking["request_id"])
    assert now["status"] == "promoted", "the answer was to the hold before"
    assert await alone.reserved(venue) == PER_OFFER
    assert_problem(await answer(venue, booking, "accept"), 409, "limit-offer")


async def test_a_reservation_is_for_the_hold_that_was_answered(alone: MatchingAlone) -> None:
    """Between the look at the booking and its reservation the hold lapses, and another comes."""
    venue, booking = await promoted(alone)
    (row,) = await alone.pool.fetch("SELECT since FROM booking WHERE request_id = $1", booking["request_id"])
    moved = "UPDATE booking SET since = since + 2 WHERE request_id = $1"
    await alone.pool.execute(moved, booking["request_id"])
    assert_problem(await answer(venue, booking, "accept"), 409, "not-held")
    assert await alone.reserved(venue) == 0
    assert row["since"] == booking["receipts"][-1]["sequence"]


async def test_a_second_hold_has_an_answer_of_its_own(alone: MatchingAlone) -> None:
    venue, booking = await promoted(alone)
    await alone.fire(2 * DAY)  # it lapses, and alone in the queue it is held again
    again = await venue.booking(booking["request_id"])
    assert (again["status"], again["why"]["lapses"]) == ("promoted", 1)
    assert (await answer(venue, booking, "accept")).status_code == 202
    await alone.decide()
    assert (await venue.booking(booking["request_id"]))["status"] == "confirmed"


# Overrides


async def override(alone: MatchingAlone, slot_id: str, venue: Venue, size: int = 1, **more: Any) -> Any:
    body = {"venue_id": venue.organization_id, "party_size": size, "explanation": "残疾人专场", **more}
    return await alone.as_("center", "center").post(f"/v1/slots/{slot_id}/overrides", body, key=uuid.uuid4().hex)


async def test_the_center_gives_places_and_says_why(alone: MatchingAlone) -> None:
    holder, venue, waiting = await alone.venues(3)
    slot_id = await alone.session(capacity=1)
    await alone.given(holder, slot_id)
    mine = await alone.given(waiting, slot_id)
    body = assert_problem(await override(alone, slot_id, venue), 409, "override-full")
    assert (body["capacity"], body["taken"]) == (1, 1)
    given = await override(alone, slot_id, venue, capacity=2)
    assert given.status_code == 202
    await alone.decide()
    booking = await venue.booking(given.json()["request_id"])
    assert (booking["status"], booking["reason"]) == ("confirmed", "override")
    assert "残疾人专场" in booking["reason_zh"]
    assert await alone.reserved(venue) == 1, "it counts, though no limit stood in its way"
    live = assert_problem(await override(alone, slot_id, waiting, capacity=3), 409, "already-live")
    assert live["request_id"] == mine["request_id"]
    known = await override(alone, slot_id, waiting, capacity=3, request_id=mine["request_id"])
    assert known.json()["request_id"] == mine["request_id"]
    await alone.decide()
    assert (await waiting.booking(mine["request_id"]))["reason"] == "override"
    slot = (await venue.get(f"/v1/slots/{slot_id}")).json()
    assert (slot["overrides"], slot["capacity"], slot["taken"]) == (2, 3, 3)
    assert_problem(await override(alone, slot_id, waiting, request_id=mine["request_id"]), 409, "not-waiting")
    assert_problem(await override(alone, slot_id, venue, explanation=" "), 422, "invalid")
    assert_problem(await override(alone, "nothing", venue), 404, "slot-unknown")


async def test_overrides_are_the_centers_alone(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slot_id = await alone.session()
    body = {"venue_id": venue.organization_id, "party_size": 1, "explanation": "x"}
    for organization, role in ((venue.organization_id, "venue-staff"), ("institute", "platform")):
        caller = alone.as_(organization, role)
        assert_problem(await caller.post(f"/v1/slots/{slot_id}/overrides", body, key="k"), 403, "forbidden")
    stranger = alone.as_("elsewhere", "center")
    assert_problem(await stranger.post(f"/v1/slots/{slot_id}/overrides", body, key="k"), 403, "forbidden")
    old = await alone.session(rule_version=RULES.named("2026-12").version)
    assert_problem(await override(alone, old, venue), 409, "no-override")


# Draws


async def test_a_draw_is_revealed_once_its_window_ends_and_tells_ranks(alone: MatchingAlone) -> None:
    venues = await alone.venues(6)
    slot_id = f"d-{uuid.uuid4().hex[:8]}"
    await alone.pool.execute("INSERT INTO slot_rule VALUES ($1, $2, $3)", slot_id, NEW.version, SEED)
    await alone.session(capacity=2, slot_id=slot_id, mode="draw", seed_hash=SEED_HASH, opens_at=alone.now)
    slot = (await venues[0].get(f"/v1/slots/{slot_id}")).json()
    assert (slot["mode"], slot["seed_hash"], slot["seed"]) == ("window", SEED_HASH, None)
    bookings = [await alone.given(venue, slot_id) for venue in venues]
    assert [(b["status"], b["entered"], b["number"]) for b in bookings] == [("entered", True, n + 1) for n in range(6)]
    await alone.timer.turn()
    assert alone.appended("draw-revealed") == [], "the window is still open"
    await alone.fire(timedelta(minutes=2))
    assert (await venues[0].get(f"/v1/slots/{slot_id}")).json()["mode"] == "awaited"
    await alone.timer.turn()
    await alone.timer.turn()
    assert alone.appended("draw-revealed") == [{"slot_id": slot_id, "seed": SEED}], "again only after some seconds"
    await alone.decide()
    slot = (await venues[0].get(f"/v1/slots/{slot_id}")).json()
    assert (slot["mode"], slot["seed"]) == ("drawn", SEED)
    common = Common(1, status="entered", drawn_in=True)
    entered = [Request.of(key_of(b["request_id"]), b["venue_id"], n, common) for n, b in enumerate(bookings)]
    order = [request.request_id for request in draw.in_order(entered, SEED)]
    for venue, booking in zip(venues, bookings, strict=True):
        now = await venue.booking(booking["request_id"])
        rank = order.index(booking["request_id"]) + 1
        assert now["why"]["draw"] == {"rank": rank, "drawn": 6}
        assert now["status"] == ("confirmed" if rank <= 2 else "waitlisted")


async def test_a_seed_that_is_missing_stops_nobody_else(alone: MatchingAlone) -> None:
    slots = [f"d{n}-{uuid.uuid4().hex[:8]}" for n in range(3)]
    for slot_id, seed in zip(slots, (None, "no hex", SEED), strict=True):
        await alone.pool.execute("INSERT INTO slot_rule VALUES ($1, $2, $3)", slot_id, NEW.version, seed)
        await alone.session(slot_id=slot_id, mode="draw", seed_hash=SEED_HASH, opens_at=alone.now)
    await alone.fire(timedelta(minutes=2))
    await alone.timer.turn()
    assert [one["slot_id"] for one in alone.appended("draw-revealed")] == [slots[2]]


async def test_closing_comes_before_others_of_its_time(alone: MatchingAlone) -> None:
    slot_id = await alone.session()
    await alone.pool.execute("DELETE FROM timer")
    for kind in ("accumulation", "class", "closing", "hold"):
        await alone.pool.execute("INSERT INTO timer VALUES ($1, $2, '', 1000, 5)", slot_id, kind)
    await alone.timer.turn()
    assert next(one["kind"] for one in alone.appended("timer-fired")) == "closing"


# Why, and when


async def test_why_not_me(alone: MatchingAlone) -> None:
    one, three = await alone.venues(2)
    slot_id = await alone.session(capacity=2)
    first = await alone.given(one, slot_id, 2)
    mine = await alone.given(three, slot_id)
    await one.cancel(first["request_id"])  # later changes rewrite nothing
    await alone.decide()
    now = await three.booking(mine["request_id"])
    assert now["number"] == 2
    assert now["why"] == {
        "before": 1,
        "taken": 2,
        "capacity": 2,
        "last": {"number": 1, "asked_at": first["receipts"][0]["decided_at"], "party_size": 2},
        "draw": None,
        "lapses": 0,
        "passes": 0,
        "second": None,
    }
    assert first["why"]["last"] is None
    assert now["server_time"].endswith("Z")
    assert "name" not in str(now["why"])


async def test_why_says_who_stands_in_the_second_class_and_until_when(alone: MatchingAlone) -> None:
    assert NEW.points is not None
    holder, late, clean = await alone.venues(3)
    add = "INSERT INTO point VALUES ($1, $2, 3, $3)"
    for n in range(2):  # the first is forgiven
        await alone.pool.execute(add, f"test-{late.organization_id}-{n}", late.organization_id, alone.now_ms)
    slot_id = await alone.session(capacity=1)
    await alone.given(holder, slot_id)
    mine = await alone.given(late, slot_id)
    theirs = await alone.given(clean, slot_id)
    starts = await alone.pool.fetchval("SELECT starts_at FROM slot WHERE slot_id = $1", slot_id)
    now = await late.booking(mine["request_id"])
    assert (now["place"], now["why"]["second"]["until"]) == (
        2,
        instant(starts - NEW.points.second_class_until_ms_before),
    )
    assert "没有记录的单位之后" in now["why"]["second"]["zh"]
    assert now["why"]["second"]["en"].isascii()
    assert (theirs["place"], theirs["why"]["second"]) == (1, None)
    (timer,) = await alone.pool.fetch("SELECT due_at FROM timer WHERE slot_id = $1 AND kind = 'class'", slot_id)
    await alone.fire(timedelta(milliseconds=timer["due_at"] - alone.now_ms + 1))
    now = await late.booking(mine["request_id"])
    assert (now["place"], now["why"]["second"]) == (1, None), "one line, by order of asking"


async def test_who_waits_a_moment_gets_the_decision(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slot_id = await alone.session()

    async def ask(prefer: str) -> Any:
        body = {"slot_id": slot_id, "party_size": 1, "overlap_ok": True}
        return await venue.post("/v1/bookings", body, key="k", headers={"Prefer": prefer})

    asked = asyncio.create_task(ask("respond-async, wait=2"))
    while not alone.appended("booking-requested"):
        await asyncio.sleep(0)
    await alone.decide()
    alone.listeners.wake([slot_id])
    answered = await asked
    assert answered.status_code == 200
    assert answered.headers["preference-applied"] == "wait=2"
    assert answered.json()["status"] == "confirmed"
    assert len(alone.listeners) == 0
    assert (await ask("wait=60")).headers["preference-applied"] == "wait=2", "bounded"
    assert (await ask("return=minimal")).status_code == 202


async def test_before_opening_it_says_when_and_spreads_who_comes_back(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slot_id = await alone.session(opens_at=alone.now + timedelta(minutes=5))
    waits = set()
    for _ in range(40):
        answered = await venue.ask(slot_id)
        body = assert_problem(answered, 425, "early")
        waits.add(int(answered.headers["retry-after"]))
    assert body["opens_at"] > body["server_time"]
    assert len(waits) > 1
    assert min(waits) >= 299
    slot = (await venue.get(f"/v1/slots/{slot_id}")).json()
    assert 290_000 < slot["opens_in_ms"] <= 300_000
    assert timedelta(milliseconds=slot["opens_in_ms"]) < HOUR


async def test_an_organization_that_writes_too_much_is_told_when_to_come_back(stack: Stack) -> None:
    async with matching_alone(stack, rate="3/minute") as alone:
        venue, other = await alone.venues(2)
        answers = [await venue.ask("nothing-there") if n > 9 else await venue.cancel("x") for n in range(4)]
        assert [one.status_code for one in answers] == [404, 404, 404, 429]
        assert_problem(answers[-1], 429, "too-many")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert (await other.cancel("x")).status_code == 404, "each for itself"
        assert (await venue.get("/v1/bookings/x")).status_code == 404, "reading is free"
        center = alone.as_("center", "center")
        assert {(await center.cancel("x")).status_code for _ in range(30)} == {404}
        assert (await center.cancel("x")).status_code == 429
