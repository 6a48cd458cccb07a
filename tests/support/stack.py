"""The running stack as tests see it: addresses, tokens, databases, and processes that can be killed and paused."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
from youai_stack import launch, processes, provision, tokens
from youai_stack.home import Home

from tests.support.waiting import until

STORES = ("kafka", "postgres")


class Stack:
    """A stack that is up in `home`. `accepted` lists what clients were told, for the verifier."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.accepted: list[dict[str, Any]] = []
        self._tokens: dict[tuple[str, str, str], str] = {}

    # Addresses

    @property
    def status(self) -> dict[str, Any]:
        return self.home.status()

    @property
    def bootstrap(self) -> str:
        return str(self.status["kafka"]["bootstrap"])

    @property
    def services(self) -> list[str]:
        return list(self.status["services"])

    def url(self, service: str) -> str:
        return str(self.status["services"][service]["url"])

    def dsn(self, service: str) -> str:
        """The DSN of the service's own database, in the service's own role."""
        admin: str = self.home.require_running()["postgres"]["dsn"]
        return provision.service_dsns(admin, {service: self.home.secret(service)})[service]

    @contextlib.asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[Any]:
        """A connection to the service's database."""
        connection = await asyncpg.connect(self.dsn(service), timeout=10)
        try:
            yield connection
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=2)

    async def ask(self, service: str, sql: str, *arguments: object) -> list[Any]:
        """Rows of one statement in the service's database."""
        async with self.database(service) as connection:
            rows: list[Any] = await connection.fetch(sql, *arguments)
            return rows

    def token(self, organization: str, role: str, subject: str = "tester") -> str:
        """A signed token, good for hours."""
        wanted = (organization, role, subject)
        if wanted not in self._tokens:
            self._tokens[wanted] = tokens.sign(
                self.home.keys, organization=organization, role=role, subject=subject, hours=6
            )
        return self._tokens[wanted]

    # Processes

    def processes(self, service: str) -> list[dict[str, Any]]:
        """What the supervisor says of a service's processes: name, role, pid, port, url, state, restarts."""
        found: list[dict[str, Any]] = self.status["services"][service]["processes"]
        return found

    def workers(self, service: str) -> list[str]:
        return [str(process["name"]) for process in self.processes(service) if process["role"] == "worker"]

    def owns(self, store: str) -> bool:
        """Whether the store is the stack's own to kill (not one that the environment named)."""
        return str(self.status[store]["state"]) != "external"

    def pid(self, name: str) -> int | None:
        """The pid of a store or of a service's process; None while it has none."""
        state = self.home.require_running()
        return next((process["pid"] for process in state["processes"] if process["name"] == name), None)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal (SIGKILL) to the process of that name; returns the pid that it had."""
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, number)
        return pid

    async def restarted(self, name: str, old: int, timeout: float = 30.0) -> float:
        """Wait until the supervisor has started the process again; returns the seconds that this took."""
        begun = time.monotonic()
        await until(lambda: self.pid(name) not in (None, old), timeout, f"{name} starts again")
        return time.monotonic() - begun

    async def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until every process lives and says that it is ready."""
        await until(self._all_ready, timeout, lambda: f"ready: {self._waiting()}")

    def _all_ready(self) -> bool:
        return not self._waiting()

    def _waiting(self) -> list[str]:
        state = self.home.require_running()
        return [
            f"{process['name']}: {process['state']} {process['detail']}"
            for process in state["processes"]
            if process["state"] != "ready" or processes.started_at(process["pid"] or 0) is None
        ]

    async def scale(self, service: str, number: int, *, wait: bool = True) -> None:
        await asyncio.to_thread(launch.scale, self.home, service, number, wait=wait)

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[int]:
        """Stop a process and its children (SIGSTOP) inside the block; they go on after it. Yields its pid."""
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run"
        stopped = _tree(pid)
        try:
            for one in stopped:
                _send(one, signal.SIGSTOP)
            stopped = list({*stopped, *_tree(pid)})
            for one in stopped:  # a child that was forked meanwhile
                _send(one, signal.SIGSTOP)
            yield pid
        finally:
            for one in stopped:
                _send(one, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _tree(root: int) -> list[int]:
    """A process and all below it, parents first."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                below.setdefault(int(stat[1]), []).append(int(entry.name))
    found, at = [root], 0
    while at < len(found):
        found += below.get(found[at], [])
        at += 1
    return found
