"""`youai prove mutants`: breaks the real code in many ways, one at a time, and shows which seed caught each."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from youai_stack.errors import StackError

from youai_proof.mutants.apply import Mutant, catalogue
from youai_proof.sim import run
from youai_proof.sim.plan import draw

_AMONG = 4
"""From so many times as many seeds the nastiest are chosen."""

_FEW = 60
_OF_A_HOLE = 20
"""Seeds that a known hole is tried on, where nobody asked for it by name: to live costs all of them."""


def mutants(names: Sequence[str], seeds: int, first: int, file: Path | None, jobs: int) -> None:
    """Run mutants, each on seeds until one catches it. Raises typer.Exit(1) where one lives that is no known hole."""
    wanted = [one for one in catalogue() if not names or one.name in names]
    unknown = set(names) - {one.name for one in wanted}
    if unknown:
        raise StackError(f"There is no mutant {', '.join(sorted(unknown))}.")
    console = Console(highlight=False)
    began = time.perf_counter()
    chosen = _chosen(first, seeds)
    holes = [mutant for mutant in wanted if mutant.open and not names]
    results = _run(console, [mutant for mutant in wanted if mutant not in holes], chosen, jobs)
    results += _run(console, holes, chosen[:_OF_A_HOLE], jobs)
    _table(console, results)
    living = [one for one in results if one["seed"] is None]
    known = [one for one in living if one["open"]]
    console.print(
        f"{len(results) - len(living)} of {len(results)} mutants caught in {time.perf_counter() - began:.0f} s; "
        f"{len(known)} holes are known."
    )
    for one in known:
        console.print(f"  {one['name']}: {one['open']}", markup=False)
    run.write_json(file, {"mutants": results, "caught": len(results) - len(living), "of": len(results)})
    if len(living) > len(known):
        raise typer.Exit(1)


def _chosen(first: int, most: int) -> list[int]:
    """Seeds to try mutants on: by turns the nastiest of a range and those as they come; of a short one first."""
    few = _by_turns(first, min(most, _FEW))[:_FEW]
    return list(dict.fromkeys([*few, *_by_turns(first, most)]))[:most]


def _by_turns(first: int, most: int) -> list[int]:
    known = range(first, first + most * _AMONG)
    plans = {seed: draw(seed) for seed in known}

    def nastiness(seed: int) -> int:
        strikes = sum(fault.kind == "strike" for fault in plans[seed].faults)
        return 3 * strikes + len(plans[seed].faults)

    nasty = sorted(known, key=lambda seed: -nastiness(seed))
    gap = next((seed for seed in known if plans[seed].gap_at), first)
    by_turns = [seed for pair in zip(nasty, known, strict=True) for seed in pair]
    return list(dict.fromkeys([*by_turns[:6], gap, *by_turns]))


def _run(console: Console, wanted: Sequence[Mutant], seeds: list[int], jobs: int) -> list[dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    for told in run.mutants([mutant.name for mutant in wanted], seeds, jobs):
        name, broken = told["mutant"], told["broken"]
        invariant, found = broken[0] if broken else (None, told.get("stale"))
        results[name] = {
            "name": name,
            "of": next(mutant.of for mutant in wanted if mutant.name == name),
            "seed": told["seed"] if broken else None,
            "tried": told["tried"],
            "invariant": invariant,
            "found": found and found[:400],
            "open": next(mutant.open for mutant in wanted if mutant.name == name),
        }
        console.print(f"{name}: {invariant or told.get('stale', 'LIVES')} after {told['tried']} seeds", markup=False)
    return [results[mutant.name] for mutant in wanted]


def _table(console: Console, results: Sequence[dict[str, Any]]) -> None:
    table = Table("mutant", "breaks", "seeds", "caught by", box=None)
    for one in results:
        table.add_row(one["name"], one["of"], str(one["tried"]), one["invariant"] or "LIVES")
    console.print(table)
