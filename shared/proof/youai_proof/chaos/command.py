"""`youai prove chaos`: every fault in mid-rush on the real broker, database and processes, and a table of what held."""

import asyncio
import json
import logging
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from youai_stack.demo.speed import percentile
from youai_stack.display import Display
from youai_stack.errors import StackError
from youai_stack.home import Home

from youai_proof.chaos.faults import BY_NAME, FAULTS, Fault, rotated
from youai_proof.chaos.findings import LAG_ZERO_S, Broken
from youai_proof.chaos.world import World

MOST_MIB = {"kafka": 1_100.0, "postgres": 600.0}
MOST_MIB_OF_A_SERVICE = 400.0
SKIPPED = "needs root"


@dataclass
class Result:
    """What one fault came to. Times are the slowest of its blows, in seconds; memory is each process's peak, in MiB."""

    fault: str
    seed: int
    held: bool = True
    skipped: bool = False
    broken: Broken = field(default_factory=dict)
    next_decision_s: float | None = None
    lag_zero_s: float | None = None
    blows: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    late_sends: int = 0
    """Of the generator's own: many mean that the machine was too busy to measure anything."""
    answers: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""
    memory_mib: dict[str, float] = field(default_factory=dict)


def chaos(
    names: Sequence[str], seed: int | None, rotate: int | None, file: Path | None, home: Path | None, *, keep: bool
) -> None:
    """Run the named faults (none: all; `rotate`: so many of them, others each day). Exits 1 if an invariant broke."""
    console = Console(highlight=False)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)  # a broker that is away is what we are here for
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise StackError(f"There is no fault `{unknown[0]}`; there are: {', '.join(BY_NAME)}.")
    today = datetime.now(UTC).date().toordinal()
    seed = today if seed is None else seed
    chosen = [BY_NAME[name] for name in names] or (list(FAULTS) if rotate is None else rotated(rotate, today))
    console.print(f"seed {seed}: {', '.join(fault.name for fault in chosen)}")
    place = home if home is not None else Path(tempfile.mkdtemp(prefix="youai-chaos-"))
    begun = time.monotonic()
    results: list[Result] = []
    try:
        asyncio.run(Run(console, place, seed, results).all(chosen))
    finally:
        if results:
            show(console, results)
        if file is not None:
            report = {"seed": seed, "seconds": round(time.monotonic() - begun, 1), "faults": list(map(asdict, results))}
            file.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        if keep:
            console.print(f"Kept: {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)
    if not all(result.held for result in results):
        sys.exit(1)


class Run:
    """One run: a stack that the faults share, and stacks of their own for those that need one."""

    def __init__(self, console: Console, place: Path, seed: int, results: list[Result]) -> None:
        self._console = console
        self._place = place
        self._seed = seed
        self._results = results

    async def all(self, faults: Sequence[Fault]) -> None:
        """Those that share a stack first, in their order; then each of the others in its own."""
        shared = [fault for fault in faults if not fault.own]
        if shared:
            world = await self._up("shared")
            try:
                for fault in shared:
                    await self._one(world, fault)
            finally:
                await world.stop()
        for fault in faults:
            if fault.own:
                await self._alone(fault)

    async def _alone(self, fault: Fault) -> None:
        try:
            world = await self._up(fault.name, fault)
        except StackError as error:
            skipped = str(error).startswith(SKIPPED)
            broken = {} if skipped else {"run": str(error)}
            self._tell(Result(fault.name, self._seed, skipped=skipped, broken=broken, note=str(error)))
            fault.tidy(Home(self._place / fault.name))
            return
        try:
            await self._one(world, fault)
        finally:
            await world.stop()
            fault.tidy(world.home)

    async def _up(self, name: str, fault: Fault | None = None) -> World:
        world = World(Home(self._place / name), self._seed)
        chance = self._chance(name)
        with Display(self._console) as display:
            before = (lambda: fault.prepare(world.home, chance)) if fault is not None else (lambda: None)
            try:
                await world.start(display.on_progress if self._console.is_terminal else None, before)
            except BaseException:
                await world.stop()
                raise
        return world

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")

    async def _one(self, world: World, fault: Fault) -> None:
        begun = time.monotonic()
        result = Result(fault.name, self._seed)
        chance = self._chance(fault.name)
        world.memory.peak.clear()
        try:
            await world.whole()
            scene = await world.scene(fault.name, chance)
            async with world.rush(scene, patient=fault.settles):
                result.note = await fault.act(world, chance)
            if fault.settles:
                await world.whole()
                if left := await world.quiet():
                    result.broken["I4"] = f"not done: {left}"
            judged = world.judge(forgot=fault.forgets) if fault.log_is_whole else world.judge_maimed(fault.settles)
            result.broken |= await judged
        except StackError as error:
            if str(error).startswith(SKIPPED):
                result.skipped, result.note = True, str(error)
            else:
                result.broken["run"] = str(error)
        except Exception as error:
            result.broken["run"] = repr(error)
            self._console.print_exception()
        self._measure(world, result)
        result.seconds = round(time.monotonic() - begun, 1)
        self._tell(result)

    @staticmethod
    def _measure(world: World, result: Result) -> None:
        result.requests, result.late_sends = len(world.tally.accepted), world.tally.late
        result.answers = {str(status): count for status, count in sorted(world.calls.attempts.by_status.items())}
        world.calls.attempts.by_status.clear()
        if world.blows:
            result.next_decision_s = round(max(blow.next_decision_s for blow in world.blows), 2)
            result.lag_zero_s = round(max(blow.lag_zero_s for blow in world.blows), 2)
            result.blows = [asdict(blow) for blow in world.blows]
            if result.lag_zero_s > LAG_ZERO_S:
                result.broken["I4"] = f"lag zero only {result.lag_zero_s} s after the fault's end"
        if world.calls.attempts.gave_up:
            result.broken["I3"] = f"{world.calls.attempts.gave_up} clients gave up"
            world.calls.attempts.gave_up = 0
        result.memory_mib = {name: round(mib, 1) for name, mib in sorted(world.memory.peak.items())}
        fat = {name: mib for name, mib in result.memory_mib.items() if mib > MOST_MIB.get(name, MOST_MIB_OF_A_SERVICE)}
        if fat:
            result.broken["memory"] = f"more than they may have: {fat}"
        if world.accidents:
            result.broken["seen"] = "; ".join(world.accidents)

    def _tell(self, result: Result) -> None:
        result.held = not result.broken
        self._results.append(result)
        said = "skipped" if result.skipped else "held" if result.held else f"BROKEN: {result.broken}"
        self._console.print(f"{result.fault} ({result.seconds} s): {said}", markup=False)


def show(console: Console, results: Sequence[Result]) -> None:
    """The table."""
    table = Table(title="故障 · Faults in mid-rush", title_justify="left")
    for name in ("fault", "held", "next decision s", "lag zero s", "requests", "peak MiB", "notes"):
        table.add_column(name, justify="left" if name in ("fault", "held", "notes") else "right")
    for result in results:
        held = "[yellow]skipped[/]" if result.skipped else "[green]✓[/]" if result.held else "[red]✗[/]"
        services = [mib for name, mib in result.memory_mib.items() if name not in MOST_MIB]
        table.add_row(
            result.fault,
            held,
            "–" if result.next_decision_s is None else f"{result.next_decision_s:.1f}",
            "–" if result.lag_zero_s is None else f"{result.lag_zero_s:.1f}",
            f"{result.requests:,}",
            f"{max(services, default=0):.0f}",
            "; ".join((result.note, *(f"{name}: {what}" for name, what in result.broken.items())))[:400],
        )
    console.print(table)
    console.print(json.dumps(figures(results)))


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """The goals' figures over all blows: kill -9 of a worker to the next decision, a store's return to the next one."""
    found: dict[str, Any] = {}
    for fault in ("kill-worker", "stop-postgres", "kill-kafka"):
        seconds = [blow["next_decision_s"] for result in results if result.fault == fault for blow in result.blows]
        if seconds:
            found[fault] = {"blows": len(seconds), "p99_s": percentile(seconds, 0.99), "most_s": max(seconds)}
    return found
