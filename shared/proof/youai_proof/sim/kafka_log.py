"""A partition as a broker keeps it: batches by offset, stamped with broker time, and what each producer wrote last."""

import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import ConsumerRecord

NO_ERROR, OUT_OF_RANGE, UNKNOWN_TOPIC, NOT_LEADER, TOO_LARGE = 0, 1, 3, 6, 10
OUT_OF_ORDER, INVALID_RECORD = 45, 87

_HEADER = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM, _LOG_APPEND_TIME = 21, 0x08
_MOST_SEQUENCE = 2**31 - 1
_REMEMBERED = 5
"""How many of a producer's batches a broker remembers, to know one that is sent again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as stored: its first and last offset, the broker's time in ms, and its bytes (message format 2)."""

    base: int
    last: int
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """The answer to an append: Kafka's error code, and where and when the batch stands in the log (else -1)."""

    code: int
    offset: int = -1
    at: int = -1
    repeated: bool = False


@dataclass(slots=True)
class _Producer:
    """What the broker remembers of a producer in a partition."""

    epoch: int
    last: int
    batches: deque[tuple[int, int, int, int]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class Partition:
    """One partition's log. `end` is the next offset, `start` the first that is there, `visible` what fetches see."""

    def __init__(self, topic: str, number: int, *, most_bytes: int, compacted: bool) -> None:
        self.topic = topic
        self.number = number
        self.start = 0
        self.end = 0
        self.visible = 0
        self.visible_from = 0.0
        self.waiting: dict[Any, None] = {}  # fetches that are parked here, in the order in which they came
        self._most_bytes = most_bytes
        self._compacted = compacted
        self._batches: list[Batch] = []
        self._bases: list[int] = []
        self._producers: dict[int, _Producer] = {}

    def append(self, messages: bytes, at: int) -> Appended:
        """Append one batch at the broker's time `at` (ms), unless its producer wrote it already or left one out."""
        if len(messages) > self._most_bytes:
            return Appended(TOO_LARGE)
        head = _HEADER.unpack_from(messages)
        count, sequence, epoch, producer = head[-1], head[-2], head[-3], head[-4]
        last = (sequence + count - 1) % (_MOST_SEQUENCE + 1)
        if producer >= 0:
            known = self._producers.get(producer)
            if known is not None and known.epoch == epoch:
                for first, final, offset, stamped in known.batches:
                    if (first, final) == (sequence, last):
                        return Appended(NO_ERROR, offset, stamped, repeated=True)
                if sequence != (known.last + 1) % (_MOST_SEQUENCE + 1):
                    return Appended(OUT_OF_ORDER)
        batch = _stamped(messages, head, self.end, count, at)
        if self._compacted and any(record.key is None for record in _records(self.topic, self.number, batch)):
            return Appended(INVALID_RECORD)
        if producer >= 0:
            known = self._producers.setdefault(producer, _Producer(epoch, last))
            known.epoch, known.last = epoch, last
            known.batches.append((sequence, last, batch.base, at))
        self._batches.append(batch)
        self._bases.append(batch.base)
        self.end = batch.last + 1
        return Appended(NO_ERROR, batch.base, at)

    def read(self, offset: int, most_bytes: int) -> bytes:
        """The batches from the one that holds `offset` on (at least one, if there is any that may be seen)."""
        found: list[bytes] = []
        size = 0
        for index in range(max(bisect_right(self._bases, offset) - 1, 0), len(self._batches)):
            batch = self._batches[index]
            if batch.last < offset:
                continue
            if batch.base >= self.visible or (found and size + len(batch.data) > most_bytes):
                break
            found.append(batch.data)
            size += len(batch.data)
        return found[0] if len(found) == 1 else b"".join(found)

    def holds(self, offset: int) -> bool:
        """Whether a fetch from `offset` is in range: what is there, or the next to come."""
        return self.start <= offset <= self.end

    def records(self) -> Iterator[ConsumerRecord]:
        """Every record from `start` on, fetchable or not yet."""
        for batch in self._batches:
            for record in _records(self.topic, self.number, batch):
                if record.offset >= self.start:
                    yield record

    def first_at(self, at: int) -> tuple[int, int]:
        """Offset and time of the first record at or after the time `at` (ms); -1, -1 where there is none."""
        for record in self.records():
            if record.timestamp >= at:
                return record.offset, record.timestamp
        return -1, -1

    def delete_before(self, offset: int) -> None:
        """Delete the records before `offset`, as retention or an operator does."""
        self.start = max(self.start, min(offset, self.end))
        keep = [batch for batch in self._batches if batch.last >= self.start]
        self._set(keep)

    def cut_at(self, offset: int) -> None:
        """Lose the batches that reach `offset` or lie beyond: a broker that came back with an older disk."""
        keep = [batch for batch in self._batches if batch.last < offset]
        self._set(keep)
        self.end = keep[-1].last + 1 if keep else self.start
        self.visible = min(self.visible, self.end)
        for producer, known in list(self._producers.items()):
            kept = [one for one in known.batches if one[2] < self.end]
            if not kept:
                del self._producers[producer]
            elif len(kept) < len(known.batches):
                known.batches = deque(kept, maxlen=_REMEMBERED)
                known.last = kept[-1][1]

    def compact(self) -> None:
        """Drop every batch all of whose keys come again later."""
        seen: set[bytes | None] = set()
        keep: list[Batch] = []
        for batch in reversed(self._batches):
            keys = {record.key for record in _records(self.topic, self.number, batch)}
            if not keys <= seen:
                keep.append(batch)
            seen |= keys
        self._set(keep[::-1])

    def _set(self, batches: list[Batch]) -> None:
        self._batches = batches
        self._bases = [batch.base for batch in batches]


def _stamped(messages: bytes, head: tuple[Any, ...], base: int, count: int, at: int) -> Batch:
    """The batch with its offset and the broker's time, as a topic of LogAppendTime stores it."""
    data = bytearray(messages)
    attributes = head[5] | _LOG_APPEND_TIME
    _HEADER.pack_into(data, 0, base, head[1], 0, head[3], 0, attributes, head[6], head[7], at, *head[9:])
    struct.pack_into(">I", data, _CRC_FROM - 4, calc_crc32c(bytes(data[_CRC_FROM:])))
    return Batch(base, base + count - 1, at, bytes(data))


def _records(topic: str, number: int, batch: Batch) -> Iterator[ConsumerRecord]:
    reader = MemoryRecords(batch.data)
    while reader.has_next():
        for record in reader.next_batch():
            key, value = record.key, record.value
            yield ConsumerRecord(
                topic,
                number,
                record.offset,
                record.timestamp,
                record.timestamp_type,
                key,
                value,
                record.checksum,
                len(key) if key is not None else -1,
                len(value) if value is not None else -1,
                tuple(record.headers),
            )
