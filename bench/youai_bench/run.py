"""`youai bench`: the ground, the systems, their rounds, and what came of it."""

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from youai_stack.errors import StackError
from youai_stack.home import Home

from youai_bench import report
from youai_bench.ground import Ground
from youai_bench.measure import Bench, Size
from youai_bench.systems.catalogue import CASES, SYSTEMS, Case
from youai_bench.work import NAMES

_QUICK, _FULL = Size(rounds=3, shortest_s=3.0), Size(rounds=5, shortest_s=8.0)
_WIDTH = 150
"""Of the tables, in characters, where nobody looks at a terminal."""


def bench(*, quick: bool, only: Sequence[str], work: str, waitlist: bool, file: Path | None, home: Path | None) -> None:
    """Measure, print and write. Raises StackError where nothing is measured, Exit(1) where a system has no figure."""
    cases = _chosen(only, work, quick=quick)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    begun = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {line}", markup=False, soft_wrap=True)

    folder = home or Path(tempfile.mkdtemp(prefix="youai-bench-"))
    ground = Ground(Home(folder), tell=tell)
    systems = {name: SYSTEMS[name]() for name in dict.fromkeys(case.system for case in cases)}
    measured = Bench(ground, systems, _QUICK if quick else _FULL, tell, waitlist)
    try:
        asyncio.run(_run(measured, cases))
    finally:
        if home is None:
            _remove(ground.home)
    report.show(console, measured.found)
    for said in measured.failed.values():
        console.print(said, markup=False, soft_wrap=True)
    if file is not None:
        found = {
            "quick": quick,
            "cores": os.cpu_count(),
            "seconds": round(time.monotonic() - begun),
            "ratios": report.ratios(measured.found),
            "systems": report.figures(measured.found),
            "failed": measured.failed,
        }
        file.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if measured.failed:
        raise typer.Exit(1)


def _chosen(only: Sequence[str], work: str, *, quick: bool) -> list[Case]:
    """The cases asked for: by their own name or their system's, or `limits`; without names those of the whole bench."""
    unknown = [name for name in only if not any(_is_named(case, name) for case in CASES)]
    if unknown:
        raise StackError(f"There is no system {', '.join(unknown)}: there are {', '.join(c.name for c in CASES)}.")
    if work and work not in NAMES:
        raise StackError(f"There is no work {work}: there are {', '.join(NAMES)}.")
    whole = [case for case in CASES if case.quick or not quick]
    cases = [case for case in CASES if any(_is_named(case, name) for name in only)] if only else whole
    if not work:
        return cases
    by_system = {case.system: replace(case, name=case.system, work=work) for case in cases}
    return list(by_system.values())


def _is_named(case: Case, name: str) -> bool:
    """By its own name; by its system's where no case is called so; `limits` are all limits."""
    if name == "limits":
        return case.system.startswith("limit")
    return name == case.name or (name == case.system and all(other.name != name for other in CASES))


async def _run(bench: Bench, cases: Sequence[Case]) -> None:
    try:
        await bench.ground.open()
        bench.tell("broker and database are up")
        await bench.measure(cases)
    finally:
        for system in bench.systems.values():
            await system.close()
        await bench.ground.close()


def _remove(home: Home) -> None:
    if home.exists():
        home.destroy()
    shutil.rmtree(home.path, ignore_errors=True)
