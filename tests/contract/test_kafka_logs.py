"""Appending and reading: what the fake Kafka and the real one both do. Where they differ, the fake is wrong."""

import time
from itertools import pairwise

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    UnknownTopicOrPartitionError,
)
from youai_runtime.kafka import Broker, make_producer

from tests.contract.kafka_clusters import Cluster, cluster, read, values

__all__ = ["cluster"]


async def test_acks_say_where_records_stand_and_the_broker_stamps_them(cluster: Cluster) -> None:
    topic = await cluster.topic()
    producer = await cluster.producer()
    before = int(time.time() * 1000)
    acks = [await producer.send_and_wait(topic, b"v", b"k", partition=0, timestamp_ms=1) for _ in range(3)]
    batch = producer.create_batch()
    for number in range(4):
        assert batch.append(key=b"k", value=b"%d" % number, timestamp=1)
    batch.close()
    assert batch.append(key=b"k", value=b"late", timestamp=None) is None
    acks.append(await (await producer.send_batch(batch, topic, partition=0)))
    assert [ack.offset for ack in acks] == [0, 1, 2, 3]
    assert {ack.timestamp_type for ack in acks} == {1}
    assert {(ack.topic, ack.partition, ack.log_start_offset) for ack in acks} == {(topic, 0, 0)}

    records = await read(await cluster.reader(topic), 7)
    assert [record.offset for record in records] == list(range(7))
    assert [record.timestamp for record in records] == [*(ack.timestamp for ack in acks), *[acks[-1].timestamp] * 3]
    assert {record.timestamp_type for record in records} == {1}
    assert all(one.timestamp <= other.timestamp for one, other in pairwise(records))
    assert before - 1_000 <= records[0].timestamp <= int(time.time() * 1000) + 1_000


async def test_headers_and_nulls_come_back_as_they_were(cluster: Cluster) -> None:
    topic = await cluster.topic()
    producer = await cluster.producer()
    headers = [("ce_id", b"1"), ("ce_id", b"2"), ("empty", b""), ("中", "文".encode())]
    await producer.send_and_wait(topic, b"v", None, partition=0, headers=headers)
    await producer.send_and_wait(topic, None, b"k", partition=0)
    await producer.send_and_wait(topic, b"", b"", partition=0)
    records = await read(await cluster.reader(topic), 3)
    assert [(record.key, record.value) for record in records] == [(None, b"v"), (b"k", None), (b"", b"")]
    assert [record.headers for record in records] == [tuple(headers), (), ()]
    sizes = [(record.serialized_key_size, record.serialized_value_size) for record in records]
    assert sizes == [(-1, 1), (1, -1), (0, 0)]


async def test_what_is_too_large_is_refused_and_nothing_is_written(cluster: Cluster) -> None:
    topic = await cluster.topic(most_bytes=2_000)
    producer = await cluster.producer(max_request_size=4_000, max_batch_size=1_000)
    with pytest.raises(MessageSizeTooLargeError):  # by the client
        await producer.send(topic, bytes(5_000), partition=0)
    with pytest.raises(MessageSizeTooLargeError):  # by the broker
        await producer.send_and_wait(topic, bytes(3_000), partition=0)
    batch = producer.create_batch()
    assert batch.append(key=None, value=bytes(3_000), timestamp=None)  # the first of a batch may be of any size
    assert batch.append(key=None, value=b"v", timestamp=None) is None
    with pytest.raises(MessageSizeTooLargeError):
        await (await producer.send_batch(batch, topic, partition=0))
    tp = TopicPartition(topic, 0)
    assert await (await cluster.reader(topic)).end_offsets([tp]) == {tp: 0}


async def test_a_producer_that_lost_a_sequence_is_refused_for_good_and_a_new_one_is_not(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    producer = await cluster.producer()
    await producer.send_and_wait(topic, b"0", partition=0)
    producer._txn_manager.increment_sequence_number(tp, 1)  # as when aiokafka drops a batch that has no leader
    for _ in range(2):
        with pytest.raises(OutOfOrderSequenceNumber):
            await producer.send_and_wait(topic, b"1", partition=0)
    other = await cluster.producer()
    await other.send_and_wait(topic, b"2", partition=0)
    assert values(await read(await cluster.reader(topic), 2)) == [0, 2]


async def test_our_producer_begins_anew_where_a_sequence_was_lost(cluster: Cluster) -> None:
    topic = await cluster.topic()
    producer = make_producer(Broker(cluster.operator.bootstrap), "ours")
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"0", partition=0)
        producer._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 1)
        with pytest.raises(OutOfOrderSequenceNumber):
            await producer.send_and_wait(topic, b"lost", partition=0)
        for number in (1, 2):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
        batch = producer.create_batch()
        batch.append(key=None, value=bytes(1 << 20), timestamp=None)
        with pytest.raises(MessageSizeTooLargeError):
            await (await producer.send_batch(batch, topic, partition=0))
        await producer.send_and_wait(topic, b"3", partition=0)
    finally:
        await producer.stop()
    assert values(await read(await cluster.reader(topic), 4)) == [0, 1, 2, 3]


