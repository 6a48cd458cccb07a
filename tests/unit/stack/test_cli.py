"""The command line: help that is quick, and errors that are one sentence and an exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from youai_stack.cli import main

COMMANDS = ("up", "down", "reset", "logs", "status", "scale", "token", "topics", "export", "dlq", "demo", "test")


@dataclass
class Shown:
    code: int | str | None
    out: str
    err: str


@pytest.fixture
def youai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Shown]:
    """Runs the command line on a home that is not there."""
    for name in [name for name in os.environ if name.startswith("YOUAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("YOUAI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    # setenv, then delenv: what `--debug` leaves in the environment goes with the test.
    monkeypatch.setenv("YOUAI_DEBUG", "")

    def run(*words: str) -> Shown:
        monkeypatch.setattr(sys, "argv", ["youai", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Shown(ended.value.code or 0, out, err)

    return run


Youai = Callable[..., Shown]


def test_help_lists_every_command(youai: Youai, tmp_path: Path) -> None:
    shown = youai("--help")
    assert shown.code == 0
    assert all(f"│ {command} " in shown.out for command in COMMANDS)
    assert os.listdir(tmp_path) == []


def test_help_does_not_import_what_it_does_not_need() -> None:
    code = "import sys, youai_stack.cli; print([m for m in ('aiokafka', 'asyncpg', 'jgo', 'jwt') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["status"], 1, "No stack is running"),
        (["topics"], 1, "No stack is running"),
        (["topics", "tail", "youai.offer.v1"], 1, "No stack is running"),
        (["topics", "tail"], 2, "Missing argument"),
        (["topics", "head"], 2, "head"),
        (["export", "youai.offer.v1"], 1, "No stack is running"),
        (["dlq", "retry", "youai.catalog.dead-letter.v1", "0", "1"], 1, "No stack is running"),
        (["dlq", "discard", "youai.catalog.dead-letter.v1", "0", "1", "--yes"], 1, "No stack is running"),
        (["dlq", "discard", "youai.catalog.dead-letter.v1", "0", "-1"], 2, "-1"),
        (["dlq", "retry", "youai.catalog.dead-letter.v1", "x", "1"], 2, "Invalid value"),
        (["logs", "kafka"], 1, "There is no stack in"),
        (["token", "--org", "a", "--role", "center"], 1, "There is no stack in"),
        (["reset", "--yes"], 1, "There is no stack in"),
        (["scale", "matching", "2"], 1, "No stack is running"),
        (["scale", "matching", "many"], 2, "Invalid value"),
        (["up", "--stack", "clouds"], 2, "containers"),
        (["nonsense"], 2, "nonsense"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_said_in_a_sentence(youai: Youai, words: list[str], code: int, says: str) -> None:
    shown = youai(*words)
    assert shown.code == code
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert code == 2 or len(shown.err.splitlines()) == 1


def test_status_for_programs_is_json_even_when_all_is_down(youai: Youai) -> None:
    shown = youai("status", "--json")
    assert (shown.code, json.loads(shown.out)) == (1, {"state": "down"})


def test_down_where_nothing_runs_is_fine(youai: Youai) -> None:
    shown = youai("down")
    assert (shown.code, "Nothing is running" in shown.out) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["topics", "tail", "youai.offer.v1", "--from", "noon"], "`noon` is no time"),
        (["topics", "tail", "youai.offer.v1", "--type", "offer-eaten"], "has no type `offer-eaten`"),
        (["dlq", "retry", "youai.offer.v1", "0", "1"], "is no dead-letter topic"),
        (["dlq", "discard", "youai.offer.v1", "0", "1"], "is no dead-letter topic"),
    ],
)
def test_what_is_wrong_is_said_before_anybody_is_asked(
    youai: Youai, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.setenv("YOUAI_KAFKA", "127.0.0.1:1")
    shown = youai(*words)
    assert (shown.code, len(shown.err.splitlines())) == (1, 1)
    assert says in shown.err


def test_debug_shows_where(youai: Youai) -> None:
    assert "Traceback" in youai("--debug", "status").err
