"""The fake Kafka at its worst, in virtual time: each fault does what it says, and nothing else."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    OutOfOrderSequenceNumber,
)
from youai_proof.sim.kafka import Kafka
from youai_proof.sim.kafka_faults import Api
from youai_proof.sim.loop import Process, SimLoop
from youai_runtime.kafka import Broker, Outgoing, Publisher, make_producer

from tests.contract.kafka_scenes import TOPIC, member, play, producer, texts, within


@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "lost", "unanswered", "not_replicated", "refused"])
def test_an_append_whose_outcome_is_unknown_is_asked_again_and_stands_once(kind: str) -> None:
    async def scene(kafka: Kafka, _: SimLoop) -> None:
        made = await producer(kafka)
        await made.send_and_wait(TOPIC, b"a", partition=0)
        kafka.faults.only = frozenset({Api.PRODUCE})
        setattr(kafka.faults, kind, 1.0)
        future = await made.send(TOPIC, b"b", partition=0)
        await asyncio.sleep(3)
        written = kind in ("cut_after", "unanswered", "not_replicated")
        assert texts(kafka) == (["a", "b"] if written else ["a"])
        assert future.done() == (kind == "not_replicated")  # asked again, it is known
        kafka.faults.calm()
        ack = await future
        assert (ack.offset, texts(kafka)) == (1, ["a", "b"])
        assert kafka.faults.injected[kind.replace("_", "-")] >= 1
        await made.stop()

    play(scene)


def test_a_new_producer_repeats_what_the_old_one_wrote() -> None:
    async def scene(kafka: Kafka, _: SimLoop) -> None:
        for _life in range(2):
            made = await producer(kafka)
            await made.send_and_wait(TOPIC, b"a", partition=0)
            await made.stop()
        assert texts(kafka) == ["a", "a"]

    play(scene)


def test_an_acknowledgement_may_be_late() -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        made = await producer(kafka)
        kafka.faults.slow, kafka.faults.slow_s, kafka.faults.only = 1.0, 3.0, frozenset({Api.PRODUCE})
        begun = loop.time()
        future = await made.send(TOPIC, b"a", partition=0)
        await within(0.5, lambda: texts(kafka) == ["a"])
        await future
        assert 0.02 < loop.time() - begun < 3.1

    play(scene)


def test_without_a_leader_a_batch_is_dropped_and_all_later_ones_of_that_producer_are_refused() -> None:
    async def scene(kafka: Kafka, _: SimLoop) -> None:
        made = await producer(kafka, metadata_max_age_ms=1_000)
        await made.send_and_wait(TOPIC, b"0", partition=0)
        kafka.faults.leaderless.add((TOPIC, 0))
        await asyncio.sleep(1.5)
        dropped = await made.send(TOPIC, b"1", partition=0)
        await made.send_and_wait(TOPIC, b"other", partition=1)
        with pytest.raises(LeaderNotAvailableError):
            await dropped
        kafka.faults.leaderless.clear()
        for _again in range(2):
            with pytest.raises(OutOfOrderSequenceNumber):
                await made.send_and_wait(TOPIC, b"2", partition=0)
        other = await producer(kafka)
        await other.send_and_wait(TOPIC, b"2", partition=0)
        assert texts(kafka) == ["0", "2", "other"]

    play(scene)


def test_without_a_leader_for_a_short_while_nothing_is_dropped() -> None:
    async def scene(kafka: Kafka, _: SimLoop) -> None:
        made = await producer(kafka)
        kafka.faults.leaderless.add((TOPIC, 0))
        future = await made.send(TOPIC, b"1", partition=0)
        await asyncio.sleep(2)
        kafka.faults.leaderless.clear()
        await future
        assert texts(kafka) == ["1"]

    play(scene)


@pytest.mark.parametrize("seconds", [3, 8, 30])
def test_what_is_published_goes_on_after_a_partition_had_no_leader(seconds: int) -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        made = make_producer(Broker(kafka.bootstrap), "ours")
        await made.start()
        publisher = Publisher(made)
        kafka.loop.call_later(1, kafka.faults.leaderless.add, (TOPIC, 0))
        kafka.loop.call_later(1 + seconds, kafka.faults.calm)
        number = 0
        while number < 20:
            outgoing = [Outgoing(TOPIC, partition, b"k", b"%d" % number, ()) for partition in range(2)]
            try:
                await publisher.publish(outgoing)
            except (KafkaError, TimeoutError):
                await asyncio.sleep(0.5)
                continue
            number += 1
            await asyncio.sleep(0.2)
        assert loop.time() < seconds + 20
        for partition in range(2):
            firsts = dict.fromkeys(int(r.value) for r in kafka.records(TOPIC) if r.partition == partition)
            assert list(firsts) == list(range(20)), "in order, but for repeats"

    play(scene)


def test_the_broker_dies_and_comes_back_with_its_log_and_its_groups() -> None:
    async def scene(kafka: Kafka, _: SimLoop) -> None:
        made = await producer(kafka)
        await made.send_and_wait(TOPIC, b"a", partition=0)
        consumer, listener = await member(kafka)
        generation = kafka.group("group").generation
        kafka.stop()
        future = await made.send(TOPIC, b"b", partition=0)
        with pytest.raises(KafkaConnectionError):
            await producer(kafka)
        await asyncio.sleep(4)
        assert not future.done()
        kafka.start()
        assert (await future).offset == 1
        found: list[bytes] = []

        async def both() -> None:
            while len(found) < 2:
                found.extend(r.value for rs in (await consumer.getmany(timeout_ms=100)).values() for r in rs)

        async with asyncio.timeout(10):
            await both()
        assert found == [b"a", b"b"]
        await asyncio.sleep(10)
        assert listener.owned == {0, 1}
        assert kafka.group("group").generation == generation, "the group's members are known as before"

    play(scene)


def test_a_process_that_dies_leaves_its_group_by_its_session_timeout() -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        doomed = Process("doomed")
        both = asyncio.Event()

        async def other() -> None:
            await member(kafka)
            both.set()
            await asyncio.sleep(100)

        _, listener = await member(kafka)
        loop.spawn(doomed, other())
        await both.wait()
        await within(10, lambda: len(listener.owned) == 1)
        loop.kill(doomed)
        kafka.kill(doomed.name)
        begun = loop.time()
        await within(20, lambda: listener.owned == {0, 1})
        assert 4.0 < loop.time() - begun < 9.0

    play(scene)


def test_a_frozen_process_is_thrown_out_and_wakes_with_what_it_had_fetched() -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        made = await producer(kafka)
        for number in range(3):
            for partition in range(2):
                await made.send_and_wait(TOPIC, b"%d" % number, partition=partition)
        zombie, seen, refused = Process("zombie"), [], asyncio.Event()

        async def sleeper() -> None:
            consumer, listener = await member(kafka)
            await within(10, lambda: len(listener.owned) == 1)
            (partition,) = listener.owned
            while True:
                for records in (await consumer.getmany(timeout_ms=200, max_records=1)).values():
                    seen.append((records[0].value, listener.owned))
                    if len(seen) == 1:
                        loop.freeze(zombie)
                    elif len(seen) == 2:
                        try:
                            await consumer.commit({TopicPartition(TOPIC, partition): 2})
                        except CommitFailedError:
                            refused.set()
                await asyncio.sleep(0)

        _, listener = await member(kafka)
        loop.spawn(zombie, sleeper())
        await within(20, lambda: len(seen) == 1)
        await within(20, lambda: listener.owned == {0, 1})
        loop.thaw(zombie)
        async with asyncio.timeout(5):
            await refused.wait()
        assert [value for value, _ in seen[:2]] == [b"0", b"1"]
        assert seen[0][1] == seen[1][1] != set(), "it believed that it owned its partition still"
        await within(20, lambda: len(listener.owned) == 1)

    play(scene)


def test_a_process_without_a_network_is_thrown_out_and_finds_back() -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        lonely, owned = Process("lonely"), []

        async def other() -> None:
            _, listener = await member(kafka)
            owned.append(listener)
            await asyncio.sleep(1_000)

        _, listener = await member(kafka)
        loop.spawn(lonely, other())
        await within(10, lambda: bool(owned) and len(listener.owned) == 1)
        kafka.faults.cut_off.add("lonely")
        await within(20, lambda: listener.owned == {0, 1})
        assert len(owned[0].owned) == 1
        kafka.faults.calm()
        await within(60, lambda: len(listener.owned) == len(owned[0].owned) == 1)

    play(scene)


def test_what_is_asked_by_a_process_that_hears_nothing_is_done() -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        made = await producer(kafka)
        await made.send_and_wait(TOPIC, b"a", partition=0)
        kafka.faults.deaf.add("world")
        future = await made.send(TOPIC, b"b", partition=0)
        await within(1, lambda: texts(kafka) == ["a", "b"])
        await asyncio.sleep(8)
        assert not future.done()
        kafka.faults.calm()
        assert (await future).offset == 1

    play(scene)


def test_topics_and_partitions_may_lag_behind_each_other() -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        kafka.faults.lag_s[TOPIC, 0] = 2.0
        made = await producer(kafka)
        reader = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False)
        await reader.start()
        reader.assign([TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)])
        await reader.seek_to_beginning()
        for number in range(2):
            await made.send_and_wait(TOPIC, b"late %d" % number, partition=0)
        await made.send_and_wait(TOPIC, b"soon", partition=1)
        assert await reader.end_offsets([TopicPartition(TOPIC, 0)]) == {TopicPartition(TOPIC, 0): 2}
        seen: list[tuple[bytes, int]] = []
        while len(seen) < 3:
            for records in (await reader.getmany(timeout_ms=100)).values():
                seen += [(record.value, round(loop.time())) for record in records]
        assert seen == [(b"soon", 0), (b"late 0", 2), (b"late 1", 2)]
        kafka.faults.calm()
        await made.send_and_wait(TOPIC, b"now", partition=0)
        await reader.getmany(timeout_ms=100)
        assert round(loop.time()) == 2

    play(scene)


def test_a_broker_that_stalls_answers_when_it_goes_on() -> None:
    async def scene(kafka: Kafka, loop: SimLoop) -> None:
        made = await producer(kafka)
        await made.send_and_wait(TOPIC, b"a", partition=0)
        kafka.faults.stalled_until = loop.time() + 3
        await made.send_and_wait(TOPIC, b"b", partition=0)
        assert 3 < loop.time() < 4

    play(scene)


def test_what_a_broker_lost_is_seen_as_the_end_going_back() -> None:
    async def scene(kafka: Kafka, _: SimLoop) -> None:
        made = await producer(kafka)
        for number in range(4):
            await made.send_and_wait(TOPIC, b"%d" % number, partition=0)
        kafka.lose(TOPIC, 0, 2)
        other = await producer(kafka)
        assert (await other.send_and_wait(TOPIC, b"9", partition=0)).offset == 2
        assert texts(kafka) == ["0", "1", "9"]

    play(scene)


def test_compaction_leaves_the_latest_of_each_key_and_gaps() -> None:
    async def scene(kafka: Kafka, _: SimLoop) -> None:
        made = await producer(kafka)
        for number, key in enumerate([b"a", b"b", b"a", b"c", b"a"]):
            await made.send_and_wait(TOPIC, b"%d" % number, key, partition=0)
        kafka.topics[TOPIC][0].compact()
        reader = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False)
        await reader.start()
        reader.assign([TopicPartition(TOPIC, 0)])
        await reader.seek_to_beginning()
        seen: list[int] = []
        while len(seen) < 3:
            for records in (await reader.getmany(timeout_ms=100)).values():
                seen += [record.offset for record in records]
        assert seen == [1, 3, 4]

    play(scene)


async def _busy(kafka: Kafka, loop: SimLoop) -> None:
    """A bit of everything."""
    made = await producer(kafka)
    first = await member(kafka)
    second = await member(kafka)
    kafka.faults.slow = kafka.faults.cut_after = kafka.faults.lost = 0.02

    async def read(consumer: AIOKafkaConsumer) -> None:
        while True:
            await consumer.getmany(timeout_ms=200)

    readers = [asyncio.create_task(read(consumer)) for consumer, _ in (first, second)]
    for number in range(30):
        await made.send(TOPIC, b"%d" % number, partition=number % 2)
        await asyncio.sleep(0.1)
    kafka.cut_connections()
    await asyncio.sleep(10)
    for reader in readers:
        reader.cancel()


def test_one_seed_is_one_history() -> None:
    traces: list[list[Any]] = [[], [], []]
    for trace, seed in zip(traces, (5, 5, 6), strict=True):
        play(_busy, seed, trace)
    assert traces[0] == traces[1]
    assert traces[0] != traces[2]
