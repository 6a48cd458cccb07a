"""Rehearses past bookings under another rule version: who would have got places, and who would not. Pure.

What venues did is known only under the rules of their time. So requests and cancellations stand as they were; timers
fire when they would have been due; and a venue to which places would have been held answers as it did when it was held
some in truth, or, where it never was, accepts after a time that the caller names.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from msgspec import structs
from youai_contracts.events import (
    Actor,
    BookingRequested,
    DrawRevealed,
    HoldAccepted,
    HoldDeclined,
    SlotOpened,
    SlotRecord,
    SlotRevised,
    TimerFired,
)

from youai_matching.domain.rules import RuleVersion
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Decided, Slot

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOBODY = Actor(subject="rehearsal", organization_id="rehearsal")
_ANSWERS = (HoldAccepted, HoldDeclined)


@dataclass(frozen=True, slots=True)
class Past:
    """A record of the slot log as it stood: where, when, under which id, and what it says."""

    at: At
    event: SlotRecord


@dataclass(slots=True)
class Fate:
    """What became of a venue's request: whether it ever had places, then and under the trial."""

    request_id: str
    slot_id: str
    venue_id: str
    town: str
    party_size: int
    then: bool = False
    now: bool = False


@dataclass(slots=True)
class Rehearsal:
    """Every request of the slots rehearsed, by slot and request, and how often what was decided, then and now."""

    fates: dict[tuple[str, str], Fate] = field(default_factory=dict)
    then: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    now: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    slots: int = 0


def rehearse(
    log: Iterable[Past],
    rules: Mapping[str, RuleVersion],
    trial: RuleVersion,
    *,
    since: datetime,
    answers_after: timedelta,
) -> Rehearsal:
    """Replay the slots of sessions opened since `since`, as they were and under `trial`.

    `log`: the slot log, each partition in its order, without what cannot be read. `rules`: all versions that it names.
    `answers_after`: when a venue accepts that was never held places in truth.
    """
    slots: dict[str, list[Past]] = {}
    end = 0
    for past in log:
        end = max(end, past.at.timestamp)
        opens = isinstance(past.event, SlotOpened) and past.event.kind == "session"
        if past.event.slot_id in slots:
            slots[past.event.slot_id].append(past)
        elif opens and past.at.timestamp >= _milliseconds(since):
            slots[past.event.slot_id] = [past]
    result = Rehearsal(slots=len(slots))
    for slot_id, records in slots.items():
        then = _Course(slot_id, rules)
        for past in records:
            then.take(past.at, past.event)
        now = _Trial(slot_id, trial, then, answers_after // timedelta(milliseconds=1))
        now.run(records, end)
        _compare(result, records, then, now)
    return result


def _compare(result: Rehearsal, records: Iterable[Past], then: "_Course", now: "_Course") -> None:
    for past in records:
        if isinstance(past.event, BookingRequested):
            asked = past.event
            fate = Fate(asked.request_id, asked.slot_id, asked.venue_id, asked.town, asked.party_size)
            fate.then, fate.now = asked.request_id in then.had, asked.request_id in now.had
            result.fates.setdefault((asked.slot_id, asked.request_id), fate)
    for course, counts in ((then, result.then), (now, result.now)):
        for outcome, number in course.counts.items():
            counts[outcome] += number


class _Course:
    """A slot's course under its rules: who ever had places, and how a venue answered when some were held for it."""

    def __init__(self, slot_id: str, rules: Mapping[str, RuleVersion]) -> None:
        self.slot = Slot(slot_id)
        self._rules = rules
        self.had: set[str] = set()
        self.counts: dict[str, int] = defaultdict(int)
        self.answers: dict[str, tuple[int, str]] = {}  # request: after how many ms, and what
        self._held: dict[str, int] = {}

    def take(self, at: At, event: SlotRecord) -> None:
        for decided in decide(self.slot, at, event, self._rules).decisions:
            self._note(decided)

    def _note(self, decided: Decided) -> None:
        event, held = decided.event, isinstance(getattr(decided.event, "hold_until", None), str)
        request_id = event.request_id
        self.counts[event.outcome] += 1
        if event.outcome == "confirmed" or (event.outcome == "promoted" and not held):
            self.had.add(request_id)
        if request_id in self._held:
            self.answers[request_id] = (self.slot.time - self._held.pop(request_id), event.outcome)
        if held:
            self._held[request_id] = self.slot.time


class _Trial(_Course):
    """A slot's course under the rules on trial, with time and answers made up as the module says."""

    def __init__(self, slot_id: str, trial: RuleVersion, then: _Course, answers_after: int) -> None:
        super().__init__(slot_id, {trial.version: trial})
        self._trial = trial
        self._then = then
        self._answers_after = answers_after
        self._due: dict[str, tuple[int, SlotRecord]] = {}  # request: when it answers, and how
        self._seed = ""
        self._number = 0

    def run(self, records: Iterable[Past], end: int) -> None:
        """Take the records in their order, and what time does between them and until `end`, in ms."""
        for past in records:
            if isinstance(past.event, (TimerFired, DrawRevealed, *_ANSWERS)):
                continue
            self._until(past.at.timestamp)
            self.take(past.at, self._under_trial(past.event))
        self._until(end)

    def _under_trial(self, event: SlotRecord) -> SlotRecord:
        if isinstance(event, SlotOpened):
            self._seed = hashlib.sha256(event.slot_id.encode()).hexdigest()  # the true one need not be known yet
            seed_hash = hashlib.sha256(bytes.fromhex(self._seed)).hexdigest()
            drawn = event.mode == "draw"
            return structs.replace(event, rule_version=self._trial.version, seed_hash=seed_hash if drawn else None)
        return structs.replace(event, rule_version=None) if isinstance(event, SlotRevised) else event

    def _note(self, decided: Decided) -> None:
        super()._note(decided)
        request_id = decided.event.request_id
        self._due.pop(request_id, None)
        if request_id not in self._held:
            return
        after, outcome = self._then.answers.get(request_id, (self._answers_after, "confirmed"))
        at = self.slot.time + after
        if outcome == "confirmed":
            self._due[request_id] = at, HoldAccepted(slot_id=self.slot.slot_id, request_id=request_id, actor=_NOBODY)
        elif outcome == "released":
            self._due[request_id] = at, HoldDeclined(slot_id=self.slot.slot_id, request_id=request_id, actor=_NOBODY)

    def _until(self, moment: int) -> None:
        """Let everything happen that is due by then, the earliest first."""
        while (following := self._next()) is not None and following[0] <= moment:
            due, event = following
            self._number += 1
            self.take(At(0, 0, due, f"rehearsal-{self._number}"), event)

    def _next(self) -> tuple[int, SlotRecord] | None:
        slot = self.slot
        if slot.draw == "awaited" and slot.phase == "open":
            return slot.time, DrawRevealed(slot_id=slot.slot_id, seed=self._seed)
        timers = [(due, kind != "closing", kind, subject) for (kind, subject), due in slot.timers.items()]
        answer = min(self._due.values(), key=lambda item: item[0], default=None)
        if not timers or (answer is not None and answer[0] <= min(timers)[0]):
            return answer
        due, _, kind, subject = min(timers)
        fired = TimerFired(
            slot_id=slot.slot_id,
            kind=kind,  # type: ignore[arg-type]
            due_at=_EPOCH + timedelta(milliseconds=due),
            subject=subject,
        )
        return due, fired


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
