"""A consumer, a progress table and a work to run a lane on, all in memory."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from aiokafka import TopicPartition
from youai_contracts.topics import Topic
from youai_runtime.database import Connection, Pool
from youai_runtime.kafka import Broker
from youai_runtime.lane import Lane
from youai_runtime.way import Way
from youai_runtime.work import Record, Work

TOPIC = Topic(name="test.v1", key="id", writer="test", readers=(), partitions=4)
COMPACTED = Topic(name="test.v1", key="id", writer="test", readers=(), partitions=4, compacted=True)


@dataclass(frozen=True)
class Rec:
    """A record with a `ce_id` (by default one that names its place)."""

    partition: int
    offset: int
    id: str = ""
    timestamp: int = 0
    key: bytes | None = b"k"
    value: bytes | None = b"{}"

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        return [("ce_id", (self.id or f"id-{self.partition}-{self.offset}").encode())]


def records(partition: int, start: int, end: int) -> list[Rec]:
    return [Rec(partition, offset) for offset in range(start, end)]


@dataclass
class Row:
    """A row of lane_progress."""

    next_offset: int = 0
    last_id: bytes | None = None
    high_water: Sequence[int] | None = None

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


class Database:
    """The progress table. A transaction's changes stand once it ends well; `fail` has errors for coming commits."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.fail: list[tuple[BaseException, bool]] = []
        """For each coming commit that fails: the error, and whether the commit stands all the same."""
        self._changes: dict[int, Row] = {}

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Session"]:
        yield Session(self)


@dataclass
class Session:
    """A connection."""

    database: Database
    changes: dict[int, Row] = field(default_factory=dict)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield
        updates = any(row.next_offset for row in self.changes.values())
        error, stands = self.database.fail.pop(0) if self.database.fail and updates else (None, True)
        if stands:
            self.database.rows |= self.changes
        if error is not None:
            raise error

    async def fetchrow(self, sql: str, _lane: str, partition: int) -> Row | None:
        assert sql.endswith("FOR UPDATE")
        return self.changes.get(partition) or self.database.rows.get(partition)

    async def fetch(self, sql: str, _lane: str, partitions: list[int]) -> list[dict[str, Any]]:
        assert sql.endswith("ORDER BY partition FOR UPDATE") or "FOR UPDATE" not in sql
        there = {p: row for p in partitions if (row := self.changes.get(p) or self.database.rows.get(p))}
        return [{"partition": p, "next_offset": row.next_offset} for p, row in there.items()]

    async def execute(self, sql: str, _lane: str, *values: Any) -> None:
        if "INSERT INTO lane_progress" in sql:
            self.changes[values[0]] = Row()
            return
        assert "UPDATE lane_progress" in sql
        for partition, following, last_id, mark in zip(*values, strict=True):
            high_water = None if mark is None else [int(part) for part in mark.strip("{}").split(",")]
            self.changes[partition] = Row(following, last_id, high_water)


Action = Callable[[], Awaitable[None] | None] | BaseException


