"""The worker process: a Faust app that hosts lanes and other loops, with a small HTTP server for its health."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import faust
import uvicorn
import uvloop
from fastapi import FastAPI
from faust.app.base import BootStrategy
from mode import Service

from youai_runtime import database, garbage, http, logs
from youai_runtime.database import Pool
from youai_runtime.kafka import Broker
from youai_runtime.lane import Lane
from youai_runtime.settings import ServiceSettings

log = logs.get(__name__)


class Loop(Protocol):
    """Something that runs until it is asked to stop: a lane, a relay, a leader."""

    async def run(self) -> None: ...
    async def stop(self) -> None: ...


class Client(Protocol):
    """A client of the broker that is started: a producer or a consumer."""

    async def stop(self) -> None: ...


@dataclass
class Hosted:
    """What a worker hosts, built once its event loop runs, and what its loops share, closed after all have ended."""

    loops: Sequence[Loop]
    pool: Pool
    clients: Sequence[Client]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def close(self) -> None:
        """Stop the clients, in order, then drop the database's connections."""
        for client in self.clients:
            await client.stop()
        self.pool.terminate()

    async def waiting(self) -> dict[str, str]:
        """What is not ready, each with why: the database, and lanes."""
        found = await database.trouble(self.pool, "SELECT 1 FROM lane_progress LIMIT 1")
        for loop in self.loops:
            if isinstance(loop, Lane) and not loop.ready:
                broken = "; ".join(f"partition {p}: {why}" for p, why in loop.broken.items())
                found[loop.work.name] = loop.missing or broken or "waits for its partitions"
        return found


class _NoKafkaOfItsOwn(BootStrategy):  # type: ignore[misc]
    """Lanes bring their own consumers; Faust's own start with the first agent that a worker hosts."""

    enable_kafka = False
    enable_web = False


class _Host(Service):  # type: ignore[misc]
    """Runs the hosted loops inside Faust's life cycle; one that dies takes the worker down, to be restarted."""

    def __init__(self, build: Callable[[], Awaitable[Hosted]], settings: ServiceSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._build = build
        self._settings = settings
        self._hosted: Hosted | None = None
        self._server: uvicorn.Server | None = None

    async def on_start(self) -> None:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        http.add_health(app, self._waiting)
        self._server = http.server(app, self._settings.http_host, self._settings.http_port, lifespan="off")
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._hosted = await self._build()
        garbage.look_less_often()

    async def _waiting(self) -> dict[str, str]:
        return await self._hosted.waiting() if self._hosted else {"worker": "starts"}

    @Service.task  # type: ignore[untyped-decorator]
    async def _serve(self) -> None:
        assert self._server is not None
        await self._server.serve()

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        assert self._hosted is not None
        async with asyncio.TaskGroup() as group:
            for loop in self._hosted.loops:
                self._hosted.tasks.append(group.create_task(loop.run()))

    async def on_stop(self) -> None:
        if self._hosted is not None:
            for loop in self._hosted.loops:
                await loop.stop()
            if self._hosted.tasks:
                await asyncio.wait(self._hosted.tasks, timeout=8)
            await self._hosted.close()
        if self._server is not None:
            self._server.should_exit = True


def _credentials(broker: Broker) -> Any:
    """How Faust's own clients would connect: as ours do."""
    if broker.is_authenticated:
        return faust.SASLCredentials(
            username=broker.username,
            password=broker.password,
            mechanism=broker.sasl_mechanism,
            ssl_context=broker.tls(),
        )
    return faust.SSLCredentials(broker.tls()) if broker.is_encrypted else None


def run(service: str, settings: ServiceSettings, build: Callable[[], Awaitable[Hosted]]) -> None:
    """Run a worker until SIGTERM, then drain and exit 0; exits with 1 when a hosted loop dies.

    `service` names the Faust app; `build` makes what is hosted, inside the running loop.
    """
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = faust.App(
        f"{service}-worker",
        broker=f"kafka://{settings.kafka}",
        broker_credentials=_credentials(settings.broker),
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        loop=loop,
    )
    app.BootStrategy = _NoKafkaOfItsOwn
    app.boot_strategy = _NoKafkaOfItsOwn(app)
    host = _Host(build, settings, loop=loop, beacon=app.beacon)
    app.service(host)
    worker = faust.Worker(app, loop=loop, redirect_stdouts=False, loglevel=None, override_logging=False, quiet=True)
    worker.spinner = None  # logs are JSON lines, nothing else
    try:
        worker.execute_from_commandline()
    except SystemExit as exit_:
        logging.shutdown()
        raise exit_ from None
    except BaseException:
        log.critical("worker-died", exc_info=True)
        sys.exit(1)
