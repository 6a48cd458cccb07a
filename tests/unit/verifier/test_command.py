"""The command as a stranger runs it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.verifier.exports import RULE_FILE, SCRIPT, Export, here


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
    for words in ("候补", "排在候补第1位", "You are number 1", "promoted", receipt, "2 of 2 places taken"):
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


def test_it_is_one_file_on_the_standard_library_alone_and_stays_short() -> None:
    assert [path.name for path in SCRIPT.parent.iterdir() if path.name != "__pycache__"] == ["verify.py"]
    source = SCRIPT.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {f"{'.' * node.level}{node.module}" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
    assert len(source.splitlines()) < 600


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
