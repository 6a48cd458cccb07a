"""A plain Kafka client, as a department's engineer would write it: read a topic whole, append any record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment


@dataclass(frozen=True)
class Read:
    """A record as read; `at` is the broker's time in ms."""

    partition: int
    offset: int
    at: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]

    @property
    def data(self) -> Any:
        return msgspec.json.decode(self.value or b"null")

    @property
    def id(self) -> str:
        return self.headers.get("ce_id", b"").decode(errors="replace")

    @property
    def type(self) -> str:
        return self.headers.get("ce_type", b"").decode(errors="replace")


async def read_topic(bootstrap: str, topic: str, since: dict[int, int] | None = None) -> list[Read]:
    """Every record from the beginning (or from `since`, by partition) to the end as it is now, partitions in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=50)
    await consumer.start()
    try:
        numbers = await _partitions(consumer, topic)
        partitions = [TopicPartition(topic, number) for number in numbers]
        begin = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        start = {tp: max(begin[tp], (since or {}).get(tp.partition, 0)) for tp in partitions}
        left = {tp for tp in partitions if start[tp] < ends[tp]}
        consumer.assign(sorted(left))
        for tp in left:
            consumer.seek(tp, start[tp])
        found: list[Read] = []
        while left:
            for tp, records in (await consumer.getmany(*left, timeout_ms=500)).items():
                found += [_read(record) for record in records if record.offset < ends[tp]]
            for tp in list(left):
                if await consumer.position(tp) >= ends[tp]:
                    left.discard(tp)
                    consumer.pause(tp)
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


async def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """The end of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in await _partitions(consumer, topic)]
        return {tp.partition: end for tp, end in (await consumer.end_offsets(partitions)).items()}
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> Sequence[int]:
    await consumer._client.set_topics([topic])
    return sorted(consumer.partitions_for_topic(topic) or ())


def _read(record: Any) -> Read:
    headers = {name: value or b"" for name, value in record.headers}
    return Read(record.partition, record.offset, record.timestamp, record.key, record.value, headers)


def producer(bootstrap: str, **settings: Any) -> AIOKafkaProducer:
    """A producer that sets no limits of its own: the broker's alone count."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_request_size=64 * 1024 * 1024, linger_ms=0, **settings
    )


async def assignment(bootstrap: str, group: str) -> dict[str, set[int]]:
    """Which partitions each member of a consumer group has, by client id; empty while it rebalances."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = (await admin.describe_consumer_groups([group]))[0]
    finally:
        await admin.close()
    _, _, state, _, _, members, *_ = answer.groups[0]
    if state != "Stable":
        return {}
    found: dict[str, set[int]] = {}
    for member in members:
        client_id, raw = member[1], member[4]
        held = found.setdefault(client_id, set())
        if raw:
            for _topic, partitions in ConsumerProtocolMemberAssignment.decode(raw).assignment:
                held.update(partitions)
    return found


async def commit(bootstrap: str, group: str, topic: str, offsets: dict[int, int]) -> None:
    """Commit offsets for a group that has no members, as a careless operator would."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in offsets])
        await consumer.commit({TopicPartition(topic, number): offset for number, offset in offsets.items()})
    finally:
        await consumer.stop()
