"""What latency and growth make of their readings: goals, windows, queues, plots."""

import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from youai_bench import goals, plot
from youai_bench.goals import Goal, Measure
from youai_bench.growth.cost import Drain, Reading, spread
from youai_bench.latency.load import Plan, Result
from youai_bench.latency.run import drained, histogram


@pytest.mark.parametrize(("kind", "reached"), [("most", [True, True, False]), ("least", [False, True, True])])
def test_a_goal_is_a_bound_that_may_be_met(kind: str, reached: list[bool]) -> None:
    goal = msgspec.convert({"kind": kind, "value": 2.0}, Goal)
    assert [goal.is_reached(figure) for figure in (1.9, 2.0, 2.1)] == reached


def test_a_measure_is_judged_by_its_median_and_written_with_its_figures(tmp_path: Path) -> None:
    measure = Measure("p99", "p99 against idle", [3.0, 1.0, 1.5], Goal("most", 2.0), {"p99 ms": 12.5})
    file = tmp_path / "figures.json"
    goals.write(file, quick=True, measures=[measure], plots={"latency": tmp_path / "latency.svg"})
    told = msgspec.json.decode(file.read_bytes())
    assert told["quick"] is True
    assert told["plots"] == {"latency": str(tmp_path / "latency.svg")}
    assert told["ratios"]["p99"] == {
        "median": 1.5,
        "range": [1.0, 3.0],
        "goal": 2.0,
        "goal_is": "most",
        "reached": True,
        "means": "p99 against idle",
        "figures": {"p99 ms": 12.5},
    }


def test_a_window_costs_what_was_taken_within_it() -> None:
    readings = [Reading(0, 0.0, 0.0), Reading(1_000, 1.0, 1.0), Reading(2_000, 1.1, 2.0), Reading(3_000, 1.3, 3.0)]
    one = Drain(readings)
    assert one.cost(1_000, 2_000) == pytest.approx(100)
    assert one.cost(2_100, 2_900) == pytest.approx(200)
    assert [decisions for decisions, _ in one.course()] == [1_000, 2_000, 3_000]
    assert [cost for _, cost in one.course()] == pytest.approx([1_000, 100, 200])
    assert one.rate(1_000, 3_000) == pytest.approx(1_000)


def test_a_spread_work_asks_each_slot_in_turn_and_nobody_twice() -> None:
    work = spread(70_000, 140_000, waitlist=True)
    asks = list(work)
    assert work.requests == work.records == 140_000
    assert len({ask.request_id for ask in asks}) == 140_000
    assert [ask.slot.slot_id for ask in asks[:2]] == ["slot-000000", "slot-000001"]
    assert asks[70_000].slot == asks[0].slot
    assert {slot.partition for slot in work.slots} == set(range(work.partitions))


def test_phases_follow_each_other_without_a_gap() -> None:
    plan = Plan("broker", "log", "booking", 4, ((2.0, 1.0), (4.0, 0.5)), "file")
    assert list(plan.due()) == [0.0, 0.5, 1.0, 1.25]


def test_a_wait_is_counted_from_when_the_request_was_due() -> None:
    result = Result(due=[0.0, 1.0, 2.0], sent=[0.0, 1.4, 2.0], read=[0.1, 1.5, 2.001])
    waits = histogram(result, 0.5, 3.0)
    assert waits.get_total_count() == 2
    assert waits.get_max_value() == pytest.approx(500_000, rel=1e-3)


def test_a_backlog_is_what_waited_at_the_end_of_the_step_and_drains_at_the_rate_of_then() -> None:
    due = [0.1 * number for number in range(10)]
    result = Result(due=due, sent=due, read=[0.5 + 0.25 * number for number in range(10)])
    # At 1.0, the first two and, to the instant, the third are decided or being so; the last is at 2.75.
    backlog, rate = drained(result, 1.0)
    assert backlog == 8
    assert rate == pytest.approx(8 / 1.75)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_plot_is_well_formed_and_stays_within_its_frame(logarithmic: bool) -> None:
    line = plot.Line("p < q & r", [(1, 0.0), (10, 5.0), (100, 50_000.0)])
    text = plot.svg("a & b", plot.Axis("x", logarithmic), plot.Axis("y", logarithmic), [line, plot.Line("none", [])])
    drawn = ET.fromstring(text)
    assert drawn.findtext("{http://www.w3.org/2000/svg}title") == "a & b"
    points = [p.get("points", "").split() for p in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(points[0]) == (2 if logarithmic else 3)
    for point in points[0]:
        x, y = map(float, point.split(","))
        assert 0 <= x <= plot.WIDTH
        assert 0 <= y <= plot.HEIGHT
