"""A lane: one topic read in whole batches, each worked in one transaction that also moves its progress.

A batch is whatever arrived while the last one was worked, of all partitions at hand: small when idle, large in a rush.
Order is fenced, not ownership. Every batch locks its partitions' progress rows, in partition order, and compares them
with what this worker last wrote; where somebody else was, memory is dropped and loaded again under that lock. A worker
that was thought dead is therefore harmless. Kafka's committed offset is a lag metric and nothing more.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from youai_runtime import kafka, lag, logs, metrics
from youai_runtime.database import Connection, Pool
from youai_runtime.errors import is_transient
from youai_runtime.listener import Listener
from youai_runtime.seen import drop_seen
from youai_runtime.way import MANY, Way
from youai_runtime.work import GATHERED, Batch, LaneBroken, Record, Work, fingerprint

log = logs.get(__name__)

SESSION_TIMEOUT_MS = 6_000
LOOK_BACK_S = 10.0
MOST_RECORDS = 5_000
STALE, TOP_UP_MS = range(8, 1_000), 10
"""A batch of so many records is what the client fetched ahead when the one before it began, and the broker has more by
now: that is fetched too, for at most so long. One who comes alone waits for nobody, and a backlog fills batches.
"""


class Lane:
    """Runs one Work over the partitions that its consumer group gives to this process."""

    def __init__(
        self,
        work: Work,
        *,
        pool: Pool,
        broker: kafka.Broker,
        client_id: str,
        way: Way | None = None,
        consumer_factory: Callable[..., Any] = AIOKafkaConsumer,
    ) -> None:
        self.work = work
        self._way = way if work.gives_way else None
        self._pool = pool
        self._broker = broker
        self._client_id = client_id
        self._consumer_factory = consumer_factory
        self._consumer: Any = None
        self._next: dict[int, int] = {}
        self._high_water: dict[int, tuple[int, ...] | None] = {}
        self._last_id: dict[int, bytes | None] = {}
        self._worked_ms: dict[int, int] = {}  # the broker's time of the record worked last, for the lag in seconds
        self._unproven: set[int] = set()  # partitions whose record before next_offset is still to be compared
        self._to_adopt: set[int] = set()
        self._owned: set[int] = set()
        self._suspects: set[int] = set()  # partitions that failed in company and are worked by themselves
        self._busy = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._failures = 0
        self._look_at = 0.0
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
            **self._broker.options(),
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
            fetch_max_wait_ms=self.work.fetch_wait_ms,
            fetch_min_bytes=self.work.fetch_bytes,
            max_poll_records=MOST_RECORDS,
        )
        self._consumer.subscribe([self.work.topic.name], listener=Listener(self))
        await kafka.start(self._consumer)
        await self._until_topic_is_there()
        committed = asyncio.create_task(
            lag.report(self._consumer, self.work, self._next, self._worked_ms, lambda: self._owned)
        )
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
                await self._look_back()
                await self._adopt_all()
            batches = await self._consumer.getmany(timeout_ms=200, max_records=MOST_RECORDS)
            if self.work.tops_up and sum(map(len, batches.values())) in STALE:
                await self._top_up(batches)
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
                await self._work_all({tp.partition: records for tp, records in batches.items()})
            worked_ms = min(records[-1].timestamp for records in batches.values())
            if pause := self._pause_s(sum(map(len, batches.values())), worked_ms):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stopping.wait()

    def _pause_s(self, records: int, worked_ms: int) -> float:
        """How long to let records gather after a batch of so many that reached to that time."""
        gathers = self.work.gather_s if records in GATHERED else 0.0
        gives_way = self._way.wait_s(worked_ms) if self._way is not None and records >= MANY else 0.0
        return max(self.work.pause_s, gathers, gives_way)

    async def _top_up(self, batches: dict[TopicPartition, Sequence[Record]]) -> None:
        """Add to what was fetched what came since. Where that fails, what is here is worked, and the next turn says."""
        with contextlib.suppress(KafkaError):
            more = await self._consumer.getmany(timeout_ms=TOP_UP_MS, max_records=MOST_RECORDS)
            for tp, records in more.items():
                batches[tp] = [*batches.get(tp, ()), *records]

    async def _look_back(self) -> None:
        """Now and then see whether progress is where we left it: where no record comes, no batch would tell."""
        if self._next and (now := asyncio.get_running_loop().time()) >= self._look_at:
            self._look_at = now + LOOK_BACK_S
            self._to_adopt |= await lag.moved(self._pool, self.work.name, self._next) & self._owned - set(self.broken)

    def _out_of_range(self, partition: int, offset: int) -> None:
        """The broker does not hold what was fetched: our own next offset, or one that somebody committed."""
        following = self._next.get(partition)
        if partition not in self._to_adopt and following is not None and offset in (following - 1, following):
            self._break(partition, LaneBroken("the log does not hold the next offset"))
        elif partition in self._owned and partition not in self.broken:
            self._to_adopt.add(partition)  # fetched before our own seek: seek again

    async def _work_all(self, fetched: Mapping[int, Sequence[Record]]) -> None:
        ready: dict[int, Batch] = {}
        for partition in sorted(fetched):
            if partition not in self._owned or partition in self._to_adopt or partition in self.broken:
                continue  # fetched before a seek, or not ours any more
            try:
                batch = self._batch(partition, fetched[partition])
            except LaneBroken as error:
                self._break(partition, error)
                continue
            if batch is not None:
                ready[partition] = batch
        together = {partition: batch for partition, batch in ready.items() if partition not in self._suspects}
        await self._guarded(together)
        for partition in set(ready) - set(together):
            await self._guarded({partition: ready[partition]})

    async def _guarded(self, batches: dict[int, Batch]) -> None:
        if not batches:
            return
        try:
            await self._work(batches)
            self._failures = 0
            self._suspects -= set(batches)
        except Exception as error:
            transient = is_transient(error)
            if not transient and len(batches) == 1:
                self._break(next(iter(batches)), error)
                return
            for partition in batches:
                # What became of the transaction is unknown: reading progress back under the lock settles it.
                self._next.pop(partition, None)
                self._to_adopt.add(partition)
            if not transient:
                log.error("worked-apart-next", lane=self.work.name, partitions=sorted(batches), exc_info=error)
                self._suspects |= set(batches)  # each by itself, so that only the one at fault stops
            await self._back_off(error)

    async def _adopt_all(self) -> None:
        """Adopt what is to be adopted, asking the broker once for all: its answers wait for the fetch before them.

        One by one, that took longer than the group waits: two workers that joined together threw each other out.
        """
        name = self.work.topic.name
        rows = [
            (TopicPartition(name, partition), await self._take_over(partition)) for partition in sorted(self._to_adopt)
        ]
        taken = {tp: row for tp, row in rows if row is not None}
        if not taken:
            return
        # Read after progress: the end only grows, so a sound log always reaches what was worked.
        starts = await self._consumer.beginning_offsets(list(taken))
        ends = await self._consumer.end_offsets(list(taken))
        for tp, row in taken.items():
            self._begin(tp, row, starts[tp], ends[tp])

    async def _take_over(self, partition: int) -> asyncpg.Record | None:
        """Load a partition under its row's lock unless memory is still the truth, and finish; None if it is not to."""
        if partition in self.broken or partition not in self._owned:
            self._to_adopt.discard(partition)
            return None
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                row = await _lock_progress(connection, self.work.name, partition)
                if self._next.get(partition) != row["next_offset"]:
                    self.work.forget(partition)
                    await self.work.load(connection, partition)
                await self.work.recover(connection, partition)
        except Exception as error:
            if is_transient(error):
                raise
            self._break(partition, error)
            return None
        return row

    def _begin(self, tp: TopicPartition, row: asyncpg.Record, start: int, end: int) -> None:
        """Read on from a partition's progress, if the log still has what comes next."""
        partition, following = tp.partition, row["next_offset"]
        if end < following or (start > following and not self.work.topic.compacted):
            told = f"progress is at offset {following}, but the log holds {start} to {end}"
            self._break(partition, LaneBroken(f"{told}: it was truncated or made again"))
            return
        self._next[partition], self._worked_ms[partition] = following, round(time.time() * 1_000)
        self._high_water[partition] = tuple(row["high_water"]) if row["high_water"] else None
        self._last_id[partition] = row["last_id"]
        prove = following > start and not self.work.topic.compacted
        (self._unproven.add if prove else self._unproven.discard)(partition)
        self._consumer.seek(tp, following - 1 if prove else following)
        self._to_adopt.discard(partition)
        log.info("adopted", lane=self.work.name, partition=partition, next_offset=following)

    def _batch(self, partition: int, records: Sequence[Record]) -> Batch | None:
        records = self._continue_from(partition, records)
        if not records:
            return None
        fresh, high_water = drop_seen(self.work, partition, records, self._high_water[partition])
        last = records[-1]
        return Batch(fresh, len(records), last.offset + 1, fingerprint(last), last.timestamp, high_water)

    async def _work(self, batches: dict[int, Batch]) -> None:
        name = self.work.name
        with metrics.lane_batch(name, sum(batch.count for batch in batches.values())):
            with metrics.stage(name, "effect"):
                await asyncio.gather(*(self.work.effect(p, batch.fresh) for p, batch in batches.items() if batch.fresh))
            with metrics.stage(name, "transaction"):
                async with self._pool.acquire() as connection, connection.transaction():
                    batches = await self._unfenced(connection, batches)
                    fresh = {partition: batch.fresh for partition, batch in batches.items() if batch.fresh}
                    if fresh:
                        with metrics.stage(name, "apply"):
                            await self.work.apply_all(connection, fresh)
                    await _move_progress(connection, name, batches)
            for partition, batch in batches.items():
                self._next[partition], self._worked_ms[partition] = batch.following, batch.last_ms
                self._last_id[partition], self._high_water[partition] = batch.last_id, batch.high_water
            with metrics.stage(name, "publish"):
                await self.work.after_commit(sorted(batches))

    async def _unfenced(self, connection: Connection, batches: dict[int, Batch]) -> dict[int, Batch]:
        """Lock the partitions' progress; those where somebody else was are left out, to be adopted again."""
        rows = await connection.fetch(
            "SELECT partition, next_offset FROM lane_progress WHERE lane = $1 AND partition = ANY($2::int[])"
            " ORDER BY partition FOR UPDATE",
            self.work.name,
            sorted(batches),
        )
        found = {row["partition"]: row["next_offset"] for row in rows}
        for partition in sorted(batches):
            if found.get(partition) != self._next[partition]:
                log.warning("fenced", lane=self.work.name, partition=partition, found=found.get(partition))
                self._next.pop(partition)
                self._to_adopt.add(partition)
        return {partition: batch for partition, batch in batches.items() if partition not in self._to_adopt}

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


async def _move_progress(connection: Connection, lane: str, batches: dict[int, Batch]) -> None:
    marks = [batch.high_water for batch in batches.values()]
    await connection.execute(
        """
        UPDATE lane_progress AS p SET next_offset = m.next_offset, last_id = m.last_id,
            high_water = m.high_water::bigint[]
        FROM unnest($2::int[], $3::bigint[], $4::bytea[], $5::text[]) AS m (partition, next_offset, last_id, high_water)
        WHERE p.lane = $1 AND p.partition = m.partition
        """,
        lane,
        list(batches),
        [batch.following for batch in batches.values()],
        [batch.last_id for batch in batches.values()],
        [None if mark is None else "{" + ",".join(map(str, mark)) + "}" for mark in marks],
    )
