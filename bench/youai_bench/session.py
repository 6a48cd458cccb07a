"""What the commands of the bench share: a ground for as long as they run, lines of progress, and a folder for plots."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from youai_stack.home import Home

from youai_bench.ground import Ground

T = TypeVar("T")


def on_ground(console: Console, home: Path | None, measure: Callable[[Ground], Awaitable[T]]) -> T:
    """Run `measure` on a ground in this home, or in a new one that is removed afterwards."""
    begun = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"{time.monotonic() - begun:6.1f} s  {line}", markup=False)

    folder = home or Path(tempfile.mkdtemp(prefix="youai-bench-"))
    ground = Ground(Home(folder), tell=tell)

    async def run() -> T:
        try:
            await ground.open()
            tell("broker and database are up")
            return await measure(ground)
        finally:
            await ground.close()

    try:
        return asyncio.run(run())
    finally:
        if home is None:
            if ground.home.exists():
                ground.home.destroy()
            shutil.rmtree(folder, ignore_errors=True)


def plots_beside(file: Path | None) -> Path:
    """The folder that plots go to: beside the JSON file, else here."""
    return file.parent if file is not None else Path()
