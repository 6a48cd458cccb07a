"""Catalog's API in the test's own process, over a database that nobody else has."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from fastapi import FastAPI
from youai_catalog.api import make_api
from youai_catalog.settings import Settings
from youai_contracts import codec, events, topics
from youai_runtime import database
from youai_runtime.auth import Authenticator
from youai_stack.tokens import public_key_file

from tests.support.client import Caller
from tests.support.stack import Stack

CITY = Path(__file__).parents[2] / "shared/stack/youai_stack/demo/city/organizations.csv"
ORGANIZATIONS = CITY.read_text().count("\n") - 1
IMPORT = "/v1/organizations:import"
CSV = {"Content-Type": "text/csv; charset=utf-8"}
OFFER: dict[str, Any] = {
    "offer_id": "o",
    "provider_id": "dept-women-federation",
    "category": "教育服务",
    "title": "亲子烘焙",
}


class Alone:
    """Catalog's API in this process, over a database that nobody else has; its events stay in the outbox."""

    def __init__(self, stack: Stack, pool: database.Pool, app: FastAPI) -> None:
        self.pool = pool
        self._stack = stack
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, timeout=30)

    def as_(self, organization: str, role: str = "center") -> Caller:
        return Caller(self._http, "http://catalog", self._stack.token(organization, role))

    async def load(
        self, body: bytes | None = None, organization: str = "center", role: str = "center"
    ) -> httpx.Response:
        return await self.as_(organization, role).call(
            "POST", IMPORT, content=CITY.read_bytes() if body is None else body, headers=CSV
        )

    async def told(self) -> list[events.Event]:
        """The events in the outbox, in order, decoded as a reader would."""
        rows = await self.pool.fetch("SELECT topic, key, value, headers FROM outbox ORDER BY id")
        found = []
        for row in rows:
            headers = [(row["headers"][i].decode(), row["headers"][i + 1]) for i in range(0, len(row["headers"]), 2)]
            given = [(name, value or b"catalog-1") for name, value in headers]
            found.append(codec.decode(topics.BY_NAME[row["topic"]], row["key"], row["value"], given).event)
        return found

    async def types(self) -> Counter[str]:
        return Counter(event.type for event in await self.told())


@asynccontextmanager
async def serving(stack: Stack, dsn: str) -> AsyncIterator[Alone]:
    settings = Settings(kafka="nobody", database=dsn, dev_public_key_file=public_key_file(stack.home.keys))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    async def ready() -> dict[str, str]:
        return {}

    pool = await database.connect_pool(dsn, name="test", size=10)
    yield Alone(stack, pool, make_api(pool=pool, authenticate=Authenticator(settings), ready=ready, lifespan=lifespan))
    pool.terminate()


@asynccontextmanager
async def database_of(stack: Stack, template: str, service: str = "catalog") -> AsyncIterator[tuple[str, str]]:
    """A new database of the service's role: its name and DSN."""
    name = f"{service}_{uuid.uuid4().hex[:12]}"

    async def administer(statement: str) -> None:
        # A connection of its own: between the two, other tests may have killed the server.
        admin = await asyncpg.connect(stack.status["postgres"]["dsn"])
        try:
            await admin.execute(statement)
        finally:
            await admin.close()

    await administer(f"CREATE DATABASE {name} OWNER {service} TEMPLATE {template}")
    yield name, stack.dsn(service).rpartition("/")[0] + f"/{name}"
    await administer(f"DROP DATABASE {name} WITH (FORCE)")
