"""A demand's life, pure: its states, which command is allowed in which, and the events that each one makes.

A demand is open while fewer claims are live than it wants places; with all of them live it is claimed, and scheduled
once each of them says when. A claim is live while it is confirmed; matching alone confirms, rejects and ends claims.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, get_args

from youai_contracts.codec import rfc3339
from youai_contracts.events import (
    Actor,
    ClaimDecision,
    ClaimEnd,
    DemandClaimed,
    DemandClaimEndRequested,
    DemandClaimRequested,
    DemandEvent,
    DemandExpired,
    DemandFulfilled,
    DemandHandedBack,
    DemandScheduled,
    DemandWithdrawn,
)

State = Literal["open", "claimed", "scheduled", "fulfilled", "withdrawn", "expired"]
Status = Literal["requested", "confirmed", "rejected", "ended"]

LEASE = timedelta(days=14)
"""From a claim's confirmation to the day by which it must be scheduled (R9)."""

RACE = timedelta(seconds=5)
"""For so long after it became known that all places are taken, claims still go to matching.

Who raced for a demand and lost has a right to a receipt that says who won, and is remembered as having lost. Who comes
later is told at the door.
"""

MOVES: Mapping[str, Mapping[str, frozenset[str]]] = {
    "open": {
        "claim": frozenset({"open"}),
        "confirm": frozenset({"open", "claimed"}),
        # These four by who has one of several places while others are still free.
        "schedule": frozenset({"open"}),
        "hand-back": frozenset({"open"}),
        "end": frozenset({"open"}),
        "fulfil": frozenset({"fulfilled"}),
        "withdraw": frozenset({"withdrawn"}),
        "expire": frozenset({"expired"}),
    },
    "claimed": {
        "claim": frozenset({"claimed"}),  # within RACE alone
        "schedule": frozenset({"claimed", "scheduled"}),
        "hand-back": frozenset({"claimed"}),
        "end": frozenset({"open"}),
        "withdraw": frozenset({"withdrawn"}),
    },
    "scheduled": {
        "schedule": frozenset({"scheduled"}),
        "hand-back": frozenset({"scheduled"}),
        "end": frozenset({"open"}),
        "fulfil": frozenset({"fulfilled"}),
        "withdraw": frozenset({"withdrawn"}),
    },
    # Nothing leads out of these; what matching still says of a claim is kept with the claim.
    "fulfilled": {"confirm": frozenset({"fulfilled"}), "end": frozenset({"fulfilled"})},
    "withdrawn": {"confirm": frozenset({"withdrawn"}), "end": frozenset({"withdrawn"})},
    "expired": {"confirm": frozenset({"expired"}), "end": frozenset({"expired"})},
}
"""What each command may make of a demand in each state; a command that is not there is refused."""

COMMANDS = ("claim", "schedule", "hand-back", "fulfil", "withdraw")
"""What people ask for; the other moves are matching's and time's."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A provider's claim. `ending`: its end was asked for (by `ended_by`, for `explanation`) and is not decided yet."""

    claim_id: str
    provider_id: str
    provider_name: str
    status: Status
    requested_by: Actor
    decided_at: datetime | None = None
    reason: str | None = None
    reason_zh: str | None = None
    reason_en: str | None = None
    winner_id: str | None = None
    winner_name: str | None = None
    lease_until: datetime | None = None
    scheduled_at: datetime | None = None
    place: str = ""
    note: str = ""
    ending: bool = False
    ended_by: Actor | None = None
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Demand:
    """What commands must know of a demand: `live` are its confirmed claims, `undecided` counts the requested ones.

    `claimed_at` is when it became known here that all its places are taken; None while they are not.
    """

    demand_id: str
    venue_id: str
    places_wanted: int
    wanted_until: datetime
    state: State
    live: tuple[Claim, ...] = ()
    undecided: int = 0
    claimed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a command comes to: the demand after it, the claim that it changed or made, the events to be told.

    `closing` are what the end of a demand's life leaves to be kept: why it was withdrawn, how it was rated.
    """

    demand: Demand
    claim: Claim | None = None
    events: tuple[DemandEvent, ...] = ()
    closing: DemandWithdrawn | DemandFulfilled | None = None


@dataclass
class Refused(Exception):
    """A command that the demand's state does not allow: why, what can be done now, and who has the demand."""

    zh: str
    en: str
    state: str
    can: tuple[str, ...]
    holders: tuple[tuple[str, str], ...]
    soon: bool = False
    """True where asking again in a moment may do: matching has not decided yet."""


@dataclass
class Invalid(Exception):
    """A value that does not fit, by its field."""

    field: str
    zh: str
    en: str


def wanted_times(wanted_from: datetime, wanted_until: datetime, at: datetime) -> None:
    """Check when a demand is wanted; raises Invalid."""
    if not wanted_from < wanted_until:
        raise Invalid("wanted_until", "截止时间须晚于开始时间", "it must be later than wanted_from")
    if not at < wanted_until:
        raise Invalid("wanted_until", "截止时间已过", "it has passed already")


