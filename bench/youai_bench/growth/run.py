"""What `youai bench growth` does; what came of it as measures and plots."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from youai_bench import goals, plot, session
from youai_bench.goals import Goal, Measure
from youai_bench.ground import Ground
from youai_bench.growth import death, memory
from youai_bench.growth.cost import Drain, drain, spread
from youai_bench.work import PARTITIONS, SLOTS, Work

Draw = Callable[[str, str, dict[str, Drain]], None]
"""Writes a measure's plot: its name, a title, and a line a drain."""
_SAME = Goal("most", 1.15)
_AXIS = plot.Axis("CPU µs a decision (worker, database and broker)")
_MANY_PARTITIONS = 64
_MANY_SLOTS = 1_000
"""Slots of the drain over 64 partitions and over 4: enough that all of them have some."""


@dataclass(frozen=True)
class Size:
    """How much: rounds of what is drained, and the sizes that performance.md names or, if quick, smaller ones."""

    rounds: int
    history: int
    little: int
    slots: int
    drained: int
    queue: int
    bookings: int
    restarts: int


FULL = Size(3, 1_000_000, 10_000, 100_000, 200_000, 100_000, 1_000_000, 5)
QUICK = Size(1, 200_000, 10_000, 20_000, 60_000, 20_000, 200_000, 3)


def growth(*, quick: bool, file: Path | None, home: Path | None) -> None:
    """Measure, print and write."""
    console = Console(highlight=False)
    size = QUICK if quick else FULL
    if quick:
        console.print(
            f"quick: history {size.history:,} (not {FULL.history:,}), slots {size.slots:,} (not {FULL.slots:,}),"
            f" queue {size.queue:,} (not {FULL.queue:,}), bookings in memory {size.bookings:,}"
            f" (not {FULL.bookings:,}), {size.rounds} round (not {FULL.rounds})."
        )
    folder = session.plots_beside(file)
    measures, plots = session.on_ground(console, home, lambda ground: measure(ground, size, folder))
    goals.show(console, measures)
    console.print(f"plots: {', '.join(map(str, plots.values()))}", markup=False)
    if file is not None:
        goals.write(file, quick=quick, measures=measures, plots=plots)


async def measure(ground: Ground, size: Size, folder: Path) -> tuple[list[Measure], dict[str, Path]]:
    """All measures of growth, and the plots that were written."""
    plots: dict[str, Path] = {}

    def draw(name: str, title: str, drains: dict[str, Drain]) -> None:
        plots[name] = folder / f"{name.replace('_', '-')}.svg"
        lines = [plot.Line(one, drain.course()) for one, drain in drains.items()]
        plot.write(plots[name], title, plot.Axis("decisions so far"), _AXIS, lines)

    parts: tuple[Callable[[], Awaitable[Measure]], ...] = (
        lambda: _history(ground, size, draw),
        lambda: _slots(ground, size, draw),
        lambda: _queue(ground, size, draw),
        lambda: _partitions(ground, size, draw),
        lambda: _memory(ground, size),
        lambda: _catch_up(ground, size),
        lambda: _first(ground, size),
    )
    measures = []
    for part in parts:
        measures.append(one := await part())
        ground.tell(f"{one.means}: {', '.join(f'{ratio:.2f}' for ratio in one.rounds)} (goal {one.goal})")
    return measures, plots


async def _history(ground: Ground, size: Size, draw: Draw) -> Measure:
    """One drain: what the decisions after a long history cost, against those after a short one."""
    ratios: list[float] = []
    early = late = 0.0
    window = size.history // 10
    for _ in range(size.rounds):
        one = await drain(ground, "history", spread(SLOTS, size.history + window))
        draw("cost_long_history", "what a decision costs after so many", {"history": one})
        early = one.cost(size.little, size.little + window)
        late = one.cost(size.history, size.history + window)
        ratios.append(late / early)
    figures = {f"after {size.little:,} µs": round(early, 1), f"after {size.history:,} µs": round(late, 1)}
    means = f"cost of a decision after {size.history:,} against after {size.little:,}"
    return Measure("cost_long_history", means, ratios, _SAME, figures)


