"""Composition root of catalog: `python -m youai_catalog migrate | api | worker`. The only reader of settings."""

from pathlib import Path

from youai_runtime import database, http, kafka, program
from youai_runtime.auth import Authenticator
from youai_runtime.leader import Leader
from youai_runtime.outbox import Relay
from youai_runtime.worker import Hosted

from youai_catalog import offers
from youai_catalog.api import make_api
from youai_catalog.settings import Settings

SERVICE = "catalog"
_SETTLE_LOCK = 7_119_202


async def api(settings: Settings, authenticate: Authenticator) -> None:
    """Serve HTTP until SIGTERM."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)

    async def ready() -> dict[str, str]:
        return await database.trouble(pool, "SELECT 1 FROM organization LIMIT 1")

    app = make_api(pool=pool, authenticate=authenticate, ready=ready, lifespan=program.serving(pool))
    await http.server(app, settings.http_host, settings.http_port).serve()


async def hosted(settings: Settings) -> Hosted:
    """The relay of the outbox, and the loop that finishes withdrawals which a death left half done."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.broker, settings.instance)
    await kafka.start(producer)

    async def settle() -> None:
        await offers.settle_all(pool)

    return Hosted(
        loops=(
            Relay(pool, producer, service=SERVICE),
            Leader("settle", settings.database, _SETTLE_LOCK, settle, every_s=2.0),
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
