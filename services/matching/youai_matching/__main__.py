"""Composition root of matching: `python -m youai_matching migrate | api | worker`. The only reader of settings."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI
from pydantic import ValidationError
from youai_contracts import topics
from youai_runtime import database, http, kafka, logs, worker
from youai_runtime.auth import Authenticator
from youai_runtime.kafka import Publisher
from youai_runtime.lane import Lane
from youai_runtime.leader import Leader
from youai_runtime.live import Feed, Listeners
from youai_runtime.outbox import Relay
from youai_runtime.worker import Hosted

from youai_matching.api import make_api
from youai_matching.door import Appender
from youai_matching.loops import Sweeper, Timer
from youai_matching.rule_files import RuleBook
from youai_matching.settings import Settings
from youai_matching.streams import Decider, Intake, Organizations

SERVICE = "matching"
_SWEEPER_LOCK, _TIMER_LOCK = 7_119_101, 7_119_102


def migrate(settings: Settings) -> None:
    """Bring the service's own database up to this version."""
    asyncio.run(database.migrate(settings.database, Path(str(resources.files("youai_matching") / "migrations"))))


async def api(settings: Settings) -> None:
    """Serve HTTP until SIGTERM."""
    # A venue waits for the answer: better an honest 503 soon.
    pool = await database.connect_pool(
        settings.database, name=settings.instance, size=settings.pool_size, wait_s=2.0, statement_s=3.0
    )
    # Some milliseconds' wait lets a rush share its produce requests, which cost the broker more than their records.
    appender = Appender(kafka.make_producer(settings.kafka, settings.instance, linger_ms=5))

    listeners = Listeners(most=500, most_of_one=200)
    feed = Feed(topics.BOOKING, listeners, bootstrap=settings.kafka, client_id=settings.instance)

    async def ready() -> dict[str, str]:
        waiting = {}
        if not appender.connected:
            waiting["kafka"] = "not connected yet"
        try:
            await pool.fetchval("SELECT 1 FROM slot LIMIT 1", timeout=2)
        except Exception as error:
            waiting["database"] = repr(error)
        return waiting

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(appender.start()), asyncio.create_task(feed.run())]
        yield
        for task in tasks:
            task.cancel()
        await appender.stop()
        pool.terminate()

    app = make_api(
        pool=pool,
        appender=appender,
        authenticate=Authenticator(settings),
        rules=RuleBook(),
        listeners=listeners,
        ready=ready,
        lifespan=lifespan,
    )
    await http.server(app, settings.http_host, settings.http_port).serve()


async def hosted(settings: Settings) -> Hosted:
    """The lanes and loops of one worker."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.kafka, settings.instance)
    reader = AIOKafkaConsumer(bootstrap_servers=settings.kafka, client_id=f"{settings.instance}-ends")
    await asyncio.gather(kafka.start(producer), kafka.start(reader))
    publisher = Publisher(producer)
    rules = RuleBook()

    async def close() -> None:
        await producer.stop()
        await reader.stop()
        pool.terminate()

    works = (
        Decider(rules, publisher, pool),
        Intake("matching.intake", topics.OFFER, rules, settings.rules, publisher, pool),
        Intake("matching.demand-intake", topics.DEMAND, rules, settings.rules, publisher, pool),
        Organizations(),
    )
    lanes = [Lane(work, pool=pool, bootstrap=settings.kafka, client_id=settings.instance) for work in works]
    sweeper = Sweeper(pool, publisher, reader)
    timer = Timer(pool, publisher)
    return Hosted(
        loops=(
            *lanes,
            Relay(pool, producer, service=SERVICE),
            Leader("sweeper", settings.database, _SWEEPER_LOCK, sweeper.turn, every_s=1.0),
            Leader("timer", settings.database, _TIMER_LOCK, timer.turn, every_s=0.25),
        ),
        close=close,
    )


def main() -> None:
    """Run what the command line names; 2 if it names nothing or a setting is wrong."""
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command not in ("migrate", "api", "worker"):
        print("usage: python -m youai_matching migrate | api | worker", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    try:
        settings = Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        names = ", ".join("YOUAI_" + "_".join(str(p) for p in item["loc"]).upper() for item in error.errors())
        print(f"these settings are missing or wrong: {names}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    logs.configure(SERVICE, settings.instance, settings.log_level)
    if command == "migrate":
        migrate(settings)
    elif command == "api":
        uvloop.run(api(settings))
    else:
        worker.run(SERVICE, settings, lambda: hosted(settings))


if __name__ == "__main__":
    main()