async def _slots(ground: Ground, size: Size, draw: Draw) -> Measure:
    """Drains over ten slots and over many; of both what comes after each of the many was asked for once."""
    records = size.drained + size.slots
    pair = {"10 slots": spread(10, records), f"{size.slots:,} slots": spread(size.slots, records)}
    return await _compared(ground, size, draw, "cost_many_slots", pair, (size.slots, records))


async def _queue(ground: Ground, size: Size, draw: Draw) -> Measure:
    """One slot whose losers are refused, and one whose queue has become long."""
    records = size.queue + size.queue // 9 + size.queue // 2
    pair = {"no waitlist": spread(1, records), f"waitlist of {size.queue:,}": spread(1, records, waitlist=True)}
    return await _compared(ground, size, draw, "cost_long_waitlist", pair, (records - size.queue // 2, records))


async def _partitions(ground: Ground, size: Size, draw: Draw) -> Measure:
    pair = {
        f"{number} partitions": spread(_MANY_SLOTS, size.drained, partitions=number)
        for number in (PARTITIONS, _MANY_PARTITIONS)
    }
    return await _compared(ground, size, draw, "cost_many_partitions", pair, (size.drained // 10, size.drained))


async def _compared(
    ground: Ground,
    size: Size,
    draw: Draw,
    name: str,
    pair: dict[str, Work],
    window: tuple[int, int],
) -> Measure:
    """Two drains in turns; the cost of a decision in a window of the second, against the first."""
    ratios: list[float] = []
    drains: dict[str, Drain] = {}
    plain, grown = pair
    for _ in range(size.rounds):
        for one, work in pair.items():
            drains[one] = await drain(ground, one, work)
        ratios.append(drains[grown].cost(*window) / drains[plain].cost(*window))
    draw(name, f"what a decision costs: {grown} and {plain}", drains)
    figures: dict[str, float] = {}
    for one in pair:
        figures[f"{one} µs"] = round(drains[one].cost(*window), 1)
        figures[f"{one} a second"] = round(drains[one].rate(*window))
    return Measure(name, f"cost of a decision: {grown} against {plain}", ratios, _SAME, figures)


async def _memory(ground: Ground, size: Size) -> Measure:
    engine = await asyncio.to_thread(memory.weigh, "engine", size.bookings)
    dicts = await asyncio.to_thread(memory.weigh, "dicts", size.bookings)
    ground.tell(f"memory: {engine:.0f} bytes a booking in the worker, {dicts:.0f} in plain dicts")
    means = f"memory of {size.bookings:,} bookings in the worker, against plain dicts"
    figures = {"worker bytes a booking": round(engine), "dicts bytes a booking": round(dicts)}
    return Measure("memory_vs_dicts", means, [engine / dicts], Goal("most", 0.3), figures)


async def _catch_up(ground: Ground, size: Size) -> Measure:
    ratios: list[float] = []
    figures: dict[str, float] = {}
    for _ in range(size.rounds):
        one = await death.kill_halfway(ground, size.drained)
        ground.tell(f"kill -9: {one.before:,.0f}/s before, {one.after:,.0f}/s after, first after {one.first_s:.2f} s")
        ratios.append(one.after / one.before)
        figures = {"before a second": round(one.before), "after a second": round(one.after)}
        figures["start to first decision s"] = round(one.first_s, 2)
    means = "decisions a second of a worker after kill -9, against before"
    return Measure("catch_up_vs_peak", means, ratios, Goal("least", 0.9), figures)


async def _first(ground: Ground, size: Size) -> Measure:
    empty = await death.first_decision(ground, 0, size.restarts)
    full = await death.first_decision(ground, size.history, size.restarts)
    ground.tell(f"first decision after a restart: {median(empty):.2f} s, with history {median(full):.2f} s")
    means = f"first decision after a restart with {size.history:,} in history, against none"
    figures = {"empty s": round(median(empty), 2), "history s": round(median(full), 2)}
    ratios = [with_history / none for with_history, none in zip(full, empty, strict=True)]
    return Measure("first_decision_vs_empty", means, ratios, Goal("most", 2.0), figures)
