"""Composition root of demand: `python -m youai_demand migrate | api | worker`. The only reader of settings."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import asyncpg
import uvloop
from fastapi import FastAPI
from pydantic import ValidationError
from youai_runtime import database, http, kafka, logs, worker
from youai_runtime.auth import Authenticator
from youai_runtime.lane import Lane
from youai_runtime.leader import Leader
from youai_runtime.outbox import Relay
from youai_runtime.worker import Hosted

from youai_demand import SERVICE, commands
from youai_demand.api import make_api
from youai_demand.settings import Settings
from youai_demand.streams import Claims, Organizations

_EXPIRY_LOCK = 7_119_301


def migrate(settings: Settings) -> None:
    """Bring the service's own database up to this version."""
    asyncio.run(database.migrate(settings.database, Path(__file__).parent / "migrations"))


async def api(settings: Settings, authenticate: Authenticator) -> None:
    """Serve HTTP until SIGTERM."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)

    async def ready() -> dict[str, str]:
        try:
            async with asyncio.timeout(2):
                await pool.fetchval("SELECT 1 FROM demand LIMIT 1")
        except Exception as error:
            return {"database": repr(error)}
        return {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        pool.terminate()

    app = make_api(pool=pool, authenticate=authenticate, ready=ready, lifespan=lifespan)
    await http.server(app, settings.http_host, settings.http_port).serve()


async def hosted(settings: Settings) -> Hosted:
    """The lanes, the relay of the outbox, and the loop that expires what nobody took on in its time."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.kafka, settings.instance)
    await kafka.start(producer)

    async def expire() -> None:
        await commands.expire_overdue(pool)

    async def close() -> None:
        await producer.stop()
        pool.terminate()

    lanes = [
        Lane(work, pool=pool, bootstrap=settings.kafka, client_id=settings.instance)
        for work in (Claims(), Organizations())
    ]
    return Hosted(
        loops=(
            *lanes,
            Relay(pool, producer, service=SERVICE),
            Leader("expiry", settings.database, _EXPIRY_LOCK, expire, every_s=1.0),
        ),
        close=close,
    )


def main() -> None:
    """Run what the command line names; 2 if it names nothing or a setting is missing or wrong."""
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command not in ("migrate", "api", "worker"):
        _refuse("usage: python -m youai_demand migrate | api | worker")
    try:
        settings = Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        names = ", ".join(
            sorted({"YOUAI_" + "_".join(str(part) for part in item["loc"]).upper() for item in error.errors()})
        )
        _refuse(f"demand cannot start: these settings are missing or wrong: {names}")
    logs.configure(SERVICE, settings.instance, settings.log_level)
    if command == "migrate":
        try:
            migrate(settings)
        except (OSError, asyncpg.PostgresError) as error:
            sys.exit(f"demand's database was not migrated: {error}")
    elif command == "api":
        try:
            authenticate = Authenticator(settings)
        except (ValueError, OSError) as error:
            _refuse(f"demand cannot start: {error}")
        uvloop.run(api(settings, authenticate))
    else:
        worker.run(SERVICE, settings, lambda: hosted(settings))


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
