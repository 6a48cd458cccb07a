"""What a lane does: the hooks that a service fills in, and what a lane sees of a record."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from youai_contracts import codec
from youai_contracts.codec import Received, Undecodable
from youai_contracts.topics import Topic

from youai_runtime.database import Connection


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


@dataclass(frozen=True, slots=True)
class Batch:
    """A partition's records at hand: those to work, and where progress stands after them."""

    fresh: Sequence[Record]
    count: int
    following: int
    last_id: bytes
    last_ms: int
    high_water: tuple[int, ...] | None


RUSH_BYTES = 256 * 1024
"""What a projection of a topic that rushes lets the broker gather, at most `fetch_wait_ms` long."""
GATHERED = range(8, 128)
"""Records of a batch that tells of a rush: each batch has a cost of its own, which the next shares among more.

Larger ones share it well already; to wait after those as well made half load wait three times as long (0025).
"""


class LaneBroken(RuntimeError):
    """The log or our own code is not what it must be. The lane stops and says so; it never skips."""


class Work:
    """What a lane does. Every hook may run again for the same records: after a crash, or after a fence."""

    name: str
    """Names the consumer group and the progress rows, e.g. `matching.decider`."""
    topic: Topic
    deduplicates: bool = True
    """Drop records at or below the high-water mark of their `ce_id`. Off where the work knows repeats itself."""
    pause_s: float = 0.0
    """How long to let records gather after a batch: what need not be seen at once is cheaper in larger batches."""
    gather_s: float = 0.0
    """The same, after batches of GATHERED alone: neither one who comes alone waits for it, nor a backlog."""
    tops_up: bool = False
    """Whether a batch is filled up with what came since it was fetched: for work that others wait for."""
    gives_way: bool = False
    """Where its service is told to (way.py), it leaves a busy machine to others. Not for what others look things up in:
    who is owed what hangs on it."""
    fetch_wait_ms: int = 50
    """How long the broker may hold a fetch that finds nothing. A hot partition's next fetch waits behind the running
    one of its idle neighbours, so short is quick in a rush; long is cheap when idle."""
    fetch_bytes: int = 1
    """How much the broker gathers before it answers a fetch early: more means fewer fetches in a rush."""

    def is_readable(self, record: Record) -> bool:
        """Whether a record is an event of the topic; the lane asks where its `ce_id` would make it drop others."""
        try:
            codec.decode(self.topic, record.key, record.value, record.headers)
        except Undecodable:
            return False
        return True

    async def load(self, connection: Connection, partition: int) -> None:
        """Fill memory from the database, under the row's lock."""

    async def recover(self, connection: Connection, partition: int) -> None:
        """Finish what may have been cut off after a commit (publish again), under the row's lock."""

    def forget(self, partition: int) -> None:
        """Drop the partition's memory."""

    async def effect(self, partition: int, records: Sequence[Record]) -> None:
        """Effects outside the database that must be there before progress moves (an append to another log)."""

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        """The work itself on one partition's records, in the transaction that moves progress."""

    async def apply_all(self, connection: Connection, batches: Mapping[int, Sequence[Record]]) -> None:
        """The work on all partitions at hand; override it where one statement serves them all."""
        for partition in sorted(batches):
            await self.apply(connection, partition, batches[partition])

    async def after_commit(self, partitions: Sequence[int]) -> None:
        """What follows the commit (publish what it made)."""


class Projection(Work):
    """A read model: what it writes does not depend on the partition, so all that is at hand is written together."""

    pause_s = 0.1
    fetch_wait_ms = 250

    async def apply_all(self, connection: Connection, batches: Mapping[int, Sequence[Record]]) -> None:
        """`apply` once, with the records of all partitions, each partition's in its order."""
        await self.apply(connection, -1, [record for partition in sorted(batches) for record in batches[partition]])


def decode_all(
    topic: Topic, records: Sequence[Record]
) -> tuple[list[tuple[Record, Received]], list[tuple[Record, str]]]:
    """Records of `topic` with their events, and those that cannot be read with why; both in the records' order."""
    received: list[tuple[Record, Received]] = []
    unreadable: list[tuple[Record, str]] = []
    for record in records:
        try:
            received.append((record, codec.decode(topic, record.key, record.value, record.headers)))
        except Undecodable as error:
            unreadable.append((record, str(error)))
    return received, unreadable


def fingerprint(record: Record) -> bytes:
    """SHA-256 of the record's `ce_id` as received, by which a recreated topic is told from the old one."""
    raw = next((value for name, value in record.headers if name == "ce_id"), b"")
    return hashlib.sha256(raw or b"").digest()
