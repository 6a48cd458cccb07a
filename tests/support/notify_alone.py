"""Notify over a database that nobody else has: its lanes' work applied by hand, its API in the test's own process."""

import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import youai_notify
from fastapi import FastAPI
from youai_contracts import codec, topics
from youai_contracts.events import Event, NotificationRead, NotificationSent
from youai_notify.api import make_api
from youai_notify.settings import Settings
from youai_notify.streams import Bookings, Claims, Demands, Offers, Organizations, Resources
from youai_runtime import database
from youai_runtime.auth import Authenticator
from youai_runtime.database import Connection
from youai_runtime.kafka import partition_of
from youai_runtime.live import Listeners
from youai_runtime.work import Record, Work
from youai_stack.tokens import public_key_file

from tests.support.client import Caller
from tests.support.stack import Stack

WORKS: dict[str, Work] = {
    work.topic.name: work for work in (Organizations(), Offers(), Demands(), Resources(), Claims(), Bookings())
}
BEGUN_MS = 1_764_896_400_000


@dataclass(frozen=True)
class Rec:
    """A record as a lane sees it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Log:
    """Topics in memory: gives each event its place and its `ce_id`."""

    def __init__(self) -> None:
        self._ends: Counter[tuple[str, int]] = Counter()
        self.count = 0

    def append(self, *events: Event) -> list[Record]:
        """The events' records, as they would stand in their topics."""
        return [self._append(event) for event in events]

    def _append(self, event: Event) -> Record:
        self.count += 1
        message = codec.encode(event, id=f"test-{self.count}", source="/test", at=datetime.now(UTC))
        partition = partition_of(message.key, event.topic.partitions)
        offset = self._ends[event.topic.name, partition]
        self._ends[event.topic.name, partition] += 1
        return Rec(partition, offset, BEGUN_MS + self.count, message.key, message.value, message.headers)


def id_of(record: Record) -> str:
    return dict(record.headers)["ce_id"].decode()


class Alone:
    """Notify over its own database; its events stay in the outbox."""

    def __init__(self, stack: Stack, pool: database.Pool, app: FastAPI, listeners: Listeners) -> None:
        self.pool = pool
        self.listeners = listeners
        self.log = Log()
        self._stack = stack
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, timeout=30)

    def as_(self, organization: str, role: str = "venue-staff") -> Caller:
        return Caller(self._http, "http://notify", self._stack.token(organization, role))

    async def read(self, *events: Event) -> list[Record]:
        """Append events and let the lanes work them: one transaction a topic and partition, in order of the events."""
        records = self.log.append(*events)
        await self.work(list(zip(events, records, strict=True)))
        return records

    async def work(self, pairs: Sequence[tuple[Event, Record]]) -> None:
        """Let the lanes work records (again), a transaction for each topic and partition."""
        batches: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for event, record in pairs:
            batches[event.topic.name, record.partition].append(record)
        for (topic, partition), records in batches.items():
            async with self.pool.acquire() as connection, connection.transaction():
                await apply(connection, topic, partition, records)

    async def inbox(self, recipient: str) -> list[asyncpg.Record]:
        """An inbox's rows, the oldest first."""
        rows: list[asyncpg.Record] = await self.pool.fetch(
            "SELECT * FROM inbox WHERE recipient_id = $1 ORDER BY position", recipient
        )
        return rows

    async def kinds(self, recipient: str) -> list[str]:
        return [row["kind"] for row in await self.inbox(recipient)]

    async def told(self) -> list[Event]:
        """The events in the outbox, in order, decoded as a reader would."""
        rows = await self.pool.fetch("SELECT key, value, headers FROM outbox WHERE topic = $1 ORDER BY id", TOPIC)
        found = []
        for row in rows:
            headers = [(row["headers"][i].decode(), row["headers"][i + 1]) for i in range(0, len(row["headers"]), 2)]
            given = [(name, value or b"notify-1") for name, value in headers]
            found.append(codec.decode(topics.NOTIFICATION, row["key"], row["value"], given).event)
        return found

    async def sent(self) -> list[NotificationSent]:
        return [event for event in await self.told() if isinstance(event, NotificationSent)]

    async def marked(self) -> list[NotificationRead]:
        return [event for event in await self.told() if isinstance(event, NotificationRead)]

    async def held(self) -> int:
        found: int = await self.pool.fetchval("SELECT count(*) FROM held")
        return found


TOPIC = topics.NOTIFICATION.name


async def apply(connection: Connection, topic: str, partition: int, records: Sequence[Record]) -> None:
    """A lane's work on a batch, in the transaction at hand."""
    await WORKS[topic].apply(connection, partition, records)


@asynccontextmanager
async def serving(stack: Stack, dsn: str) -> AsyncIterator[Alone]:
    settings = Settings(kafka="nobody", database=dsn, dev_public_key_file=public_key_file(stack.home.keys))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    async def ready() -> dict[str, str]:
        return {}

    pool = await database.connect_pool(dsn, name="test", size=10)
    listeners = Listeners(1, 1)
    app = make_api(pool=pool, listeners=listeners, authenticate=Authenticator(settings), ready=ready, lifespan=lifespan)
    yield Alone(stack, pool, app, listeners)
    pool.terminate()


@asynccontextmanager
async def database_of(stack: Stack) -> AsyncIterator[str]:
    """A new database of notify's role, migrated: its DSN."""
    name = f"notify_{uuid.uuid4().hex[:12]}"
    admin = await asyncpg.connect(stack.status["postgres"]["dsn"])
    try:
        await admin.execute(f"CREATE DATABASE {name} OWNER notify")
        dsn = stack.dsn("notify").rpartition("/")[0] + f"/{name}"
        await database.migrate(dsn, Path(youai_notify.__file__).parent / "migrations")
        yield dsn
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def views(answer: httpx.Response) -> list[dict[str, Any]]:
    """The notifications of an inbox's answer."""
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["notifications"]
    return found
