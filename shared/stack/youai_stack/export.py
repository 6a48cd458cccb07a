"""A topic as JSON lines, from its beginning to its end as it was when the export began."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import msgspec

from youai_stack import topics
from youai_stack.errors import StackError

STALL_S = 30.0
"""How long the broker may send nothing before the export gives up."""
BATCH = 2000


def line(
    partition: int,
    offset: int,
    timestamp: int,
    key: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
    value: bytes | None,
) -> bytes:
    """One record as one line of JSON, without the line's end.

    `partition, offset, timestamp` (ms), `key`, `headers` (null where one is not UTF-8), `data`. A value that is no JSON
    is `value_base64`, with `data` null; a key that is not UTF-8 is `key_base64`, with `key` null. A value that is JSON
    is carried as it is.
    """
    record: dict[str, Any] = {"partition": partition, "offset": offset, "timestamp": timestamp}
    try:
        record["key"] = None if key is None else key.decode()
    except UnicodeDecodeError:
        record["key"] = None
        record["key_base64"] = _base64(key)
    record["headers"] = {name: _text(raw or b"") for name, raw in headers}
    data = json_on_one_line(value)
    if value is not None and data is None:
        record["data"] = None
        record["value_base64"] = _base64(value)
    else:
        record["data"] = None if data is None else msgspec.Raw(data)
    return msgspec.json.encode(record)


def _text(raw: bytes) -> str | None:
    """A header as text; None where it is not UTF-8, which is no attribute that anybody could read."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def json_on_one_line(value: bytes | None) -> bytes | None:
    """The JSON text of a record's value, byte for byte where it is one line already; None where it is no JSON."""
    if value is None:
        return None
    try:
        msgspec.json.decode(value)
        if b"\n" in value or b"\r" in value:
            return json.dumps(json.loads(value), ensure_ascii=False, separators=(",", ":")).encode()
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return value


def _base64(raw: bytes | None) -> str:
    return base64.b64encode(raw or b"").decode()


async def records(bootstrap: str, topic: str, since: Mapping[int, int] | None = None) -> AsyncIterator[Any]:
    """Every record of the topic up to its end as it is now; each partition in its order, the partitions mixed.

    `since` names offsets by partition before which nothing is wanted. Memory is bounded by one fetch. Raises StackError
    where there is no such topic or the broker stops answering.
    """
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError

    there = await topics.partitions(bootstrap)
    if topic not in there:
        raise StackError(f"There is no topic `{topic}`; there are: {', '.join(there) or 'none'}.")
    partitions = [TopicPartition(topic, number) for number in there[topic]]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        check_crcs=True,
    )
    try:
        await consumer.start()
        first = {
            partition: max(offset, (since or {}).get(partition.partition, 0))
            for partition, offset in (await consumer.beginning_offsets(partitions)).items()
        }
        end = await consumer.end_offsets(partitions)
        left = {partition for partition in partitions if first[partition] < end[partition]}
        consumer.assign(sorted(left, key=lambda partition: partition.partition))
        for partition in left:
            consumer.seek(partition, first[partition])
        while left:
            batches = await _fetch(consumer, left)
            for partition, batch in batches.items():
                for record in batch:
                    if record.offset < end[partition]:
                        yield record
            for partition in list(left):
                if await consumer.position(partition) >= end[partition]:
                    left.discard(partition)
                    consumer.pause(partition)
    except (KafkaError, OSError) as error:
        raise topics.no_answer(bootstrap, error) from error
    finally:
        await consumer.stop()


async def _fetch(consumer: Any, left: set[Any]) -> dict[Any, list[Any]]:
    deadline = asyncio.get_running_loop().time() + STALL_S
    while True:
        batches: dict[Any, list[Any]] = await consumer.getmany(*left, timeout_ms=1000, max_records=BATCH)
        if batches:
            return batches
        if asyncio.get_running_loop().time() > deadline:
            raise StackError(f"The broker sent nothing for {STALL_S:.0f} s: run the export again.")
        for partition in left:
            highwater = consumer.highwater(partition)
            if highwater is not None and await consumer.position(partition) >= highwater:
                return {}


async def export(bootstrap: str, topic: str, write: Callable[[bytes], object]) -> int:
    """Write every record as a line; returns how many there were. Raises StackError."""
    count = 0
    async for record in records(bootstrap, topic):
        text = line(record.partition, record.offset, record.timestamp, record.key, record.headers, record.value)
        write(text + b"\n")
        count += 1
    return count