def can(demand: Demand, at: datetime) -> tuple[str, ...]:
    """The commands that somebody can give now, in the order of a demand's life; a claim that can only lose is none."""
    given = tuple(name for name in COMMANDS if name in MOVES[demand.state] and _why_not(demand, name, at) is None)
    return given if demand.state == "open" else tuple(name for name in given if name != "claim")


def request_claim(
    demand: Demand, claim_id: str, provider_id: str, provider_name: str, actor: Actor, at: datetime
) -> Change:
    """A provider asks for the demand; matching decides."""
    _allow(demand, "claim", at)
    event = DemandClaimRequested(
        demand_id=demand.demand_id,
        venue_id=demand.venue_id,
        actor=actor,
        claim_id=claim_id,
        provider_id=provider_id,
        provider_name=provider_name,
    )
    claim = Claim(claim_id, provider_id, provider_name, "requested", actor)
    return Change(replace(demand, undecided=demand.undecided + 1), claim, (event,))


def confirm(demand: Demand, claim: Claim, decision: ClaimDecision, at: datetime, known_at: datetime) -> Change:
    """Matching gave the demand to the claim's provider, at the slot's time `at`, which is known here at `known_at`.

    Known already: no change.
    """
    if claim.status != "requested":
        return Change(demand)
    claim = replace(_answered(claim, decision, at), status="confirmed", lease_until=at + LEASE)
    after = replace(demand, live=(*demand.live, claim), undecided=demand.undecided - 1)
    if demand.state != "open":  # it was withdrawn meanwhile: matching ends the claim next
        return Change(_moved(after, "confirm", demand.state), claim)
    event = DemandClaimed(
        demand_id=demand.demand_id,
        venue_id=demand.venue_id,
        actor=claim.requested_by,
        claim_id=claim.claim_id,
        provider_id=claim.provider_id,
        provider_name=claim.provider_name,
        lease_until=at + LEASE,
    )
    after = _moved(after, "confirm", _standing(after))
    return Change(after if after.state == "open" else replace(after, claimed_at=known_at), claim, (event,))


def reject(demand: Demand, claim: Claim, decision: ClaimDecision, at: datetime) -> Change:
    """Matching did not give the demand to the claim's provider. Known already: no change."""
    if claim.status != "requested":
        return Change(demand)
    after = replace(demand, undecided=demand.undecided - 1)
    return Change(after, replace(_answered(claim, decision, at), status="rejected"))


def end(demand: Demand, claim: Claim, decision: ClaimDecision, at: datetime) -> Change:
    """Matching ended a claim. Known already: no change."""
    if claim.status != "confirmed":
        return Change(demand)
    claim = replace(_answered(claim, decision, at), status="ended", ending=False)
    after = replace(demand, live=tuple(one for one in demand.live if one.claim_id != claim.claim_id))
    if demand.state in ("fulfilled", "withdrawn", "expired"):
        return Change(_moved(after, "end", demand.state), claim)
    after = replace(_moved(after, "end", _standing(after)), claimed_at=None)
    if claim.reason not in get_args(ClaimEnd):  # its slot was closed, by what this database has not seen (a restore)
        return Change(after, claim)
    event = DemandHandedBack(
        demand_id=demand.demand_id,
        venue_id=demand.venue_id,
        actor=claim.ended_by or claim.requested_by,
        claim_id=claim.claim_id,
        provider_id=claim.provider_id,
        provider_name=claim.provider_name,
        reason=claim.reason,  # type: ignore[arg-type]  # it is one of ClaimEnd
        explanation=claim.explanation,
    )
    return Change(after, claim, (event,))


def _answered(claim: Claim, decision: ClaimDecision, at: datetime) -> Claim:
    return replace(
        claim,
        decided_at=at,
        reason=decision.reason,
        reason_zh=decision.reason_zh,
        reason_en=decision.reason_en,
        winner_id=decision.winner_id,
        winner_name=decision.winner_name,
    )


def schedule(
    demand: Demand, claim: Claim, scheduled_at: datetime, place: str, note: str, actor: Actor, at: datetime
) -> Change:
    """The claiming provider says when and where, or says it anew. The same again changes nothing."""
    _allow(demand, "schedule", at)
    if claim.ending:
        raise _refused(demand, at, "退单正在处理中", "it is being handed back", soon=True)
    claim_now = replace(claim, scheduled_at=scheduled_at, place=place, note=note)
    if claim_now == claim:
        return Change(demand)
    live = tuple(claim_now if one.claim_id == claim.claim_id else one for one in demand.live)
    after = replace(demand, live=live)
    event = DemandScheduled(
        demand_id=demand.demand_id,
        venue_id=demand.venue_id,
        actor=actor,
        claim_id=claim.claim_id,
        provider_id=claim.provider_id,
        provider_name=claim.provider_name,
        scheduled_at=scheduled_at,
        place=place,
        note=note,
    )
    return Change(_moved(after, "schedule", _standing(after)), claim_now, (event,))


