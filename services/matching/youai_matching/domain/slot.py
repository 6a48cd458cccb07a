"""A slot's whole life: the states of a request, what moves it from one to the next, and in which order.

request        on              becomes      reason
-------------  --------------  -----------  ------------------------------------------------
(none)         booking-        confirmed    place-free
               requested       waitlisted   full
                               rejected     early, closed, session-cancelled, party-too-large,
                                            already-live, waitlist-full
waitlisted     a place freed   promoted     place-freed
               its cancelling  released     cancelled
               closing         released     closed
               slot-closed     released     session-cancelled, offer-withdrawn
confirmed,     its cancelling  released     cancelled
promoted       slot-closed     released     session-cancelled, offer-withdrawn

claim          on              becomes      reason
-------------  --------------  -----------  ------------------------------------------------
(none)         claim-          confirmed    claim-free
               requested       rejected     demand-withdrawn, demand-expired, already-yours, claimed
confirmed      claim-end-      ended        handed-back, lapsed, center
               requested
               slot-closed     ended        demand-withdrawn, demand-expired
"""

from collections.abc import Iterator, Mapping

from youai_contracts.events import (
    BookingCancelled,
    BookingRequested,
    ClaimDecision,
    ClaimEndRequested,
    ClaimRequested,
    Decision,
    Event,
    SlotClosed,
    SlotOpened,
    TimerFired,
)

from youai_matching.domain.receipts import CLAIM_OUTCOMES, OUTCOMES, instant, milliseconds, seal
from youai_matching.domain.rules import RuleVersion
from youai_matching.domain.state import HOLDS_PLACES, MOVES, OF_BOOKINGS, OF_CLAIMS, At, Decided, Request, Slot, Verdict


class UnknownRuleVersion(LookupError):
    """A slot is under a rule version that this program lacks: it must not decide it."""


def decide(slot: Slot, at: At, record: Event, rules: Mapping[str, RuleVersion]) -> Verdict:
    """Decide one record on its slot, whose state moves with it.

    `rules` are all known versions, by hash. Raises UnknownRuleVersion if the slot's, or the one that a first
    `slot-opened` names, is not among them.
    """
    if slot.phase == "unopened" and not isinstance(record, SlotOpened):
        return Verdict("refused", why="this slot was never opened")
    if isinstance(record, OF_BOOKINGS if slot.kind == "demand" else OF_CLAIMS):
        return Verdict("refused", why=f"a slot of kind {slot.kind} takes no {record.type}")
    slot.time = max(slot.time, at.timestamp)
    if at.id in slot.seen:
        return Verdict("repeat", original=slot.seen[at.id])
    slot.seen[at.id] = at.offset
    version = slot.rule_version or (record.rule_version if isinstance(record, SlotOpened) else "")
    if version not in rules:
        raise UnknownRuleVersion(f"slot {slot.slot_id} is under rule version {version}")
    turn = _Turn(slot, at, rules[version])
    match record:
        case SlotOpened():
            applied = turn.open(record)
        case SlotClosed():
            applied = turn.close(record.reason)
        case BookingRequested():
            applied = turn.request(record)
        case BookingCancelled():
            applied = turn.cancel(record.request_id)
        case TimerFired():
            applied = turn.fire(record)
        case ClaimRequested():
            applied = turn.claim(record)
        case ClaimEndRequested():
            applied = turn.end_claim(record.request_id, record.reason)
        case _:
            raise TypeError(f"{record.type} is no record of a slot")
    if turn.decisions:
        return Verdict("decided", tuple(turn.decisions))
    return Verdict("applied" if applied else "ignored")


