"""Who gets places that are free: the queue is walked in order, and each reached one is given its own."""

from collections.abc import Iterable

from youai_matching.domain.request import Request
from youai_matching.domain.state import Slot
from youai_matching.domain.turn import Turn
from youai_matching.domain.working_time import parse_hours


class GivingTurn(Turn):
    """A turn that may give places. Who is passed over is noted, and counted when the record is done."""

    _passed: Request | None = None

    def _join(self, request: Request, *, given: str, waiting: str = "") -> None:
        """Let a request join the queue's end: reached at once it is confirmed, else it waits, or the queue is full.

        `given` is the reason of the one; `waiting` that of the other, by default why no free place is for it.
        """
        slot, queue = self._slot, self._slot.queue
        second, before = self._second_class(request), len(queue)
        if queue.second and not second:
            # It comes to stand before others, to whom places may come that were kept for their first.
            self._walk([*queue.first, request, *queue.second], request, given)
        elif gives(slot) and self._reaches(request, first := queue.before_end(second)):
            self._give(request, first, "confirmed", given)
        if request.common.status == "confirmed":
            return
        if slot.waitlist is not None and before >= slot.waitlist:
            self._settle(request, "rejected", "waitlist-full")
        else:
            self._settle(request, "waitlisted", waiting or self._why_not(request))

    def _why_not(self, request: Request) -> str:
        if request.party_size > self._slot.free:
            return "full"
        return "shares" if request.party_size > entitled(self._slot, request.town) else "kept"

    def _scan(self) -> None:
        """Walk the queue and promote everybody who is reached."""
        if anybody_fits(self._slot):
            self._walk(self._slot.queue)

    def _walk(self, line: Iterable[Request], joining: Request | None = None, given: str = "") -> None:
        slot = self._slot
        first: Request | None = None
        waiting = iter(line) if gives(slot) else iter(())
        while (request := next(waiting, None)) is not None:
            if self._reaches(request, first):
                outcome = ("confirmed", given) if request is joining else ("promoted", "place-freed")
                after = request.second, request.rank
                self._give(request, first, *outcome)
                if slot.free == 0 or not (joining or anybody_fits(slot)):
                    return
                if line is slot.queue:  # which has changed: most often one is given places, and it need not be copied
                    line = [other for other in line if (other.second, other.rank) > after]
                    waiting = iter(line)
            elif first is None:
                first = request
                if self._kept_for(first) and not slot.pending("shares"):
                    return  # all that is free is kept for it

    def _give(self, request: Request, first: Request | None, outcome: str, reason: str) -> None:
        self._note_pass(request, first)
        held = self._hold_until(request) if outcome == "promoted" else 0
        self._settle(request, outcome, reason, hold_until=held)

    def _hold_until(self, request: Request) -> int:
        """Until when a promotion now is held, in ms; 0: it is final."""
        slot, hold, calendar = self._slot, self._rules.hold, self._rules.calendar
        if hold is None or calendar is None:
            return 0
        hours = parse_hours(request.common.working_hours) or calendar.hours
        away = slot.starts_at - slot.time
        if away > hold.far_over_ms:
            due = slot.time + hold.far_ms
        elif away >= hold.near_under_ms:
            due = calendar.after(slot.time, hold.middle_working_ms, hours)
        else:
            due = slot.time + hold.near_ms
        return min(calendar.within(due, hold.after_opening_ms, hours), slot.closes_at)

    def _reaches(self, request: Request, first: Request | None) -> bool:
        """Whether free places reach the request, `first` being the first in the queue who got none."""
        common = request.common
        if common.party_size > entitled(self._slot, common.town):
            return False
        return first is None or not (self._kept_for(first) and takes_from(self._slot, request, first))

    def _kept_for(self, first: Request) -> bool:
        queue = self._rules.queue
        if queue is None or first.common.passes < queue.most_passes or first.party_size > self._slot.capacity:
            return False
        return self._slot.pending("accumulation")

    def _note_pass(self, given: Request, first: Request | None) -> None:
        slot = self._slot
        if self._rules.queue is None or first is None or first.party_size > slot.capacity:
            return
        if entitled(slot, first.town) > 0 and takes_from(slot, given, first):
            self._passed = first

    def finish(self) -> None:
        """Count the pass of the record, and begin to keep places once they are many."""
        slot, queue, first = self._slot, self._rules.queue, self._passed
        if queue is not None and first is not None and first.status == "waitlisted":
            first.change("passes", first.common.passes + 1)
            self.changed[first.key] = first
            if first.common.passes >= queue.most_passes:
                self._begins("accumulation", slot.starts_at - queue.kept_until_ms_before)
        super().finish()


def gives(slot: Slot) -> bool:
    """Whether the slot gives places at all: it is open, and no draw is under way."""
    return slot.phase == "open" and slot.draw in ("", "drawn")


def entitled(slot: Slot, town: str) -> int:
    """How many of the free places a town's venues may have, while some are kept for other towns."""
    if not slot.pending("shares"):
        return slot.free
    kept = sum(max(0, share - slot.used[of]) for of, share in slot.town_shares.items() if of != town)
    return slot.free - kept


def takes_from(slot: Slot, given: Request, first: Request) -> bool:
    """Whether `given`'s places are such that `first` could have had: not those kept for another town than its own."""
    if not slot.pending("shares") or given.town == first.town:
        return True
    return given.party_size > max(0, slot.town_shares.get(given.town, 0) - slot.used[given.town])


def anybody_fits(slot: Slot) -> bool:
    """Whether anybody in the queue asks for no more than what its town may have."""
    if slot.free <= 0:
        return False
    return any(size <= entitled(slot, town) for town, size in slot.queue.sizes)
