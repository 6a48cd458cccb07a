"""What a decision costs as things grow: history, slots, a queue, partitions.

A cost is the processor time of worker, database and broker together by decision: the machine's other work does not
lengthen it, as it does a time on the clock, which is told beside it. It is read while a backlog is drained, some 200
times, and compared by windows.
"""

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from youai_runtime.kafka import partition_of

from youai_bench.cpu import Meter
from youai_bench.ground import Ground
from youai_bench.stand import Stand
from youai_bench.work import FITS, PARTITIONS, Slot, Work

_POINTS = 10
"""So many points a drain has in the plot."""
_READINGS = 200
_EVERY_S = 0.05


@dataclass(frozen=True)
class Reading:
    """At so many decisions: the CPU seconds that worker, database and broker had taken, and seconds on the clock."""

    decisions: int
    cpu: float
    seconds: float


@dataclass(frozen=True)
class Drain:
    """A drain by its readings."""

    readings: Sequence[Reading]

    def cost(self, first: int, last: int) -> float:
        """CPU µs a decision between the readings that are nearest to the `first` and to the `last` decision."""
        return _between(self._nearest(first), self._nearest(last))

    def rate(self, first: int, last: int) -> float:
        """Decisions a second on the clock between the same readings."""
        begin, end = self._nearest(first), self._nearest(last)
        return (end.decisions - begin.decisions) / max(1e-9, end.seconds - begin.seconds)

    def _nearest(self, decisions: int) -> Reading:
        return min(self.readings, key=lambda reading: abs(reading.decisions - decisions))

    def course(self) -> list[tuple[float, float]]:
        """Decisions so far, and the cost of one about there, in windows that are long enough to be even."""
        last = self.readings[-1].decisions
        marks = dict.fromkeys(self._nearest(last * number // _POINTS) for number in range(_POINTS + 1))
        return [(b.decisions, _between(a, b)) for a, b in pairwise(marks)]


def _between(begin: Reading, end: Reading) -> float:
    return (end.cpu - begin.cpu) / max(1, end.decisions - begin.decisions) * 1e6


def spread(slots: int, records: int, *, waitlist: bool = False, partitions: int = PARTITIONS) -> Work:
    """A work whose requests go over so many slots in turn, without repeats: nothing but its size differs."""
    ids = [f"slot-{number:06d}" for number in range(slots)]
    capacity = max(1, round(records / slots * FITS))
    return Work(
        name=f"spread-{slots}",
        waitlist=waitlist,
        slots=tuple(Slot(slot_id, partition_of(slot_id.encode(), partitions), capacity) for slot_id in ids),
        slot_of=array("L", (number % slots for number in range(records))),
        number_of=array("L", range(records)),
        repeats=array("B", bytes(records)),
        seed=1,
        partitions=partitions,
    )


async def drain(ground: Ground, name: str, work: Work) -> Drain:
    """Drain a work and read its cost while it goes on. The opening of the slots counts as nothing decided."""
    log = await ground.log(work)
    stand = Stand(ground, "growth", partitions=work.partitions, log=log.topic)
    await stand.open()
    try:
        await stand.start(go=False)
        await ground.settle()
        meter = Meter(stand.pids)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        stand.worker.go()
        readings = [Reading(0, 0.0, 0.0)]
        while readings[-1].decisions < work.records:
            await asyncio.sleep(_EVERY_S)
            stand.worker.alive()
            decided = await stand.ends.total()
            fresh = decided - readings[-1].decisions
            if fresh >= work.records // _READINGS or (fresh and decided == work.records):
                readings.append(Reading(decided, sum(meter.stop().values()), loop.time() - begun))
        last = readings[-1]
        each = last.cpu / work.records * 1e6
        ground.tell(f"{name}: {work.records:,} decisions in {last.seconds:.1f} s, {each:.1f} CPU µs each")
        return Drain(readings)
    finally:
        await stand.close()
