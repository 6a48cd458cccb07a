"""What a world left behind, and how its logs are read."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from youai_contracts import codec, topics
from youai_contracts.codec import Received
from youai_runtime.work import Record

from youai_proof.sim.clients import Promise

Rows = Sequence[Mapping[str, Any]]


@dataclass
class Left:
    """What a world left behind."""

    logs: Mapping[str, Sequence[Record]]
    """Every record of every topic, partitions in order."""
    tables: Mapping[str, Mapping[str, Rows]]
    """By service and table; rows as mappings of their columns."""
    promises: Mapping[str, Promise]
    quiet: bool
    late: Sequence[str]
    """Lanes and partitions that had not reached, 10 s after the last fault, what was there when it ended."""
    notify: bool
    odd: Sequence[str] = field(default_factory=list)
    """Programs that died, lanes that stopped, calls that failed: what none should."""
    gaps: Mapping[int, int] = field(default_factory=dict)
    """Offsets that the slot log lost, by partition; then this alone is looked at, and which deciders stopped."""
    stopped: Set[int] = frozenset()
    faultless: bool = False
    """Nothing was made to go wrong: then what has no bound otherwise has one."""


@dataclass
class Published:
    """The decisions as a reader keeps them: the first of each `ce_id`, in order."""

    kept: dict[str, tuple[Record, Received]] = field(default_factory=dict)
    by_request: dict[str, list[Received]] = field(default_factory=lambda: defaultdict(list))


def published_in(left: Left) -> Published:
    """What a world published."""
    found = Published()
    for topic in (topics.BOOKING, topics.CLAIM):
        for record in left.logs[topic.name]:
            received = codec.decode(topic, record.key, record.value, record.headers)
            if received.id not in found.kept:
                found.kept[received.id] = (record, received)
                found.by_request[received.event.request_id].append(received)  # type: ignore[attr-defined]
    return found


def decoded(topic: topics.Topic, records: Iterable[Record]) -> Iterator[Received]:
    """Those of the records that can be read."""
    for record in records:
        try:
            yield codec.decode(topic, record.key, record.value, record.headers)
        except codec.Undecodable:
            continue


def id_of(record: Record) -> str:
    """A record's `ce_id`."""
    return next((value for name, value in record.headers if name == "ce_id"), b"").decode()
