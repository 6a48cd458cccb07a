"""A slot's whole life: the states of a request, what moves it from one to the next, and in which order.

request        on                       says         becomes      reason
-------------  -----------------------  -----------  -----------  ------------------------------------------------
(none)         booking-requested        confirmed    confirmed    place-free
                                        entered      entered      entered
                                        waitlisted   waitlisted   full, shares, kept
                                        rejected     rejected     early, closed, party-too-large, already-live,
                                                                  waitlist-full, session-cancelled, offer-withdrawn
               override-requested       confirmed    confirmed    override
                                        rejected     rejected     override-full, party-too-large, already-live,
                                                                  session-cancelled, offer-withdrawn
entered        draw-revealed            confirmed    confirmed    drawn
                                        waitlisted   waitlisted   drawn-behind
                                        rejected     rejected     waitlist-full
waitlisted     a place freed            promoted     promoted     place-freed
promoted       hold-accepted            confirmed    confirmed    accepted
               hold-declined            released     released     declined, limit
               its timer, first         lapsed       waitlisted   hold-lapsed: to the end
               its timer, at last       lapsed       lapsed       hold-lapsed-again
               closing                  released     released     not-accepted
promoted,      fewer places             displaced    waitlisted   capacity-cut: to the head
confirmed      the same, after closing  displaced    displaced    capacity-cut-closed
entered,       override-requested       confirmed    confirmed    override
waitlisted,
promoted
entered,       closing                  released     released     closed
waitlisted
all of them    its cancelling           released     released     cancelled, cancelled-late
               slot-closed              released     released     session-cancelled, offer-withdrawn

claim          on                       says         becomes      reason
-------------  -----------------------  -----------  -----------  ------------------------------------------------
(none)         claim-requested          confirmed    confirmed    claim-free
                                        rejected     rejected     claimed, already-yours, demand-withdrawn,
                                                                  demand-expired
confirmed      claim-end-requested      ended        ended        handed-back, lapsed, center
               slot-closed              ended        ended        demand-withdrawn, demand-expired
"""

from collections.abc import Mapping

from youai_contracts.events import (
    BookingCancelled,
    BookingRequested,
    ClaimEndRequested,
    ClaimRequested,
    HoldAccepted,
    HoldDeclined,
    OverrideRequested,
    SlotOpened,
    SlotRecord,
    SlotRevised,
)

from youai_matching.domain.bookings import BookingTurn
from youai_matching.domain.claims import ClaimTurn
from youai_matching.domain.keys import key_of
from youai_matching.domain.receipts import milliseconds
from youai_matching.domain.rules import RuleVersion
from youai_matching.domain.state import At, Slot, Verdict
from youai_matching.domain.turn import Turn

_OF_CLAIMS = (ClaimRequested, ClaimEndRequested)
_OF_BOOKINGS = (BookingRequested, BookingCancelled, HoldAccepted, HoldDeclined, OverrideRequested)

_COUNTED = (BookingRequested, BookingCancelled, HoldAccepted, HoldDeclined, *_OF_CLAIMS)
"""Records that move of the slot itself its counts alone."""


class UnknownRuleVersion(LookupError):
    """A slot is, or would come, under a rule version that this program lacks: it must not decide it."""


def decide(slot: Slot, at: At, record: SlotRecord, rules: Mapping[str, RuleVersion]) -> Verdict:
    """Decide one record on its slot, whose state moves with it.

    `rules` are all known versions, by hash. Raises UnknownRuleVersion if the slot's, or the one that the record brings,
    is not among them; nothing is changed then.
    """
    if slot.phase == "unopened" and not isinstance(record, SlotOpened):
        return Verdict("refused", why="this slot was never opened")
    if isinstance(record, _OF_BOOKINGS if slot.kind == "demand" else _OF_CLAIMS):
        return Verdict("refused", why=f"a slot of kind {slot.kind} takes no {record.type}")
    key = key_of(at.id)
    first = slot.offset_of(key)
    if first is not None:
        slot.time = max(slot.time, at.timestamp)
        return Verdict("repeat", original=first)
    version = _version(slot, record, rules)
    slot.time = max(slot.time, at.timestamp)
    applied = opens = slot.phase == "unopened"
    if isinstance(record, SlotOpened) and opens:
        _take_over(slot, record)
    turn: Turn = (ClaimTurn if slot.kind == "demand" else BookingTurn)(slot, at, key, version)
    if not isinstance(record, SlotOpened):
        applied = turn.take(record)
    elif opens:
        turn.open(record)
    turn.finish()
    if not turn.asks:
        slot.seen[key] = at.offset
    if not turn.decisions and not applied:
        return Verdict("ignored")
    return Verdict(
        "decided" if turn.decisions else "applied",
        tuple(turn.decisions),
        changed=tuple(turn.changed.values()),
        retimed=turn.retimed,
        retold=not isinstance(record, _COUNTED),
    )


def _version(slot: Slot, record: SlotRecord, rules: Mapping[str, RuleVersion]) -> RuleVersion:
    """The rule version that a record is decided under: the slot's, or the one that it brings."""

    version = record.rule_version if isinstance(record, SlotOpened) and slot.phase == "unopened" else slot.rule_version
    now = _known(slot, version, rules)
    if isinstance(record, SlotRevised) and record.rule_version is not None and slot.phase != "cancelled":
        revised = _known(slot, record.rule_version, rules)
        return revised if revised.covers(now) else now
    return now


def _known(slot: Slot, version: str, rules: Mapping[str, RuleVersion]) -> RuleVersion:
    if version not in rules:
        raise UnknownRuleVersion(f"slot {slot.slot_id} is under rule version {version}")
    return rules[version]


def _take_over(slot: Slot, record: SlotOpened) -> None:
    slot.phase = "open"
    slot.kind = record.kind
    slot.capacity = record.capacity
    slot.opens_at = milliseconds(record.opens_at)
    slot.closes_at = milliseconds(record.closes_at)
    slot.starts_at = milliseconds(record.starts_at)
    slot.ends_at = milliseconds(record.ends_at)
    slot.offer_id = record.offer_id
    slot.session_id = record.session_id
    slot.waitlist = record.waitlist
    slot.rule_version = record.rule_version
