"""Rounds of drains: each case sized by a first drain, then all cases one after the other, round by round."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from youai_stack.errors import StackError

from youai_bench import work as works
from youai_bench.check import check
from youai_bench.ground import Ground
from youai_bench.system import Drained, System
from youai_bench.systems.catalogue import Case
from youai_bench.work import Work

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
    """A case's drains, round by round: decisions, seconds, and CPU seconds by process."""

    case: Case
    work: Work
    requests: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Decisions a second."""
        return [requests / seconds for requests, seconds in zip(self.requests, self.seconds, strict=True)]

    def add(self, drained: Drained) -> None:
        """Note a round."""
        self.requests.append(self.work.requests)
        self.seconds.append(drained.seconds)
        self.cpu.append(drained.cpu)


@dataclass
class Bench:
    """The cases under measure. `found` has who passed every check so far, `failed` why the others have no figure."""

    ground: Ground
    systems: Mapping[str, System]
    size: Size
    tell: Callable[[str], None]
    waitlist: bool = False
    found: dict[str, Measured] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _checking: asyncio.Task[None] | None = None
    _checked: System | None = None

    async def measure(self, cases: Sequence[Case]) -> None:
        """All cases, interleaved; one that fails is left out from there on, and the others go on."""
        ready: set[str] = set()
        try:
            for case in cases:
                await self._guarded(case, self._sized(case, ready))
            for number in range(1, self.size.rounds + 1):
                for case in [case for case in cases if case.name in self.found]:
                    await self._guarded(case, self._round(self.found[case.name], number))
        finally:
            await self._until_checked()

    async def _guarded(self, case: Case, step: Awaitable[None]) -> None:
        try:
            await step
        except (CheckFailed, StackError) as error:
            self.found.pop(case.name, None)
            self.failed[case.name] = str(error)
            self.tell(f"{case.name} has no figure: {error}")

    async def _sized(self, case: Case, ready: set[str]) -> None:
        """Prepare; a first drain, which also warms; then the work that takes as long as a round is to take."""
        if case.system not in ready:
            self.tell(f"{case.system}: prepares")
            await self.systems[case.system].prepare(self.ground)
            ready.add(case.system)
        work = self._work(case, case.first)
        while (drained := await self._drain(case, work)).seconds < self.size.shortest_s / 4:
            work = self._work(case, records_for(work.records / drained.seconds / 2, self.size.shortest_s))
        self.tell(f"{case.name}: a first drain of {work.records:,} records took {drained.seconds:.2f} s")
        if case.name not in self.failed:
            records = records_for(work.records / drained.seconds, self.size.shortest_s * case.spare)
            self.found[case.name] = Measured(case, self._work(case, records))

    def _work(self, case: Case, records: int) -> Work:
        return works.make(case.work, records, waitlist=self.waitlist or case.waitlist)

    async def _round(self, measured: Measured, number: int) -> None:
        """A drain that lasts long enough; one that does not is done again with more."""
        case = measured.case
        while (drained := await self._drain(case, measured.work)).seconds < self.size.shortest_s:
            if measured.work.records >= MOST_RECORDS:
                break
            records = records_for(measured.work.records / drained.seconds, self.size.shortest_s * case.spare)
            self.tell(f"{case.name}: {drained.seconds:.2f} s is too short; {records:,} records from now on")
            measured.work = self._work(case, records)
        measured.add(drained)
        cpu = ", ".join(f"{name} {taken:.1f}" for name, taken in drained.cpu.items())
        self.tell(f"round {number}: {case.name}: {measured.rates[-1]:,.0f}/s ({drained.seconds:.2f} s; CPU s: {cpu})")

    async def _drain(self, case: Case, work: Work) -> Drained:
        """One drain. It is checked while the next is being filled; nothing runs beside a drain itself."""
        system = self.systems[case.system]
        if system is self._checked:
            await self._until_checked()
        await system.fill(work)
        try:
            await self._until_checked()
            await self.ground.settle()
            drained = await system.drain()
        except BaseException:
            await system.clear()
            raise
        self._checked, self._checking = system, asyncio.create_task(self._guarded(case, self._check(case, work)))
        return drained

    async def _until_checked(self) -> None:
        checking, self._checking, self._checked = self._checking, None, None
        if checking is not None:
            await checking

    async def _check(self, case: Case, work: Work) -> None:
        system = self.systems[case.system]
        try:
            found = await system.outcomes()
        finally:
            await system.clear()
        if found is not None:
            faults = await asyncio.to_thread(check, work, system.ordered_by, found)
            if faults:
                raise CheckFailed(f"{case.name} fails the check: {'; '.join(faults)}.")


def records_for(rate: float, seconds: float) -> int:
    """How many records last so long at so many a second, rounded up to two digits."""
    wanted = rate * seconds
    step: int = 10 ** max(0, math.floor(math.log10(wanted)) - 1)
    return min(MOST_RECORDS, math.ceil(wanted / step) * step)
