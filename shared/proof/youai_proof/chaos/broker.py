"""What chaos asks the broker: ends of topics, who has which partitions; and what it does behind everybody's back."""

from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from youai_contracts.topics import Topic

Shares = dict[str, set[int]]
"""Which partitions each member of a group has, by its client id."""


async def ends(bootstrap: str, topics: list[Topic]) -> dict[str, dict[int, int]]:
    """The end of each partition of each topic. Raises KafkaError while the broker is away."""
    places = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, request_timeout_ms=5_000)
    try:
        await consumer.start()
        found: dict[str, dict[int, int]] = {topic.name: {} for topic in topics}
        for place, end in (await consumer.end_offsets(places)).items():
            found[place.topic][place.partition] = end
        return found
    finally:
        await consumer.stop()


async def shares(bootstrap: str, group: str) -> Shares:
    """Who has which partitions; nothing while the group rebalances."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        answer = (await admin.describe_consumer_groups([group]))[0]
    finally:
        await admin.close()
    _, _, state, _, _, members, *_ = answer.groups[0]
    found: Shares = {}
    for member in members if state == "Stable" else ():
        held = found.setdefault(member[1], set())
        if member[4]:
            for _topic, partitions in ConsumerProtocolMemberAssignment.decode(member[4]).assignment:
                held.update(partitions)
    return found


async def commit(bootstrap: str, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Commit offsets for a group without members, as a careless operator would. Raises KafkaError while it has any."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        places = {TopicPartition(*place): offset for place, offset in offsets.items()}
        consumer.assign(list(places))
        await consumer.commit(places)
    finally:
        await consumer.stop()


async def delete_before(bootstrap: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Delete the records of partitions below these offsets, as a wrong retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
    try:
        await admin.start()
        await admin.delete_records(
            {TopicPartition(topic, number): RecordsToDelete(before_offset=end) for number, end in offsets.items()}
        )
    finally:
        await admin.close()


def producer(bootstrap: str, **settings: Any) -> AIOKafkaProducer:
    """A producer that sets no limits of its own: the broker's alone count."""
    return AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=64 * 1024 * 1024, **settings)
