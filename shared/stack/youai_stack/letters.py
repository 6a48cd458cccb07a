"""What is done with dead letters: appended to their topic again, or laid aside.

Both leave a mark in the dead-letter topic itself: a record without a value whose headers name the letter's place and
what was done. So the topic alone says what is left, for everybody, and forgets letters and marks together.
"""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from youai_stack import dlq, topics
from youai_stack.errors import StackError

RETRIED_FOR = f"{dlq.NOTE}retried-for"
"""Header of a record that was appended again: the service that could not read it."""

WHY_NOT_SLOT_LOG = (
    "A record of the slot log is never appended again: its place there is what decides who came first, and a second one"
    " would be another request. Ask again with a new Idempotency-Key, and `youai dlq discard` this one."
)


@dataclass(frozen=True)
class Origin:
    """Where a letter came from, and the record as it was received."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def origin(record: Any) -> Origin:
    """The record that a dead letter keeps. Raises StackError where it does not say where it came from."""
    headers = [(name, raw or b"") for name, raw in record.headers]
    # The runtime's notes are the last ones; the record may have come with headers of such names itself.
    last = max((i for i, (name, _) in enumerate(headers) if name == f"{dlq.NOTE}topic"), default=None)
    notes = (
        {}
        if last is None
        else {name.removeprefix(dlq.NOTE): raw.decode("utf-8", "replace") for name, raw in headers[last:]}
    )
    place = notes.get("partition", ""), notes.get("offset", "")
    if last is None or not all(number.isascii() and number.isdigit() for number in place):
        raise StackError("This dead letter does not say where it came from, so it can only be discarded.")
    return Origin(notes["topic"], int(place[0]), int(place[1]), record.key, record.value, tuple(headers[:last]))


def refusal(of: Origin) -> str | None:
    """Why the record must not be appended again, by its topic; None where it may."""
    from youai_contracts.topics import SLOT_LOG

    if of.topic == SLOT_LOG.name:
        return WHY_NOT_SLOT_LOG
    if dlq.TOPIC.fullmatch(of.topic):
        return f"It came from {of.topic}, a dead-letter topic: nobody reads that, so nothing would come of it."
    return None


async def to_retry(bootstrap: str, topic: str, partition: int, offset: int) -> Origin:
    """The record of a letter that may be appended again. Raises StackError with why not."""
    of = origin(await open_letter(bootstrap, topic, partition, offset))
    why = refusal(of)
    if why is not None:
        raise StackError(why)
    if of.partition not in (await topics.partitions(bootstrap)).get(of.topic, []):
        raise StackError(f"There is no {of.topic} with a partition {of.partition} any more.")
    await _refuse_outdated(bootstrap, of)
    return of


async def open_letter(bootstrap: str, topic: str, partition: int, offset: int) -> Any:
    """The dead letter at that place as a record. Raises StackError where there is none, or it is done."""
    record, done = await dlq.find(bootstrap, topic, partition, offset)
    if done:
        raise StackError(f"The dead letter at {topic} {partition} {offset} was {done} already.")
    return record


async def retry(bootstrap: str, record_of: tuple[str, int, int], of: Origin) -> int:
    """Append the record as received to its topic, in the partition where it was; then mark it. Returns its new offset.

    One header is added: for which service this is, so that the others can tell that they have read it. Raises
    StackError; where it is raised after the append, the letter stays listed, and readers meet its record once more.
    """
    topic, partition, offset = record_of
    service = topic.removeprefix("youai.").removesuffix(".dead-letter.v1")
    kept = (header for header in of.headers if header[0] != RETRIED_FOR)  # of a time before
    headers = (*kept, (RETRIED_FOR, service.encode()))
    # The client cannot send a record with neither key nor value.
    value = b"" if of.key is None and of.value is None else of.value
    at = await _append(bootstrap, of.topic, of.partition, of.key, value, headers)
    await _mark(bootstrap, topic, partition, offset, "retried", at)
    return at


async def discard(bootstrap: str, topic: str, partition: int, offset: int) -> None:
    """Mark a letter as done, with nothing done. Raises StackError."""
    await open_letter(bootstrap, topic, partition, offset)
    await _mark(bootstrap, topic, partition, offset, "discarded", None)


async def _refuse_outdated(bootstrap: str, of: Origin) -> None:
    """In a compacted topic the last record of a key is the truth: an older one must not become it again."""
    from youai_contracts.topics import BY_NAME

    from youai_stack.export import records

    if of.topic not in BY_NAME or not BY_NAME[of.topic].compacted:
        return
    newer = None
    async for record in records(bootstrap, of.topic):
        if record.key == of.key and record.partition == of.partition and record.offset > of.offset:
            newer = record.offset
    if newer is not None:
        raise StackError(
            f"{of.topic} has a newer record with this key (offset {newer}): appended again, this older one would count"
            " as the newest. Discard it, or have its service write the state anew."
        )


async def _mark(bootstrap: str, topic: str, partition: int, offset: int, done: str, at: int | None) -> None:
    notes = {"done": done, "of": f"{partition}/{offset}", "by": _user()}
    if at is not None:
        notes["retried-as"] = str(at)
    headers = [(f"{dlq.NOTE}{name}", text.encode()) for name, text in notes.items()]
    await _append(bootstrap, topic, partition, f"{partition}/{offset}".encode(), None, headers)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "?"


async def _append(
    bootstrap: str,
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]],
) -> int:
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import KafkaError

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        sent = await producer.send_and_wait(topic, value, key=key, partition=partition, headers=list(headers))
    except (KafkaError, OSError) as error:
        raise topics.no_answer(bootstrap, error) from error
    finally:
        await producer.stop()
    offset: int = sent.offset
    return offset
