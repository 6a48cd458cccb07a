"""Another version in the place of one service: its processes stopped, others started on their ports and settings."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.stack import Stack
from tests.support.waiting import eventually, until

ROOT = Path(__file__).resolve().parents[2]


class Upgrade:
    """A service whose processes are this object's, not the supervisor's."""

    def __init__(self, stack: Stack, service: str, logs: Path) -> None:
        self._service, self._logs = service, logs
        self._processes = stack.processes(service)
        self._settings = {one["name"]: _environment(one["pid"]) for one in self._processes}
        self._started: list[subprocess.Popen[bytes]] = []

    async def stop_old(self) -> None:
        """End the supervisor's processes as an operator does, and wait until they have drained."""
        for one in self._processes:
            os.kill(one["pid"], signal.SIGTERM)
        for one in self._processes:
            await until(lambda pid=one["pid"]: _ended(pid), 20, f"{one['name']} drains")  # type: ignore[misc]

    async def start(self, module: str) -> None:
        """Start `python -m module ROLE` for each process that there was; returns when all are ready."""
        for one in self._processes:
            with (self._logs / f"{one['name']}.log").open("ab") as log:
                argv = [sys.executable, "-m", module, one["role"]]
                environment = self._settings[one["name"]]
                self._started.append(subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=log, stderr=log))
        async with httpx.AsyncClient(timeout=5) as client:
            for one in self._processes:
                await eventually(lambda url=one["url"]: _ready(client, url), 60, f"{one['name']} is ready")  # type: ignore[misc]

    def stop(self) -> list[int]:
        """End what was started; the exit codes."""
        for process in self._started:
            process.send_signal(signal.SIGTERM)
        return [process.wait(timeout=20) for process in self._started]


@asynccontextmanager
async def upgrading(stack: Stack, service: str, logs: Path) -> AsyncIterator[Upgrade]:
    """Keep the supervisor from starting the service again inside the block; it does after it."""
    supervisor = stack.home.require_running()["supervisor"]["pid"]
    upgrade = Upgrade(stack, service, logs)
    before = {one["name"]: one["pid"] for one in stack.processes(service)}
    os.kill(supervisor, signal.SIGSTOP)
    try:
        yield upgrade
    finally:
        try:
            codes = upgrade.stop()
        finally:
            os.kill(supervisor, signal.SIGCONT)
    assert codes == [0] * len(codes), "the next version drains too"
    for name, old in before.items():
        await stack.restarted(name, old)
    await stack.wait_ready()


def _environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _ended(pid: int) -> bool:
    """Gone, or ended and not yet waited for by the supervisor."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False