async def test_a_producer_may_begin_with_any_sequence(cluster: Cluster) -> None:
    topic = await cluster.topic()
    producer = await cluster.producer()
    await producer.partitions_for(topic)
    producer._txn_manager.increment_sequence_number(TopicPartition(topic, 0), 7)
    assert (await producer.send_and_wait(topic, b"0", partition=0)).offset == 0


async def test_a_batch_that_comes_again_is_acknowledged_and_not_written(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    producer = await cluster.producer()
    for number in range(3):
        await producer.send_and_wait(topic, b"%d" % number, partition=0)
    producer._txn_manager._sequence_numbers[tp] -= 2
    assert (await producer.send_and_wait(topic, b"1", partition=0)).offset == 1
    assert (await producer.send_and_wait(topic, b"2", partition=0)).offset == 2
    assert (await producer.send_and_wait(topic, b"3", partition=0)).offset == 3
    assert values(await read(await cluster.reader(topic), 4)) == [0, 1, 2, 3]


async def test_a_compacted_topic_takes_no_record_without_a_key(cluster: Cluster) -> None:
    topic = await cluster.topic(compacted=True)
    producer = await cluster.producer()
    with pytest.raises(KafkaError) as refused:
        await producer.send_and_wait(topic, b"v", partition=0)
    assert type(refused.value).__name__ == "UnknownError" or "87" in str(refused.value)
    await producer.send_and_wait(topic, b"v", b"k", partition=0)


async def test_a_missing_topic_has_no_partitions_and_takes_nothing(cluster: Cluster) -> None:
    reader = await cluster.reader(await cluster.topic())
    assert reader.partitions_for_topic("contract.missing.v1") is None
    producer = await cluster.producer(request_timeout_ms=300)
    with pytest.raises(UnknownTopicOrPartitionError):
        await producer.send("contract.missing.v1", b"v", partition=0)
    with pytest.raises(AssertionError, match="Unrecognized partition"):
        await producer.send(await cluster.topic(), b"v", partition=1)
    consumer = cluster.new_consumer(group_id="contract.missing", request_timeout_ms=300)
    consumer.subscribe(["contract.missing.v1"])
    with pytest.raises(UnknownTopicOrPartitionError):
        await consumer.start()


async def test_partitions_are_told_and_the_offsets_of_one_that_is_not_there_never(cluster: Cluster) -> None:
    topic = await cluster.topic(3)
    producer = await cluster.producer()
    assert await producer.partitions_for(topic) == {0, 1, 2}
    consumer = cluster.new_consumer(request_timeout_ms=400)
    await consumer.start()
    await consumer._client._wait_on_metadata(topic)
    assert consumer.partitions_for_topic(topic) == {0, 1, 2}
    with pytest.raises(KafkaTimeoutError):
        await consumer.end_offsets([TopicPartition(topic, 3)])


async def test_beginnings_and_ends_follow_appends_and_deletions(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    one, two = (TopicPartition(topic, number) for number in range(2))
    reader = await cluster.reader(topic, 0, 1)
    assert await reader.beginning_offsets([one, two]) == {one: 0, two: 0}
    await cluster.fill(topic, 10)
    assert await reader.end_offsets([one, two]) == {one: 10, two: 0}
    await cluster.operator.delete_records(one, 7)
    assert await reader.beginning_offsets([one, two]) == {one: 7, two: 0}
    assert await reader.end_offsets([one, two]) == {one: 10, two: 0}
    await cluster.fill(topic, 1, first=10)
    fresh = await cluster.reader(topic, at=8)  # in the middle of the batch
    assert values(await read(fresh, 3)) == [8, 9, 10]
    assert fresh.highwater(one) == 11
    await cluster.operator.delete_records(one, 11)
    assert await reader.beginning_offsets([one]) == await reader.end_offsets([one]) == {one: 11}


async def test_records_are_found_by_the_time_of_the_broker(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    producer = await cluster.producer()
    ack = await producer.send_and_wait(topic, b"0", partition=0)
    reader = await cluster.reader(topic)
    found = await reader.offsets_for_times({tp: ack.timestamp})
    assert (found[tp].offset, found[tp].timestamp) == (0, ack.timestamp)
    assert await reader.offsets_for_times({tp: ack.timestamp + 1_000_000}) == {tp: None}


async def test_a_topic_that_was_made_again_begins_at_nothing(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    await cluster.fill(topic, 5)
    await cluster.operator.delete(topic)
    await cluster.make(topic, 1)
    reader = await cluster.reader(topic)
    assert await reader.end_offsets([tp]) == {tp: 0}
    await cluster.fill(topic, 1, first=9)
    assert values(await read(reader, 1)) == [9]
