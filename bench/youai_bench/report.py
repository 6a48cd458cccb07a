"""What was measured, as a table for people and as JSON for programs."""

from collections.abc import Mapping
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.table import Table

from youai_bench.measure import Measured
from youai_bench.systems.catalogue import RATIOS, Ratio


def ratios(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Each ratio whose two cases were measured: round by round, then the median and the range of that."""
    return {ratio.name: _ratio(ratio, measured) for ratio in RATIOS if {ratio.of, ratio.against} <= measured.keys()}


def _ratio(ratio: Ratio, measured: Mapping[str, Measured]) -> dict[str, Any]:
    pairs = zip(measured[ratio.of].rates, measured[ratio.against].rates, strict=True)
    found = [of / against for of, against in pairs]
    middle = median(found)
    return {
        "median": round(middle, 3),
        "range": [round(min(found), 3), round(max(found), 3)],
        "goal": ratio.goal,
        "reached": None if ratio.goal is None else middle >= ratio.goal,
    }


def figures(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Each case's rates and what they took."""
    return {
        name: {
            "work": one.work.key,
            "records": one.work.records,
            "decisions_per_s": {
                "median": round(median(one.rates)),
                "range": [round(min(one.rates)), round(max(one.rates))],
            },
            "seconds": [round(taken, 3) for taken in one.seconds],
            "cpu_s": _cpu(one),
            "cpu_us_per_decision": round(median(_each(one)), 2),
        }
        for name, one in measured.items()
    }


def _cpu(measured: Measured) -> dict[str, float]:
    """CPU seconds of a round by process, the mean of all rounds."""
    names = measured.cpu[0]
    return {name: round(mean(taken.get(name, 0.0) for taken in measured.cpu), 2) for name in names}


def _each(measured: Measured) -> list[float]:
    """CPU microseconds a decision, of all processes together, round by round."""
    return [
        sum(taken.values()) / requests * 1e6 for taken, requests in zip(measured.cpu, measured.requests, strict=True)
    ]


def show(console: Console, measured: Mapping[str, Measured]) -> None:
    """Print the two tables."""
    table = Table("system", "work", "records", "decisions/s", "range", "CPU s by process", "CPU µs a decision")
    for name, one in figures(measured).items():
        rate, taken = one["decisions_per_s"], one["cpu_s"]
        table.add_row(
            name,
            measured[name].case.work,
            f"{one['records']:,}",
            f"{rate['median']:,}",
            f"{rate['range'][0]:,} to {rate['range'][1]:,}",
            ", ".join(f"{process} {seconds}" for process, seconds in taken.items()),
            f"{one['cpu_us_per_decision']:.1f}",
        )
    console.print(table)
    table = Table("ratio", "median", "range", "goal", "")
    for name, one in ratios(measured).items():
        low, high = one["range"]
        goal, reached = one["goal"], {None: "", True: "reached", False: "missed"}[one["reached"]]
        table.add_row(
            name, f"{one['median']:.2f}", f"{low:.2f} to {high:.2f}", "" if goal is None else f"{goal}", reached
        )
    console.print(table)
