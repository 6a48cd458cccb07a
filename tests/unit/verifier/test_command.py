"""What clients were told, and the command as a stranger runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.verifier.exports import RULE_FILE, SCRIPT, Export, here, told


def answers(folder: Path, *rows: tuple[str | None, Any]) -> Path:
    path = folder / "answers.jsonl"
    lines = [json.dumps({"request_id": name, "slot_id": "s", "status": status}) for name, status in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_answers_that_hold(rush: Export, tmp_path: Path) -> None:
    rows = (("r1", 202), ("r2", 503), ("r2", 202), ("r3", 504), ("r8", 504), ("r9", 429), (None, 422))
    summary = rush.summary(tmp_path, answers(tmp_path, *rows))
    assert summary["ok"], summary["lie"]


@pytest.mark.parametrize(
    ("row", "line_number", "expected", "found"),
    [(("r9", 202), 2, 1, 0), (("r2", 409), 2, 0, 1)],
)
def test_answers_that_do_not_hold(
    row: tuple[str, int], line_number: int, expected: int, found: int, rush: Export, tmp_path: Path
) -> None:
    summary = rush.summary(tmp_path, answers(tmp_path, ("r1", 202), row))
    assert told(summary) == ("accepted", None, line_number)
    assert (summary["lie"]["expected"], summary["lie"]["found"]) == (expected, found)
    assert summary["undecided"] == expected


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As a stranger runs it: an isolated Python with no site-packages."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8", timeout=60)


def test_the_command_on_the_standard_library_alone(rush: Export, tmp_path: Path) -> None:
    folder = str(rush.write(tmp_path))
    true = run(folder, "--json")
    assert (true.returncode, json.loads(true.stdout)["ok"], true.stderr) == (0, True, "")
    proof = run(folder, "--venue", "v3")
    assert proof.returncode == 0
    receipt = here(rush, 2)["data"]["hash"]
    for words in ("候补，第 1 位", "waitlisted, number 1", "promoted", receipt, "点单 2 份", "2 of 2 places taken"):
        assert words in proof.stdout
    here(rush, 2)["data"]["place"] = 9
    rush.write(tmp_path)
    lie = run(folder, "--venue", "v3")
    assert lie.returncode == 1
    assert 'partition: 1\noffset: 2\nwhat: "1-3-0: place"\nexpected: 1\nfound: 9\n不实' in lie.stdout
    assert "NOT published so" in lie.stdout


@pytest.mark.parametrize("broken", ["no such folder", "no line of JSON", "a line without offset", "an unknown rule"])
def test_what_cannot_be_read_ends_with_2(broken: str, rush: Export, tmp_path: Path) -> None:
    if broken == "an unknown rule":
        rush.log[0]["data"]["rule_version"] = "0" * 64
    folder, rules = rush.write(tmp_path), RULE_FILE.parent
    lines = {"no line of JSON": "{", "a line without offset": '{"partition": 0}'}
    if broken in lines:
        (folder / "youai.booking.v1.jsonl").write_text(lines[broken])
    result = run(str(folder if broken != "no such folder" else folder / "none"), "--rules", str(rules))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("verify.py: ")


def test_usage_ends_with_2() -> None:
    assert run().returncode == 2


def test_it_imports_the_standard_library_alone_and_stays_short() -> None:
    for path in SCRIPT.parent.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        imported = {text.split()[1].split(".")[0] for text in lines if text.lstrip().startswith(("import ", "from "))}
        assert imported <= sys.stdlib_module_names | {"verifier"}
        assert len(lines) <= 400


def test_youai_verify_passes_words_and_exit_code_on(rush: Export, tmp_path: Path) -> None:
    def youai(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "youai_stack", "verify", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8", timeout=60)

    folder = str(rush.write(tmp_path))
    true = youai(folder, "--venue", "v3")
    assert true.returncode == 0
    assert "单位 v3" in true.stdout
    assert "属实" in true.stdout
    here(rush, 2)["data"]["place"] = 9
    rush.write(tmp_path)
    assert youai(folder).returncode == 1
    assert youai(str(tmp_path / "none")).returncode == 2
