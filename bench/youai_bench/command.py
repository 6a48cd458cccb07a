"""The group `youai bench`: what each command takes; what it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure the decider against its peers, on the same work and the same stores.", invoke_without_command=True
)

JsonOption = Annotated[Path | None, typer.Option("--json", help="File to write the figures to, as JSON.")]


@app.callback()
def bench(
    context: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="3 rounds of 3 s and more instead of 5 longer ones.")] = False,
    only: Annotated[str, typer.Option("--only", metavar="NAME,…", help="These systems alone.")] = "",
    work: Annotated[str, typer.Option("--work", metavar="NAME", help="Every system on this work.")] = "",
    waitlist: Annotated[bool, typer.Option("--waitlist", help="Who finds no place waits, else is refused.")] = False,
    file: JsonOption = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="Folder for the stores (default: a new one, removed at the end).")
    ] = None,
) -> None:
    """Measure the decider against its peers, on the same work and the same stores."""
    if context.invoked_subcommand is None:
        from youai_bench import run

        names = [name for name in only.split(",") if name]
        run.bench(quick=quick, only=names, work=work, waitlist=waitlist, file=file, home=home)


QuickOption = Annotated[
    bool, typer.Option("--quick", help="Smaller sizes, said plainly; some minutes instead of many.")
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder for the stores (default: a new one, removed at the end).")
]


@app.command()
def latency(quick: QuickOption = False, file: JsonOption = None, home: HomeOption = None) -> None:
    """Measure how long a request waits for its decision (an open loop), in a step too, and what the door costs."""
    from youai_bench.latency import run

    run.latency(quick=quick, file=file, home=home)


@app.command()
def growth(quick: QuickOption = False, file: JsonOption = None, home: HomeOption = None) -> None:
    """Measure what grows with history, slots, queue and partitions; memory; and how a killed worker comes back."""
    from youai_bench.growth import run

    run.growth(quick=quick, file=file, home=home)