class _Turn:
    """One record's turn on its slot. Each method says whether the record changed anything."""

    def __init__(self, slot: Slot, at: At, rules: RuleVersion) -> None:
        self._slot = slot
        self._at = at
        self._rules = rules
        self.decisions: list[Decided] = []

    def open(self, record: SlotOpened) -> bool:
        slot = self._slot
        if slot.phase != "unopened":
            return False
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
        if slot.kind == "session":  # a demand ends by its own service's word, which comes as slot-closed
            slot.timers.add(("closing", "", slot.closes_at))
        return True

    def close(self, reason: str) -> bool:
        slot = self._slot
        if slot.phase == "cancelled":
            return False
        slot.phase = "cancelled"
        slot.closed_for = reason
        slot.timers.clear()
        booked = [request for request in slot.requests.values() if request.status in HOLDS_PLACES]
        for request in [*booked, *slot.queue.values()]:
            self._settle(request, "ended" if slot.kind == "demand" else "released", reason)
        return True

    def claim(self, record: ClaimRequested) -> bool:
        slot = self._slot
        if record.request_id in slot.requests:
            return False
        claim = Request(record.request_id, record.provider_id, 1, self._at.offset, name=record.provider_name)
        slot.requests[claim.request_id] = claim
        if slot.phase != "open":
            self._settle(claim, "rejected", slot.closed_for)
        elif claim.venue_id in slot.live:
            self._settle(claim, "rejected", "already-yours")
        elif slot.free == 0:
            self._settle(claim, "rejected", "claimed")
        else:
            self._settle(claim, "confirmed", "claim-free")
        return True

    def end_claim(self, request_id: str, reason: str) -> bool:
        claim = self._slot.requests.get(request_id)
        if claim is None or not claim.live:
            return False
        self._settle(claim, "ended", reason)
        return True

    def request(self, record: BookingRequested) -> bool:
        slot = self._slot
        if record.request_id in slot.requests:
            return False
        request = Request(record.request_id, record.venue_id, record.party_size, self._at.offset)
        slot.requests[request.request_id] = request
        refusal = self._refusal(request)
        if refusal:
            self._settle(request, "rejected", refusal)
        elif request.party_size <= slot.free:
            self._settle(request, "confirmed", "place-free")
        elif slot.waitlist is not None and len(slot.queue) >= slot.waitlist:
            self._settle(request, "rejected", "waitlist-full")
        else:
            self._settle(request, "waitlisted", "full")
        return True

    def _refusal(self, request: Request) -> str:
        slot = self._slot
        if slot.phase == "cancelled":
            return slot.closed_for
        if slot.phase == "closed":
            return "closed"
        if slot.time + self._rules.early_tolerance_ms < slot.opens_at:
            return "early"
        if request.party_size > slot.capacity:
            return "party-too-large"
        if request.venue_id in slot.live:
            return "already-live"
        return ""

    def cancel(self, request_id: str) -> bool:
        slot = self._slot
        request = slot.requests.get(request_id)
        if request is None or not request.live:
            return False
        freed = request.status in HOLDS_PLACES
        self._settle(request, "released", "cancelled")
        if freed and slot.phase == "open":
            for waiting in list(self._reached()):
                self._settle(waiting, "promoted", "place-freed")
        return True

    def _reached(self) -> Iterator[Request]:
        """Who in the queue the free places reach, in order: a party too large is passed over and keeps its place."""
        free = self._slot.free
        for waiting in self._slot.queue.values():
            if free == 0:
                return
            if waiting.party_size <= free:
                free -= waiting.party_size
                yield waiting

    def fire(self, record: TimerFired) -> bool:
        slot = self._slot
        timer = (record.kind, record.subject, milliseconds(record.due_at))
        if timer not in slot.timers or slot.time < timer[2]:
            return False
        slot.timers.discard(timer)
        slot.phase = "closed"
        for waiting in list(slot.queue.values()):
            self._settle(waiting, "released", "closed")
        return True

    def _settle(self, request: Request, outcome: str, reason: str) -> None:
        """Make an outcome the request's state and add it to the slot's chain."""
        slot = self._slot
        if outcome not in MOVES[request.status]:
            raise AssertionError(f"{request.request_id} cannot become {outcome} from {request.status or 'new'}")
        self._move(request, outcome)
        slot.sequence += 1
        decided = self._claim_decided if slot.kind == "demand" else self._decided
        event, data = decided(request, outcome, reason)
        assert isinstance(event.hash, str)
        slot.previous_hash = event.hash
        self.decisions.append(Decided(event, data))

    def _decided(self, request: Request, outcome: str, reason: str) -> tuple[Decision, bytes]:
        slot = self._slot
        place = len(slot.queue) if outcome == "waitlisted" else None
        ahead = slot.waiting_places - request.party_size if outcome == "waitlisted" else None
        text = self._rules.say(
            reason,
            {
                "place": place,
                "ahead": ahead,
                "capacity": slot.capacity,
                "party_size": request.party_size,
                "taken": slot.taken,
            },
        )
        return seal(
            OUTCOMES[outcome](
                ahead=ahead,
                capacity=slot.capacity,
                decided_at=instant(slot.time),
                log_offset=self._at.offset,
                log_partition=self._at.partition,
                outcome=outcome,
                party_size=request.party_size,
                place=place,
                previous_hash=slot.previous_hash,
                reason=reason,
                reason_en=text.en,
                reason_zh=text.zh,
                request_id=request.request_id,
                rule_version=slot.rule_version,
                sequence=slot.sequence,
                slot_id=slot.slot_id,
                taken=slot.taken,
                venue_id=request.venue_id,
            )
        )

    def _claim_decided(self, claim: Request, outcome: str, reason: str) -> tuple[ClaimDecision, bytes]:
        slot = self._slot
        winner = None
        if reason == "claimed":
            winner = next(request for request in slot.requests.values() if request.status in HOLDS_PLACES)
        # The name comes last: what stands in it is never taken for a place to put a number.
        text = self._rules.say(
            reason,
            {"capacity": slot.capacity, "taken": slot.taken, "winner": winner.name if winner else None},
        )
        return seal(
            CLAIM_OUTCOMES[outcome](
                capacity=slot.capacity,
                decided_at=instant(slot.time),
                demand_id=slot.offer_id,
                log_offset=self._at.offset,
                log_partition=self._at.partition,
                outcome=outcome,
                party_size=1,
                previous_hash=slot.previous_hash,
                provider_id=claim.venue_id,
                reason=reason,
                reason_en=text.en,
                reason_zh=text.zh,
                request_id=claim.request_id,
                rule_version=slot.rule_version,
                sequence=slot.sequence,
                taken=slot.taken,
                winner_id=winner.venue_id if winner else None,
                winner_name=winner.name if winner else None,
            )
        )

    def _move(self, request: Request, outcome: str) -> None:
        """Keep the slot's sums, queue and live requests in step with the request's new state."""
        slot = self._slot
        if request.status in HOLDS_PLACES:
            slot.taken -= request.party_size
        elif request.status == "waitlisted":
            del slot.queue[request.request_id]
            slot.waiting_places -= request.party_size
        if outcome in HOLDS_PLACES:
            slot.taken += request.party_size
        elif outcome == "waitlisted":
            slot.queue[request.request_id] = request
            slot.waiting_places += request.party_size
        request.status = outcome
        if request.live:
            slot.live[request.venue_id] = request.request_id
        elif slot.live.get(request.venue_id) == request.request_id:
            del slot.live[request.venue_id]
        assert 0 <= slot.taken <= slot.capacity, f"slot {slot.slot_id} would be oversold"
