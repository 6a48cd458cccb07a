"""Positions and buffers: what consumers of the fake Kafka and of the real one both do."""

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError

from tests.contract.kafka_clusters import Cluster, cluster, read, values

__all__ = ["cluster"]


async def test_a_seek_drops_what_was_fetched_before_it(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    await cluster.fill(topic, 10)
    reader = await cluster.reader(topic)
    assert values(await read(reader, 1, max_records=3)) == [0, 1, 2]  # the other seven are in the buffer
    assert await reader.position(tp) == 3
    reader.seek(tp, 8)
    assert await reader.position(tp) == 8
    assert await reader.getmany(timeout_ms=0) == {}  # nothing of the buffer: it has to be fetched
    assert values(await read(reader, 2)) == [8, 9]
    reader.seek(tp, 1)
    assert values(await read(reader, 9)) == list(range(1, 10))


async def test_most_records_count_for_all_partitions_and_none_is_left_out(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    await cluster.fill(topic, 5, 0)
    await cluster.fill(topic, 5, 1, first=5)
    reader = await cluster.reader(topic, 0, 1)
    found: list[int] = []
    while len(found) < 10:
        batches = await reader.getmany(timeout_ms=1_000, max_records=3)
        assert sum(map(len, batches.values())) <= 3
        found += [number for records in batches.values() for number in values(records)]
    assert sorted(found) == list(range(10))
    assert [number for number in found if number < 5] == list(range(5))


async def test_a_paused_partition_keeps_its_place(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    one, two = (TopicPartition(topic, number) for number in range(2))
    await cluster.fill(topic, 4, 0)
    reader = await cluster.reader(topic, 0, 1)
    assert values(await read(reader, 1, max_records=2)) == [0, 1]
    reader.pause(one)
    await cluster.fill(topic, 1, 1, first=7)
    assert values(await read(reader, 1)) == [7]
    assert await reader.getmany(timeout_ms=200) == {}
    assert (reader.paused(), await reader.position(one)) == ({one}, 2)
    assert await reader.position(two) == 1
    reader.resume(one)
    assert values(await read(reader, 2)) == [2, 3]


async def test_an_offset_that_is_not_there_is_said_once_a_fetch_and_others_go_on(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    one, two = (TopicPartition(topic, number) for number in range(2))
    await cluster.fill(topic, 3, 0)
    await cluster.fill(topic, 3, 1, first=3)
    await cluster.operator.delete_records(one, 2)
    reader = await cluster.reader(topic, 0, 1)
    reader.seek(one, 1)
    seen = []
    raised: list[dict[TopicPartition, int]] = []
    for _ in range(100):
        try:
            for records in (await reader.getmany(timeout_ms=100)).values():
                seen += values(records)
        except OffsetOutOfRangeError as error:
            raised.append(error.args[0])
            if len(raised) == 2 and seen:
                break
    assert seen == [3, 4, 5]
    assert raised == [{one: 1}, {one: 1}]
    reader.seek(one, 2)
    assert values(await read(reader, 1)) == [2]
    reader.seek(two, 9)  # beyond the end
    with pytest.raises(OffsetOutOfRangeError) as beyond:
        await read(reader, 1)
    assert beyond.value.args[0] == {two: 9}


async def test_without_a_committed_offset_reading_fails_until_a_seek(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    await cluster.fill(topic, 2)
    reader = await cluster.reader(topic, at=None, group_id=f"{topic}.none")
    with pytest.raises(NoOffsetForPartitionError) as none:
        await read(reader, 1)
    assert none.value.args == (tp,)
    reader.seek(tp, 1)
    assert values(await read(reader, 1)) == [1]


async def test_a_reader_begins_at_either_end_or_where_its_group_committed(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    await cluster.fill(topic, 3)
    group = f"{topic}.group"
    first = await cluster.reader(topic, at=None, group_id=group, auto_offset_reset="earliest")
    assert values(await read(first, 3)) == [0, 1, 2]
    latest = await cluster.reader(topic, at=None, auto_offset_reset="latest")
    assert await latest.position(tp) == 3
    await first.commit({tp: 1})
    again = await cluster.reader(topic, at=None, group_id=group)
    assert await again.position(tp) == 1
    assert values(await read(again, 2)) == [1, 2]
    await cluster.fill(topic, 1, first=3)
    assert values(await read(latest, 1)) == [3]


async def test_the_end_is_sought_and_then_followed(cluster: Cluster) -> None:
    """As live streams do: all partitions of a topic in no group, from their ends on."""
    topic = await cluster.topic(3)
    everything = [TopicPartition(topic, number) for number in range(3)]
    await cluster.fill(topic, 4, 1)
    reader = await cluster.reader(topic, 0, 1, 2, at=None, auto_offset_reset="latest")
    await reader.seek_to_end(*everything)
    assert [await reader.position(tp) for tp in everything] == [0, 4, 0]
    await cluster.fill(topic, 1, 1, first=4)
    await cluster.fill(topic, 1, 2, first=5)
    assert sorted(values(await read(reader, 2))) == [4, 5]


async def test_what_is_not_assigned_cannot_be_sought(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    reader = await cluster.reader(topic, 0)
    other = TopicPartition(topic, 1)
    with pytest.raises(IllegalStateError):
        reader.seek(other, 0)
    with pytest.raises(IllegalStateError):
        await reader.position(other)
    with pytest.raises(ValueError, match="positive"):
        reader.seek(TopicPartition(topic, 0), -1)


async def test_an_append_wakes_a_reader_that_waits(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    reader = await cluster.reader(topic, 0, 1)
    assert await reader.getmany(timeout_ms=100) == {}
    for number in range(4):
        await cluster.fill(topic, 1, number % 2, first=number)
        assert values(await read(reader, 1)) == [number]
