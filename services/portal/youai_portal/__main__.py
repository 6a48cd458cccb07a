"""Composition root of portal: `python -m youai_portal migrate | api | worker`. The only reader of settings."""

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

from youai_portal import streams
from youai_portal.api import make_api
from youai_portal.clients import Services
from youai_portal.live import Hub
from youai_portal.settings import Settings
from youai_portal.signin import DevelopmentSignIn, NoSignIn, OidcSignIn, SignIn
from youai_portal.store import people

SERVICE = streams.SERVICE
_TIDY_LOCK = 7_119_501
_TIDY_EVERY_S = 60.0


def migrate(settings: Settings) -> None:
    """Bring the service's own database up to this version."""
    asyncio.run(database.migrate(settings.database, Path(__file__).parent / "migrations"))


async def api(settings: Settings, sign_in: SignIn) -> None:
    """Serve pages until SIGTERM."""
    pool = await database.connect_pool(
        settings.database, name=settings.instance, size=settings.pool_size, wait_s=2.0, statement_s=5.0
    )
    hub = Hub(pool, settings.kafka, settings.instance, most=settings.most_streams)
    services = Services(
        {
            "demand": settings.demand_url,
            "catalog": settings.catalog_url,
            "matching": settings.matching_url,
            "notify": settings.notify_url,
        }
    )

    async def ready() -> dict[str, str]:
        try:
            async with asyncio.timeout(2):
                await pool.fetchval("SELECT 1 FROM secret")
        except Exception as error:
            return {"database": repr(error)}
        return {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reading = asyncio.create_task(hub.run())
        yield
        await hub.stop()
        reading.cancel()
        await services.close()
        await sign_in.close()
        pool.terminate()

    app = make_api(
        pool=pool,
        hub=hub,
        services=services,
        sign_in=sign_in,
        secure=settings.secure_cookies,
        session_hours=settings.session_hours,
        ready=ready,
        lifespan=lifespan,
    )
    server = http.server(app, settings.http_host, settings.http_port)
    hub.ends_with(lambda: server.should_exit)
    await server.serve()


async def hosted(settings: Settings) -> Hosted:
    """The lanes, the relay of the dead letters, and the loop that forgets sessions which have ended."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.kafka, settings.instance)
    await kafka.start(producer)

    async def tidy() -> None:
        async with pool.acquire() as connection:
            await people.tidy(connection)

    async def close() -> None:
        await producer.stop()
        pool.terminate()

    lanes = [
        Lane(work, pool=pool, bootstrap=settings.kafka, client_id=settings.instance) for work in streams.projections()
    ]
    return Hosted(
        loops=(
            *lanes,
            Relay(pool, producer, service=SERVICE, poll_s=0.5),
            Leader("tidy", settings.database, _TIDY_LOCK, tidy, every_s=_TIDY_EVERY_S),
        ),
        close=close,
    )


def main() -> None:
    """Run what the command line names; 2 if it names nothing or a setting is missing or wrong."""
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command not in ("migrate", "api", "worker"):
        _refuse("usage: python -m youai_portal migrate | api | worker")
    try:
        settings = Settings()  # type: ignore[call-arg]
    except ValidationError as error:
        names = ", ".join(
            sorted({"YOUAI_" + "_".join(str(part) for part in item["loc"]).upper() for item in error.errors()})
        )
        _refuse(f"portal cannot start: these settings are missing or wrong: {names}")
    logs.configure(SERVICE, settings.instance, settings.log_level)
    if command == "migrate":
        try:
            migrate(settings)
        except (OSError, asyncpg.PostgresError) as error:
            sys.exit(f"portal's database was not migrated: {error}")
    elif command == "api":
        try:
            sign_in = _sign_in(settings)
        except (ValueError, OSError) as error:
            _refuse(f"portal cannot start: {error}")
        uvloop.run(api(settings, sign_in))
    else:
        worker.run(SERVICE, settings, lambda: hosted(settings))


def _sign_in(settings: Settings) -> SignIn:
    """How people sign in: by the OIDC issuer where one is set, else by the development page where its key is there."""
    if settings.oidc_issuer:
        if not settings.public_url:
            raise ValueError("set YOUAI_PUBLIC_URL, where the issuer sends people back to")
        return OidcSignIn(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            redirect_url=settings.public_url.rstrip("/") + "/signin/back",
            authenticate=Authenticator(settings),
        )
    if settings.dev_private_key_file:
        return DevelopmentSignIn(settings.dev_private_key_file.read_text())
    return NoSignIn()


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(sentence + "\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
