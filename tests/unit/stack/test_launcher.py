"""The launcher, where it cannot go on: one sentence each. Its way to a full environment is what every run shows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ("bash", "cat", "cut", "sha256sum", "readlink", "dirname", "mkdir", "grep", "tail", "sed", "touch", "rm")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone in a path with a space and Chinese in it, and a `bin` with nothing but the basic tools."""
    root = tmp_path / "友 爱"
    for folder in ("shared/a", "services/b", "bench", "bin"):
        (root / folder).mkdir(parents=True)
    packages = ("shared/a", "services/b", "bench")
    for name in ("uv.lock", "pyproject.toml", *(f"{package}/pyproject.toml" for package in packages)):
        (root / name).write_text("")
    shutil.copy(ROOT / "youai", root / "youai")
    for tool in TOOLS:
        (root / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    return root


def python(clone: Path, name: str, script: str) -> None:
    path = clone / "bin" / name
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
    path.chmod(0o755)


def run(clone: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clone / "youai", *words],
        env={"PATH": str(clone / "bin"), "HOME": str(clone)} | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_no_python_is_a_sentence(clone: Path) -> None:
    shown = run(clone, "up")
    assert shown.returncode == 1
    assert "needs Python 3.11 or newer" in shown.stderr


def test_an_old_python_is_a_sentence_with_its_version(clone: Path) -> None:
    old = "--version) echo Python 3.9.18;; *version_info*) exit 1;;"
    python(clone, "python3", f"""case "$*" in {old} *) exec {sys.executable} "$@";; esac""")
    shown = run(clone, "up")
    assert shown.returncode == 1
    assert "needs Python 3.11 or newer, and found Python 3.9.18" in shown.stderr


def test_a_python_without_venv_is_a_sentence(clone: Path) -> None:
    refuse = f"""case "$*" in "-m venv"*) echo no ensurepip; exit 1;; *) exec {sys.executable} "$@";; esac"""
    python(clone, "python3", refuse)
    shown = run(clone, "up")
    assert shown.returncode == 1
    assert "python3 cannot make a virtual environment: install its venv and pip" in shown.stderr


def test_a_package_index_that_does_not_answer_is_a_sentence(clone: Path) -> None:
    fake = f"""
case "$*" in
  "-m venv"*)
    for last; do :; done
    mkdir -p "$last/bin"
    cat "$0" > "$last/bin/python"
    {shutil.which("chmod")} +x "$last/bin/python";;
  "-m pip install"*) echo "ERROR: Connection refused"; exit 1;;
  "-m pip --version") ;;
  *) exec {sys.executable} "$@";;
esac"""
    python(clone, "python3", fake)
    shown = run(clone, "up")
    assert shown.returncode == 1
    assert "could not be installed (ERROR: Connection refused): check the network" in shown.stderr
    assert (clone / ".youai-cache" / "unfinished").exists()


def test_a_ready_environment_is_entered_at_once(clone: Path) -> None:
    asked = clone / ".venv" / "bin"
    asked.mkdir(parents=True)
    python(clone, "../.venv/bin/python", 'echo "$YOUAI_DOWNLOAD_SECONDS|$*"')
    line = next(text for text in (clone / "youai").read_text().splitlines() if text.startswith("UV_VERSION="))
    version = line.partition("=")[2]
    shell = f'cd "{clone}"; (cat uv.lock pyproject.toml shared/*/pyproject.toml services/*/pyproject.toml'
    shell += f' bench/pyproject.toml; echo "{os.path.realpath(clone)} {version}") | sha256sum'
    stamp = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout.split()[0]
    (clone / ".venv" / ".youai-stamp").write_text(f"{stamp} base\n")
    shown = run(clone, "status", "--json")
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "0|-P -m youai_stack status --json\n", "")
    # Tests and bench need more than that: this environment will not do, and nothing here can make another.
    assert run(clone, "test").returncode == 1
    assert run(clone, "bench", "--quick").returncode == 1
