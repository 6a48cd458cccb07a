"""What the commands do and show: everything here is for a person at a terminal."""

import json
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from youai_stack import disk, launch, root
from youai_stack.display import Display
from youai_stack.errors import StackError
from youai_stack.home import Home

COLORS = {
    "ready": "green",
    "starting": "yellow",
    "restarting": "yellow",
    "degraded": "yellow",
    "external": "cyan",
}
console = Console(highlight=False)


def up(home: Home, *, detach: bool, containers: bool, new_ports: bool) -> None:
    """Start a stack, print its addresses, and unless detached stay until a signal comes."""
    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in stops:
        # Whoever stops us on the way up stops what has come up so far, whatever we inherited from a script.
        signal.signal(number, signal.default_int_handler)
    if said := disk.full(home):
        raise StackError(said)
    try:
        with Display(console) as display:
            result = launch.up(
                home,
                stack="containers" if containers else "embedded",
                new_ports=new_ports,
                with_parent=not detach,
                on_progress=display.on_progress,
            )
    except (StackError, OSError) as error:
        # Whatever failed first, a disk that ran full on the way is why.
        if said := disk.full(home):
            raise StackError(said) from error
        raise
    waited = f", downloads {result.download_seconds:.1f} s" if result.download_seconds else ""
    console.print(f"Up in {result.seconds:.1f} s{waited}.\n")
    _addresses(home, result.status)
    if detach:
        return
    console.print("\nCtrl-C stops it.")
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    warned = False
    while signal.sigtimedwait(stops, 0.5) is None:
        said = disk.full(home)
        if home.supervisor() is None:
            home.end_stale()
            raise StackError(said or f"The supervisor is gone: see {home.log('supervisor')}; `youai up` starts again.")
        if said and not warned:
            console.print(said, style="bold red", soft_wrap=True)
        warned = said is not None
    console.print("Stopping …")
    launch.down(home)
    console.print("Down. The data stays.")


def verify(export: Path, venue: str | None) -> int:
    """Run the verifier on an export, as a process that imports nothing of ours; returns its exit code."""
    program = [sys.executable, "-I", str(root.path() / "verifier" / "verify.py")]
    return subprocess.run(
        [*program, *([f"--venue={venue}"] if venue else []), "--", str(export)], check=False
    ).returncode


def down(home: Home) -> None:
    with console.status("Stopping …"):
        ran = launch.down(home)
    console.print("Down. The data stays." if ran else f"Nothing is running in {home.path}.", soft_wrap=True)


def reset(home: Home, *, yes: bool) -> None:
    home.require()
    if not yes and not agreed("`youai reset` removes all data", f"Remove {home.path} with all its data?"):
        console.print("Nothing was removed.")
        return
    launch.down(home)
    home.destroy()
    console.print(f"Removed {home.path}.", soft_wrap=True)


def status(home: Home, *, as_json: bool) -> None:
    known = home.status()
    is_down = known["state"] == "down"
    said = disk.full(home) if home.exists() else None
    if said:
        known["disk"] = said
    if as_json:
        print(json.dumps(known, ensure_ascii=False, indent=2))
    elif is_down:
        raise StackError(said or f"No stack is running in {home.path}: start one with `youai up`.")
    else:
        console.print(f"[bold]{escape(known['home'])}[/] is {known['state']}\n", soft_wrap=True)
        _addresses(home, known)
        _processes(known)
        if said:
            console.print(f"\n{escape(said)}", style="bold red", soft_wrap=True)
    if is_down:
        raise SystemExit(1)


def agreed(what: str, question: str) -> bool:
    """Ask. Raises StackError, saying what the command does, where nobody can be asked."""
    if not sys.stdin.isatty():
        raise StackError(f"{what}: say --yes where nobody can be asked.")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _addresses(home: Home, known: dict[str, Any]) -> None:
    table = Table("what", "address", "state", box=None, pad_edge=False, header_style="dim")
    table.add_row("Kafka", known["kafka"]["bootstrap"], _colored(known["kafka"]["state"]))
    address = known["postgres"]["dsn"].rpartition("@")[2]
    table.add_row("PostgreSQL", address, _colored(known["postgres"]["state"]))
    for name, service in known["services"].items():
        table.add_row(name, service["url"], _colored(service["state"]))
    console.print(table)
    console.print(f"\nhome {home.path} · logs {home.logs}", style="dim", soft_wrap=True)


def _processes(known: dict[str, Any]) -> None:
    table = Table("process", "pid", "port", "state", "restarts", "", box=None, pad_edge=False, header_style="dim")
    for name in ("kafka", "postgres"):
        store = known[name]
        table.add_row(name, str(store["pid"] or ""), "", _colored(store["state"]), str(store.get("restarts", "")))
    for service in known["services"].values():
        for p in service["processes"]:
            row = (p["name"], str(p["pid"] or ""), str(p["port"]), _colored(p["state"]), str(p["restarts"]))
            table.add_row(*row, escape(p["detail"]))
    console.print()
    console.print(table)


def _colored(state: str) -> str:
    return f"[{COLORS.get(state, 'red')}]{state}[/]"


def logs(home: Home, name: str, *, follow: bool, lines: int) -> None:
    home.require()
    found = launch.log_files(home, name)
    prefix = len(found) > 1
    ends = {}
    for log in found:
        # Where the first lines end the following begins: nothing is shown twice or left out.
        ends[log] = _print_last(log, lines, prefix)
    while follow:
        for log in found:
            ends[log] = _print_from(log, ends[log], prefix)
        sys.stdout.flush()
        select.select([], [], [], 0.2)


def _print_last(log: Path, lines: int, prefix: bool) -> int:
    size = log.stat().st_size if log.exists() else 0
    text = b""
    if size:
        with open(log, "rb") as file:
            file.seek(max(0, size - 512 * (lines + 1) * 4))
            text = file.read(size - file.tell())
    for line in text.decode(errors="replace").splitlines()[-lines:] if lines else ():
        print(f"{log.stem} | {line}" if prefix else line)
    return size


def _print_from(log: Path, start: int, prefix: bool) -> int:
    """Print the whole lines after `start`; returns where the next ones begin. A log put aside begins anew."""
    try:
        if log.stat().st_size < start:
            start = 0
        with open(log, "rb") as file:
            file.seek(start)
            fresh = file.read(1 << 20)
    except FileNotFoundError:
        return start
    whole, end, _ = fresh.rpartition(b"\n")
    for line in whole.decode(errors="replace").splitlines():
        print(f"{log.stem} | {line}" if prefix else line)
    return start + len(whole) + len(end)
