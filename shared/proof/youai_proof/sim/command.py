"""`youai prove sim`: many seeds with their progress, or one step by step."""

import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from youai_stack.errors import StackError

from youai_proof.sim import run

MOST_TOLD = 5
"""Failures that are told in full."""


def sim(
    seeds: int,
    first: int,
    seed: int | None,
    plan: Path | None,
    file: Path | None,
    jobs: int,
    *,
    trace: bool,
    shrink: bool,
) -> None:
    """Run what is asked for. Raises typer.Exit(1) where an invariant did not hold."""
    if plan is not None or (seed is not None and trace):
        wanted: Any = seed if plan is None else _read(plan)
        raise typer.Exit(0 if run.trace(wanted) else 1)
    numbers = [seed] if seed is not None else list(range(first, first + seeds))
    console = Console(highlight=False)
    tally = _run(console, numbers, jobs)
    run.write_json(file, tally.summary())
    _tell(console, tally, shrink)
    if tally.broken:
        raise typer.Exit(1)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StackError(f"{path} is no plan: {error}") from error


def _run(console: Console, numbers: list[int], jobs: int) -> run.Tally:
    tally = run.Tally()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("seeds", total=len(numbers))
        for told in run.seeds(numbers, jobs):
            tally.add(told)
            progress.update(task, advance=1, description=f"seeds ({len(tally.broken)} broken)")
            if not console.is_terminal and tally.done % 100 == 0:
                console.print(f"{tally.done} of {len(numbers)} seeds, {len(tally.broken)} broken")
    return tally


def _tell(console: Console, tally: run.Tally, shrink: bool) -> None:
    told = tally.summary()
    faults = ", ".join(f"{name} {count}" for name, count in told["faults"].items())
    console.print(
        f"{told['seeds']} seeds in {told['seconds']} s (CPU {told['cpu_seconds']} s): {told['virtual_seconds']} "
        f"virtual seconds, {told['calls']} calls, {told['events']} events. {len(tally.broken)} broken."
    )
    console.print(f"Faults: {faults}")
    for failure in sorted(tally.broken, key=lambda one: one["seed"])[:MOST_TOLD]:
        console.print(f"\nseed {failure['seed']} broke:", markup=False)
        for invariant, found in failure["broken"][:4]:
            console.print(f"  {invariant}: {found}", markup=False)
    if tally.broken and shrink:
        failure = min(tally.broken, key=lambda one: one["seed"])
        console.print(f"\nLooking for the shortest history of seed {failure['seed']} ...")
        short = run.shortest(failure["seed"], failure["broken"][0][0])
        path = Path(f"plan-{failure['seed']}.json")
        path.write_text(json.dumps(short, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        for part in ("sessions", "words", "acts", "faults"):
            for item in short[part]:
                console.print(f"  {part[:-1]}: {json.dumps(item, ensure_ascii=False)}", markup=False)
        console.print(f"Step by step: youai prove sim --plan {path}")
