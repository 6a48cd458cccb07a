"""Composition root of matching: `python -m youai_matching migrate | api | worker | rebuild`. Alone reads settings."""

import asyncio
import sys
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from youai_contracts import topics
from youai_runtime import database, http, kafka, program
from youai_runtime.auth import Authenticator
from youai_runtime.kafka import Publisher
from youai_runtime.lane import Lane
from youai_runtime.leader import Leader
from youai_runtime.live import Feed, Listeners
from youai_runtime.outbox import Relay
from youai_runtime.worker import Hosted

from youai_matching.api import make_api
from youai_matching.decider import Decider
from youai_matching.door import Appender
from youai_matching.door_lanes import Attendance, Reservations
from youai_matching.loops import Sweeper, Timer
from youai_matching.rates import Rates
from youai_matching.rebuild import WorkersRun, rebuild
from youai_matching.rule_files import RuleBook
from youai_matching.settings import Settings
from youai_matching.streams import Intake, Organizations

SERVICE = "matching"
_SWEEPER_LOCK, _TIMER_LOCK = 7_119_101, 7_119_102


async def api(settings: Settings, authenticate: Authenticator) -> None:
    """Serve HTTP until SIGTERM."""
    # A venue waits for the answer: better an honest 503 soon.
    pool = await database.connect_pool(
        settings.database, name=settings.instance, size=settings.pool_size, wait_s=2.0, statement_s=3.0
    )
    # Some milliseconds' wait lets a rush share its produce requests, which cost the broker more than their records.
    appender = Appender(kafka.make_producer(settings.broker, settings.instance, linger_ms=5))

    listeners = Listeners(most=500, most_of_one=200)
    feed = Feed(topics.BOOKING, listeners, broker=settings.broker, client_id=settings.instance)

    async def ready() -> dict[str, str]:
        waiting = {} if appender.connected else {"kafka": "not connected yet"}
        return waiting | await database.trouble(pool, "SELECT 1 FROM slot LIMIT 1")

    app = make_api(
        pool=pool,
        appender=appender,
        authenticate=authenticate,
        rules=RuleBook(settings.rules_folder),
        listeners=listeners,
        rates=Rates(settings.rate_limit),
        ready=ready,
        lifespan=program.serving(pool, beside=(appender.start, feed.run), closing=(appender.stop,)),
    )
    await http.server(app, settings.http_host, settings.http_port).serve()


async def hosted(settings: Settings) -> Hosted:
    """The lanes and loops of one worker."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.broker, settings.instance)
    reader = AIOKafkaConsumer(
        **settings.broker.options(),
        client_id=f"{settings.instance}-ends",
        request_timeout_ms=10_000,
        metadata_max_age_ms=10_000,
    )
    await asyncio.gather(kafka.start(producer), kafka.start(reader))
    publisher = Publisher(producer)
    rules = RuleBook(settings.rules_folder)

    works = (
        Decider(rules, publisher, pool),
        Intake("matching.intake", topics.OFFER, rules, settings.rules, publisher, pool),
        Intake("matching.demand-intake", topics.DEMAND, rules, settings.rules, publisher, pool),
        Organizations(),
        Reservations(rules, publisher),
        Attendance(rules),
    )
    lanes = [Lane(work, pool=pool, broker=settings.broker, client_id=settings.instance) for work in works]
    sweeper = Sweeper(pool, publisher, reader)
    timer = Timer(pool, publisher)
    return Hosted(
        loops=(
            *lanes,
            Relay(pool, producer, service=SERVICE),
            Leader("sweeper", settings.database, _SWEEPER_LOCK, sweeper.turn, every_s=1.0),
            Leader("timer", settings.database, _TIMER_LOCK, timer.turn, every_s=0.25),
        ),
        pool=pool,
        clients=(producer, reader),
    )


def _rebuild(settings: Settings) -> None:
    try:
        partitions = asyncio.run(rebuild(settings.database, (_SWEEPER_LOCK, _TIMER_LOCK)))
    except WorkersRun:
        sys.exit("A worker of matching runs: stop all of them first. Nothing was forgotten.")
    print(partitions)  # noqa: T201


def main() -> None:
    """Run what the command line names; 2 if it names nothing or a setting is missing or wrong."""
    program.run(
        SERVICE,
        Settings,
        migrations=Path(__file__).parent / "migrations",
        access=Authenticator,
        api=api,
        hosted=hosted,
        more={"rebuild": _rebuild},
    )


if __name__ == "__main__":
    main()