def hand_back(demand: Demand, claim: Claim, explanation: str, actor: Actor, at: datetime) -> Change:
    """The claiming provider gives the demand back; matching decides. Asking again is harmless: the first one stands."""
    if claim.ending:
        return Change(demand)
    _allow(demand, "hand-back", at)
    claim_now = replace(claim, ending=True, ended_by=actor, explanation=explanation)
    event = DemandClaimEndRequested(
        demand_id=demand.demand_id,
        venue_id=demand.venue_id,
        actor=actor,
        claim_id=claim.claim_id,
        provider_id=claim.provider_id,
        reason="handed-back",
        explanation=explanation,
    )
    return Change(_moved(demand, "hand-back", demand.state), claim_now, (event,))


def fulfil(demand: Demand, rating: int, residents_served: int, comment: str, actor: Actor, at: datetime) -> Change:
    """The venue says that it was done and rates it: one event for each provider that has it."""
    _allow(demand, "fulfil", at)
    events = tuple(
        DemandFulfilled(
            demand_id=demand.demand_id,
            venue_id=demand.venue_id,
            actor=actor,
            claim_id=claim.claim_id,
            provider_id=claim.provider_id,
            provider_name=claim.provider_name,
            rating=rating,
            residents_served=residents_served,
            comment=comment,
        )
        for claim in demand.live
    )
    return Change(_moved(demand, "fulfil", "fulfilled"), None, events, events[0])


def withdraw(demand: Demand, reason: str, actor: Actor, at: datetime) -> Change:
    """The venue takes the demand back. Asking again is harmless: the first reason stands."""
    if demand.state == "withdrawn":
        return Change(demand)
    _allow(demand, "withdraw", at)
    event = DemandWithdrawn(demand_id=demand.demand_id, venue_id=demand.venue_id, actor=actor, reason=reason)
    return Change(_moved(demand, "withdraw", "withdrawn"), None, (event,), event)


def expire(demand: Demand, at: datetime) -> Change:
    """Time passes: a demand that nobody has, nor asks for, when its time has passed is expired; else no change."""
    if "expire" not in MOVES[demand.state] or at < demand.wanted_until or demand.live or demand.undecided:
        return Change(demand)
    clock = Actor(subject="demand.expiry", organization_id=demand.venue_id)
    event = DemandExpired(demand_id=demand.demand_id, venue_id=demand.venue_id, actor=clock)
    return Change(_moved(demand, "expire", "expired"), None, (event,))


def not_claimed(demand: Demand, at: datetime) -> Refused:
    """The refusal of what only who has the demand may do, where nobody has it."""
    return _refused(demand, at, "还没有单位接单", "nobody has claimed it")


def _standing(demand: Demand) -> State:
    """The state that a demand's live claims make."""
    if len(demand.live) < demand.places_wanted:
        return "open"
    return "scheduled" if all(claim.scheduled_at for claim in demand.live) else "claimed"


def _moved(demand: Demand, command: str, state: State) -> Demand:
    assert state in MOVES[demand.state][command], f"{demand.state} cannot become {state} by {command}"
    return replace(demand, state=state)


def _allow(demand: Demand, command: str, at: datetime) -> None:
    if command not in MOVES[demand.state]:
        raise _refused(demand, at, "不能这样操作", f"{command} is not possible")
    why = _why_not(demand, command, at)
    if why is not None:
        being_decided = demand.undecided > 0 or any(claim.ending for claim in demand.live)
        raise _refused(demand, at, *why, soon=command != "claim" and being_decided)


def _why_not(demand: Demand, command: str, at: datetime) -> tuple[str, str] | None:
    """What else than the state keeps a command from being possible."""
    if command == "claim" and demand.claimed_at is not None and at >= demand.claimed_at + RACE:
        return "已有单位接单", "it has been claimed"
    if command == "claim" and at >= demand.wanted_until:
        return "需求时间已过", f"it was wanted until {rfc3339(demand.wanted_until)}"
    if command in ("schedule", "hand-back", "fulfil") and not demand.live:
        return "还没有单位接单", "nobody has claimed it"
    if command in ("schedule", "hand-back") and all(claim.ending for claim in demand.live):
        return "退单正在处理中", "it is being handed back"
    if command == "fulfil":
        if demand.undecided:
            return "有接单正在裁定", "a claim is being decided"
        if not all(claim.scheduled_at for claim in demand.live) or any(claim.ending for claim in demand.live):
            return "接单单位还没有安排时间", "not every provider that has it has scheduled it"
    return None


def _refused(demand: Demand, at: datetime, zh: str, en: str, *, soon: bool = False) -> Refused:
    holders = tuple((claim.provider_id, claim.provider_name) for claim in demand.live)
    return Refused(zh, en, demand.state, can(demand, at), holders, soon)
