"""Consumer groups: how members of the fake Kafka and of the real one come, go, and are thrown out."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from tests.contract.kafka_clusters import Cluster, cluster, read, values
from tests.support.waiting import until

__all__ = ["cluster"]


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what a member is told; `gate` holds up what it answers to a revocation."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[int]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.told.append(("revoked", sorted(tp.partition for tp in revoked)))
        await self.gate.wait()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.told.append(("assigned", sorted(tp.partition for tp in assigned)))

    @property
    def owned(self) -> list[int]:
        """What it was told last to have; nothing in between."""
        what, partitions = self.told[-1] if self.told else ("", [])
        return partitions if what == "assigned" else []


async def member(cluster: Cluster, topic: str, *, start: bool = True) -> tuple[Any, Listener]:
    consumer = cluster.new_consumer(group_id=f"{topic}.group", client_id=f"{topic}.member")
    listener = Listener()
    consumer.subscribe([topic], listener=listener)
    if start:
        await consumer.start()
    return consumer, listener


async def test_a_second_member_takes_its_half_and_gives_it_back(cluster: Cluster) -> None:
    topic = await cluster.topic(4)
    one, first = await member(cluster, topic)
    assert first.told == [("revoked", []), ("assigned", [0, 1, 2, 3])]
    two, second = await member(cluster, topic)
    await until(lambda: len(first.told) == 4, 10, lambda: first.told)
    assert first.told[2] == ("revoked", [0, 1, 2, 3])  # all of it, before anybody has anything new
    assert second.told[0] == ("revoked", [])
    assert sorted(first.owned + second.owned) == [0, 1, 2, 3]
    assert (len(first.owned), len(second.owned)) == (2, 2)
    assert {tp.partition for tp in one.assignment()} == set(first.owned)
    half = first.owned
    await two.stop()
    await until(lambda: first.owned == [0, 1, 2, 3], 10, lambda: first.told)
    assert first.told[4:] == [("revoked", half), ("assigned", [0, 1, 2, 3])]


async def test_nobody_gets_anything_before_all_have_given_up_theirs(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    await cluster.fill(topic, 3)
    one, first = await member(cluster, topic)
    one.seek(TopicPartition(topic, 0), 0)
    one.seek(TopicPartition(topic, 1), 0)
    assert values(await read(one, 1, max_records=1)) == [0]
    first.gate.clear()
    two, second = await member(cluster, topic, start=False)
    starting = asyncio.create_task(two.start())
    await until(lambda: first.told[-1] == ("revoked", [0, 1]), 10, lambda: first.told)
    reading = asyncio.create_task(one.getmany(timeout_ms=50))
    await asyncio.sleep(cluster.session_s / 4)
    assert not starting.done()
    assert not reading.done(), "while it is reassigned a member gets nothing, not even what it has fetched"
    first.gate.set()
    await starting
    await until(lambda: len(first.owned) == 1, 10, lambda: first.told)
    assert sorted(first.owned + second.owned) == [0, 1]
    reading.cancel()


async def test_positions_and_pauses_do_not_survive_a_rebalance(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    await cluster.fill(topic, 2, 0)
    await cluster.fill(topic, 2, 1)
    one, first = await member(cluster, topic)
    for tp in one.assignment():
        one.seek(tp, 0)
        one.pause(tp)
    await one.commit({TopicPartition(topic, 0): 1, TopicPartition(topic, 1): 1})
    two, _ = await member(cluster, topic)
    await until(lambda: len(first.owned) == 1, 10, lambda: first.told)
    assert one.paused() == set()
    assert [record.offset for record in await read(one, 1)] == [1]
    assert [record.offset for record in await read(two, 1)] == [1]


async def test_a_silent_member_is_thrown_out_and_reads_on_until_it_hears_of_it(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    everything = [TopicPartition(topic, number) for number in range(2)]
    await cluster.fill(topic, 4, 0)
    one, first = await member(cluster, topic)
    two, second = await member(cluster, topic)
    await until(lambda: len(first.owned) == len(second.owned) == 1, 10, lambda: (first.told, second.told))
    frozen, its, awake, others = (one, first, two, second) if first.owned == [0] else (two, second, one, first)
    frozen.seek(everything[0], 0)
    assert values(await read(frozen, 1, max_records=1)) == [0]
    asleep = asyncio.Event()
    beat = frozen._coordinator._do_heartbeat

    async def no_beat() -> bool:
        await asleep.wait()
        return bool(await beat())

    frozen._coordinator._do_heartbeat = no_beat
    await until(lambda: others.owned == [0, 1], cluster.session_s * 3 + 2, lambda: others.told)
    assert its.owned == [0], "it believes that it has it"
    assert values(await read(frozen, 1, max_records=1)) == [1], "and reads what it had fetched"
    awake.seek(everything[0], 0)
    awake.seek(everything[1], 0)
    assert values(await read(awake, 4)) == [0, 1, 2, 3]
    with pytest.raises(CommitFailedError):
        await frozen.commit({everything[0]: 2})
    asleep.set()
    await until(lambda: len(its.told) >= 4 and len(its.owned) == 1, 15, lambda: its.told)
    await until(lambda: len(others.owned) == 1, 15, lambda: others.told)
    assert sorted(its.owned + others.owned) == [0, 1]


async def test_offsets_are_committed_for_a_group_and_outlive_its_members(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    one, two = (TopicPartition(topic, number) for number in range(2))
    consumer, _ = await member(cluster, topic)
    assert await consumer.committed(one) is None
    await consumer.commit({one: 5})
    await consumer.commit({one: 3, two: 9})  # back, and beyond the end: a number and nothing more
    assert (await consumer.committed(one), await consumer.committed(two)) == (3, 9)
    with pytest.raises(IllegalStateError):
        await consumer.commit({TopicPartition(topic, 2): 1})
    await consumer.stop()
    other = cluster.new_consumer(group_id=f"{topic}.group")
    await other.start()
    assert await other.committed(one) == 3
    other.assign([one])
    await other.commit({one: 4})  # nobody is in the group
    assert await other.committed(one) == 4


async def test_who_is_no_member_cannot_commit_for_a_group_that_has_some(cluster: Cluster) -> None:
    topic = await cluster.topic()
    await member(cluster, topic)
    stranger = await cluster.reader(topic, group_id=f"{topic}.group")
    with pytest.raises(CommitFailedError):
        await stranger.commit({TopicPartition(topic, 0): 1})


async def test_a_member_of_an_earlier_generation_cannot_commit_and_joins_again(cluster: Cluster) -> None:
    topic = await cluster.topic()
    tp = TopicPartition(topic, 0)
    consumer, listener = await member(cluster, topic)
    consumer._coordinator.generation -= 1
    with pytest.raises(CommitFailedError):
        await consumer.commit({tp: 1})
    await until(lambda: listener.told[2:] == [("revoked", [0]), ("assigned", [0])], 20, lambda: listener.told)
    await consumer.commit({tp: 1})


async def test_a_group_outlives_the_broker_and_nobody_has_to_join_again(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    one, first = await member(cluster, topic)
    two, second = await member(cluster, topic)
    await until(lambda: len(first.owned) == len(second.owned) == 1, 10, lambda: (first.told, second.told))
    generation, told = two._coordinator.generation, (list(first.told), list(second.told))
    for consumer in (one, two):
        for tp in consumer.assignment():
            consumer.seek(tp, 0)
    await cluster.operator.kill_broker()
    producer = await cluster.producer(patience_s=60)
    for number in range(2):
        await producer.send_and_wait(topic, b"%d" % number, partition=number)
    assert sorted(values(await read(one, 1) + await read(two, 1))) == [0, 1]
    await asyncio.sleep(cluster.session_s * 1.5)  # whoever was forgotten would be told by now
    for consumer in (one, two):
        (tp,) = consumer.assignment()
        await consumer.commit({tp: 1})
    assert (first.told, second.told) == told
    assert one._coordinator.generation == two._coordinator.generation == generation


async def test_more_members_than_partitions_leave_some_with_nothing(cluster: Cluster) -> None:
    topic = await cluster.topic(2)
    members = await asyncio.gather(*(member(cluster, topic) for _ in range(3)))
    listeners = [listener for _, listener in members]

    def dealt() -> bool:
        told = all(listener.told and listener.told[-1][0] == "assigned" for listener in listeners)
        return told and sorted(p for listener in listeners for p in listener.owned) == [0, 1]

    await until(dealt, 20, lambda: [listener.told for listener in listeners])
    assert sorted(len(listener.owned) for listener in listeners) == [0, 1, 1]
