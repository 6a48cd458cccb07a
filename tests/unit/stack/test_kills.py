"""What the demonstration kills in the month and what in the rush."""

import pytest
import typer
from typer.testing import CliRunner
from youai_stack.demo.command import KNOWN, demo, killed_in
from youai_stack.demo.faults import Kill
from youai_stack.services import SERVICES


def test_matching_is_killed_in_both_and_each_other_once() -> None:
    named = ["portal", "matching", "kafka", "demand"]
    assert killed_in("month", named) == ["portal", "matching", "demand"]
    assert killed_in("rush", named) == ["matching", "kafka"]
    assert killed_in("month", []) == killed_in("rush", []) == []


def test_whatever_the_stack_runs_can_be_killed_some_time() -> None:
    assert set(KNOWN) == {"kafka", "postgres", *(service.name for service in SERVICES)}
    for name in KNOWN:
        assert killed_in("month", [name]) + killed_in("rush", [name])


def test_the_report_says_in_which_phase() -> None:
    told = Kill("month", "matching", 3.0, 3, 0, all_ready_s=4.567).as_json()
    assert (told["phase"], told["target"], told["all_ready_s"], told["next_decision_s"]) == (
        "month",
        "matching",
        4.57,
        None,
    )


@pytest.mark.parametrize("wrong", ["nobody", "matching,nobody", "youai-matching"])
def test_a_name_that_is_none_is_refused_before_anything_starts(wrong: str) -> None:
    app = typer.Typer()
    app.command()(demo)
    answer = CliRunner().invoke(app, ["--kill", wrong])
    assert answer.exit_code == 2
    assert "is none of matching, postgres" in " ".join(answer.output.replace("│", " ").split())
