"""Composition root of portal: `python -m youai_portal migrate | api | worker`. The only reader of settings."""

from pathlib import Path

from youai_runtime import database, http, kafka, program
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


async def api(settings: Settings, sign_in: SignIn) -> None:
    """Serve pages until SIGTERM."""
    pool = await database.connect_pool(
        settings.database, name=settings.instance, size=settings.pool_size, wait_s=2.0, statement_s=5.0
    )
    hub = Hub(pool, settings.broker, settings.instance, most=settings.most_streams)
    services = Services(
        {
            "demand": settings.demand_url,
            "catalog": settings.catalog_url,
            "matching": settings.matching_url,
            "notify": settings.notify_url,
        }
    )

    async def ready() -> dict[str, str]:
        return await database.trouble(pool, "SELECT 1 FROM secret")

    app = make_api(
        pool=pool,
        hub=hub,
        services=services,
        sign_in=sign_in,
        secure=settings.secure_cookies,
        session_hours=settings.session_hours,
        ready=ready,
        lifespan=program.serving(pool, beside=(hub.run,), closing=(hub.stop, services.close, sign_in.close)),
    )
    server = http.server(app, settings.http_host, settings.http_port)
    hub.ends_with(lambda: server.should_exit)
    await server.serve()


async def hosted(settings: Settings) -> Hosted:
    """The lanes, the relay of the dead letters, and the loop that forgets sessions which have ended."""
    pool = await database.connect_pool(settings.database, name=settings.instance, size=settings.pool_size)
    producer = kafka.make_producer(settings.broker, settings.instance)
    await kafka.start(producer)

    async def tidy() -> None:
        async with pool.acquire() as connection:
            await people.tidy(connection)

    lanes = [
        Lane(work, pool=pool, broker=settings.broker, client_id=settings.instance, way=settings.way)
        for work in streams.projections()
    ]
    return Hosted(
        loops=(
            *lanes,
            Relay(pool, producer, service=SERVICE, poll_s=0.5),
            Leader("tidy", settings.database, _TIDY_LOCK, tidy, every_s=_TIDY_EVERY_S),
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
        access=_sign_in,
        api=api,
        hosted=hosted,
    )


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


if __name__ == "__main__":
    main()
