"""Composition root of notify: `python -m youai_notify migrate | api | worker`. The only reader of settings."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import asyncpg
import uvloop
from fastapi import FastAPI
from prometheus_client import Gauge
from pydantic import ValidationError
from youai_contracts import topics
from youai_runtime import database, http, kafka, logs, worker
from youai_runtime.auth import Authenticator
from youai_runtime.lane import Lane
from youai_runtime.leader import Leader
from youai_runtime.live import Feed, Listeners
from youai_runtime.outbox import Relay
from youai_runtime.worker import Hosted

from youai_notify import knowledge
from youai_notify.api import make_api
from youai_notify.events import MOST_OF_ONE
from youai_notify.settings import Settings
from youai_notify.streams import SERVICE, Bookings, Claims, Demands, Offers, Organizations, Resources

_HELD_LOCK = 7_119_301

HELD = Gauge("youai_notify_held", "Decisions held until their slot or claim is known")
HELD_AGE = Gauge("youai_notify_held_seconds", "For how long the oldest of them has been held")
LISTENERS = Gauge("youai_notify_listeners", "Open event streams of this process")


def migrate(settings: Settings) -> None:
    """Bring the service's own database up to this version."""
    asyncio.run(database.migrate(settings.database, Path(__file__).parent / "migrations"))


async def api(settings: Settings, authenticate: Authenticator) -> None:
    """Serve HTTP until SIGTERM."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    listeners = Listeners(settings.listeners, MOST_OF_ONE)
    LISTENERS.set_function(lambda: len(listeners))
    feed = Feed(topics.NOTIFICATION, listeners, bootstrap=settings.kafka, client_id=settings.instance)

    async def ready() -> dict[str, str]:
        try:
            async with asyncio.timeout(2):
                await pool.fetchval("SELECT 1 FROM recipient LIMIT 1")
        except Exception as error:
            return {"database": repr(error)}
        return {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reading = asyncio.create_task(feed.run())
        yield
        reading.cancel()
        await asyncio.wait([reading], timeout=5)
        pool.terminate()

    app = make_api(pool=pool, listeners=listeners, authenticate=authenticate, ready=ready, lifespan=lifespan)
    await http.server(app, settings.http_host, settings.http_port).serve()


async def hosted(settings: Settings) -> Hosted:
    """The lanes, the relay of the outbox, and a look at what is held."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.kafka, settings.instance)
    await kafka.start(producer)

    async def look() -> None:
        async with pool.acquire() as connection:
            held, seconds = await knowledge.waiting(connection)
        HELD.set(held)
        HELD_AGE.set(seconds)

    async def close() -> None:
        await producer.stop()
        pool.terminate()

    works = (Organizations(), Offers(), Demands(), Resources(), Claims(), Bookings())
    return Hosted(
        loops=(
            *(Lane(work, pool=pool, bootstrap=settings.kafka, client_id=settings.instance) for work in works),
            Relay(pool, producer, service=SERVICE),
            Leader("held", settings.database, _HELD_LOCK, look, every_s=5.0),
        ),
        close=close,
    )


def main() -> None:
    """Run what the command line names; 2 if it names nothing or a setting is missing or wrong."""
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command not in ("migrate", "api", "worker"):
        _refuse("usage: python -m youai_notify migrate | api | worker")
    try:
        settings = Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        names = ", ".join(
            sorted({"YOUAI_" + "_".join(str(part) for part in item["loc"]).upper() for item in error.errors()})
        )
        _refuse(f"notify cannot start: these settings are missing or wrong: {names}")
    logs.configure(SERVICE, settings.instance, settings.log_level)
    if command == "migrate":
        try:
            migrate(settings)
        except (OSError, asyncpg.PostgresError) as error:
            sys.exit(f"notify's database was not migrated: {error}")
    elif command == "api":
        try:
            authenticate = Authenticator(settings)
        except (ValueError, OSError) as error:
            _refuse(f"notify cannot start: {error}")
        uvloop.run(api(settings, authenticate))
    else:
        worker.run(SERVICE, settings, lambda: hosted(settings))


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
