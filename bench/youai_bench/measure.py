"""Rounds of drains: each case sized by a first drain, then all cases one after the other, round by round."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from youai_stack.errors import StackError

from youai_bench import work as works
from youai_bench.check import check
from youai_bench.ground import Ground
from youai_bench.system import Drained, System
from youai_bench.systems.catalogue import Case
from youai_bench.work import Work

_SPARE = 1.2
"""How much longer than the shortest drain a round is made: a machine is not always as busy."""
MOST_RECORDS = 2_000_000


class CheckFailed(Exception):
    """A system did not pass the check; the message says what it did."""


@dataclass(frozen=True)
class Size:
    """How long: rounds, the shortest drain that counts, seconds."""

    rounds: int
    shortest_s: float


@dataclass
class Measured:
    """A case's drains: decisions a second and CPU seconds by process, round by round."""

    case: Case
    work: Work
    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)


async def measure(
    ground: Ground,
    cases: Sequence[Case],
    systems: dict[str, System],
    size: Size,
    tell: Callable[[str], None],
    *,
    waitlist: bool = False,
) -> dict[str, Measured]:
    """All cases, interleaved. Raises CheckFailed where one does what it must not, StackError where one cannot run."""
    found: dict[str, Measured] = {}
    for case in cases:
        found[case.name] = await _sized(ground, case, systems[case.system], size, tell, waitlist)
    for number in range(1, size.rounds + 1):
        for case in cases:
            await _round(ground, found[case.name], systems[case.system], size, tell, number)
    return found


async def _sized(
    ground: Ground, case: Case, system: System, size: Size, tell: Callable[[str], None], waitlist: bool
) -> Measured:
    """A first drain, which also warms; then the work that takes as long as a round is to take."""
    work = works.make(case.work, case.first, waitlist=waitlist)
    while (drained := await _drain(ground, case, system, work)).seconds < size.shortest_s / 3:
        work = works.make(case.work, records_for(work.records / drained.seconds / 2, size), waitlist=waitlist)
    tell(f"{case.name}: a first drain of {work.records:,} records took {drained.seconds:.2f} s")
    return Measured(case, works.make(case.work, records_for(work.records / drained.seconds, size), waitlist=waitlist))


def records_for(rate: float, size: Size) -> int:
    """How many records last long enough at so many a second, rounded up to two digits."""
    wanted = rate * size.shortest_s * _SPARE
    step: int = 10 ** max(2, math.floor(math.log10(wanted)) - 1)
    return min(MOST_RECORDS, math.ceil(wanted / step) * step)


async def _round(
    ground: Ground, measured: Measured, system: System, size: Size, tell: Callable[[str], None], number: int
) -> None:
    """A drain that lasts long enough; one that does not is done again with more, and so are the ones before it."""
    case = measured.case
    while True:
        drained = await _drain(ground, case, system, measured.work)
        if drained.seconds >= size.shortest_s or measured.work.records >= MOST_RECORDS:
            break
        records = records_for(measured.work.records / drained.seconds, size)
        tell(f"{case.name}: {drained.seconds:.2f} s is too short; {records:,} records from now on")
        measured.work = works.make(case.work, records, waitlist=measured.work.waitlist)
    measured.rates.append(measured.work.requests / drained.seconds)
    measured.seconds.append(drained.seconds)
    measured.cpu.append(drained.cpu)
    cpu = ", ".join(f"{name} {taken:.1f}" for name, taken in drained.cpu.items())
    tell(f"round {number}: {case.name}: {measured.rates[-1]:,.0f}/s ({drained.seconds:.2f} s; CPU s: {cpu})")


async def _drain(ground: Ground, case: Case, system: System, work: Work) -> Drained:
    await system.fill(work)
    try:
        await ground.settle()
        drained = await system.drain()
        found = await system.outcomes()
        if found is not None and (faults := check(work, system.ordered_by, found)):
            raise CheckFailed(f"{case.name} fails the check: {'; '.join(faults)}.")
        return drained
    finally:
        await system.clear()


async def prepare(systems: dict[str, System], ground: Ground, tell: Callable[[str], None]) -> None:
    """Prepare all. Raises StackError, with the system's name."""
    for name, system in systems.items():
        tell(f"{name}: prepares")
        try:
            await system.prepare(ground)
        except StackError as error:
            raise StackError(f"{name}: {error}") from error
