"""`youai rules`: list the rule versions, make a new one, rehearse past bookings under another."""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from youai_stack.errors import StackError

BAR = 10
"""Characters of a bar for the largest change."""


def tool(*arguments: str) -> bytes:
    """What matching's rule tool prints; StackError, in its own words, where it fails."""
    call = [sys.executable, "-m", "youai_matching.rule_tool", *arguments]
    done = subprocess.run(call, capture_output=True, check=False)
    if done.returncode:
        raise StackError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    return done.stdout


def show() -> None:
    """Print every rule version as a table."""
    table = Table("version 版本", "rules 规则", "SHA-256")
    for row in json.loads(tool("list")):
        table.add_row(row["name"], ", ".join(row["rules"]) or "order, capacity, waitlist", row["version"][:16])
    Console().print(table)


def make(name: str, base: str, calendar: Path | None, output: Path) -> None:
    """Write a new version's file."""
    if output.exists():
        raise StackError(f"{output} is there already: a rule version never changes")
    more = ["--calendar", str(calendar)] if calendar else []
    output.write_bytes(tool("make", name, "--base", base, *more))
    print(f"{output}: put it among matching's rules and set YOUAI_RULES={name} for new slots.")


def rehearse(
    log: Path | None,
    bootstrap: str | None,
    rules: str,
    since: str,
    answers_after: float,
    to: Path | None,
    folder: Path | None,
) -> None:
    """Rehearse an exported slot log, or the running stack's, and print who would fare better or worse.

    `folder` has the city's own rule versions, beside those that come with the program.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if log is None:
            assert bootstrap is not None
            log = Path(scratch) / "slot-log.jsonl"
            asyncio.run(_export(bootstrap, log))
        arguments = ["--rules", rules, "--since", since, "--answers-after-minutes", str(answers_after)]
        told = tool(*(["--folder", str(folder)] if folder else []), "rehearse", str(log), *arguments)
    if to is not None:
        to.write_bytes(told)
    _print(json.loads(told))


async def _export(bootstrap: str, path: Path) -> None:
    from youai_stack import export

    with path.open("wb") as file:
        await export.export(bootstrap, "youai.slot-log.v1", file.write)


def _print(told: dict[str, Any]) -> None:
    console = Console()
    if not told["requests"]:
        console.print("No session was opened since then. 此日期之后没有开放过场次。")
        return
    console.print(f"{told['slots']} sessions 场次, {told['requests']} requests 点单, under 按规则 {told['rules']}:")
    console.print(_decisions(told))
    console.print(_table("town 镇", told["towns"]))
    moved = [row for row in told["venues"] if row["change"]]
    if moved:
        console.print(_table("venue 单位", moved if len(moved) <= 20 else [*moved[:10], *moved[-10:]]))
    better, worse = (sum(row["change"] * sign > 0 for row in moved) for sign in (1, -1))
    console.print(
        f"{better} venues better 更好, {worse} worse 更差, {len(told['venues']) - better - worse} the same 不变."
    )


def _decisions(told: dict[str, Any]) -> Table:
    table = Table("decision 裁定", "then 当时", "now 试行")
    for outcome in sorted(told["decisions_then"].keys() | told["decisions_now"].keys()):
        table.add_row(outcome, *(str(told[when].get(outcome, 0)) for when in ("decisions_then", "decisions_now")))
    return table


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Rows with a bar each: to the right, in green, who gains; to the left, in red, who loses."""
    table = Table()
    table.add_column(title, overflow="fold")
    for head in ("asked 点单", "then 当时", "now 试行", "±"):
        table.add_column(head, justify="right")
    table.add_column("worse 更差|更好 better", min_width=2 * BAR + 1, no_wrap=True)  # what is narrow is the name
    most = max((abs(row["change"]) for row in rows), default=0) or 1
    for row in rows:
        bar = "█" * (max(1, round(abs(row["change"]) / most * BAR)) if row["change"] else 0)
        left, right = (bar, "") if row["change"] < 0 else ("", bar)
        picture = f"[red]{left:>{BAR}}[/]|[green]{right:<{BAR}}[/]"
        table.add_row(
            row["name"] or "-", str(row["requests"]), str(row["then"]), str(row["now"]), f"{row['change']:+d}", picture
        )
    return table
