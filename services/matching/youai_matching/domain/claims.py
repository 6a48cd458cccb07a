"""Claims of a demand: a slot without a queue, in which the first to ask has it until the claim ends."""

from youai_contracts.events import ClaimEndRequested, ClaimRequested, SlotClosed, SlotOpened, SlotRecord, SlotRevised

from youai_matching.domain.request import HOLDS_PLACES, asked
from youai_matching.domain.turn import Turn


class ClaimTurn(Turn):
    """One record's turn on a demand."""

    def take(self, record: SlotRecord) -> bool:
        """Act on the record; whether it changed anything."""
        match record:
            case ClaimRequested():
                return self._claim(record)
            case ClaimEndRequested():
                return self._end(record)
            case SlotRevised():
                return self._revise(record)
            case SlotClosed():
                return self._close(record.reason)
        return False

    def open(self, record: SlotOpened) -> None:
        """A demand ends by its own service's word, which comes as slot-closed: no timer is set."""

    def _claim(self, record: ClaimRequested) -> bool:
        slot = self._slot
        key = self._key_of(record.request_id)
        if slot.knows(key):
            return False
        claim = self._new(key, record.provider_id, asked(1, "", 0, None, key == self._key, record.provider_name))
        if slot.phase != "open":
            self._settle(claim, "rejected", slot.closed_for)
        elif claim.venue_id in slot.live:
            self._settle(claim, "rejected", "already-yours")
        elif slot.free == 0:
            self._settle(claim, "rejected", "claimed")
        else:
            self._settle(claim, "confirmed", "claim-free")
        return True

    def _end(self, record: ClaimEndRequested) -> bool:
        claim = self._slot.requests.get(self._key_of(record.request_id))
        if claim is None or not claim.live:
            return False
        self._settle(claim, "ended", record.reason)
        return True

    def _revise(self, record: SlotRevised) -> bool:
        slot = self._slot
        if slot.phase == "cancelled":
            return False
        slot.rule_version = self._rules.version
        if record.capacity is not None and record.capacity >= slot.taken:
            slot.capacity = record.capacity
        return True

    def _close(self, reason: str) -> bool:
        slot = self._slot
        if slot.phase == "cancelled":
            return False
        slot.phase = "cancelled"
        slot.closed_for = reason
        for claim in [claim for claim in slot.requests.values() if claim.status in HOLDS_PLACES]:
            self._settle(claim, "ended", reason)
        return True
