"""Processes of a stack as chaos handles them: by name, killed, paused, told apart from their former lives, measured."""

import asyncio
import contextlib
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from youai_stack import processes
from youai_stack.errors import StackError
from youai_stack.home import Home

PATIENCE_S = 60.0
POLL_S = 0.05


async def until(good: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> float:
    """Wait until it is so, and return how many seconds that took. Raises StackError where it does not become so."""
    begun = time.monotonic()
    while not await asyncio.to_thread(good):
        if time.monotonic() - begun > seconds:
            raise StackError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - begun


def named(home: Home) -> dict[str, dict[str, Any]]:
    """Every process of the stack by its name, as the supervisor last wrote."""
    return {process["name"]: process for process in home.require_running()["processes"]}


def pid_of(home: Home, name: str) -> int:
    """The pid of a process that runs. Raises StackError where it does not."""
    pid = named(home)[name]["pid"]
    if pid is None:
        raise StackError(f"{name} does not run")
    return int(pid)


def workers(home: Home, service: str) -> list[str]:
    """The names of a service's workers."""
    return [name for name, p in named(home).items() if p["service"] == service and p["role"] == "worker"]


def whole(home: Home, names: set[str] | None = None) -> bool:
    """Whether every process (or these) lives and is ready."""
    return not waiting(home, names)


def waiting(home: Home, names: set[str] | None = None) -> list[str]:
    """Which processes (or which of these) are not ready, each with why."""
    return [
        f"{name}: {process['state']} {process['detail']}".strip()
        for name, process in named(home).items()
        if (names is None or name in names)
        and (process["state"] != "ready" or processes.started_at(process["pid"] or 0) is None)
    ]


def unready(home: Home, service: str) -> dict[str, str]:
    """What the workers of a service say of themselves at /readyz, where that is not yes: whole, by name."""
    said: dict[str, str] = {}
    for name, process in named(home).items():
        if process["service"] == service and process["role"] == "worker":
            try:
                with urllib.request.urlopen(f"{process['url']}/readyz", timeout=2):
                    pass
            except urllib.error.HTTPError as error:
                said[name] = error.read().decode(errors="replace")
            except OSError:
                pass
    return said


def born_again(home: Home, name: str, old: int) -> bool:
    """Whether the supervisor has started the process anew and it is ready."""
    process = named(home).get(name)
    return process is not None and process["pid"] not in (None, old) and process["state"] == "ready"


def kill(home: Home, name: str, number: signal.Signals = signal.SIGKILL) -> int:
    """Send a process a signal; returns the pid that it had."""
    pid = pid_of(home, name)
    os.kill(pid, number)
    return pid


def ended(pid: int) -> bool:
    """Whether a process is gone, or has ended and was not waited for yet."""
    return processes.started_at(pid) is None


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """Stop a process and all below it inside the block (SIGSTOP); they go on after it."""
    stopped = tree(pid)
    try:
        for one in stopped:
            send(one, signal.SIGSTOP)
        for one in set(tree(pid)) - set(stopped):  # forked meanwhile
            stopped.append(one)
            send(one, signal.SIGSTOP)
        yield
    finally:
        for one in stopped:
            send(one, signal.SIGCONT)


@contextlib.contextmanager
def unsupervised(home: Home) -> Iterator[None]:
    """Nothing is started again inside the block."""
    supervisor = int(home.require_running()["supervisor"]["pid"])
    os.kill(supervisor, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


def tree(root: int) -> list[int]:
    """A process and all below it, parents first."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                below.setdefault(int(fields[1]), []).append(int(entry.name))
    found, at = [root], 0
    while at < len(found):
        found += below.get(found[at], [])
        at += 1
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Memory:
    """The most memory that each process has had, in MiB: resident; for PostgreSQL what is no shared buffer, summed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.peak: dict[str, float] = {}
        self.others: dict[str, int] = {}
        """Processes that the supervisor knows nothing of: pids by name."""

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(1.0)

    def _look(self) -> None:
        state = self._home.state() or {"processes": []}
        pids = {process["name"]: process["pid"] for process in state["processes"] if process["pid"]} | self.others
        for name, pid in pids.items():
            used = sum(_kib(one, "RssAnon") for one in tree(pid)) if name == "postgres" else _kib(pid, "VmHWM")
            self.peak[name] = max(self.peak.get(name, 0.0), used / 1024)


def _kib(pid: int, field: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
