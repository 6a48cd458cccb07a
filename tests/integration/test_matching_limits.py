"""What spans slots is reserved at the door: limits of an offer and a month, sessions at the same time, points."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio
from youai_contracts.events import Actor, AttendanceRecorded, BookingRequested, SlotRevised
from youai_matching import reservations
from youai_matching.reservations import Asked, Numbers

from tests.support.client import Venue, assert_problem, problem
from tests.support.matching_alone import DAY, HOUR, NEW, RULES, MatchingAlone, matching_alone
from tests.support.stack import Stack

MAY = datetime(2031, 5, 2, 9, tzinfo=UTC)
assert NEW.limits is not None
PER_OFFER, PER_MONTH = NEW.limits.per_offer, NEW.limits.per_month


@pytest_asyncio.fixture
async def alone(stack: Stack) -> AsyncIterator[MatchingAlone]:
    async with matching_alone(stack) as made:
        yield made


async def ask(venue: Venue, slot_id: str, size: int = 1, **more: Any) -> int:
    answer = await venue.post("/v1/bookings", {"slot_id": slot_id, "party_size": size, **more}, key=uuid.uuid4().hex)
    return answer.status_code


async def of_one_offer(alone: MatchingAlone, number: int, **more: Any) -> list[str]:
    return [await alone.session(offer_id="o", starts_at=MAY + n * DAY, **more) for n in range(number)]


async def test_of_twenty_at_once_as_many_pass_as_the_offers_limit_allows(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slots = await of_one_offer(alone, 20)
    answers = await asyncio.gather(
        *(venue.post("/v1/bookings", {"slot_id": s, "party_size": 1}, key=uuid.uuid4().hex) for s in slots)
    )
    assert Counter(answer.status_code for answer in answers) == {202: PER_OFFER, 409: 20 - PER_OFFER}
    refused = next(answer for answer in answers if answer.status_code == 409)
    body = assert_problem(refused, 409, "limit-offer")
    assert (body["booked"], body["most"]) == (PER_OFFER, PER_OFFER)
    assert await alone.reserved(venue) == PER_OFFER
    await alone.decide()
    assert await ask(venue, slots[0]) in (202, 409)


async def test_two_replicas_share_the_limit(alone: MatchingAlone) -> None:
    """Each statement by a connection of its own, as of other processes, with nothing that gathers them."""
    venue = await alone.venue()
    slots = await of_one_offer(alone, 20)
    numbers = Numbers(RULES.by_version.values())
    actor = Actor(subject="t", organization_id=venue.organization_id)

    async def one(slot_id: str) -> str:
        event = BookingRequested(
            slot_id=slot_id,
            request_id=uuid.uuid4().hex,
            venue_id=venue.organization_id,
            town="",
            party_size=1,
            requested_at=alone.now,
            actor=actor,
        )
        async with alone.pool.acquire() as connection:
            (answer,) = await reservations.take(connection, numbers, [Asked(event, 0, False, True, b"", None)])
        return answer.verdict

    found = Counter(await asyncio.gather(*(one(slot_id) for slot_id in slots)))
    assert found == {"taken": PER_OFFER, "obstacle": 20 - PER_OFFER}


async def test_a_month_is_the_citys_own(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    first = datetime(2031, 4, 30, 16, tzinfo=UTC)  # the first of May, midnight in the city
    for n in range(PER_MONTH):
        assert await ask(venue, await alone.session(starts_at=first + n * 18 * HOUR)) == 202
    last = await alone.session(starts_at=datetime(2031, 5, 31, 13, tzinfo=UTC))
    answer = await venue.ask(last)
    body = assert_problem(answer, 409, "limit-month")
    assert (body["month"], body["booked"], body["most"]) == ("2031-05", PER_MONTH, PER_MONTH)
    assert await ask(venue, await alone.session(starts_at=first - 3 * HOUR)) == 202, "that is April"
    assert await ask(venue, await alone.session(starts_at=datetime(2031, 5, 31, 16, tzinfo=UTC))) == 202, "June"


async def test_overlapping_sessions_in_two_tabs(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    one, other = await alone.session(starts_at=MAY), await alone.session(starts_at=MAY + HOUR)
    after = await alone.session(starts_at=MAY + 2 * HOUR)
    answers = await asyncio.gather(*(venue.ask(slot_id) for slot_id in (one, other)))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    lost = other if answers[0].status_code == 202 else one
    body = assert_problem(next(a for a in answers if a.status_code == 409), 409, "overlap")
    assert {body["slot_id"], lost} == {one, other}
    assert "2031-05-02" in body["detail"]
    assert await ask(venue, lost, overlap_ok=True) == 202, "who says so may"
    if lost == other:
        assert await ask(venue, after) == 409
    else:
        assert await ask(venue, after) == 202, "one ends when the next begins"


async def test_the_same_slot_is_the_deciders(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slot_id = await alone.session()
    await alone.given(venue, slot_id)
    again = await alone.given(venue, slot_id)
    assert (again["status"], again["reason"]) == ("rejected", "already-live")
    assert await alone.reserved(venue) == 1


async def test_who_gets_nothing_gets_the_reservation_back(alone: MatchingAlone) -> None:
    venue, other = await alone.venues(2)
    slot_id, same_time = await alone.session(capacity=1, starts_at=MAY), await alone.session(starts_at=MAY)
    await alone.given(other, slot_id)
    mine = await alone.given(venue, slot_id)
    assert mine["status"] == "waitlisted"
    assert await alone.reserved(venue) == 0
    second = await alone.given(venue, same_time)
    assert second["status"] == "confirmed"
    assert await alone.reserved(venue) == 1
    await venue.cancel(second["request_id"])
    await alone.decide()
    assert await alone.reserved(venue) == 0


async def test_a_session_that_moves_takes_its_reservation_along(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    one, other = await alone.session(starts_at=MAY), await alone.session(starts_at=MAY + 30 * DAY)
    await alone.given(venue, one)
    moved = MAY + 30 * DAY
    await alone.put(SlotRevised(slot_id=one, starts_at=moved, ends_at=moved + 2 * HOUR))
    assert_problem(await venue.ask(other), 409, "overlap")
    assert await ask(venue, await alone.session(starts_at=MAY)) == 202


async def test_limits_hold_within_one_batch(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slots = await of_one_offer(alone, PER_OFFER + 2)
    items = [{"slot_id": s, "party_size": 1, "idempotency_key": uuid.uuid4().hex} for s in slots]
    answer = await venue.post("/v1/bookings:batch", {"items": items})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [202] * PER_OFFER + [409, 409]
    assert {result["code"] for result in results[-2:]} == {"limit-offer"}
    again = (await venue.post("/v1/bookings:batch", {"items": items})).json()["results"]
    assert [result["status"] for result in again] == [202] * PER_OFFER + [409, 409]


async def test_a_rule_version_without_limits_has_none(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    old = RULES.named("2026-12").version
    for _ in range(PER_OFFER + 2):
        assert await ask(venue, await alone.session(offer_id="o", starts_at=MAY, rule_version=old)) == 202


async def test_while_the_log_is_shut_nothing_is_reserved(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slot_id = await alone.session()
    key = uuid.uuid4().hex
    alone.deaf = True
    answer = await venue.post("/v1/bookings", {"slot_id": slot_id, "party_size": 1}, key=key)
    assert_problem(answer, 503, "unavailable")
    assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert await alone.reserved(venue) == 0
    alone.deaf = False
    assert (await venue.post("/v1/bookings", {"slot_id": slot_id, "party_size": 1}, key=key)).status_code == 202
    await alone.decide()
    alone.deaf = True
    again = await venue.post("/v1/bookings", {"slot_id": slot_id, "party_size": 1}, key=key)
    assert again.status_code == 202, "what is decided is taken"
    other = await venue.post("/v1/bookings", {"slot_id": slot_id, "party_size": 2}, key=key)
    assert problem(other) == "key-reused"


async def test_a_repeat_is_told_to_be_taken_once_the_log_has_it(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    slot_id = await alone.session()
    body, key = {"slot_id": slot_id, "party_size": 1}, uuid.uuid4().hex
    alone.loses = True
    assert_problem(await venue.post("/v1/bookings", body, key=key), 504, "unknown")
    assert_problem(await venue.post("/v1/bookings", body, key=key), 504, "unknown")
    alone.loses = False
    alone.deaf = True
    assert_problem(await venue.post("/v1/bookings", body, key=key), 504, "unknown")
    alone.deaf = False
    assert alone.appended("booking-requested") == []
    assert problem(await venue.post("/v1/bookings", body | {"party_size": 2}, key=key)) == "key-reused"
    taken = await venue.post("/v1/bookings", body, key=key)
    (appended,) = alone.appended("booking-requested")
    assert taken.json()["request_id"] == appended["request_id"]
    await alone.decide()
    assert (await venue.post("/v1/bookings", body, key=key)).status_code == 202
    assert len(alone.appended("booking-requested")) == 1, "what is decided is not appended again"


async def test_a_batchs_repeat_is_told_to_be_taken_once_the_log_has_it(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    items = [{"slot_id": await alone.session(), "party_size": 1, "idempotency_key": "one"}]
    alone.loses = True
    (lost,) = (await venue.post("/v1/bookings:batch", {"items": items})).json()["results"]
    assert lost["status"] == 504
    alone.loses = False
    (taken,) = (await venue.post("/v1/bookings:batch", {"items": items})).json()["results"]
    assert (taken["status"], len(alone.appended("booking-requested"))) == (202, 1)


async def test_a_commands_repeat_is_told_to_be_taken_once_the_log_has_it(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    booking = await alone.given(venue, await alone.session())
    alone.loses = True
    assert_problem(await venue.cancel(booking["request_id"]), 504, "unknown")
    alone.deaf, alone.loses = True, False
    assert_problem(await venue.cancel(booking["request_id"]), 504, "unknown")
    assert alone.appended("booking-cancelled") == []
    alone.deaf = False
    assert (await venue.cancel(booking["request_id"])).status_code == 202
    assert len(alone.appended("booking-cancelled")) == 1


# Points


def came(venue: Venue, slot_id: str, request_id: str, attended: int) -> AttendanceRecorded:
    return AttendanceRecorded(
        offer_id="o",
        session_id=slot_id,
        slot_id=slot_id,
        request_id=request_id,
        venue_id=venue.organization_id,
        attended=attended,
        actor=Actor(subject="t", organization_id="p"),
    )


async def points(alone: MatchingAlone, venue: Venue) -> int:
    slots = await alone.pool.fetchval("SELECT count(*) FROM slot")
    slot_id = await alone.session(starts_at=MAY + (300 + slots) * DAY)
    booking = await alone.given(venue, slot_id)
    (found,) = [one for one in alone.appended("booking-requested") if one["request_id"] == booking["request_id"]]
    return int(found["points"])


async def test_late_cancellations_and_no_shows_count_and_the_first_is_forgiven(alone: MatchingAlone) -> None:
    venue = await alone.venue()
    for n in range(2):
        soon = await alone.given(venue, await alone.session(away=(3 + 3 * n) * HOUR))
        assert soon["status"] == "confirmed"
        await venue.cancel(soon["request_id"])
        await alone.decide()
    assert await points(alone, venue) == 1, "the earlier of two is forgiven"
    missed = await alone.given(venue, await alone.session(starts_at=MAY))
    await alone.attendance(came(venue, missed["slot_id"], missed["request_id"], 0))
    assert await points(alone, venue) == 3
    await alone.attendance(came(venue, missed["slot_id"], missed["request_id"], 0))
    assert await points(alone, venue) == 3, "said twice, counted once"
    await alone.attendance(came(venue, missed["slot_id"], missed["request_id"], 1))
    assert await points(alone, venue) == 1, "a correction takes it back"
    await alone.attendance(
        came(venue, missed["slot_id"], missed["request_id"], 1), came(venue, missed["slot_id"], missed["request_id"], 0)
    )
    assert await points(alone, venue) == 3, "the latest word stands"
    await alone.pool.execute("UPDATE point SET at = at - $1", NEW.points.gone_after_ms if NEW.points else 0)
    assert await points(alone, venue) == 0, "after so long they are gone"


async def test_only_who_had_places_can_miss_them(alone: MatchingAlone) -> None:
    venue, other = await alone.venues(2)
    slot_id = await alone.session(capacity=1)
    await alone.given(other, slot_id)
    waiting = await alone.given(venue, slot_id)
    await alone.attendance(came(venue, slot_id, waiting["request_id"], 0), came(venue, slot_id, "nobody", 0))
    assert await alone.pool.fetchval("SELECT count(*) FROM point") == 0


async def test_the_second_class_is_the_deciders_to_tell(alone: MatchingAlone) -> None:
    venue, clean, holder = await alone.venues(3)
    now_ms = alone.now_ms
    await alone.pool.executemany(
        "INSERT INTO point VALUES ($1, $2, 2, $3)", [(f"p{n}", venue.organization_id, now_ms - n) for n in range(3)]
    )
    slot_id = await alone.session(capacity=1)
    await alone.given(holder, slot_id)
    first = await alone.given(venue, slot_id)
    await alone.given(clean, slot_id)
    assert (await venue.booking(first["request_id"]))["place"] == 2, "behind the clean one"
