"""A lane: one topic read in whole partition batches, each worked in one transaction that also moves its progress.

Order is fenced, not ownership. Every batch locks its partition's progress row and compares it with what this worker
last wrote; if somebody else was here, memory is dropped and loaded again under that lock. A worker that was thought
dead is therefore harmless. Kafka's committed offset is a lag metric and nothing more.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from youai_contracts.topics import Topic

from youai_runtime import kafka, logs, metrics
from youai_runtime.database import Connection, Pool
from youai_runtime.errors import is_transient

log = logs.get(__name__)

SESSION_TIMEOUT_MS = 6_000
MOST_RECORDS = 5_000
SIDE_BY_SIDE = 4
"""Partitions worked at the same time: enough to share one fsync of the database among them."""


class Record(Protocol):
    """What a lane sees of a Kafka record (aiokafka's ConsumerRecord is one). `timestamp` is the broker's, in ms."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class LaneBroken(RuntimeError):
    """The log or our own code is not what it must be. The lane stops and says so; it never skips."""


class Work:
    """What a lane does. Every hook may run again for the same records: after a crash, or after a fence."""

    name: str
    """Names the consumer group and the progress rows, e.g. `matching.decider`."""
    topic: Topic
    deduplicates: bool = True
    """Drop records at or below the high-water mark of their `ce_id`. Off where the work knows repeats itself."""

    async def load(self, connection: Connection, partition: int) -> None:
        """Fill memory from the database, under the row's lock."""

    async def recover(self, connection: Connection, partition: int) -> None:
        """Finish what may have been cut off after a commit (publish again), under the row's lock."""

    def forget(self, partition: int) -> None:
        """Drop the partition's memory."""

    async def effect(self, partition: int, records: Sequence[Record]) -> None:
        """Effects outside the database that must be there before progress moves (an append to another log)."""

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        """The work itself, in the transaction that moves progress."""

    async def after_commit(self, partition: int) -> None:
        """What follows the commit (publish what it made)."""


def fingerprint(record: Record) -> bytes:
    """SHA-256 of the record's `ce_id` as received, by which a recreated topic is told from the old one."""
    raw = next((value for name, value in record.headers if name == "ce_id"), b"")
    return hashlib.sha256(raw or b"").digest()


def source_position(topic: Topic, record: Record) -> tuple[int, ...] | None:
    """Where a record stands at its source: (position,) of an outbox, (offset, index) of a decision.

    `ce_id` is `{writer}-{position}` or `{partition}-{offset}-{index}`; None for any other, which is never dropped.
    """
    raw = next((value for name, value in record.headers if name == "ce_id"), None) or b""
    source, *numbers = raw.split(b"-")
    if source not in (topic.writer.encode(), str(record.partition).encode()):
        return None
    if not numbers or not all(number.isdigit() and len(number) < 19 for number in numbers):
        return None
    return tuple(int(number) for number in numbers)


class Lane:
    """Runs one Work over the partitions that its consumer group gives to this process."""

    def __init__(
        self,
        work: Work,
        *,
        pool: Pool,
        bootstrap: str,
        client_id: str,
        consumer_factory: Callable[..., Any] = AIOKafkaConsumer,
    ) -> None:
        self.work = work
        self._pool = pool
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._consumer_factory = consumer_factory
        self._consumer: Any = None
        self._next: dict[int, int] = {}
        self._high_water: dict[int, tuple[int, ...] | None] = {}
        self._last_id: dict[int, bytes | None] = {}
        self._unproven: set[int] = set()  # partitions whose record before next_offset is still to be compared
        self._to_adopt: set[int] = set()
        self._owned: set[int] = set()
        self._busy = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._failures = 0
        self.broken: dict[int, str] = {}
        self.missing = ""
        self.joined = False

    @property
    def ready(self) -> bool:
        """True once the group has answered and all of this worker's partitions are adopted and sound."""
        return self.joined and not (self.missing or self._to_adopt or self.broken)

    async def run(self) -> None:
        """Work until `stop`. Raises what our own code raises outside a partition's work."""
        self._consumer = self._consumer_factory(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            group_id=self.work.name,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=SESSION_TIMEOUT_MS // 4,
            rebalance_timeout_ms=SESSION_TIMEOUT_MS,
            request_timeout_ms=SESSION_TIMEOUT_MS + 4_000,
            retry_backoff_ms=50,
            metadata_max_age_ms=10_000,
            # A hot partition's next fetch waits for the running fetch of its idle neighbours: keep that short.
            fetch_max_wait_ms=50,
            max_poll_records=MOST_RECORDS,
        )
        self._consumer.subscribe([self.work.topic.name], listener=_Listener(self))
        await kafka.start(self._consumer)
        await self._until_topic_is_there()
        committed = asyncio.create_task(self._report_progress())
        try:
            while not self._stopping.is_set():
                await self._turn()
        finally:
            committed.cancel()
            await self._consumer.stop()

    async def stop(self) -> None:
        """Ask `run` to end after the batch at hand."""
        self._stopping.set()

    async def _until_topic_is_there(self) -> None:
        """A topic that is missing, or has another number of partitions than its contract, is no empty topic."""
        topic = self.work.topic
        while not self._stopping.is_set():
            found = len(self._consumer.partitions_for_topic(topic.name) or ())
            self.missing = (
                "" if found == topic.partitions else f"{topic.name} has {found} partitions, not {topic.partitions}"
            )
            if not self.missing:
                return
            log.error("lane-waits", lane=self.work.name, error=self.missing)
            await asyncio.sleep(1.0)  # the client asks the broker again by itself, each metadata_max_age_ms

    async def _turn(self) -> None:
        try:
            async with self._busy:
                for partition in sorted(self._to_adopt):
                    await self._adopt(partition)
            batches = await self._consumer.getmany(timeout_ms=200, max_records=MOST_RECORDS)
        except NoOffsetForPartitionError:
            return  # fetched before our own seek; the next turn seeks
        except OffsetOutOfRangeError as error:
            for topic_partition, offset in error.args[0].items():
                self._out_of_range(topic_partition.partition, offset)
            return
        except Exception as error:
            if not is_transient(error):
                raise
            await self._back_off(error)
            return
        if batches:
            async with self._busy:
                gate = asyncio.Semaphore(SIDE_BY_SIDE)
                await asyncio.gather(*(self._guarded(gate, tp.partition, records) for tp, records in batches.items()))

    def _out_of_range(self, partition: int, offset: int) -> None:
        """The broker does not hold what was fetched: our own next offset, or one that somebody committed."""
        following = self._next.get(partition)
        if partition not in self._to_adopt and following is not None and offset in (following - 1, following):
            self._break(partition, LaneBroken("the log does not hold the next offset"))
        elif partition in self._owned and partition not in self.broken:
            self._to_adopt.add(partition)  # fetched before our own seek: seek again

    async def _guarded(self, gate: asyncio.Semaphore, partition: int, records: Sequence[Record]) -> None:
        async with gate:
            if partition not in self._owned or partition in self._to_adopt or partition in self.broken:
                return  # fetched before a seek, or not ours any more
            try:
                await self._work(partition, records)
                self._failures = 0
            except Exception as error:
                if not is_transient(error):
                    self._break(partition, error)
                    return
                # The outcome of the transaction is unknown: reading progress back under the lock settles it.
                self._next.pop(partition, None)
                self._to_adopt.add(partition)
                await self._back_off(error)

    async def _adopt(self, partition: int) -> None:
        """Take a partition over: load under the row's lock unless memory is still the truth, finish, seek."""
        if partition in self.broken or partition not in self._owned:
            self._to_adopt.discard(partition)
            return
        tp = TopicPartition(self.work.topic.name, partition)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                row = await _lock_progress(connection, self.work.name, partition)
                following: int = row["next_offset"]
                if self._next.get(partition) != following:
                    self.work.forget(partition)
                    await self.work.load(connection, partition)
                await self.work.recover(connection, partition)
            # Read after progress: the end only grows, so a sound log always reaches what was worked.
            start = (await self._consumer.beginning_offsets([tp]))[tp]
            end = (await self._consumer.end_offsets([tp]))[tp]
            if end < following or (start > following and not self.work.topic.compacted):
                raise LaneBroken(
                    f"progress is at offset {following}, but the log holds {start} to {end}: "
                    "it was truncated or made again"
                )
        except Exception as error:
            if is_transient(error):
                raise
            self._break(partition, error)
            return
        self._next[partition] = following
        self._high_water[partition] = tuple(row["high_water"]) if row["high_water"] else None
        self._last_id[partition] = row["last_id"]
        prove = following > start and not self.work.topic.compacted
        (self._unproven.add if prove else self._unproven.discard)(partition)
        self._consumer.seek(tp, following - 1 if prove else following)
        self._to_adopt.discard(partition)
        log.info("adopted", lane=self.work.name, partition=partition, next_offset=following)

    async def _work(self, partition: int, records: Sequence[Record]) -> None:
        records = self._continue_from(partition, records)
        if not records:
            return
        fresh, high_water = self._drop_seen(partition, records)
        following, last_id = records[-1].offset + 1, fingerprint(records[-1])
        with metrics.lane_batch(self.work.name, len(records)):
            if fresh:
                await self.work.effect(partition, fresh)
            async with self._pool.acquire() as connection, connection.transaction():
                row = await _lock_progress(connection, self.work.name, partition)
                if row["next_offset"] != self._next[partition]:
                    log.warning("fenced", lane=self.work.name, partition=partition, found=row["next_offset"])
                    self._next.pop(partition)
                    self._to_adopt.add(partition)
                    return
                if fresh:
                    await self.work.apply(connection, partition, fresh)
                await connection.execute(
                    "UPDATE lane_progress SET next_offset = $3, last_id = $4, high_water = $5"
                    " WHERE lane = $1 AND partition = $2",
                    self.work.name,
                    partition,
                    following,
                    last_id,
                    high_water,
                )
            self._next[partition] = following
            self._last_id[partition], self._high_water[partition] = last_id, high_water
            await self.work.after_commit(partition)

    def _continue_from(self, partition: int, records: Sequence[Record]) -> Sequence[Record]:
        """The records from next_offset on, after the checks that they follow on what was done."""
        following = self._next[partition]
        if partition in self._unproven:
            before = records[0]
            if before.offset != following - 1 or fingerprint(before) != self._last_id[partition]:
                raise LaneBroken(f"offset {following - 1} is not the record worked last: the topic was made again")
            self._unproven.discard(partition)
        records = [record for record in records if record.offset >= following]
        if self.work.topic.compacted:
            return records
        for expected, record in enumerate(records, following):
            if record.offset != expected:
                raise LaneBroken(f"expected offset {expected}, got {record.offset}: records are missing")
        return records

    def _drop_seen(self, partition: int, records: Sequence[Record]) -> tuple[Sequence[Record], tuple[int, ...] | None]:
        high_water = self._high_water[partition]
        if not self.work.deduplicates:
            return records, high_water
        fresh = []
        for record in records:
            position = source_position(self.work.topic, record)
            if position is not None:
                if high_water is not None and position <= high_water:
                    continue
                high_water = position
            fresh.append(record)
        return fresh, high_water

    def _break(self, partition: int, error: BaseException) -> None:
        self.broken[partition] = f"{type(error).__name__}: {error}"
        self._to_adopt.discard(partition)
        self._next.pop(partition, None)
        tp = TopicPartition(self.work.topic.name, partition)
        if partition in self._owned:
            self._consumer.seek(tp, 0)  # without a position, every fetch of the other partitions would fail with it
            self._consumer.pause(tp)
        log.critical("lane-stopped", lane=self.work.name, partition=partition, exc_info=error)

    async def _back_off(self, error: BaseException) -> None:
        self._failures += 1
        delay = min(0.05 * 2 ** min(self._failures, 6), 1.0) * random.uniform(0.5, 1.0)
        log.warning("lane-waits", lane=self.work.name, error=repr(error), seconds=round(delay, 3))
        await asyncio.sleep(delay)

    async def _report_progress(self) -> None:
        """Commit offsets to Kafka now and then: a lag metric for operators."""
        reported: dict[int, int] = {}
        while True:
            await asyncio.sleep(1.0)
            moved = {p: n for p, n in self._next.items() if p in self._owned and reported.get(p) != n}
            for tp in self._consumer.assignment():
                end = self._consumer.highwater(tp)
                if end is not None and tp.partition in self._next:
                    metrics.lane_lag(self.work.name, tp.partition, end - self._next[tp.partition])
            if not moved:
                continue
            try:
                await self._consumer.commit({TopicPartition(self.work.topic.name, p): n for p, n in moved.items()})
                reported |= moved
            except KafkaError as error:
                log.debug("commit-skipped", lane=self.work.name, error=repr(error))

    # What the group tells us; called by the consumer between our awaits.
    async def revoked(self, partitions: Iterable[int]) -> None:
        """Finish the batch at hand, then keep memory only as a guess that the row's lock will prove or drop."""
        async with self._busy:
            self._owned -= set(partitions)
            self._to_adopt -= set(partitions)

    async def assigned(self, partitions: Iterable[int]) -> None:
        """Note what is to be adopted; drop the memory of what went elsewhere."""
        self._owned = set(partitions)
        self._to_adopt = self._owned - set(self.broken)
        for partition in set(self._next) - self._owned:
            self._next.pop(partition, None)
            self.work.forget(partition)
        self.joined = True


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._lane.revoked([tp.partition for tp in revoked])

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._lane.assigned([tp.partition for tp in assigned])


async def _lock_progress(connection: Connection, lane: str, partition: int) -> asyncpg.Record:
    select = "SELECT next_offset, last_id, high_water FROM lane_progress WHERE lane = $1 AND partition = $2 FOR UPDATE"
    row = await connection.fetchrow(select, lane, partition)
    if row is None:
        await connection.execute(
            "INSERT INTO lane_progress (lane, partition) VALUES ($1, $2) ON CONFLICT DO NOTHING", lane, partition
        )
        row = await connection.fetchrow(select, lane, partition)
    assert row is not None
    return row
