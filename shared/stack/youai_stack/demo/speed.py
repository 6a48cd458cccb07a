"""How fast the rush went: the door's and the decider's rates and waits, and what the generator itself used."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from youai_stack.demo.rush import Tally
from youai_stack.demo.watch import Watch

Figures = dict[str, float | None]


def percentile(values: list[float], share: float) -> float | None:
    """The value below which `share` of the values lie; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def figures(tally: Tally, watch: Watch, generator_cpu_s: float) -> Figures:
    """Milliseconds from the planned send to the door's answer, and from that answer to the decision being read.

    Rates a second, over the rush and in its best second; `all_answered_s` is from the opening to the last final answer;
    `generator_cpu_s` is the clients' own processor time.
    """
    decided = [max(watch.first[r] - at, 0.0) for r, at in tally.accepted.items() if r in watch.first]
    shares = {"p50": 0.5, "p99": 0.99}
    found: Figures = {}
    for name, values in (("answer", tally.waits), ("answer_to_decision", decided)):
        for label, share in shares.items():
            value = percentile(values, share)
            found[f"{name}_ms_{label}"] = None if value is None else round(value * 1000, 1)
    decisions = [at for request_id, at in watch.first.items() if request_id in tally.accepted]
    for name, moments in (("answers", tally.accepted.values()), ("decisions", decisions)):
        found[f"{name}_per_s"], found[f"{name}_per_s_best"] = _rates(moments)
    all_answered_s = round(max(tally.answered - tally.opened, 0.0), 1)
    return found | {"all_answered_s": all_answered_s, "generator_cpu_s": round(generator_cpu_s, 1)}


def _rates(moments: Iterable[float]) -> tuple[float | None, float | None]:
    """A second, on the whole and in the best second. Repeats of a request are not in it."""
    ordered = sorted(moments)
    if len(ordered) < 2:
        return None, None
    took = max(ordered[-1] - ordered[0], 1.0)
    return round(len(ordered) / took, 1), float(max(Counter(int(at) for at in ordered).values()))


def show(console: Console, report: dict[str, Any]) -> None:
    """The figures as a table."""
    table = Table(title="快慢 · Speed", title_justify="left")
    for name in ("", "每秒 · a second", "最快一秒 · best second", "p50 ms", "p99 ms"):
        table.add_column(name, justify="left" if not name else "right")
    rows = {
        "门口答复 · the door's answers": ("answers", "answer"),
        "裁定 · decisions": ("decisions", "answer_to_decision"),
    }
    for title, (rate, wait) in rows.items():
        names = (f"{rate}_per_s", f"{rate}_per_s_best", f"{wait}_ms_p50", f"{wait}_ms_p99")
        table.add_row(title, *("–" if report[name] is None else f"{report[name]:,.0f}" for name in names))
    table.caption = (
        f"{report['booking_requests']:,} POSTs, {report['late_sends']:,} late sends;"
        f" all answered {report['all_answered_s']} s after the opening;"
        f" the generator used {report['generator_cpu_s']} s of processor time"
    )
    console.print(table)
