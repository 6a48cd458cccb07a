"""Matching over a database of its own: the real door, decider and lanes, and a log in memory with its own clock."""

import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import youai_matching
from fastapi import FastAPI
from youai_contracts import codec, topics
from youai_contracts.codec import Message
from youai_contracts.events import Event, SlotOpened, SlotRecord
from youai_matching import loops
from youai_matching.api import make_api
from youai_matching.decider import Decider
from youai_matching.door import Appender, Unknown
from youai_matching.door_lanes import Attendance, Reservations
from youai_matching.rates import Rates
from youai_matching.rule_files import RuleBook
from youai_matching.settings import Settings
from youai_runtime import database
from youai_runtime.auth import Authenticator
from youai_runtime.kafka import Outgoing, Publisher, partition_of
from youai_runtime.live import Listeners
from youai_runtime.work import Work
from youai_stack.tokens import public_key_file

from tests.support.catalog_alone import database_of
from tests.support.client import Venue
from tests.support.stack import Stack

MIGRATIONS = Path(youai_matching.__file__).parent / "migrations"
RULES = RuleBook()
NEW = RULES.named("2027-01")
CITY = (("center", None, "venue", "center"), ("institute", "center", "venue", "institute"))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Given:
    """A record as a lane sees it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


@dataclass
class Log:
    """A topic in memory: records by partition, and how many of them each lane has worked."""

    topic: str
    records: dict[int, list[Given]] = field(default_factory=lambda: defaultdict(list))

    def add(self, partition: int, message: Any, at: int) -> None:
        line = self.records[partition]
        headers = tuple((name, bytes(value)) for name, value in message.headers)
        line.append(Given(partition, len(line), at, message.key, message.value, headers))


class MatchingAlone:
    """The door's API, and its worker's lanes driven by hand: `decide` works the log to its end.

    `shift` is how far the broker's clock is ahead of the real one, which is the door's.
    """

    def __init__(self, stack: Stack, pool: database.Pool) -> None:
        self.pool = pool
        self.stack = stack
        self.shift = timedelta()
        self.log, self.told = Log("slot-log"), Log("booking")
        self.deaf = False
        self.loses = False
        self.listeners = Listeners(most=500, most_of_one=200)
        self._done: dict[tuple[str, int], int] = defaultdict(int)
        publisher = cast(Publisher, self)
        self.decider = Decider(RULES, publisher, pool)
        self.lane = Reservations(RULES, publisher)
        self.timer = loops.Timer(pool, publisher)
        self._http: httpx.AsyncClient | None = None

    # What the door and the lanes see as their broker

    @property
    def connected(self) -> bool:
        return True

    def open_for(self, _partition: int) -> bool:
        return not self.deaf

    async def append(self, message: Message, partition: int) -> None:
        """The door's append; lost while `deaf` comes after the row, or while the log `loses` what it seems to take."""
        if not all(await self.append_line(partition, [message])):
            raise Unknown

    async def append_line(self, partition: int, messages: Sequence[Message]) -> list[bool]:
        """The same of several; for each whether it is in the log. What is there is not added again."""
        lost = self.deaf or self.loses
        for message in () if lost else messages:
            if dict(message.headers)["ce_id"] not in self._there(partition):
                self.log.add(partition, message, self.now_ms)
        return [not lost] * len(messages)

    def _there(self, partition: int) -> set[bytes]:
        return {dict(record.headers)["ce_id"] for record in self.log.records[partition]}

    async def publish(self, records: Iterable[Outgoing]) -> None:
        for record in records:
            log = self.log if record.topic == topics.SLOT_LOG.name else self.told
            log.add(record.partition, record, self.now_ms)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    @property
    def now_ms(self) -> int:
        return int(time.time() * 1000) + self.shift // timedelta(milliseconds=1)

    # The worker

    async def decide(self, *, follow: bool = True) -> None:
        """Work the slot log to its end, and the door's lane behind it, until neither has anything left."""
        while await self._work(self.decider, self.log) or (follow and await self._work(self.lane, self.told)):
            pass

    async def follow(self) -> None:
        """Work the door's lane to the end of the decisions."""
        await self._work(self.lane, self.told)

    async def fire(self, ahead: timedelta = timedelta()) -> None:
        """Let the broker's clock run on, append the timers that are due then, and decide."""
        self.shift += ahead
        for row in await self.pool.fetch("SELECT * FROM timer WHERE due_at <= $1 ORDER BY due_at", self.now_ms):
            now = datetime.now(UTC)
            await self.publish(
                [loops.fired(row["partition"], row["slot_id"], row["kind"], row["subject"], row["due_at"], now)]
            )
        await self.decide()

    async def _work(self, work: Work, log: Log) -> bool:
        fresh = {
            partition: line[self._done[work.name, partition] :]
            for partition, line in log.records.items()
            if len(line) > self._done[work.name, partition]
        }
        if not fresh:
            return False
        async with self.pool.acquire() as connection, connection.transaction():
            for partition in fresh:
                if not self._done[work.name, partition]:
                    await work.load(connection, partition)
            await work.apply_all(connection, fresh)
        for partition, line in fresh.items():
            self._done[work.name, partition] += len(line)
        await work.after_commit(sorted(fresh))
        return True

    async def attendance(self, *events: Event) -> None:
        """Hand events of the offer topic to the lane of attendance, as one batch."""
        records: list[Given] = []
        for event in events:
            message = codec.encode(event, id=uuid.uuid4().hex, source="/youai/test", at=self.now)
            records.append(Given(0, len(records), self.now_ms, message.key, message.value, message.headers))
        async with self.pool.acquire() as connection, connection.transaction():
            await Attendance(RULES).apply(connection, 0, records)

    # A city

    async def put(self, record: SlotRecord) -> None:
        """Append a record to the slot log, under an id of its own, and decide."""
        message = codec.encode(record, id=uuid.uuid4().hex, source="/youai/test", at=self.now)
        self.log.add(partition_of(message.key, topics.SLOT_LOG.partitions), message, self.now_ms)
        await self.decide()

    async def session(self, capacity: int = 3, *, away: timedelta = 21 * DAY, **more: Any) -> str:
        """A session's slot under rule version 2027-01 that can be booked now; returns its id."""
        slot_id = more.pop("slot_id", None) or f"s-{uuid.uuid4().hex[:12]}"
        starts_at = more.pop("starts_at", None) or self.now + away
        fields: dict[str, Any] = {
            "offer_id": f"o-{uuid.uuid4().hex[:12]}",
            "session_id": slot_id,
            "opens_at": self.now - HOUR,
            "closes_at": starts_at - HOUR,
            "ends_at": starts_at + 2 * HOUR,
            "rule_version": NEW.version,
        }
        await self.put(SlotOpened(slot_id=slot_id, capacity=capacity, starts_at=starts_at, **(fields | more)))
        return slot_id

    async def venue(self, parent: str = "institute") -> Venue:
        """A station of its own."""
        id = f"v-{uuid.uuid4().hex[:12]}"
        await self.register((id, parent, "venue", "station"))
        return self.as_(id)

    async def venues(self, number: int) -> list[Venue]:
        return [await self.venue() for _ in range(number)]

    def as_(self, organization: str, role: str = "venue-staff") -> Venue:
        assert self._http is not None
        return Venue(self._http, "http://matching", self.stack.token(organization, role), organization)

    async def register(self, *rows: tuple[str, str | None, str, str]) -> None:
        await self.pool.executemany(
            "INSERT INTO organization (organization_id, parent_id, kind, level, name, town)"
            " VALUES ($1, $2, $3, $4, $1, '大新镇')",
            rows,
        )

    async def given(self, venue: Venue, slot_id: str, size: int = 1, **more: Any) -> dict[str, Any]:
        """Ask for places and have it decided; returns the booking."""
        body = {"slot_id": slot_id, "party_size": size, **more}
        answer = await venue.post("/v1/bookings", body, key=uuid.uuid4().hex)
        assert answer.status_code == 202, answer.text
        await self.decide()
        return await venue.booking(answer.json()["request_id"])

    async def reserved(self, venue: Venue) -> int:
        """How many reservations the venue has."""
        found: int = await self.pool.fetchval(
            "SELECT count(*) FROM request WHERE venue_id = $1 AND reserved", venue.organization_id
        )
        return found

    def appended(self, type: str) -> list[dict[str, Any]]:
        """The data of every record of a type in the slot log."""
        return [
            msgspec.json.decode(record.value or b"")
            for line in self.log.records.values()
            for record in line
            if dict(record.headers)["ce_type"] == type.encode()
        ]

    def serve(self, app: FastAPI) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, timeout=30)


@asynccontextmanager
async def matching_alone(stack: Stack, rate: str = "1000000/minute") -> AsyncIterator[MatchingAlone]:
    """Matching with a small city, over an empty database."""
    async with database_of(stack, "template1", "matching") as (_name, dsn):
        await database.migrate(dsn, MIGRATIONS)
        settings = Settings(kafka="nobody", database=dsn, dev_public_key_file=public_key_file(stack.home.keys))

        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            yield

        async def ready() -> dict[str, str]:
            return {}

        pool = await database.connect_pool(dsn, name="test", size=10)
        alone = MatchingAlone(stack, pool)
        alone.serve(
            make_api(
                pool=pool,
                appender=cast(Appender, alone),
                authenticate=Authenticator(settings),
                rules=RULES,
                listeners=alone.listeners,
                rates=Rates(rate),
                ready=ready,
                lifespan=lifespan,
            )
        )
        await alone.register(*CITY)
        yield alone
        pool.terminate()
