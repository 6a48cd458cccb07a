"""Dead letters: what a service could not read, listed over all dead-letter topics and shown one by one.

A letter that was retried or discarded has a mark behind it in the same topic (`letters.py`): it is no longer listed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from youai_stack import topics
from youai_stack.errors import StackError
from youai_stack.export import json_on_one_line, records

TOPIC = re.compile(r"youai\.[a-z-]+\.dead-letter\.v1")
NOTE = "dead-letter-"
"""What the names of the headers begin with that say of a record where it came from, or what was done with it."""

_DONE = ("retried", "discarded")


@dataclass(frozen=True)
class Letter:
    """A dead letter: where it lies, where it came from (`topic/partition/offset`), why, what it was, what was done."""

    topic: str
    partition: int
    offset: int
    source: str
    error: str
    attempts: str
    headers: Mapping[str, str]
    key: str | None
    value: str
    done: str = ""


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
    return headers.get(f"{NOTE}{name}", "?")


def mark(record: Any) -> tuple[int, int, str] | None:
    """What a mark says: the letter's partition and offset, and what was done with it; None if the record is a letter.

    A letter always says which topic it came from, and a mark never does: whatever headers a record came with, it
    cannot pass for a mark once it is a letter.
    """
    headers = {name: (text or b"").decode(errors="replace") for name, text in record.headers}
    place = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,18})", headers.get(f"{NOTE}of", ""), re.ASCII)
    done = headers.get(f"{NOTE}done", "")
    if f"{NOTE}topic" in headers or done not in _DONE or place is None or record.value is not None:
        return None
    return int(place[1]), int(place[2]), done


async def letters(bootstrap: str, limit: int, *, everything: bool = False) -> tuple[list[Letter], int]:
    """The newest `limit` letters of each topic, oldest first, and how many there are in all.

    Those that were retried or discarded do not count, unless `everything` is asked for.
    """
    found: list[Letter] = []
    total = 0
    for topic in filter(TOPIC.fullmatch, await topics.partitions(bootstrap)):
        # The marks come after their letters: a first reading finds them, and keeps nothing else.
        done = await _marks(bootstrap, topic)
        own: list[Letter] = []
        async for record in records(bootstrap, topic):
            said = done.get((record.partition, record.offset), "")
            if mark(record) is not None or (said and not everything):
                continue
            total += 1
            own.append(replace(read(record), done=said))
            if len(own) > 2 * limit:
                own = own[-limit:]
        found += own[-limit:]
    return found, total


async def _marks(bootstrap: str, topic: str) -> dict[tuple[int, int], str]:
    done: dict[tuple[int, int], str] = {}
    async for record in records(bootstrap, topic):
        said = mark(record)
        if said is not None:
            done[said[:2]] = said[2]
    return done


async def find(bootstrap: str, topic: str, partition: int, offset: int) -> tuple[Any, str]:
    """The record of the letter at that place, and what was done with it ("": nothing). Raises StackError."""
    if not TOPIC.fullmatch(topic):
        raise StackError(f"`{topic}` is no dead-letter topic: `youai dlq list` names them.")
    found, done = None, ""
    async for record in records(bootstrap, topic):
        said = mark(record)
        if said is not None and said[:2] == (partition, offset):
            done = said[2]
        elif said is None and (record.partition, record.offset) == (partition, offset):
            found = record
    if found is None:
        raise StackError(f"There is no dead letter at {topic} {partition} {offset}: `youai dlq list` names them.")
    return found, done


async def letter(bootstrap: str, topic: str, partition: int, offset: int) -> Letter:
    """The letter at that place, done or not. Raises StackError where there is none."""
    record, done = await find(bootstrap, topic, partition, offset)
    return replace(read(record), done=done)
