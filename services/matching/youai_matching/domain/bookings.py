"""Bookings of a session: what each record of the slot log does to its slot, one method a record."""

from collections.abc import Iterable

from youai_contracts.events import (
    BookingCancelled,
    BookingRequested,
    DrawRevealed,
    HoldAccepted,
    HoldDeclined,
    OverrideRequested,
    SlotClosed,
    SlotOpened,
    SlotRecord,
    SlotRevised,
    TimerFired,
)

from youai_matching.domain import draw
from youai_matching.domain.giving import GivingTurn
from youai_matching.domain.keys import Key, key_of
from youai_matching.domain.receipts import milliseconds
from youai_matching.domain.request import ENDED, HOLDS_PLACES, Request, asked


class BookingTurn(GivingTurn):
    """One record's turn on a session's slot."""

    def take(self, record: SlotRecord) -> bool:
        """Act on the record; whether it changed anything."""
        match record:
            case BookingRequested():
                return self._request(record)
            case BookingCancelled():
                return self._cancel(self._key_of(record.request_id))
            case HoldAccepted():
                return self._accept(record)
            case HoldDeclined():
                return self._decline(record)
            case TimerFired():
                return self._fire(record.kind, record.subject, milliseconds(record.due_at))
            case DrawRevealed():
                return self._reveal(record.seed)
            case OverrideRequested():
                return self._override(record)
            case SlotRevised():
                return self._revise(record)
            case SlotClosed():
                return self._close(record.reason)
        return False

    def open(self, record: SlotOpened) -> None:
        """Set the timers that the slot begins with."""
        slot, rules = self._slot, self._rules
        self._set_timer("closing", "", slot.closes_at)
        if rules.draw is not None and record.mode == "draw" and record.seed_hash is not None:
            slot.draw, slot.seed_hash = "window", record.seed_hash
            self._set_window(rules.draw.window_ms)
        if rules.town_shares is not None and record.town_shares:
            slot.town_shares = dict(record.town_shares)
            self._begins("shares", slot.starts_at - rules.town_shares.until_ms_before)

    def _set_window(self, window_ms: int) -> None:
        self._set_timer("window", "", max(self._slot.opens_at, self._slot.time) + window_ms)

    def _request(self, record: BookingRequested) -> bool:
        slot, key = self._slot, self._key_of(record.request_id)
        if slot.knows(key):
            return False
        own = key == self._key
        common = asked(record.party_size, record.town, record.points, record.working_hours, own)
        request = self._new(key, record.venue_id, common)
        refusal = self._refusal(request)
        if refusal:
            self._settle(request, "rejected", refusal)
        elif slot.draw in ("window", "awaited"):
            request.change("drawn_in", slot.draw == "window")
            self._settle(request, "entered", "entered")
        else:
            self._join(request, given="place-free")
        return True

    def _refusal(self, request: Request) -> str:
        slot = self._slot
        if slot.phase == "cancelled":
            return slot.closed_for
        if slot.phase == "closed":
            return "closed"
        if slot.time + self._rules.early_tolerance_ms < slot.opens_at:
            return "early"
        return self._cannot_have(request)

    def _cannot_have(self, request: Request) -> str:
        if request.common.party_size > self._slot.capacity:
            return "party-too-large"
        return "already-live" if request.venue_id in self._slot.live else ""

    def _cancel(self, key: Key) -> bool:
        slot, points = self._slot, self._rules.points
        request = slot.requests.get(key)
        if request is None or not request.live:
            return False
        late = request.status == "confirmed" and points and slot.starts_at - slot.time < points.late_ms_before
        self._settle(request, "released", "cancelled-late" if late else "cancelled")
        self._scan()
        return True

    def _held(self, record: HoldAccepted | HoldDeclined) -> Request | None:
        """The request whose hold is answered; None if none is, or another than the one that is meant."""
        if ("hold", record.request_id) not in self._slot.timers:
            return None
        request = self._slot.requests[self._key_of(record.request_id)]
        return request if record.held in (None, request.since) else None

    def _accept(self, record: HoldAccepted) -> bool:
        request = self._held(record)
        if request is None:
            return False
        self._settle(request, "confirmed", "accepted")
        return True

    def _decline(self, record: HoldDeclined) -> bool:
        request = self._held(record)
        if request is None:
            return False
        self._settle(request, "released", record.reason)
        self._scan()
        return True

    def _fire(self, kind: str, subject: str, due: int) -> bool:
        slot = self._slot
        if slot.timers.get((kind, subject)) != due or slot.time < due:
            return False
        if kind == "hold":
            self._lapse(slot.requests[key_of(subject)])
            return True
        self._drop_timer(kind, subject)
        if kind == "closing":
            self._end_booking()
        elif kind == "window":
            slot.draw = "awaited"
        elif kind == "class":
            self.changed |= {request.key: request for request in slot.queue.merge()}
        self._scan()
        return True

    def _lapse(self, request: Request) -> None:
        hold = self._rules.hold
        request.change("lapses", request.common.lapses + 1)
        if hold is not None and request.common.lapses >= hold.most_lapses:
            self._settle(request, "lapsed", "hold-lapsed-again")
        else:
            self._settle(request, "lapsed", "hold-lapsed", back="end")
        self._scan()

    def _end_booking(self) -> None:
        slot = self._slot
        promoted = [request for request in slot.requests.values() if request.status == "promoted"]
        held = [request for request in promoted if ("hold", request.request_id) in slot.timers]
        slot.phase = "closed"
        self._release(held, "not-accepted")
        self._release(self._entered(), "closed")
        self._release(slot.queue, "closed")
        self._drop_timers()

    def _entered(self) -> list[Request]:
        return [request for request in self._slot.requests.values() if request.status == "entered"]

    def _release(self, requests: Iterable[Request], reason: str) -> None:
        for request in list(requests):
            self._settle(request, "released", reason)

    def _reveal(self, seed: str) -> bool:
        slot = self._slot
        if slot.draw != "awaited" or not draw.is_seed_of(seed, slot.seed_hash):
            return False
        slot.draw = "drawn"
        self._scan()  # who was displaced meanwhile comes before all who are drawn
        drawn = draw.in_order(slot.requests.values(), seed)
        for request in [request for request in slot.requests.values() if request.status in ENDED]:
            slot.forget(request)  # the draw's order hung on it
        for request in sorted(drawn, key=self._second_class):
            self._join(request, given="drawn", waiting="drawn-behind")
        return True

    def _close(self, reason: str) -> bool:
        slot = self._slot
        if slot.phase == "cancelled":
            return False
        slot.phase, slot.closed_for = "cancelled", reason
        self._release([request for request in slot.requests.values() if request.status in HOLDS_PLACES], reason)
        self._release(self._entered(), reason)
        self._release(slot.queue, reason)
        self._drop_timers()
        return True

    def _override(self, record: OverrideRequested) -> bool:
        slot, key = self._slot, self._key_of(record.request_id)
        if self._rules.override is None:
            return False
        self._explanation = record.explanation
        before = slot.capacity
        if record.capacity is not None and record.capacity > slot.capacity:
            slot.capacity = record.capacity
        known = slot.requests.get(key)
        if not slot.knows(key):
            self._override_new(key, record)
        elif known is not None and known.venue_id == record.venue_id and self._may_override(known):
            self._settle(known, "confirmed", "override")
            slot.overrides += 1
        self._explanation = None
        self._scan()
        return bool(self.decisions) or slot.capacity > before

    def _may_override(self, known: Request) -> bool:
        fits = known.status in ("entered", "waitlisted") and known.party_size <= self._slot.free
        return fits or known.status == "promoted"  # which holds its places already

    def _override_new(self, key: Key, record: OverrideRequested) -> None:
        slot = self._slot
        request = self._new(key, record.venue_id, asked(record.party_size, record.town, 0, None, key == self._key))
        refusal = slot.closed_for if slot.phase == "cancelled" else self._cannot_have(request)
        if not refusal and request.party_size > slot.free:
            refusal = "override-full"
        if refusal:
            self._settle(request, "rejected", refusal)
        else:
            self._settle(request, "confirmed", "override")
            slot.overrides += 1

    def _revise(self, record: SlotRevised) -> bool:
        slot = self._slot
        if slot.phase == "cancelled":
            return False
        slot.rule_version = self._rules.version
        if record.starts_at is not None:
            self._move_start(milliseconds(record.starts_at))
        if record.ends_at is not None:
            slot.ends_at = milliseconds(record.ends_at)
        if slot.phase == "open" and record.closes_at is not None:
            self._move_closing(milliseconds(record.closes_at))
        if slot.phase == "open" and record.opens_at is not None and slot.time < slot.opens_at:
            slot.opens_at = milliseconds(record.opens_at)
            if slot.draw == "window" and self._rules.draw is not None:
                self._set_window(self._rules.draw.window_ms)
        if record.capacity is not None:
            slot.capacity = record.capacity
            self._cut()
        self._scan()
        return True

    def _move_start(self, starts_at: int) -> None:
        slot, rules = self._slot, self._rules
        slot.starts_at = starts_at
        if rules.points is not None and slot.pending("class"):
            self._set_timer("class", "", starts_at - rules.points.second_class_until_ms_before)
        if rules.queue is not None and slot.pending("accumulation"):
            self._set_timer("accumulation", "", starts_at - rules.queue.kept_until_ms_before)
        if rules.town_shares is not None and slot.pending("shares"):
            self._set_timer("shares", "", starts_at - rules.town_shares.until_ms_before)

    def _move_closing(self, closes_at: int) -> None:
        slot = self._slot
        slot.closes_at = closes_at
        self._set_timer("closing", "", closes_at)
        for (kind, subject), due in list(slot.timers.items()):
            if kind == "hold" and due > closes_at:
                self._set_timer(kind, subject, closes_at)

    def _cut(self) -> None:
        """Take places back until no more are taken than there are: holds first, the newest first."""
        slot = self._slot
        if slot.taken <= slot.capacity:
            return
        holding = [request for request in slot.requests.values() if request.status in HOLDS_PLACES]
        holding.sort(key=lambda request: (("hold", request.request_id) in slot.timers, request.since))
        while slot.taken > slot.capacity:
            last = holding.pop()
            if slot.phase == "open":
                self._settle(last, "displaced", "capacity-cut", back="head")
            else:
                self._settle(last, "displaced", "capacity-cut-closed")
