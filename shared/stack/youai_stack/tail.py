"""A topic as it grows: JSON lines as in an export, from a point in time on, until somebody stops it."""

import re
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from youai_stack import topics
from youai_stack.errors import StackError
from youai_stack.export import line

BATCH = 2000
WAIT_MS = 500
_AGO = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def since(text: str, now: datetime) -> int:
    """The time that `text` names, in ms: RFC 3339, or so long ago: `90s`, `10m`, `2h`, `1d`. Raises StackError."""
    try:
        if ago := _AGO.fullmatch(text):
            at = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            at = datetime.fromisoformat(text)
            if at.tzinfo is None or "T" not in text.upper():
                raise ValueError(text)
            at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise StackError(
            f"`{text}` is no time: give RFC 3339 with its offset (2026-12-01T09:00:00+08:00), or so long ago (10m)."
        ) from None
    if at > now:
        raise StackError(f"`{text}` is yet to come: --from names a time that has passed.")
    return max(0, int(at.timestamp() * 1000))


def check_types(topic: str, types: Collection[str]) -> None:
    """Raises StackError on a type that the topic never has, by the contracts; of other topics nothing is known."""
    from youai_contracts.topics import BY_NAME

    known = BY_NAME[topic].event_types if topic in BY_NAME else ()
    for name in types:
        if known and name not in known:
            raise StackError(f"{topic} has no type `{name}`: it has {', '.join(known)}.")


async def follow(bootstrap: str, topic: str, begin: int | None) -> AsyncGenerator[list[Any], None]:
    """Records as they come, a list at a time (empty ones while none comes), by the broker's time in each list.

    It never ends by itself. `begin`: from that time on (ms); None: from now on. Raises StackError where there is no
    such topic or no broker.
    """
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.errors import KafkaError

    there = await topics.partitions(bootstrap)
    if topic not in there:
        raise StackError(f"There is no topic `{topic}`; there are: {', '.join(there) or 'none'}.")
    partitions = [TopicPartition(topic, number) for number in there[topic]]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        consumer.assign(partitions)
        found = {} if begin is None else await consumer.offsets_for_times(dict.fromkeys(partitions, begin))
        end = await consumer.end_offsets(partitions)
        for partition in partitions:
            first = found.get(partition)
            consumer.seek(partition, end[partition] if first is None else first.offset)
        while True:
            batches = await consumer.getmany(timeout_ms=WAIT_MS, max_records=BATCH)
            records = [record for batch in batches.values() for record in batch]
            yield sorted(records, key=lambda record: (record.timestamp, record.partition, record.offset))
    except (KafkaError, OSError) as error:
        raise topics.no_answer(bootstrap, error) from error
    finally:
        await consumer.stop()


async def tail(
    bootstrap: str, topic: str, begin: int | None, types: Collection[str], write: Callable[[bytes], object]
) -> None:
    """Write records of these types (none named: of all) as lines, as they come; nothing (b"") while none comes.

    Raises StackError, and what `write` raises; never returns.
    """
    async with aclosing(follow(bootstrap, topic, begin)) as lists:
        async for records in lists:
            wanted = [record for record in records if not types or _type(record) in types]
            write(b"".join(_line(record) + b"\n" for record in wanted))


def _type(record: Any) -> str:
    return next((raw or b"" for name, raw in record.headers if name == "ce_type"), b"").decode(errors="replace")


def _line(record: Any) -> bytes:
    return line(record.partition, record.offset, record.timestamp, record.key, record.headers, record.value)
