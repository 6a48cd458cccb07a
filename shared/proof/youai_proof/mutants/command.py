"""`youai prove mutants`: breaks the real code in many ways, one at a time, and shows which seed caught each."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from youai_stack.errors import StackError

from youai_proof.mutants.apply import Mutant, catalogue
from youai_proof.sim import run


def mutants(names: Sequence[str], seeds: int, first: int, file: Path | None, jobs: int) -> None:
    """Run mutants, each on seeds until one catches it. Raises typer.Exit(1) where one lives."""
    wanted = [one for one in catalogue() if not names or one.name in names]
    unknown = set(names) - {one.name for one in wanted}
    if unknown:
        raise StackError(f"There is no mutant {', '.join(sorted(unknown))}.")
    console = Console(highlight=False)
    began = time.perf_counter()
    results = _run(console, wanted, list(range(first, first + seeds)), jobs)
    _table(console, results)
    living = [one for one in results if one["seed"] is None]
    console.print(
        f"{len(results) - len(living)} of {len(results)} mutants caught in {time.perf_counter() - began:.0f} s."
    )
    run.write_json(file, {"mutants": results, "caught": len(results) - len(living), "of": len(results)})
    if living:
        raise typer.Exit(1)


def _run(console: Console, wanted: Sequence[Mutant], seeds: list[int], jobs: int) -> list[dict[str, Any]]:
    left: Queue[Mutant] = Queue()
    for mutant in wanted:
        left.put(mutant)
    results: dict[str, dict[str, Any]] = {}

    def work() -> None:
        while True:
            try:
                mutant = left.get_nowait()
            except Empty:
                return
            results[mutant.name] = _one(mutant, seeds)
            told = results[mutant.name]
            console.print(f"{mutant.name}: {'LIVES' if told['seed'] is None else told['invariant']}", markup=False)

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[mutant.name] for mutant in wanted]


def _one(mutant: Mutant, seeds: list[int]) -> dict[str, Any]:
    """One mutant on seeds, until one of them breaks."""
    told: dict[str, Any] = {"name": mutant.name, "of": mutant.of, "seed": None, "invariant": None, "found": None}
    tried = 0
    try:
        for outcome in run.seeds(seeds, 1, mutant=mutant.name, stop=True):
            tried += 1
            if outcome["broken"]:
                invariant, found = outcome["broken"][0]
                told |= {"seed": outcome["seed"], "invariant": invariant, "found": found[:400]}
                break
    except RuntimeError as error:
        raise StackError(f"mutant {mutant.name}: {error}") from error
    return told | {"tried": tried}


def _table(console: Console, results: Sequence[dict[str, Any]]) -> None:
    table = Table("mutant", "breaks", "seeds", "caught by", box=None)
    for one in results:
        table.add_row(one["name"], one["of"], str(one["tried"]), one["invariant"] or "LIVES")
    console.print(table)
