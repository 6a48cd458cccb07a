"""Dead letters: what a service could not read, listed over all dead-letter topics and shown one by one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from youai_stack import topics
from youai_stack.errors import StackError
from youai_stack.export import json_on_one_line, records

TOPIC = re.compile(r"youai\.[a-z-]+\.dead-letter\.v1")


@dataclass(frozen=True)
class Letter:
    """A dead letter: where it lies, where it came from (`topic/partition/offset`), why, and what it was."""

    topic: str
    partition: int
    offset: int
    source: str
    error: str
    attempts: str
    headers: Mapping[str, str]
    key: str | None
    value: str


def read(record: Any) -> Letter:
    """A record of a dead-letter topic as a Letter; nothing in it is taken for granted."""
    headers = {name: (text or b"").decode(errors="replace") for name, text in record.headers}
    source = "/".join(_header(headers, name) for name in ("topic", "partition", "offset"))
    value = record.value or b""
    text = json_on_one_line(record.value)
    clean = {_printable(name): _printable(text) for name, text in headers.items()}
    return Letter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        source=_printable(source),
        error=_printable(_header(headers, "error")),
        attempts=_printable(_header(headers, "attempts")),
        headers=clean,
        key=None if record.key is None else _printable(record.key.decode(errors="backslashreplace")),
        value=_printable(text.decode() if text is not None else value.decode(errors="backslashreplace")),
    )


def _printable(text: str) -> str:
    """The text without what would steer a terminal: a dead letter is somebody else's bytes."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _header(headers: Mapping[str, str], name: str) -> str:
    """What the runtime noted when it put the record aside (`youai_runtime.outbox`)."""
    return headers.get(f"dead-letter-{name}", "?")


async def letters(bootstrap: str, limit: int) -> tuple[list[Letter], int]:
    """The newest `limit` letters of each topic, oldest first, and how many there are in all."""
    found: list[Letter] = []
    total = 0
    for topic in filter(TOPIC.fullmatch, await topics.partitions(bootstrap)):
        own: list[Letter] = []
        async for record in records(bootstrap, topic):
            total += 1
            own.append(read(record))
            if len(own) > 2 * limit:
                own = own[-limit:]
        found += own[-limit:]
    return found, total


async def letter(bootstrap: str, topic: str, partition: int, offset: int) -> Letter:
    """The letter at that place. Raises StackError where there is none."""
    if not TOPIC.fullmatch(topic):
        raise StackError(f"`{topic}` is no dead-letter topic: `youai dlq list` names them.")
    async for record in records(bootstrap, topic):
        if (record.partition, record.offset) == (partition, offset):
            return read(record)
    raise StackError(f"There is no dead letter at {topic} {partition} {offset}: `youai dlq list` names them.")
