"""`youai prove faust`: stock Faust's `take` beside a lane of ours, on one schedule each, as a table."""

import asyncio
import tempfile
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from youai_stack import launch
from youai_stack.home import Home

from youai_proof.beside.schedules import FAULTS, KINDS, Outcome, Stores, run
from youai_proof.sim.run import write_json

_SAID = {"faust": "Faust's take", "ours": "our lane"}
_WHAT = {"exception": "exception, restart", "zombie": "zombie"}


def beside(home: Path | None, file: Path | None) -> None:
    """Play both schedules on both kinds. Raises typer.Exit(1) where one of ours loses or doubles anything.

    `home`: of a stack that runs; None for a broker and a database that are started for this and removed again.
    """
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="youai-faust-", ignore_cleanup_errors=True) as folder:
        if home is not None:
            outcomes = _played(Home(home), Path(folder))
        else:
            own = Home(Path(folder) / "home")
            try:
                launch.up(own, services=(), with_parent=True)
                outcomes = _played(own, Path(folder))
            finally:
                launch.down(own)
    _tell(console, outcomes)
    write_json(file, {"runs": [asdict(outcome) for outcome in outcomes]})
    if any(one.lost or one.twice for one in outcomes if one.kind == "ours"):
        raise typer.Exit(1)


def _played(home: Home, folder: Path) -> list[Outcome]:
    status = home.require_running()
    stores = Stores(status["kafka"]["bootstrap"], status["postgres"]["dsn"], folder)
    return asyncio.run(play(stores))


async def play(stores: Stores) -> list[Outcome]:
    """Both schedules on both kinds, all four side by side."""
    return await asyncio.gather(*(run(stores, kind, fault) for fault in FAULTS for kind in KINDS))


def _tell(console: Console, outcomes: list[Outcome]) -> None:
    table = Table("schedule", "worker", "requests", "decided once", "lost", "decided twice", box=None)
    for one in outcomes:
        numbers = (one.requests, one.once, one.lost, one.twice)
        table.add_row(_WHAT[one.fault], _SAID[one.kind], *map(str, numbers))
    console.print(table)
