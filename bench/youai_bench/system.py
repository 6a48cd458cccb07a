"""What every system under measure fills in, and what it hands back: the bench's one protocol."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from youai_bench.ground import Ground
    from youai_bench.work import Work

Outcome = Literal["confirmed", "waitlisted", "rejected"]
Order = Literal["log", "arrival"]
"""Who wins in a slot: `log`: the log's order; `arrival`: that of the system's own `place`."""


class Told(NamedTuple):
    """What became of a request: in a row, or in an event.

    `place` orders the requests of a slot as the system decided them: the offset in the log where the system reads one,
    else the number that it gave under its lock (from 1, or any other rising number).
    """

    slot_id: str
    request_id: str
    outcome: str
    place: int


@dataclass
class Outcomes:
    """All that a system made of a work, read back from where it made it durable.

    `rows` and `events` are to have one entry a request, `answers` one a repeat: its request's id, and the outcome (the
    first one) that the repeat was answered with.
    """

    rows: Sequence[Told]
    events: Sequence[Told]
    answers: Sequence[tuple[str, str]]


@dataclass
class Drained:
    """How long a drain took, from the go to the last outcome durable and published; CPU seconds by process."""

    seconds: float
    cpu: dict[str, float] = field(default_factory=dict)


class System(Protocol):
    """One system. The runner calls prepare once, then fill, drain, outcomes, clear for every round, then close.

    Only `drain` is on the clock. Work differs from round to round in nothing; each round begins with nothing decided.
    """

    name: str
    """As in the table and, after `vs_`, in the ratios: youai, kafka_streams, row_lock_hot_slot, …"""
    ordered_by: Order

    async def prepare(self, ground: "Ground") -> None:
        """Install what is needed and start what lives long (a warm JVM). Raises StackError with a sentence."""

    async def fill(self, work: "Work") -> None:
        """Make the round's own topics and tables, all of the requests at hand, workers connected and waiting."""

    async def drain(self) -> Drained:
        """Go: decide everything; ends when the last outcome is durable and its event is acknowledged."""

    async def outcomes(self) -> Outcomes | None:
        """Read back what was decided in this round; None where nothing is decided (a limit)."""

    async def clear(self) -> None:
        """Remove the round's topics and tables."""

    async def close(self) -> None:
        """End what `prepare` started. Called also where prepare failed half-way."""
