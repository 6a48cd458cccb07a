"""A worker whose database is away says so at /readyz, alive all the same, and ends when it is asked to."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.support.stack import Stack
from tests.support.waiting import eventually


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def worker(stack: Stack, dsn: str, port: int) -> AsyncIterator[Process]:
    """A worker of catalog, which reads no topic and so takes no partition from others, with this database."""
    settings = {
        "YOUAI_KAFKA": stack.bootstrap,
        "YOUAI_DATABASE": dsn,
        "YOUAI_HTTP_PORT": str(port),
        "YOUAI_INSTANCE": "worker-away",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YOUAI_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "youai_catalog", "worker", env=kept | settings, stdout=PIPE, stderr=PIPE
    )
    reading = asyncio.create_task(process.communicate())
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await reading


async def test_ready_is_red_while_the_database_is_away(stack: Stack) -> None:
    port, closed = _free_port(), _free_port()
    url = f"http://127.0.0.1:{port}"
    async with (
        worker(stack, f"postgresql://catalog:x@127.0.0.1:{closed}/catalog", port) as process,
        httpx.AsyncClient(timeout=10) as http,
    ):

        async def told() -> dict[str, Any] | None:
            assert process.returncode is None
            try:
                answer = await http.get(f"{url}/readyz")
            except httpx.TransportError:
                return None
            waiting: dict[str, Any] = answer.json()["waiting"]
            return waiting if answer.status_code == 503 and "database" in waiting else None

        waiting = await eventually(told, 30, "the worker says that its database is away")
        assert "Refused" in waiting["database"]
        assert (await http.get(f"{url}/livez")).status_code == 200
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
