"""What events make of demands, bookings and months, as the portal shows them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from youai_contracts.events import (
    Actor,
    BookingConfirmed,
    BookingDisplaced,
    BookingEntered,
    BookingLapsed,
    BookingPromoted,
    BookingRejected,
    BookingReleased,
    BookingWaitlisted,
    Decision,
    DemandClaimed,
    DemandClaimRequested,
    DemandEvent,
    DemandExpired,
    DemandFulfilled,
    DemandHandedBack,
    DemandPosted,
    DemandScheduled,
    DemandWithdrawn,
)
from youai_contracts.topics import BOOKING
from youai_portal import domain

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
STAFF = Actor(subject="s", organization_id="station")


def posted(**more: Any) -> DemandPosted:
    fields: dict[str, Any] = {
        "demand_id": "d",
        "venue_id": "station",
        "actor": STAFF,
        "venue_name": "大新镇中山村新时代文明实践站",
        "town": "大新镇",
        "category": "理论宣讲",
        "title": "请人来讲",
        "residents": 40,
        "wanted_from": AT,
        "wanted_until": AT + timedelta(days=9),
        "posted_by_role": "venue-staff",
    }
    return DemandPosted(**fields | more)


def of_claim(cls: type[DemandEvent], claim: str = "c1", **more: Any) -> Any:
    names = {"claim_id": claim, "provider_id": f"team-{claim}", "provider_name": f"队{claim}"}
    return cls(demand_id="d", venue_id="station", actor=STAFF, **names, **more)


def claimed(claim: str = "c1") -> Any:
    return of_claim(DemandClaimed, claim, lease_until=AT + timedelta(days=14))


def scheduled(claim: str = "c1") -> Any:
    return of_claim(DemandScheduled, claim, scheduled_at=AT + timedelta(days=3), place="礼堂")


def fold(*events: DemandEvent) -> domain.Folded:
    return domain.fold_demands({}, [(event, number, AT) for number, event in enumerate(events)])


def state(*events: DemandEvent) -> str:
    return fold(*events).demands["d"].state


def test_a_demands_life() -> None:
    assert state(posted()) == "open"
    assert state(posted(), claimed()) == "claimed"
    assert state(posted(), claimed(), scheduled()) == "scheduled"
    done = of_claim(DemandFulfilled, rating=5, residents_served=38, comment="好")
    whole = fold(posted(), claimed(), scheduled(), done).demands["d"]
    assert (whole.state, whole.rating, whole.residents_served, whole.teams) == ("fulfilled", 5, 38, "队c1")
    back = of_claim(DemandHandedBack, reason="handed-back", explanation="讲师病了")
    again = fold(posted(), claimed(), scheduled(), back).demands["d"]
    assert (again.state, again.claims, again.teams) == ("open", (), "")
    bare: dict[str, Any] = {"demand_id": "d", "venue_id": "station", "actor": STAFF}
    assert state(posted(), claimed(), DemandWithdrawn(reason="不用了", **bare)) == "withdrawn"
    assert state(posted(), DemandExpired(**bare)) == "expired"


def test_a_demand_that_wants_two_is_open_until_both_are_there_and_scheduled_once_both_say_when() -> None:
    two = posted(places_wanted=2)
    assert state(two, claimed("c1")) == "open"
    assert state(two, claimed("c1"), claimed("c2")) == "claimed"
    assert state(two, claimed("c1"), claimed("c2"), scheduled("c1")) == "claimed"
    assert state(two, claimed("c1"), claimed("c2"), scheduled("c1"), scheduled("c2")) == "scheduled"
    assert fold(two, claimed("c1"), claimed("c2")).demands["d"].teams == "队c1、队c2"


def test_a_claim_that_is_told_twice_is_there_once() -> None:
    assert len(fold(posted(places_wanted=2), claimed(), claimed()).demands["d"].claims) == 1


def test_folding_in_pieces_is_folding_at_once() -> None:
    events = [posted(places_wanted=2), claimed("c1"), claimed("c2"), scheduled("c2")]
    whole = fold(*events).demands["d"]
    known: dict[str, domain.Demand] = {}
    for number, event in enumerate(events):
        known |= domain.fold_demands(known, [(event, number, AT)]).demands
    assert known["d"] == whole


def test_nothing_of_a_resident_is_kept() -> None:
    folded = fold(posted(on_behalf="resident-secret-reference"))
    assert folded.demands["d"].for_resident
    assert "resident-secret-reference" not in repr(folded)


def test_claims_asked_for_are_rows_of_their_own() -> None:
    folded = fold(posted(), of_claim(DemandClaimRequested))
    assert [row["claim_id"] for row in folded.requests] == ["c1"]
    assert [line["type"] for line in folded.lines] == ["demand-posted", "demand-claim-requested"]
    assert folded.demands["d"].state == "open"


def test_what_comes_before_its_posting_is_a_line_and_no_demand() -> None:
    folded = fold(claimed())
    assert folded.demands == {}
    assert len(folded.lines) == 1


def decision(cls: type[Decision], request: str, sequence: int, **more: Any) -> Decision:
    fields: dict[str, Any] = {
        "ahead": None,
        "capacity": 10,
        "decided_at": f"2026-11-24T09:00:{sequence:02}.000Z",
        "log_offset": 100 + sequence,
        "log_partition": 1,
        "outcome": cls.type.removeprefix("booking-"),
        "party_size": 2,
        "place": None,
        "previous_hash": "0" * 64,
        "reason": "full",
        "reason_en": "e",
        "reason_zh": "z",
        "request_id": request,
        "rule_version": "0" * 64,
        "sequence": sequence,
        "slot_id": "slot",
        "taken": 10,
        "venue_id": f"v-{request}",
    }
    return cls(**fields | more)


def test_the_last_decision_of_a_batch_stands_and_the_first_gives_the_time() -> None:
    booked = domain.latest_decisions(
        [
            decision(BookingConfirmed, "a", 1, taken=8),
            decision(BookingWaitlisted, "b", 2),
            decision(BookingPromoted, "b", 3, taken=9),
        ]
    )
    a, b = booked.bookings
    assert (a["request_id"], a["status"], b["status"]) == ("a", "confirmed", "promoted")
    assert (b["first_at"][-7:], b["decided_at"][-7:]) == ("02.000Z", "03.000Z")
    (slot,) = booked.slots
    assert (slot["slot_id"], slot["capacity"], slot["taken"], slot["sequence"]) == ("slot", 10, 9, 3)
    assert slot["decided_at"] == b["decided_at"]


@pytest.mark.parametrize(
    ("cls", "place", "status"),
    [
        (BookingEntered, None, "entered"),
        (BookingConfirmed, None, "confirmed"),
        (BookingWaitlisted, 1, "waitlisted"),
        (BookingRejected, None, "rejected"),
        (BookingPromoted, None, "promoted"),
        (BookingLapsed, 3, "waitlisted"),
        (BookingLapsed, None, "lapsed"),
        (BookingDisplaced, 1, "waitlisted"),
        (BookingDisplaced, None, "displaced"),
        (BookingReleased, None, "released"),
    ],
)
def test_every_outcome_leaves_its_request_in_a_state(cls: type[Decision], place: int | None, status: str) -> None:
    assert domain.status_after(decision(cls, "a", 1, place=place)) == status
    assert (status in domain.LIVE) != (status in domain.ENDED)


def test_the_states_above_are_all_that_there_are() -> None:
    assert {event.removeprefix("booking-") for event in BOOKING.event_types} == {*domain.LIVE, *domain.ENDED}


def test_a_queue_has_who_joins_at_its_end_and_who_lost_places_at_its_head() -> None:
    told = [
        decision(BookingWaitlisted, "first", 1, place=1),
        decision(BookingWaitlisted, "second", 2, place=2),
        decision(BookingPromoted, "first", 3),
        decision(BookingLapsed, "first", 4, place=2),
        decision(BookingDisplaced, "newest", 5, place=1),
        decision(BookingDisplaced, "older", 6, place=1),
    ]
    waiting = [row for row in domain.latest_decisions(told).bookings if row["status"] == "waitlisted"]
    waiting.sort(key=lambda row: int(row["queued_at"]))
    assert [row["request_id"] for row in waiting] == ["older", "newest", "second", "first"]


def test_a_hold_ends_with_the_next_decision() -> None:
    held = decision(BookingPromoted, "a", 1, hold_until="2026-12-05T04:30:00.000Z")
    (row,) = domain.latest_decisions([held]).bookings
    assert row["hold_until"] == "2026-12-05T04:30:00.000Z"
    (row,) = domain.latest_decisions([held, decision(BookingConfirmed, "a", 2)]).bookings
    assert row["hold_until"] is None


@pytest.mark.parametrize("month", ["", "2026", "2026-13", "2026-1x", "0001-01", "9999-12", "2026-11-01"])
def test_what_is_no_month(month: str) -> None:
    assert domain.month_bounds(month) is None


@given(st.dates(min_value=datetime(2000, 1, 1).date(), max_value=datetime(2199, 12, 31).date()))  # noqa: DTZ001
def test_months_meet(day: Any) -> None:
    bounds = domain.month_bounds(f"{day:%Y-%m}")
    assert bounds is not None
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=domain.SHANGHAI)
    assert bounds[0] <= noon < bounds[1]
    assert (bounds[0].day, bounds[1].day, bounds[0].hour) == (1, 1, 0)


def test_search_words_are_bounded() -> None:
    assert len(domain.search_terms("a " * 50)) == 6
    assert len(domain.search_terms("长" * 500)[0]) == 40
    assert domain.bigrams("旗袍老师") == ["旗袍", "袍老", "老师"]
    assert domain.bigrams("袍") == ["袍"]
    assert domain.bigrams("") == []


def test_gap_and_rate() -> None:
    assert domain.gap(30, 10, 25) == 15
    assert domain.rate(99, 100) == "99.0%"
    assert domain.rate(0, 0) == "—"
