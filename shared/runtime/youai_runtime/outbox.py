"""The transactional outbox: events stored with the state that they tell of, published in order by a relay.

Lock the aggregate's row before adding its events, so that two commands on it cannot pass each other here.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from aiokafka import AIOKafkaProducer
from youai_contracts import codec, topics
from youai_contracts.events import Event

from youai_runtime import logs, metrics
from youai_runtime.database import Connection, Pool
from youai_runtime.errors import is_transient
from youai_runtime.kafka import Headers, Outgoing, Publisher, partition_of
from youai_runtime.work import Record

log = logs.get(__name__)

MOST_ROWS = 1_000
MOST_LETTER = 1_000_000
"""Bytes of a dead letter: what every topic takes (1 MiB) less room for the batch around it."""
MOST_OF_A_PART, MOST_HEADERS = 4_096, 50
"""Bytes of the key and of each header, and headers, that a letter keeps where it must be cut."""
KEPT = "7 days"
"""How long published rows stay, for looking into what was sent."""

_ANYTHING = """
SELECT EXISTS (SELECT FROM outbox WHERE position IS NULL)
    OR (SELECT published_position < last_position FROM relay)
"""
_INSERT = "INSERT INTO outbox (topic, key, value, headers) VALUES ($1, $2, $3, $4)"


async def add(connection: Connection, events: Sequence[Event], *, source: str, traceparent: str | None = None) -> None:
    """Store events to be published, in order, in the transaction at hand. `ce_id` is given by the relay."""
    await add_traced(connection, [(event, traceparent) for event in events], source=source)


async def add_traced(connection: Connection, events: Sequence[tuple[Event, str | None]], *, source: str) -> None:
    """As `add`, for events of several causes: each with the trace context of its own."""
    now = datetime.now(UTC)
    messages = [codec.encode(event, id="", source=source, at=now, traceparent=trace) for event, trace in events]
    await connection.executemany(_INSERT, [(m.topic, m.key, m.value, _flatten(m.headers)) for m in messages])


async def add_dead_letters(
    connection: Connection, service: str, topic: str, refused: Sequence[tuple[Record, str]]
) -> None:
    """Store records that could not be read for the service's dead-letter topic: as received, with why in headers.

    What would be larger than the topic takes is cut (a packed record may be of any size once unpacked), and a header
    `dead-letter-cut-from` says how many bytes the value had.
    """
    target = topics.dead_letter(service).name
    letters = [_letter(record, _explain(topic, record, why)) for record, why in refused]
    await connection.executemany(_INSERT, [(target, key, value, _flatten(headers)) for key, value, headers in letters])
    if refused:
        metrics.DEAD_LETTERS.labels(topic).inc(len(refused))


def _letter(record: Record, why: Headers) -> tuple[bytes | None, bytes | None, Headers]:
    headers: Headers = (*record.headers, *why)
    if _size(record.key, record.value, headers) <= MOST_LETTER:
        return record.key, record.value, headers
    key = record.key and record.key[:MOST_OF_A_PART]
    received = [(name, (raw or b"")[:MOST_OF_A_PART]) for name, raw in record.headers if len(name) <= MOST_OF_A_PART]
    cut = ("dead-letter-cut-from", str(len(record.value or b"")).encode())
    headers = (*received[:MOST_HEADERS], *why, cut)
    value = record.value and record.value[: MOST_LETTER - _size(key, None, headers)]
    return key, value, headers


def _size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Bytes of a record on the broker, or a little more."""
    parts = sum(len(name.encode()) + len(raw or b"") + 10 for name, raw in headers)
    return len(key or b"") + len(value or b"") + parts


def _explain(topic: str, record: Record, why: str) -> tuple[tuple[str, bytes], ...]:
    return (
        ("dead-letter-topic", topic.encode()),
        ("dead-letter-partition", str(record.partition).encode()),
        ("dead-letter-offset", str(record.offset).encode()),
        ("dead-letter-error", why.encode("utf-8", "backslashreplace")[:1000]),
        ("dead-letter-attempts", b"1"),
    )


