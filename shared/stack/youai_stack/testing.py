"""`youai test`: the one gate, here and in CI: lock, format, lint, strict types, a browser, proof, every test."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from youai_stack import root
from youai_stack.errors import StackError

PYTHON_PATHS = ("shared", "services", "verifier", "examples", "deploy", "tests")
FAST = "not stack"
HALVES = ("stack and not quick", "not stack or quick")
"""The tests that share one stack, and those that need none or have their own: most of either waits, so side by side."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-noto-cjk")


@dataclass(frozen=True)
class Step:
    """A step of the gate: its name and the commands that must all exit 0; with none it has nothing to do.

    `beside` runs while they do; what it prints comes after.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    beside: tuple[str, ...] = ()


def test(
    context: typer.Context,
    fast: Annotated[bool, typer.Option("--fast", help="Only what needs no broker: under half a minute.")] = False,  # noqa: PT028
) -> None:
    """Run the project's tests with its lint and types. What follows `--` goes to pytest."""
    place = root.path()
    if not (place / "tests").is_dir():
        raise StackError(f"There are no tests in {place}: run this from a checkout.")
    console = Console(highlight=False)
    failed = [step.name for step in _steps(place, fast, tuple(context.args)) if not _run(console, place, step)]
    if failed:
        raise StackError(f"Failed: {', '.join(failed)}.")


def _steps(place: Path, fast: bool, more: tuple[str, ...]) -> list[Step]:
    paths = tuple(path for path in PYTHON_PATHS if (place / path).is_dir())
    python = (sys.executable, "-m")
    prove = (sys.executable, "-P", "-m", "youai_stack", "prove")
    proof = ((*prove, "sim", "--seeds", "200"), (*prove, "mutants"), (*prove, "chaos", "--rotate", "3"))
    return [
        Step("lock", ((*python, "uv", "lock", "--check", "--quiet"),)),
        Step("format", ((*python, "ruff", "format", "--check", "--quiet", *paths),)),
        Step("lint", ((*python, "ruff", "check", "--quiet", *paths),)),
        Step("types", ((*python, "mypy", *paths),)),
        *(() if fast else (Step("browser", _browser()),)),
        *(() if fast or more else (Step("proof", proof),)),
        _tests((*python, "pytest"), fast, more),
    ]


def _tests(pytest: tuple[str, ...], fast: bool, more: tuple[str, ...]) -> Step:
    if fast:
        return Step("tests", ((*pytest, "-m", FAST, *more),))
    if more:  # somebody looks for something: one run
        return Step("tests", ((*pytest, *more),))
    shared, others = ((*pytest, "-m", half) for half in HALVES)
    return Step("tests", (shared,), beside=others)


def _browser() -> tuple[tuple[str, ...], ...]:
    """What installs the browser that the browser tests need: nothing where there is one.

    Raises StackError where it is missing and cannot be installed from here.
    """
    if any(map(shutil.which, CHROMIUM)):
        return ()
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StackError(
            f"The browser tests need Chromium, and there is none on the PATH: install {' and '.join(PACKAGES)} "
            "(Debian: as root, apt-get install), or run what needs no browser with --fast."
        )
    return (("apt-get", "update"), ("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES))


def _run(console: Console, place: Path, step: Step) -> bool:
    console.rule(step.name, align="left")
    begun = time.monotonic()
    # The venv's own programs first, whatever else is on the PATH.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = os.environ | {"PATH": path, "YOUAI_ROOT": str(place)}
    with tempfile.TemporaryFile() as said:
        beside = (
            subprocess.Popen(step.beside, cwd=place, env=environment, stdout=said, stderr=subprocess.STDOUT)
            if step.beside
            else None
        )
        try:
            ok = all(
                subprocess.run(command, cwd=place, env=environment, check=False).returncode == 0
                for command in step.commands
            )
        except BaseException:
            if beside is not None:
                beside.terminate()
            raise
        ok = (beside is None or beside.wait() == 0) and ok
        said.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(said, sys.stdout.buffer)
        sys.stdout.flush()
    console.print(f"{step.name}: {'ok' if ok else 'FAILED'} in {time.monotonic() - begun:.1f} s")
    return ok
