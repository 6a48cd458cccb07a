"""`youai matching status`: what the decider does now, read from its workers' metrics."""

import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from youai_stack.home import Home

DECIDER = "matching.decider"
STAGES = ("read", "decide", "write", "commit", "publish")
EVERY_S = 1.0
MOST_SLOTS = 10
_ASK_S = 2.0
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reading:
    """A worker's metrics at a time: values by name and labels. Empty where it gave none."""

    at: float
    values: dict[tuple[str, _Labels], float] = field(default_factory=dict)

    def of(self, name: str, **labels: str) -> float:
        """A value; 0 where there is none yet."""
        return self.values.get((name, tuple(sorted(labels.items()))), 0.0)

    def all(self, name: str, **labels: str) -> dict[_Labels, float]:
        """All values of a name whose labels are among these."""
        wanted = set(labels.items())
        return {given: value for (found, given), value in self.values.items() if found == name and wanted <= set(given)}


@dataclass(frozen=True)
class Row:
    """What a worker did between two readings. Times are µs a record, `lag_s` seconds; None where nothing was worked."""

    decisions_s: float
    records_s: float
    batch: float | None
    stages: dict[str, float | None]
    lag: int
    lag_s: float
    partitions: int


def parse(text: str, at: float) -> Reading:
    """A reading from what a worker answers at /metrics."""
    values: dict[tuple[str, _Labels], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return Reading(at, values)


def row(before: Reading, after: Reading) -> Row:
    """What was done between two readings of one worker."""
    seconds = max(after.at - before.at, 1e-6)

    def more(name: str, **labels: str) -> float:
        # A worker that was started again counts from 0.
        return max(0.0, after.of(name, **labels) - before.of(name, **labels))

    types = [dict(labels)["type"] for labels in after.all("youai_decisions_total")]
    decisions = sum(more("youai_decisions_total", type=type_) for type_ in types)
    records = more("youai_lane_records_total", lane=DECIDER)
    batches = more("youai_lane_batch_records_count", lane=DECIDER)
    measured = ("read", "decide", "write", "apply", "transaction", "publish")
    spent = {stage: more("youai_lane_stage_seconds_total", lane=DECIDER, stage=stage) for stage in measured}
    spent["commit"] = max(0.0, spent["transaction"] - spent["apply"])
    lags = after.all("youai_lane_lag_records", lane=DECIDER)
    late = after.all("youai_lane_lag_seconds", lane=DECIDER)
    return Row(
        decisions_s=decisions / seconds,
        records_s=records / seconds,
        batch=records / batches if batches else None,
        stages={stage: spent[stage] / records * 1e6 if records else None for stage in STAGES},
        lag=round(sum(lags.values())),
        lag_s=max(late.values(), default=0.0),
        partitions=len(lags),
    )


def show(home: Home, *, once: bool) -> None:
    """Print the table once, or show it until Ctrl-C. Raises StackError where no stack runs."""
    home.require_running()
    console = Console()
    before = _read(home)
    if once or not console.is_terminal:
        time.sleep(EVERY_S)
        console.print(render(before, _read(home)))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_S)
            after = _read(home)
            live.update(render(before, after), refresh=True)
            before = after


def _read(home: Home) -> dict[str, Reading]:
    found = {}
    for process in home.status()["services"]["matching"]["processes"]:
        if process["role"] == "worker":
            found[process["name"]] = _ask(process["port"])
    return found


def _ask(port: int) -> Reading:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_ASK_S) as answer:
            return parse(answer.read().decode(), time.monotonic())
    except OSError:
        return Reading(time.monotonic())


def render(before: dict[str, Reading], after: dict[str, Reading]) -> RenderableType:
    """The tables of what the workers did between two readings: a column a worker."""
    table = Table(title="判定 · The decider")
    table.add_column("")
    columns = []
    for name, reading in after.items():
        table.add_column(name, justify="right")
        columns.append(_column(before.get(name, Reading(reading.at)), reading))
    for told, *cells in zip(_MEASURES, *columns, strict=True):
        table.add_row(told, *cells)
    hot = _hottest(after)
    if not hot:
        return table
    slots = Table(title="热门名额 · The hottest slots, of the last whole 10 s", title_justify="left")
    slots.add_column("slot")
    slots.add_column("decisions", justify="right")
    for slot_id, number in hot:
        slots.add_row(slot_id, f"{number:,.0f}")
    return Group(table, slots)


_MEASURES = (
    "decisions a second",
    "records a second",
    "records a batch",
    *(f"{stage}, µs a record" for stage in STAGES),
    "partitions",
    "not yet decided",
    "age of the last decided, s",
    "all decided in, s",
)


def _column(before: Reading, after: Reading) -> list[RenderableType]:
    """A worker's figures, in the order of _MEASURES."""
    if not after.values:
        return [Text("no answer", style="red"), *[""] * (len(_MEASURES) - 1)]
    one = row(before, after)
    left = "0" if not one.lag else f"{one.lag / one.records_s:,.1f}" if one.records_s else "∞"
    return [
        f"{one.decisions_s:,.0f}",
        f"{one.records_s:,.0f}",
        "–" if one.batch is None else f"{one.batch:,.0f}",
        *("–" if (spent := one.stages[stage]) is None else f"{spent:,.1f}" for stage in STAGES),
        str(one.partitions),
        f"{one.lag:,}",
        f"{one.lag_s:,.1f}",
        left,
    ]


def _hottest(readings: dict[str, Reading]) -> list[tuple[str, float]]:
    found: dict[str, float] = defaultdict(float)
    for reading in readings.values():
        for labels, number in reading.all("youai_hot_slot_decisions").items():
            found[dict(labels)["slot"]] += number
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MOST_SLOTS]
