"""Measures with their goals: what `latency` and `growth` found, as a table for people and as JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """What a figure is to be: at most, or at least, so much."""

    kind: Literal["most", "least"]
    value: float

    def is_reached(self, figure: float) -> bool:
        """Whether a figure is as good as that."""
        return figure <= self.value if self.kind == "most" else figure >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.kind == 'most' else '≥'} {self.value:g}"


@dataclass(frozen=True)
class Measure:
    """A ratio, round by round, with its goal and the figures that it was made of. `means` is a sentence for people."""

    name: str
    means: str
    rounds: Sequence[float]
    goal: Goal
    figures: Mapping[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """As JSON: as the ratios of `youai bench`, and the figures beside."""
        middle = median(self.rounds)
        return {
            "median": round(middle, 3),
            "range": [round(min(self.rounds), 3), round(max(self.rounds), 3)],
            "goal": self.goal.value,
            "goal_is": self.goal.kind,
            "reached": self.goal.is_reached(middle),
            "means": self.means,
            "figures": dict(self.figures),
        }


def show(console: Console, measures: Sequence[Measure]) -> None:
    """Print a line a measure."""
    table = Table("measure", "median", "range", "goal", "", "figures")
    for one in measures:
        told = one.told()
        low, high = told["range"]
        figures = ", ".join(f"{name} {_plain(value)}" for name, value in one.figures.items() if _is_plain(value))
        reached = "reached" if told["reached"] else "missed"
        table.add_row(one.means, f"{told['median']:.2f}", f"{low:.2f} to {high:.2f}", str(one.goal), reached, figures)
    console.print(table)


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str)


def _plain(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def write(file: Path, *, quick: bool, measures: Sequence[Measure], plots: Mapping[str, Path]) -> None:
    """Write everything that was measured, and where its plots are."""
    told = {
        "quick": quick,
        "ratios": {one.name: one.told() for one in measures},
        "plots": {name: str(path) for name, path in plots.items()},
    }
    file.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
