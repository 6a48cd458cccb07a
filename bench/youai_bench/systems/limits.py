"""The raw limits: reading a log and nothing else, and the same rows copied into the same tables and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from youai_stack.errors import StackError

from youai_bench import reading
from youai_bench import work as works
from youai_bench.cpu import Meter
from youai_bench.deciding import Deciding
from youai_bench.ground import Ground
from youai_bench.system import Drained, Order, Outcomes
from youai_bench.systems import youai
from youai_bench.work import Work

CONNECTIONS = 4
ROWS_AT_ONCE = 5_000
"""Records whose rows share a transaction, or about so many: as in the engine."""
_DECIDED = 4 * ROWS_AT_ONCE
TABLES = ("receipt", "decision", "booking")
_FILLED = "bench_filled"
_NEAR = 0.01
"""How many more or fewer rows a copy may have than the work has requests, as a share."""


class Copy:
    """Rows of a decided log, ready as the server's own binary, copied by CONNECTIONS into tables with all indexes.

    Each transaction has what about ROWS_AT_ONCE records came to, and is committed as durably as the engine's.
    """

    name = "limit_copy"
    ordered_by: Order = "log"

    def __init__(self) -> None:
        self._chunks: dict[str, list[tuple[bytes, ...]]] = {}

    async def prepare(self, ground: Ground) -> None:
        self._ground = ground
        await youai.make_template(ground)

    async def fill(self, work: Work) -> None:
        if work.key not in self._chunks:
            self._chunks = {work.key: await self._rows(work)}
        self._work = work
        self._dsn = await self._ground.make_database("bench_copy", youai.TEMPLATE)
        self._connections = [await asyncpg.connect(self._dsn) for _ in range(CONNECTIONS)]

    async def _rows(self, work: Work) -> list[tuple[bytes, ...]]:
        """Rows as the work's decided log has them, in chunks of a transaction each.

        Some thousand records are decided, and what came of them is taken several times, each time under other ids and
        offsets: to decide them all would take much longer than what is measured.
        """
        times = max(1, round(work.records / _DECIDED))
        part = works.make(work.name, work.records // times, waitlist=work.waitlist, seed=work.seed)
        log = await self._ground.log(part)
        dsn = await self._ground.make_database(_FILLED, youai.TEMPLATE)
        connection = await asyncpg.connect(dsn)
        try:
            deciding = Deciding()
            for number, record in enumerate(reading.records(self._ground.bootstrap, log.topic, part.partitions), 1):
                deciding.take(record)
                if number % ROWS_AT_ONCE == 0:
                    await deciding.write(connection)
            await deciding.write(connection)
            columns = {table: await _columns(connection, table) for table in TABLES}
            return [
                await _chunk(connection, columns, time, partition, end * time)
                for time in range(times)
                for partition, end in enumerate(log.ends)
            ]
        finally:
            await connection.close()
            await self._ground.drop_database(_FILLED)

    async def drain(self) -> Drained:
        todo = list(reversed(self._chunks[self._work.key]))
        meter = Meter(self._ground.pids)
        begun = time.perf_counter()
        await asyncio.gather(*(_copy_all(connection, todo) for connection in self._connections))
        return Drained(time.perf_counter() - begun, meter.stop())

    async def outcomes(self) -> Outcomes | None:
        rows = await self._connections[0].fetchval("SELECT count(*) FROM booking")
        if abs(rows - self._work.requests) > self._work.requests * _NEAR:
            raise StackError(f"{self.name} copied {rows} bookings, not {self._work.requests}.")
        return None

    async def clear(self) -> None:
        for connection in self._connections:
            await connection.close()
        await self._ground.drop_database("bench_copy")

    async def close(self) -> None:
        self._chunks.clear()


async def _columns(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> str:
    """What to select of a table, so that its rows come under offsets and ids of their own each time."""
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        table,
    )
    other = {
        "log_offset": "log_offset + $2",
        "original": "original + $2",
        "request_id": "'booking-' || md5(request_id || $3)",
        "record_id": "'booking-' || md5(record_id || $3)",
    }
    return ", ".join(other.get(row["attname"], row["attname"]) for row in rows)


async def _chunk(
    connection: "asyncpg.Connection[asyncpg.Record]", columns: dict[str, str], time: int, partition: int, shift: int
) -> tuple[bytes, ...]:
    """The rows of a partition in each table, for the so-manieth time."""
    parts = []
    for table in TABLES:
        parts.append(bytearray())
        await connection.copy_from_query(
            f"SELECT {columns[table]} FROM {table} WHERE partition = $1 AND ($2::bigint, $3::text) IS NOT NULL"
            " ORDER BY log_offset",
            *(partition, shift, str(time)),
            output=_into(parts[-1]),
            format="binary",
        )
    return tuple(map(bytes, parts))


def _into(buffer: bytearray) -> Callable[[bytes], Coroutine[Any, Any, None]]:
    async def write(data: bytes) -> None:
        buffer.extend(data)

    return write


async def _copy_all(connection: "asyncpg.Connection[asyncpg.Record]", todo: list[tuple[bytes, ...]]) -> None:
    while todo:
        chunk = todo.pop()
        async with connection.transaction():
            for table, data in zip(TABLES, chunk, strict=True):
                await connection.copy_to_table(table, source=_once(data), format="binary")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


class Read:
    """The log read by the client that the engine has, in its batches, and thrown away."""

    name = "limit_read"
    ordered_by: Order = "log"

    async def prepare(self, ground: Ground) -> None:
        self._ground = ground

    async def fill(self, work: Work) -> None:
        self._log = await self._ground.log(work)

    async def drain(self) -> Drained:
        places = [TopicPartition(self._log.topic, number) for number in range(len(self._log.ends))]
        left = sum(self._log.ends)
        async with _reader(self._ground.bootstrap, places) as consumer:
            meter = Meter(self._ground.pids)
            begun = time.perf_counter()
            consumer.resume(*places)
            while left:
                batches = await consumer.getmany(timeout_ms=200, max_records=ROWS_AT_ONCE)
                left -= sum(map(len, batches.values()))
            return Drained(time.perf_counter() - begun, meter.stop())

    async def outcomes(self) -> Outcomes | None:
        return None

    async def clear(self) -> None:
        """Nothing was made."""

    async def close(self) -> None:
        """Nothing was started."""


@asynccontextmanager
async def _reader(bootstrap: str, places: Sequence[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign(places)
    consumer.pause(*places)
    await consumer.start()
    try:
        await consumer.seek_to_beginning(*places)
        yield consumer
    finally:
        await consumer.stop()
