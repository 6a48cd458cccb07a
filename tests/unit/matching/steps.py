"""Steps of a slot's life in few words: a record, and what became of it."""

from dataclasses import dataclass

from youai_contracts.events import SlotRecord
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Slot, Verdict

from tests.unit.matching.fakes import RULES
from tests.unit.matching.records import at

Decision = tuple[str, str, str, int | None, int | None, int]
"""Request, outcome, reason, place, ahead, taken."""


def confirmed(request: str, taken: int) -> Decision:
    return (request, "confirmed", "place-free", None, None, taken)


def waitlisted(request: str, place: int, ahead: int, taken: int) -> Decision:
    return (request, "waitlisted", "full", place, ahead, taken)


def rejected(request: str, reason: str, taken: int = 0) -> Decision:
    return (request, "rejected", reason, None, None, taken)


def promoted(request: str, taken: int) -> Decision:
    return (request, "promoted", "place-freed", None, None, taken)


def released(request: str, reason: str, taken: int) -> Decision:
    return (request, "released", reason, None, None, taken)


def mine(request: str, taken: int = 1) -> Decision:
    return (request, "confirmed", "claim-free", None, None, taken)


def lost(request: str, reason: str, taken: int = 0) -> Decision:
    return (request, "rejected", reason, None, None, taken)


def ended(request: str, reason: str, taken: int = 0) -> Decision:
    return (request, "ended", reason, None, None, taken)


@dataclass(frozen=True)
class Step:
    """A record, and what becomes of it: a verdict's kind, or its decisions."""

    record: SlotRecord
    becomes: str | list[Decision]
    at: float = 1.0
    id: str = ""


S = Step


def play(steps: list[Step], slot: Slot | None = None) -> list[Verdict]:
    slot = slot or Slot(steps[0].record.slot_id)
    verdicts = []
    for offset, step in enumerate(steps):
        milliseconds = round(at(step.at).timestamp() * 1000)
        record = At(3, offset, milliseconds, step.id or f"id-{offset}")
        verdicts.append(decide(slot, record, step.record, RULES.by_version))
    return verdicts


def told(verdict: Verdict) -> str | list[Decision]:
    if verdict.kind != "decided":
        assert verdict.decisions == ()
        return verdict.kind
    events = [decided.event for decided in verdict.decisions]
    return [(e.request_id, e.outcome, e.reason, e.place, e.ahead, e.taken) for e in events]