class Relay:
    """Numbers committed rows and publishes them by position. Many may run; the row's lock lets one number at a time.

    Every publisher starts at the watermark and goes in order, so whoever runs, a reader meets each position for the
    first time after all earlier ones, and drops what it meets again.
    """

    def __init__(self, pool: Pool, producer: AIOKafkaProducer, *, service: str, poll_s: float = 0.05) -> None:
        self._pool = pool
        self._publisher = Publisher(producer)
        self._service = service
        self._poll_s = poll_s
        self._highest = 0  # of the positions that were given, as far as this process knows
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Publish until `stop`; while broker or database are away, wait and ask again."""
        delay = self._poll_s
        turns = 0
        while not self._stopping.is_set():
            try:
                moved = await self.turn()
                delay = 0.0 if moved == MOST_ROWS else self._poll_s
                turns += 1
                if turns % 20_000 == 1:
                    await self._prune()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("relay-waits", error=repr(error))
                delay = min(max(delay, 0.05) * 2, 2.0)
            try:
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    async def stop(self) -> None:
        """Ask `run` to end after the batch at hand."""
        self._stopping.set()

    async def turn(self) -> int:
        """Number what is new and publish from the watermark; returns how many rows went out."""
        async with self._pool.acquire() as connection:
            if not await connection.fetchval(_ANYTHING):
                metrics.RELAY_AGE.set(0)
                return 0
            rows = await self._number(connection)
        metrics.RELAY_AGE.set((datetime.now(UTC) - rows[0]["created_at"]).total_seconds() if rows else 0)
        if not rows:
            return 0
        await self._publisher.publish(self._outgoing(row) for row in rows)
        async with self._pool.acquire() as connection:
            await connection.execute(
                "UPDATE relay SET published_position = greatest(published_position, $1)", rows[-1]["position"]
            )
        return len(rows)

    async def _number(self, connection: Connection) -> list[asyncpg.Record]:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM relay FOR UPDATE")
            last: int = await connection.fetchval("SELECT last_position FROM relay")
            if last < self._highest:
                # An older database was restored: readers would drop as seen what got such a position again.
                log.warning("positions-skipped", last=last, highest=self._highest)
                await connection.execute("UPDATE relay SET last_position = $1", self._highest)
            self._highest = max(self._highest, last)
            await connection.execute(
                """
                WITH fresh AS (
                    SELECT id, row_number() OVER (ORDER BY id) AS n
                    FROM (SELECT id FROM outbox WHERE position IS NULL ORDER BY id LIMIT $1) AS waiting
                ), numbered AS (
                    UPDATE outbox SET position = relay.last_position + fresh.n
                    FROM fresh, relay WHERE outbox.id = fresh.id RETURNING 1
                )
                UPDATE relay SET last_position = last_position + (SELECT count(*) FROM numbered)
                WHERE EXISTS (SELECT FROM numbered)
                """,
                MOST_ROWS,
            )
        rows: list[asyncpg.Record] = await connection.fetch(
            "SELECT position, topic, key, value, headers, created_at FROM outbox"
            " WHERE position > (SELECT published_position FROM relay) ORDER BY position LIMIT $1",
            MOST_ROWS,
        )
        if rows:
            self._highest = max(self._highest, rows[-1]["position"])
        return rows

    def _outgoing(self, row: asyncpg.Record) -> Outgoing:
        topic: str = row["topic"]
        key, value = row["key"], row["value"]
        headers = _unflatten(row["headers"])
        if topic != topics.dead_letter(self._service).name:
            ce_id = f"{self._service}-{row['position']}".encode()
            headers = tuple((name, ce_id if name == "ce_id" else raw) for name, raw in headers)
        elif key is None and value is None:
            value = b""  # the client cannot send a record with neither
        count = topics.BY_NAME[topic].partitions
        return Outgoing(topic, partition_of(key, count) if key else 0, key, value, headers)

    async def _prune(self) -> None:
        async with self._pool.acquire() as connection:
            await connection.execute(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE position <="
                f" (SELECT published_position FROM relay) AND created_at < now() - interval '{KEPT}' LIMIT 10000)"
            )


def _flatten(headers: Sequence[tuple[str, bytes]]) -> list[bytes]:
    return [part for name, value in headers for part in (name.encode(), value or b"")]


def _unflatten(parts: Sequence[bytes]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name.decode(), value) for name, value in zip(parts[::2], parts[1::2], strict=True))
