"""A demand's life: every command in every state, every move of the table, and random lives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from youai_contracts.events import (
    Actor,
    ClaimConfirmed,
    ClaimDecision,
    ClaimEnded,
    ClaimRejected,
    DemandClaimed,
    DemandHandedBack,
)
from youai_demand import domain
from youai_demand.domain import MOVES, RACE, Change, Claim, Demand, Refused

AT = datetime(2026, 12, 1, 9, tzinfo=UTC)
UNTIL = AT + timedelta(days=10)
LATER = UNTIL + timedelta(days=1)
VENUE = Actor(subject="clerk", organization_id="station")
TEAM = Actor(subject="captain", organization_id="team")
STATES = ("open", "claimed", "scheduled", "fulfilled", "withdrawn", "expired")


def decision(cls: type[ClaimDecision], reason: str, claim: str = "c", winner: str | None = None) -> ClaimDecision:
    return cls(
        capacity=1,
        decided_at="2026-12-01T09:00:00.000Z",
        demand_id="d",
        log_offset=0,
        log_partition=0,
        outcome=cls.type.removeprefix("claim-"),
        party_size=1,
        previous_hash="0" * 64,
        provider_id="team",
        reason=reason,
        reason_en="en",
        reason_zh="zh",
        request_id=claim,
        rule_version="0" * 64,
        sequence=1,
        taken=1,
        winner_id=winner,
        winner_name=winner,
    )


def requested(claim: str = "c", team: str = "team") -> Claim:
    return Claim(claim, team, f"{team}队", "requested", TEAM)


def demand(state: str, places: int = 1, **more: Any) -> Demand:
    """A demand of one place in a state, as a life would have led it there."""
    live: tuple[Claim, ...] = ()
    if state in ("claimed", "scheduled", "fulfilled"):
        live = (replace(requested(), status="confirmed", scheduled_at=None if state == "claimed" else AT),)
    claimed_at = AT - timedelta(hours=1) if state in ("claimed", "scheduled") else None
    fields: dict[str, Any] = {"state": state, "live": live, "claimed_at": claimed_at} | more
    return Demand("d", "station", places, UNTIL, **fields)


def give(command: str, one: Demand, at: datetime = AT) -> Change:
    """A command as somebody gives it who may."""
    claim = one.live[0] if one.live else requested()
    match command:
        case "claim":
            return domain.request_claim(one, "n", "other", "别的队", TEAM, at)
        case "schedule":
            return domain.schedule(one, claim, AT + timedelta(days=3), "村活动室", "", TEAM, at)
        case "hand-back":
            return domain.hand_back(one, claim, "老师病了", TEAM, at)
        case "fulfil":
            return domain.fulfil(one, 5, 40, "", VENUE, at)
    return domain.withdraw(one, "自己解决了", VENUE, at)


TABLE = {
    "open": {"claim": "open", "withdraw": "withdrawn"},
    "claimed": {"schedule": "scheduled", "hand-back": "claimed", "withdraw": "withdrawn"},
    "scheduled": {
        "schedule": "scheduled",
        "hand-back": "scheduled",
        "fulfil": "fulfilled",
        "withdraw": "withdrawn",
    },
    "fulfilled": {},
    "withdrawn": {"withdraw": "withdrawn"},
    "expired": {},
}


@pytest.mark.parametrize("command", domain.COMMANDS)
@pytest.mark.parametrize("state", STATES)
def test_every_command_in_every_state(state: str, command: str) -> None:
    expected = TABLE[state].get(command)
    if expected is not None:
        change = give(command, demand(state))
        assert change.demand.state == expected
        assert len(change.events) == (0 if (state, command) == ("withdrawn", "withdraw") else 1)
        return
    with pytest.raises(Refused) as caught:
        give(command, demand(state))
    refused = caught.value
    assert refused.state == state
    possible = [name for name in TABLE[state] if (state, name) != ("withdrawn", "withdraw")]
    assert sorted(refused.can) == sorted(possible)
    assert refused.holders == ((("team", "team队"),) if demand(state).live else ())


def test_a_claim_is_confirmed_with_a_lease() -> None:
    change = domain.confirm(demand("open", undecided=1), requested(), decision(ClaimConfirmed, "claim-free"), AT, AT)
    assert (change.demand.state, change.demand.undecided) == ("claimed", 0)
    assert change.claim is not None
    assert (change.claim.status, change.claim.lease_until) == ("confirmed", AT + timedelta(days=14))
    (event,) = change.events
    assert isinstance(event, DemandClaimed)
    assert (event.lease_until, event.actor) == (AT + timedelta(days=14), TEAM)
    again = domain.confirm(change.demand, change.claim, decision(ClaimConfirmed, "claim-free"), LATER, LATER)
    assert again == Change(change.demand)


def test_who_raced_may_still_lose_and_who_comes_later_is_told_at_the_door() -> None:
    taken = demand("claimed", claimed_at=AT)
    assert domain.can(taken, AT) == ("schedule", "hand-back", "withdraw")
    change = give("claim", taken, AT + RACE - timedelta(milliseconds=1))
    assert (change.demand.state, change.demand.undecided) == ("claimed", 1)
    lost = domain.reject(change.demand, requested(), decision(ClaimRejected, "claimed", winner="team"), AT)
    assert lost.events == ()
    assert lost.claim is not None
    assert (lost.claim.status, lost.claim.winner_id, lost.demand.undecided) == ("rejected", "team", 0)
    assert domain.reject(lost.demand, lost.claim, decision(ClaimRejected, "claimed"), AT) == Change(lost.demand)
    with pytest.raises(Refused):
        give("claim", taken, AT + RACE)


def test_a_demand_of_two_places_is_open_until_both_are_taken() -> None:
    one = domain.confirm(
        demand("open", 2, undecided=2), requested(), decision(ClaimConfirmed, "claim-free"), AT, AT
    ).demand
    assert (one.state, len(one.live), one.claimed_at) == ("open", 1, None)
    assert domain.can(one, AT) == ("claim", "schedule", "hand-back", "withdraw")
    one = give("schedule", one).demand
    assert one.state == "open"
    with pytest.raises(Refused) as caught:
        give("fulfil", one)
    assert caught.value.soon
    both = domain.confirm(one, requested("e", "other"), decision(ClaimConfirmed, "claim-free", "e"), AT, AT).demand
    assert (both.state, both.claimed_at) == ("claimed", AT)
    plan = domain.schedule(both, both.live[1], AT, "", "", TEAM, AT)
    assert plan.demand.state == "scheduled"
    done = give("fulfil", plan.demand)
    assert [event.claim_id for event in done.events] == ["c", "e"]  # type: ignore[attr-defined]
    left = domain.end(plan.demand, plan.demand.live[0], decision(ClaimEnded, "handed-back"), AT)
    assert (left.demand.state, [claim.claim_id for claim in left.demand.live]) == ("open", ["e"])
    assert give("fulfil", left.demand).demand.state == "fulfilled"


def test_handing_back_is_asked_once_and_opens_again_when_decided() -> None:
    asked = give("hand-back", demand("scheduled"))
    assert asked.claim is not None
    assert (asked.demand.state, asked.claim.ending) == ("scheduled", True)
    waiting = replace(asked.demand, live=(asked.claim,))
    assert give("hand-back", waiting) == Change(waiting)
    for command in ("schedule", "fulfil"):
        with pytest.raises(Refused):
            give(command, waiting)
    ended = domain.end(waiting, asked.claim, decision(ClaimEnded, "handed-back"), AT)
    (event,) = ended.events
    assert isinstance(event, DemandHandedBack)
    assert (event.explanation, event.actor, event.reason) == ("老师病了", TEAM, "handed-back")
    assert (ended.demand.state, ended.demand.live, ended.demand.claimed_at) == ("open", (), None)
    assert ended.claim is not None
    assert domain.end(ended.demand, ended.claim, decision(ClaimEnded, "handed-back"), AT) == Change(ended.demand)


@pytest.mark.parametrize("state", ["withdrawn", "expired"])
def test_a_decision_that_comes_after_the_end_is_kept_and_not_told(state: str) -> None:
    over = demand(state, undecided=1)
    won = domain.confirm(over, requested(), decision(ClaimConfirmed, "claim-free"), AT, AT)
    assert (won.demand.state, won.events) == (state, ())
    assert won.claim is not None
    assert won.claim.status == "confirmed"
    ended = domain.end(won.demand, won.claim, decision(ClaimEnded, "demand-withdrawn"), AT)
    assert (ended.demand.state, ended.demand.live, ended.events) == (state, (), ())


def test_an_end_for_a_reason_that_is_no_claims_is_kept_and_not_told() -> None:
    taken = demand("claimed")
    ended = domain.end(taken, taken.live[0], decision(ClaimEnded, "demand-withdrawn"), AT)
    assert (ended.demand.state, ended.events) == ("open", ())


def test_the_same_plan_again_changes_nothing_and_another_one_does() -> None:
    first = give("schedule", demand("claimed"))
    assert give("schedule", first.demand) == Change(first.demand)
    moved = domain.schedule(first.demand, first.demand.live[0], LATER, "", "", TEAM, AT)
    assert (moved.demand.state, len(moved.events)) == ("scheduled", 1)


def test_what_expires() -> None:
    assert domain.expire(demand("open"), UNTIL).demand.state == "expired"
    for kept in (
        demand("open", undecided=1),
        demand("open", 2, live=demand("claimed").live),
        *(demand(state) for state in STATES if state != "open"),
    ):
        assert domain.expire(kept, LATER) == Change(kept)
    assert domain.expire(demand("open"), UNTIL - timedelta(milliseconds=1)) == Change(demand("open"))
    with pytest.raises(Refused):
        give("claim", demand("open"), UNTIL)


@pytest.mark.parametrize(
    ("start", "end", "ok"),
    [(AT, UNTIL, True), (UNTIL, UNTIL, False), (LATER, UNTIL, False), (AT - timedelta(9), AT, False)],
)
def test_when_it_is_wanted(start: datetime, end: datetime, ok: bool) -> None:
    if ok:
        domain.wanted_times(start, end, AT)
        return
    with pytest.raises(domain.Invalid):
        domain.wanted_times(start, end, AT)


class Life:
    """A demand, with matching beside it that decides by its own count of places."""

    def __init__(self, places: int) -> None:
        self.demand = demand("open", places)
        self.claims: dict[str, Claim] = {}
        self.told: list[str] = []
        self.log: list[ClaimDecision] = []
        self.held: set[str] = set()
        self.closed = False
        self.at = AT
        self.refusals: list[tuple[str, Refused]] = []

    def take(self, change: Change) -> None:
        before = self.demand.state
        assert change.demand.state in {before} | {to for moves in MOVES[before].values() for to in moves}
        self.demand = change.demand
        if change.claim is not None:
            self.claims[change.claim.claim_id] = change.claim
            self.demand = replace(
                self.demand,
                live=tuple(self.claims[one.claim_id] for one in self.demand.live),
            )
        for event in change.events:
            self.told.append(event.type)
            match event.type:
                case "demand-claim-requested":
                    self.decide(event.claim_id)  # type: ignore[attr-defined]
                case "demand-claim-end-requested":
                    self.finish([event.claim_id], "handed-back")  # type: ignore[attr-defined]
                case "demand-withdrawn" | "demand-expired":
                    self.closed = True
                    self.finish(sorted(self.held), event.type)

    def decide(self, claim: str) -> None:
        if not self.closed and len(self.held) < self.demand.places_wanted:
            self.held.add(claim)
            self.log.append(decision(ClaimConfirmed, "claim-free", claim))
        else:
            self.log.append(decision(ClaimRejected, "claimed", claim))

    def finish(self, claims: list[str], reason: str) -> None:
        for claim in claims:
            if claim in self.held:
                self.held.discard(claim)
                self.log.append(decision(ClaimEnded, reason, claim))

    def read_one(self) -> None:
        if self.log:
            event = self.log.pop(0)
            claim = self.claims[event.request_id]
            if isinstance(event, ClaimConfirmed):
                self.take(domain.confirm(self.demand, claim, event, self.at, self.at))
            else:
                way = domain.reject if isinstance(event, ClaimRejected) else domain.end
                self.take(way(self.demand, claim, event, self.at))

    def step(self, command: str, number: int) -> None:
        self.at += timedelta(seconds=3)
        try:
            match command:
                case "claim":
                    name = f"c{len(self.claims)}"
                    self.take(domain.request_claim(self.demand, name, f"t{number}", "队", TEAM, self.at))
                case "schedule" | "hand-back" if self.demand.live:
                    claim = self.demand.live[number % len(self.demand.live)]
                    if command == "schedule":
                        self.take(domain.schedule(self.demand, claim, self.at, "", "", TEAM, self.at))
                    else:
                        self.take(domain.hand_back(self.demand, claim, "", TEAM, self.at))
                case "fulfil":
                    self.take(domain.fulfil(self.demand, 5, 1, "", VENUE, self.at))
                case "withdraw":
                    self.take(domain.withdraw(self.demand, "", VENUE, self.at))
                case "expire":
                    self.take(domain.expire(self.demand, LATER))
                case "read":
                    self.read_one()
        except Refused as refused:
            self.refusals.append((command, refused))


STEPS = st.tuples(
    st.sampled_from(
        ["claim", "claim", "read", "read", "read", "schedule", "hand-back", "fulfil", "withdraw", "expire"]
    ),
    st.integers(0, 4),
)


@settings(max_examples=300)
@given(places=st.integers(1, 3), steps=st.lists(STEPS, max_size=60))
def test_random_lives_end_where_matching_does(places: int, steps: list[tuple[str, int]]) -> None:
    life = Life(places)
    for command, number in steps:
        life.step(command, number)
        assert len(life.demand.live) <= places
        if life.demand.state in ("claimed", "scheduled"):
            assert len(life.demand.live) == places
    for command, refused in life.refusals:
        # Of several claims one may be on its way back while another can still be scheduled.
        assert command not in refused.can or (command, places > 1) == ("schedule", True)
    while life.log:
        life.read_one()
    assert {claim.claim_id for claim in life.demand.live} == life.held
    assert life.demand.undecided == 0
    assert not any(claim.status == "requested" for claim in life.claims.values())
    ends = [name for name in life.told if name in ("demand-withdrawn", "demand-expired")]
    assert len(ends) <= 1
    if ends:
        assert life.told[-1] == ends[0], "nothing is told of a demand after its end"
        assert not life.held
