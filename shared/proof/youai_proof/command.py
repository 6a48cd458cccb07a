"""The group `youai prove`: what each command takes; what it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Prove matching: seeds in a simulator, mutants, faults on the real thing.", no_args_is_help=True)

JsonOption = Annotated[Path | None, typer.Option("--json", help="File to write the figures to, as JSON.")]


@app.callback()
def prove() -> None:
    """Prove matching: seeds in a simulator, mutants, faults on the real thing."""
