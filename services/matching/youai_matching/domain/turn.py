"""A record's turn on its slot: outcomes move requests, and each is sealed into the slot's chain."""

import msgspec
from youai_contracts.events import ClaimDecision, Decision, SlotOpened, SlotRecord

from youai_matching.domain.keys import Key, key_of
from youai_matching.domain.receipts import CLAIM_OUTCOMES, OUTCOMES, instant, seal
from youai_matching.domain.request import ENDED, HOLDS_PLACES, LIVE, MOVES, Common, Request
from youai_matching.domain.rules import RuleVersion
from youai_matching.domain.state import At, Decided, Slot


class Turn:
    """What all records do alike. `key` is the record's id's; `changed` and `retimed` as in Verdict.

    `asks` says that the record made a request of its own id; `explanation` is the override's.
    """

    def __init__(self, slot: Slot, at: At, key: Key, rules: RuleVersion) -> None:
        self._slot = slot
        self._at = at
        self._key = key
        self._rules = rules
        self.decisions: list[Decided] = []
        self.changed: dict[Key, Request] = {}
        self.retimed = False
        self.asks = False
        self._explanation: str | None = None

    def open(self, record: SlotOpened) -> None:
        """Begin the slot, whose fields are taken over already."""
        raise NotImplementedError

    def take(self, record: SlotRecord) -> bool:
        """Act on any other record; whether it changed anything."""
        raise NotImplementedError

    def finish(self) -> None:
        """End the record: of what has ended, no more than the id is remembered."""
        slot = self._slot
        assert slot.taken <= slot.capacity, f"slot {slot.slot_id} would be oversold"
        for request in self.changed.values():
            if request.common.status in ENDED:
                slot.forget(request)

    def _key_of(self, request_id: str) -> Key:
        return self._key if request_id == self._at.id else key_of(request_id)

    def _id_of(self, request: Request) -> str:
        return self._at.id if request.key == self._key else request.request_id

    def _new(self, key: Key, venue_id: str, common: Common) -> Request:
        """Remember a request of the record at hand."""
        self.asks = common.own
        request = self._slot.requests[key] = Request.new(key, venue_id, self._at.offset, common)
        return request

    def _settle(self, request: Request, outcome: str, reason: str, *, back: str = "", hold_until: int = 0) -> None:
        """Make an outcome the request's state and add it to the slot's chain.

        `back` puts it back into the queue after a lapse or a displacement: at the "end" or the "head". `hold_until`, in
        ms, is what a promotion is held until.
        """
        slot = self._slot
        if outcome not in MOVES[request.common.status]:
            raise AssertionError(f"{request.request_id} cannot become {outcome} from {request.status or 'new'}")
        slot.sequence += 1
        self._move(request, "waitlisted" if back else outcome, back or "end")
        self.changed[request.key] = request
        if hold_until:
            self._set_timer("hold", request.request_id, hold_until)
        decided = self._claim_decided if slot.kind == "demand" else self._decided
        event, data = decided(request, outcome, reason, hold_until)
        assert isinstance(event.hash, str)
        slot.previous_hash = event.hash
        self.decisions.append(Decided(event, data))

    def _move(self, request: Request, status: str, to: str) -> None:
        """Keep the slot's sums, queue, holds and live requests in step with the request's new state."""
        slot, before = self._slot, request.common
        if before.status in HOLDS_PLACES:
            slot.taken -= before.party_size
            slot.used[before.town] -= before.party_size
            self._drop_timer("hold", request.request_id)
        elif before.status == "waitlisted":
            slot.queue.remove(request)
        request.become(status, slot.sequence)
        if status in HOLDS_PLACES:
            slot.taken += before.party_size
            slot.used[before.town] += before.party_size
        elif status == "waitlisted" and to == "head":
            slot.queue.prepend(request)
        elif status == "waitlisted":
            slot.queue.append(request, self._second_class(request))
        if status in LIVE:
            slot.live[request.venue_id] = request
        elif slot.live.get(request.venue_id) is request:
            del slot.live[request.venue_id]
        assert slot.taken >= 0, f"slot {slot.slot_id} would have given less than nothing"

    def _second_class(self, request: Request) -> bool:
        """Whether a request that joins the queue at its end now is of the second class."""
        points = self._rules.points
        if points is None or request.common.points < points.second_class_from:
            return False
        return self._begins("class", self._slot.starts_at - points.second_class_until_ms_before)

    def _begins(self, kind: str, due: int) -> bool:
        """Whether what ends by this timer holds: it is pending, or can be set now, and then is."""
        slot = self._slot
        if not slot.pending(kind) and due > slot.time:
            self._set_timer(kind, "", due)
        return slot.pending(kind)

    def _set_timer(self, kind: str, subject: str, due: int) -> None:
        self._slot.timers[kind, subject] = due
        self.retimed = True

    def _drop_timer(self, kind: str, subject: str) -> None:
        if self._slot.timers.pop((kind, subject), None) is not None:
            self.retimed = True

    def _drop_timers(self) -> None:
        self.retimed = self.retimed or bool(self._slot.timers)
        self._slot.timers.clear()

    def _decided(self, request: Request, outcome: str, reason: str, hold_until: int) -> tuple[Decision, bytes]:
        slot, rules = self._slot, self._rules
        common = request.common
        place, ahead = slot.queue.place(request) if common.status == "waitlisted" else (None, None)
        # The explanation comes last: what stands in it is never taken for a place to put a number.
        text = rules.say(
            reason,
            {
                "place": place,
                "ahead": ahead,
                "capacity": slot.capacity,
                "party_size": common.party_size,
                "taken": slot.taken,
                "hold_until": rules.calendar.local(hold_until) if rules.calendar and hold_until else None,
                "explanation": self._explanation,
            },
        )
        return seal(
            OUTCOMES[outcome](
                ahead=ahead,
                capacity=slot.capacity,
                decided_at=instant(slot.time),
                hold_until=instant(hold_until) if hold_until else msgspec.UNSET,
                log_offset=self._at.offset,
                log_partition=self._at.partition,
                outcome=outcome,
                party_size=common.party_size,
                place=place,
                previous_hash=slot.previous_hash,
                reason=reason,
                reason_en=text.en,
                reason_zh=text.zh,
                request_id=self._id_of(request),
                rule_version=slot.rule_version,
                sequence=slot.sequence,
                slot_id=slot.slot_id,
                taken=slot.taken,
                venue_id=request.venue_id,
            )
        )

    def _claim_decided(self, claim: Request, outcome: str, reason: str, _: int) -> tuple[ClaimDecision, bytes]:
        slot = self._slot
        winner = None
        if reason == "claimed":
            winner = next(request for request in slot.requests.values() if request.status in HOLDS_PLACES)
        # The name comes last, for the same reason.
        text = self._rules.say(
            reason,
            {"capacity": slot.capacity, "taken": slot.taken, "winner": winner.common.name if winner else None},
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
                request_id=self._id_of(claim),
                rule_version=slot.rule_version,
                sequence=slot.sequence,
                taken=slot.taken,
                winner_id=winner.venue_id if winner else None,
                winner_name=winner.common.name if winner else None,
            )
        )
