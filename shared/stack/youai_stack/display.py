"""The way up, as a person sees it: a line for each step, live on a terminal, one by one elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from youai_stack.launch import Progress


class Display:
    """Shows Progress as it comes. To be entered before the first and left after the last."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: dict[str, Progress] = {}
        self._begun: dict[str, float] = {}
        self._spinner = Spinner("dots")
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=10)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def on_progress(self, progress: Progress) -> None:
        before = self._steps.get(progress.step)
        self._steps[progress.step] = progress
        self._begun.setdefault(progress.step, time.monotonic())
        if progress.state == "running" and (before is None or before.state != "running"):
            self._begun[progress.step] = time.monotonic()
        if not self._console.is_terminal and progress.state in ("done", "failed"):
            self._console.print(f"{progress.step}: {progress.state} {_seconds(progress.seconds)}".rstrip())

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, step in self._steps.items():
            marks: dict[str, RenderableType] = {
                "waiting": Text("·", style="dim"),
                "running": self._spinner,
                "done": Text("✓", style="green"),
                "failed": Text("✗", style="red"),
            }
            running = step.state == "running"
            seconds = time.monotonic() - self._begun[name] if running else step.seconds
            style = "dim" if step.state == "waiting" else ""
            table.add_row(
                marks[step.state], Text(name, style=style), Text(_seconds(seconds), style="dim"), Text(step.detail)
            )
        return Group(table)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