class Consumer:
    """A consumer of one topic. `script` holds what happens whenever nothing is left to fetch; at its end all stop."""

    def __init__(self) -> None:
        self.log: dict[int, list[Rec]] = defaultdict(list)
        self.start_offsets: dict[int, int] = defaultdict(int)
        self.positions: dict[int, int] = {}
        self.paused: set[int] = set()
        self.script: list[Action] = []
        self.settings: dict[str, Any] = {}
        self.seeks: list[tuple[int, int]] = []
        self.asked: list[list[int]] = []
        self.stopped = False
        self.there = [TOPIC.partitions]
        """How many partitions the broker says there are: each answer once, the last for good."""
        self.listener: Any = None
        self.lane: Lane | None = None

    def __call__(self, **settings: Any) -> "Consumer":
        self.settings = settings
        return self

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.topics, self.listener = topics, listener

    async def start(self) -> None:
        await self.assign(*self.log)

    async def stop(self) -> None:
        self.stopped = True

    def partitions_for_topic(self, _topic: str) -> set[int] | None:
        return set(range(self.there.pop(0) if len(self.there) > 1 else self.there[0])) or None

    async def assign(self, *partitions: int) -> None:
        """A rebalance that gives these partitions and takes all others."""
        await self.listener.on_partitions_revoked([TopicPartition(TOPIC.name, p) for p in self.positions])
        self.positions = {}
        await self.listener.on_partitions_assigned([TopicPartition(TOPIC.name, p) for p in partitions])

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Rec]]:
        batches: dict[TopicPartition, list[Rec]] = {}
        for partition, position in self.positions.items():
            batch = [r for r in self.log[partition] if r.offset >= position][:max_records]
            if batch and partition not in self.paused:
                batches[TopicPartition(TOPIC.name, partition)] = batch
                self.positions[partition] = batch[-1].offset + 1
        assert self.lane is not None
        if batches or self.lane._to_adopt:
            return batches
        if not self.script:
            await self.lane.stop()
            return {}
        action = self.script.pop(0)
        if isinstance(action, BaseException):
            raise action
        done = action()
        if done is not None:
            await done
        return {}

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp.partition] = offset
        self.seeks.append((tp.partition, offset))

    def pause(self, tp: TopicPartition) -> None:
        self.paused.add(tp.partition)

    async def beginning_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.asked.append(sorted(tp.partition for tp in tps))
        return {tp: self.start_offsets[tp.partition] for tp in tps}

    async def end_offsets(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        ends = {p: log[-1].offset + 1 if log else self.start_offsets[p] for p, log in list(self.log.items())}
        return {tp: ends.get(tp.partition, 0) for tp in tps}

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(TOPIC.name, p) for p in self.positions]

    def highwater(self, tp: TopicPartition) -> int | None:
        return None

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        return None


class Noting(Work):
    """Notes every call of its hooks. `raises` has errors to raise, once each, by hook and partition."""

    name = "test.lane"
    topic = TOPIC

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.raises: dict[tuple[str, int], list[BaseException]] = defaultdict(list)

    def is_readable(self, record: Record) -> bool:
        """Everything is an event here, but for what says that it is not."""
        return record.value != b"not an event"

    def worked(self, partition: int) -> list[int]:
        """Offsets of `apply`, in order."""
        return [offset for hook, p, *rest in self.calls if hook == "apply" and p == partition for offset in rest]

    def count(self, hook: str, partition: int) -> int:
        return sum(call[:2] == (hook, partition) for call in self.calls)

    def _note(self, hook: str, partition: int, batch: Sequence[Record] = ()) -> None:
        self.calls.append((hook, partition, *(record.offset for record in batch)))
        if self.raises[hook, partition]:
            raise self.raises[hook, partition].pop(0)

    async def load(self, connection: Connection, partition: int) -> None:
        self._note("load", partition)

    async def recover(self, connection: Connection, partition: int) -> None:
        self._note("recover", partition)

    def forget(self, partition: int) -> None:
        self._note("forget", partition)

    async def effect(self, partition: int, records: Sequence[Record]) -> None:
        self._note("effect", partition, records)

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        self._note("apply", partition, records)

    async def after_commit(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            self._note("after_commit", partition)


class Scene:
    """A lane on its fakes; `run` works until all is fetched and the script has been played."""

    def __init__(self, *, way: Way | None = None, work: Noting | None = None, **logs: int) -> None:
        """`p0=5` gives partition 0 five records."""
        self.work = work or Noting()
        self.database = Database()
        self.consumer = Consumer()
        for name, count in logs.items():
            self.consumer.log[int(name[1:])] = records(int(name[1:]), 0, count)
        self.lane = Lane(
            self.work,
            pool=cast(Pool, self.database),
            broker=Broker("127.0.0.1:1"),
            client_id="test",
            way=way,
            consumer_factory=self.consumer,
        )
        self.consumer.lane = self.lane

    def append(self, partition: int, count: int = 1) -> None:
        log = self.consumer.log[partition]
        start = log[-1].offset + 1 if log else 0
        log += records(partition, start, start + count)

    async def run(self, *script: Action) -> None:
        self.consumer.script = list(script)
        await self.lane.run()
