"""The group `youai prove`: what each command takes; what it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Prove matching: seeds in a simulator, mutants, faults on the real thing.", no_args_is_help=True)

JsonOption = Annotated[Path | None, typer.Option("--json", help="File to write the figures to, as JSON.")]


@app.callback()
def prove() -> None:
    """Prove matching: seeds in a simulator, mutants, faults on the real thing."""


@app.command()
def sim(
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="How many seeds.")] = 1000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 1,
    seed: Annotated[int | None, typer.Option(metavar="S", help="This seed alone.")] = None,
    trace: Annotated[bool, typer.Option("--trace", help="With --seed: print step by step what happens.")] = False,
    plan: Annotated[Path | None, typer.Option(help="A plan, as a failure left it: print step by step.")] = None,
    file: JsonOption = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    shrink: Annotated[bool, typer.Option(help="Look for the shortest history of a failure.")] = True,
) -> None:
    """The real code under a seeded scheduler, on a fake broker and a fake database: a whole world for each seed."""
    from youai_proof.sim.command import sim

    sim(seeds, first, seed, plan, file, jobs, trace=trace, shrink=shrink)


@app.command()
def mutants(
    names: Annotated[
        list[str] | None, typer.Option("--mutant", metavar="NAME", help="This one; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Most seeds that a mutant is tried on.")] = 200,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 1,
    file: JsonOption = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """The real code with one mechanism or rule broken, many times over: each mutant must be caught by some seed."""
    from youai_proof.mutants.command import mutants

    mutants(names or (), seeds, first, file, jobs)


@app.command()
def faust(
    home: Annotated[Path | None, typer.Option("--home", help="A stack that runs (default: stores of its own).")] = None,
    file: JsonOption = None,
) -> None:
    """Stock Faust's take beside a lane of ours: an exception in the body, and a worker that was frozen."""
    from youai_proof.beside.command import beside

    beside(home, file)


@app.command()
def chaos(
    faults: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME", help="This fault alone; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="When and whom (default: the day's).")] = None,
    rotate: Annotated[int | None, typer.Option(min=1, metavar="N", help="N faults, others each day.")] = None,
    file: JsonOption = None,
    home: Annotated[Path | None, typer.Option("--home", help="Folder for the stacks (default: a new one).")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep that folder.")] = False,
) -> None:
    """Every fault in mid-rush on the real broker, database and processes; then what held, and how fast it went on."""
    from youai_proof.chaos.command import chaos

    chaos(faults or (), seed, rotate, file, home, keep=keep)
