"""What `youai bench latency` does: half load, a step, the door; what came of it as measures and plots."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
from hdrh.histogram import HdrHistogram
from rich.console import Console

from youai_bench import engine, goals, plot, session
from youai_bench import work as works
from youai_bench.gate import Gated
from youai_bench.goals import Goal, Measure
from youai_bench.ground import Ground
from youai_bench.latency import door
from youai_bench.latency.load import PLAN, Plan, Result
from youai_bench.stand import Stand

PERCENTILES = (50.0, 99.0, 99.9)
_WARM_S = 3.0
_PEAKS = 3
"""So many drains tell the peak, which is the best of them: the first warms, and any may meet a busy machine."""
_BASE = 0.2
"""The load before and after a step, as a share of the peak; the step is ten times that."""


@dataclass(frozen=True)
class Size:
    """How much: rounds, records of the drain that tells the peak, seconds at half load and of the step."""

    rounds: int
    peak_records: int
    half_s: float
    step_s: float


QUICK, FULL = Size(2, 60_000, 8.0, 3.0), Size(5, 200_000, 20.0, 5.0)


def latency(*, quick: bool, file: Path | None, home: Path | None) -> None:
    """Measure, print and write."""
    console = Console(highlight=False)
    size = QUICK if quick else FULL
    if quick:
        console.print(f"quick: {size.rounds} rounds of {size.half_s:g} s; the full bench has {FULL.rounds}.")
    folder = session.plots_beside(file)
    measures, plots = session.on_ground(console, home, lambda ground: measure(ground, size, folder))
    goals.show(console, measures)
    console.print(f"plots: {', '.join(map(str, plots.values()))}", markup=False)
    if file is not None:
        goals.write(file, quick=quick, measures=measures, plots=plots)


async def measure(ground: Ground, size: Size, folder: Path) -> tuple[list[Measure], dict[str, Path]]:
    """All measures of latency, and the plots that were written."""
    rates = [await drained_rate(ground, size.peak_records) for _ in range(_PEAKS)]
    peak = max(rates)
    ground.tell(f"drained at {', '.join(f'{rate:,.0f}' for rate in rates)}/s; half load is {peak / 2:,.0f}/s")
    half, distribution = await _half_load(ground, size, peak, folder)
    step, course = await _step(ground, size, peak, folder)
    doors = await door.measure(ground, quick=size is QUICK)
    return [half, step, *doors], {"latency": distribution, "step": course}


async def drained_rate(ground: Ground, records: int) -> float:
    """Decisions a second of a drained backlog."""
    work = works.make("uniform", records)
    log = await ground.log(work)
    stand = Stand(ground, "peak", log=log.topic)
    await stand.open()
    try:
        await stand.start(go=False)
        begun = time.perf_counter()
        stand.worker.go()
        await stand.until_decided(sum(log.ends))
        return work.requests / (time.perf_counter() - begun)
    finally:
        await stand.close()


async def _half_load(ground: Ground, size: Size, peak: float, folder: Path) -> tuple[Measure, Path]:
    ratios: list[float] = []
    found: dict[str, list[HdrHistogram]] = {"youai": [], "decides nothing": []}
    phases = ((peak / 2, _WARM_S + size.half_s),)
    for number in range(1, size.rounds + 1):
        for name, histograms in found.items():
            result = await _open_loop(ground, phases, decides=name == "youai", seed=number)
            one = histogram(result, _WARM_S, _WARM_S + size.half_s)
            histograms.append(one)
            told = ", ".join(f"p{p:g} {one.get_value_at_percentile(p) / 1000:.1f} ms" for p in PERCENTILES)
            late = max(sent - due for sent, due in zip(result.sent, result.due, strict=True)) * 1000
            ground.tell(f"round {number}: {name}: {told} (at most {late:.1f} ms late in sending)")
        ours, idle = (histograms[-1].get_value_at_percentile(99.0) for histograms in found.values())
        ratios.append(ours / idle)
    figures: dict[str, object] = {"rate a second": round(peak / 2)}
    for name, histograms in found.items():
        for p in PERCENTILES:
            figures[f"{name} p{p:g} ms"] = round(median(h.get_value_at_percentile(p) / 1000 for h in histograms), 1)
    path = folder / "latency.svg"
    lines = [plot.Line(name, _distribution(histograms)) for name, histograms in found.items()]
    title = f"request → decision published, {peak / 2:,.0f} requests/s (half load)"
    across, along = plot.Axis("1 request in … is slower", logarithmic=True), plot.Axis("ms", logarithmic=True)
    plot.write(path, title, across, along, lines)
    means = "p99 request → decision published at half load, against a loop that decides nothing"
    return Measure("p99_half_load_vs_idle", means, ratios, Goal("most", 2.0), figures), path


def histogram(result: Result, since: float, until: float) -> HdrHistogram:
    """The waits, in µs, of requests that were due in this time."""
    made = HdrHistogram(1, 600_000_000, 3)
    for due, read in zip(result.due, result.read, strict=True):
        if since <= due < until:
            made.record_value(max(1, round((read - due) * 1e6)))
    return made


def _distribution(histograms: list[HdrHistogram]) -> list[tuple[float, float]]:
    together = HdrHistogram(1, 600_000_000, 3)
    for one in histograms:
        together.add(one)
    rarities = [10 ** (number / 8) for number in range(2, 33) if 10 ** (number / 8) < together.get_total_count()]
    return [(rarity, together.get_value_at_percentile(100 - 100 / rarity) / 1000) for rarity in rarities]


async def _step(ground: Ground, size: Size, peak: float, folder: Path) -> tuple[Measure, Path]:
    calm, steep = peak * _BASE, peak * _BASE * 10
    phases = ((calm, _WARM_S), (steep, size.step_s), (calm, _WARM_S))
    ratios: list[float] = []
    figures: dict[str, object] = {"calm a second": round(calm), "step a second": round(steep)}
    for number in range(1, size.rounds + 1):
        result = await _open_loop(ground, phases, decides=True, seed=100 + number)
        wait = histogram(result, _WARM_S, _WARM_S + size.step_s).get_value_at_percentile(99.0) / 1e6
        backlog, rate = drained(result, _WARM_S + size.step_s)
        ratios.append(wait / (backlog / rate))
        figures |= {"p99 s": round(wait, 2), "backlog": backlog, "drained a second": round(rate)}
        ground.tell(f"round {number}: step: p99 {wait:.2f} s; {backlog:,} waiting at its end, drained at {rate:,.0f}/s")
    path = folder / "step.svg"
    course = [(due, (read - due) * 1000) for due, read in zip(result.due, result.read, strict=True)]
    thinned = course[:: max(1, len(course) // 1_500)]
    title = f"a step from {calm:,.0f} to {steep:,.0f} requests/s"
    across, along = plot.Axis("due, s"), plot.Axis("ms to the decision")
    plot.write(path, title, across, along, [plot.Line("youai", thinned)])
    means = "p99 in a 10× step, against backlog ÷ drain rate"
    return Measure("p99_step_vs_backlog", means, ratios, Goal("most", 1.2), figures), path


def drained(result: Result, end: float) -> tuple[int, float]:
    """How many requests waited at the end of a step, and how many a second were decided until the last of those was."""
    waiting = [read for due, read in zip(result.due, result.read, strict=True) if due < end <= read]
    if not waiting:
        return 1, 1 / max(1e-6, max(result.read) - end)  # it never waited: nothing to be measured against but itself
    last = max(waiting)
    return len(waiting), sum(end <= read <= last for read in result.read) / (last - end)


async def _open_loop(ground: Ground, phases: tuple[tuple[float, float], ...], *, decides: bool, seed: int) -> Result:
    stand = Stand(ground, f"latency-{seed}-{'youai' if decides else 'idle'}")
    await stand.open()
    file = ground.folder / "load.msgpack"
    plan = Plan(ground.bootstrap, stand.log, stand.booking, stand.partitions, phases, str(file), seed)
    load = Gated("youai_bench.latency.load", ground.home.log("load"), {PLAN: msgspec.json.encode(plan).decode()})
    idle: Gated | None = None
    try:
        if decides:
            await stand.start()
        else:
            settings = {
                "YOUAI_KAFKA": ground.bootstrap,
                engine.SLOT_LOG: stand.log,
                engine.BOOKING: stand.booking,
                engine.PARTITIONS: str(stand.partitions),
            }
            idle = Gated("youai_bench.latency.idle", ground.home.log("idle"), settings)
            await idle.ready()
            idle.go()
        await load.ready()
        await ground.settle()
        load.go()
        await load.ended()
        return msgspec.msgpack.decode(file.read_bytes(), type=Result)
    finally:
        await load.stop()
        if idle is not None:
            await idle.stop()
        await stand.close()
        file.unlink(missing_ok=True)
