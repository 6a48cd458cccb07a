"""Reads topics whole, for checks after the clock."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
from youai_stack.errors import StackError

from youai_bench.system import Told
from youai_bench.work import PARTITIONS

_PATIENCE_S = 30.0
_AT_ONCE = 10_000


class Event(msgspec.Struct):
    """What the check reads of a decision's event, of whichever system: the field names are the contracts'."""

    slot_id: str
    request_id: str
    outcome: str
    log_offset: int
    sequence: int = 0
    hash: str = ""
    previous_hash: str = ""


_decoder = msgspec.json.Decoder(Event)


def records(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> Iterator[Any]:
    """All records that are committed, each partition's in its order. Blocks; raises StackError if none comes more."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-check",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "fetch.max.bytes": 50_000_000,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        ended, deadline = 0, time.monotonic() + _PATIENCE_S
        while ended < partitions:
            # It waits for as many as are asked for, or so long.
            found = consumer.consume(_AT_ONCE, 0.1)
            if found:
                deadline = time.monotonic() + _PATIENCE_S
            elif time.monotonic() > deadline:
                raise StackError(f"{topic} cannot be read.")
            for record in found:
                if record.error() is None:
                    yield record
                else:
                    ended += 1
    finally:
        consumer.close()


def events(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> Iterator[Event]:
    """All decisions of a topic."""
    for record in records(bootstrap, topic, partitions):
        yield _decoder.decode(record.value())


def told(bootstrap: str, topic: str, partitions: int = PARTITIONS, *, by_sequence: bool = False) -> list[Told]:
    """All decisions of a topic as the check takes them, by log offset or by sequence."""
    return [
        Told(event.slot_id, event.request_id, event.outcome, event.sequence if by_sequence else event.log_offset)
        for event in events(bootstrap, topic, partitions)
    ]
