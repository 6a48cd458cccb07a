"""Composition root of notify: `python -m youai_notify migrate | api | worker`. The only reader of settings."""

from pathlib import Path

from prometheus_client import Gauge
from youai_contracts import topics
from youai_runtime import database, http, kafka, program
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


async def api(settings: Settings, authenticate: Authenticator) -> None:
    """Serve HTTP until SIGTERM."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    listeners = Listeners(settings.listeners, MOST_OF_ONE)
    LISTENERS.set_function(lambda: len(listeners))
    feed = Feed(topics.NOTIFICATION, listeners, broker=settings.broker, client_id=settings.instance)

    async def ready() -> dict[str, str]:
        return await database.trouble(pool, "SELECT 1 FROM recipient LIMIT 1")

    app = make_api(
        pool=pool,
        listeners=listeners,
        authenticate=authenticate,
        ready=ready,
        lifespan=program.serving(pool, beside=(feed.run,)),
    )
    await http.server(app, settings.http_host, settings.http_port).serve()


async def hosted(settings: Settings) -> Hosted:
    """The lanes, the relay of the outbox, and a look at what is held."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.broker, settings.instance)
    await kafka.start(producer)

    async def look() -> None:
        async with pool.acquire() as connection:
            held, seconds = await knowledge.waiting(connection)
        HELD.set(held)
        HELD_AGE.set(seconds)

    works = (Organizations(), Offers(), Demands(), Resources(), Claims(), Bookings())
    return Hosted(
        loops=(
            *(
                Lane(work, pool=pool, broker=settings.broker, client_id=settings.instance, way=settings.way)
                for work in works
            ),
            Relay(pool, producer, service=SERVICE),
            Leader("held", settings.database, _HELD_LOCK, look, every_s=5.0),
        ),
        pool=pool,
        clients=(producer,),
    )


def main() -> None:
    """Run what the command line names; 2 if it names nothing or a setting is missing or wrong."""
    program.run(
        SERVICE,
        Settings,
        migrations=Path(__file__).parent / "migrations",
        access=Authenticator,
        api=api,
        hosted=hosted,
    )


if __name__ == "__main__":
    main()
