"""`youai prove mutants`: breaks the real code in many ways, one at a time, and shows which seed caught each."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from youai_stack.errors import StackError

from youai_proof.mutants.apply import Mutant, catalogue
from youai_proof.sim import run, scenes

_AMONG = 4
"""From so many times as many seeds the nastiest are chosen."""

_FEW = 60


def mutants(names: Sequence[str], seeds: int, first: int, file: Path | None, jobs: int) -> None:
    """Run mutants, each on seeds until one catches it. Raises typer.Exit(1) where one lives."""
    wanted = [one for one in catalogue() if not names or one.name in names]
    unknown = set(names) - {one.name for one in wanted}
    if unknown:
        raise StackError(f"There is no mutant {', '.join(sorted(unknown))}.")
    console = Console(highlight=False)
    began = time.perf_counter()
    at_large = _chosen(first, seeds)
    results = _run(console, wanted, {one.name: _with_scene(one, at_large, first) for one in wanted}, jobs)
    _table(console, results)
    living = [one["name"] for one in results if one["seed"] is None]
    caught, took = len(results) - len(living), time.perf_counter() - began
    console.print(f"{caught} of {len(results)} mutants caught in {took:.0f} s{'' if living else ': all of them'}.")
    run.write_json(file, {"mutants": results, "caught": caught, "of": len(results)})
    if living:
        raise typer.Exit(1)


def _with_scene(mutant: Mutant, at_large: list[int], first: int) -> list[int]:
    """As many seeds as there are, those of the mutant's scene before all others."""
    if not mutant.scene:
        return at_large
    scene = scenes.seeds_of(mutant.scene, first, min(len(at_large), _FEW))
    return list(dict.fromkeys([*scene, *at_large]))[: len(at_large)]


def _chosen(first: int, most: int) -> list[int]:
    """Seeds to try mutants on: by turns the nastiest of a range and those as they come; of a short one first."""
    few = _by_turns(first, min(most, _FEW))[:_FEW]
    return list(dict.fromkeys([*few, *_by_turns(first, most)]))[:most]


def _by_turns(first: int, most: int) -> list[int]:
    known = range(first, first + most * _AMONG)
    plans = {seed: scenes.draw(seed) for seed in known}

    def nastiness(seed: int) -> int:
        strikes = sum(fault.kind == "strike" for fault in plans[seed].faults)
        return 3 * strikes + len(plans[seed].faults)

    nasty = sorted(known, key=lambda seed: -nastiness(seed))
    gap = next((seed for seed in known if plans[seed].gap_at), first)
    by_turns = [seed for pair in zip(nasty, known, strict=True) for seed in pair]
    return list(dict.fromkeys([*by_turns[:6], gap, *by_turns]))


def _run(
    console: Console, wanted: Sequence[Mutant], seeds: Mapping[str, Sequence[int]], jobs: int
) -> list[dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    for told in run.mutants(seeds, jobs):
        name, broken = told["mutant"], told["broken"]
        invariant, found = broken[0] if broken else (None, told.get("stale"))
        results[name] = {
            "name": name,
            "of": next(mutant.of for mutant in wanted if mutant.name == name),
            "seed": told["seed"] if broken else None,
            "tried": told["tried"],
            "invariant": invariant,
            "found": found and found[:400],
        }
        console.print(f"{name}: {invariant or told.get('stale', 'LIVES')} after {told['tried']} seeds", markup=False)
    return [results[mutant.name] for mutant in wanted]


def _table(console: Console, results: Sequence[dict[str, Any]]) -> None:
    table = Table("mutant", "breaks", "seeds", "caught by", box=None)
    for one in results:
        table.add_row(one["name"], one["of"], str(one["tried"]), one["invariant"] or "LIVES")
    console.print(table)
