"""Ratios: round by round, with the goal that performance set for each."""

import json

import pytest
from rich.console import Console
from youai_bench import report
from youai_bench import work as works
from youai_bench.measure import Measured, records_for
from youai_bench.system import Drained
from youai_bench.systems.catalogue import CASES, RATIOS, SYSTEMS, Case


def measured(name: str, *rates: float) -> Measured:
    """A case with these rates."""
    found = Measured(Case(name, name, "uniform"), works.make("uniform", 100))
    for rate in rates:
        found.add(Drained(found.work.requests / rate, {"broker": 1.0, "worker": 2.0}))
    return found


def test_a_ratio_is_of_one_round_each() -> None:
    found = report.ratios(
        {"youai": measured("youai", 40.0, 10.0, 90.0), "limit_copy": measured("limit_copy", 100.0, 100.0, 100.0)}
    )
    assert found == {"share_of_copy_limit": {"median": 0.4, "range": [0.1, 0.9], "goal": 0.4, "reached": True}}


def test_a_goal_may_be_missed_and_may_not_be_there() -> None:
    ours = {"youai": measured("youai", 10.0), "limit_copy": measured("limit_copy", 100.0)}
    assert report.ratios(ours)["share_of_copy_limit"]["reached"] is False
    loop = {"youai": measured("youai", 10.0), "confluent_loop": measured("confluent_loop", 100.0)}
    assert report.ratios(loop)["vs_confluent_loop"] == {
        "median": 0.1,
        "range": [0.1, 0.1],
        "goal": None,
        "reached": None,
    }


def test_figures_are_json_and_count_the_processor() -> None:
    found = json.loads(json.dumps(report.figures({"youai": measured("youai", 10.0, 20.0)})))["youai"]
    assert found["cpu_s"] == {"broker": 1.0, "worker": 2.0}
    assert found["decisions_per_s"] == {"median": 15, "range": [10, 20]}
    requests = works.make("uniform", 100).requests
    assert found["cpu_us_per_decision"] == pytest.approx(3.0 / requests * 1e6, abs=0.01)


def test_the_tables_name_what_was_measured() -> None:
    console = Console(record=True, width=150)
    report.show(console, {"youai": measured("youai", 10.0), "limit_copy": measured("limit_copy", 100.0)})
    text = console.export_text()
    assert "share_of_copy_limit" in text
    assert "missed" in text


def test_rounds_are_sized_by_the_rate() -> None:
    assert records_for(100_000, 3.0) >= 300_000
    assert records_for(7.3, 3.0) >= 22


def test_every_case_has_its_system() -> None:
    assert {case.system for case in CASES} == set(SYSTEMS)
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({ratio.name for ratio in RATIOS}) == len(RATIOS)
