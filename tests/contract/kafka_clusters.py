"""The two Kafkas that the contract is held against: the simulator's fake, and the one that the stack runs."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaConnectionError
from youai_proof.sim.kafka import Kafka

from tests.support.stack import Stack
from tests.support.waiting import eventually

_CONFIG = {"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}


class Operator(Protocol):
    """What an operator of a Kafka does in these tests."""

    bootstrap: str
    session_s: float
    """The shortest session timeout that members may have."""

    async def create(self, name: str, partitions: int, *, compacted: bool, most_bytes: int) -> None: ...
    async def delete(self, name: str) -> None: ...
    async def delete_records(self, tp: TopicPartition, before: int) -> None: ...
    async def kill_broker(self) -> None: ...


class FakeOperator:
    """The fake's own calls."""

    session_s = 0.4

    def __init__(self, fake: Kafka) -> None:
        self.fake = fake
        self.bootstrap = fake.bootstrap

    async def create(self, name: str, partitions: int, *, compacted: bool, most_bytes: int) -> None:
        self.fake.create_topic(name, partitions, compacted=compacted, most_bytes=most_bytes)

    async def delete(self, name: str) -> None:
        self.fake.delete_topic(name)

    async def delete_records(self, tp: TopicPartition, before: int) -> None:
        self.fake.delete_records(tp.topic, tp.partition, before)

    async def kill_broker(self) -> None:
        self.fake.stop()
        self.fake.loop.call_later(1.0, self.fake.start)


class RealOperator:
    """The admin client."""

    session_s = 6.0

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.bootstrap = stack.bootstrap

    async def create(self, name: str, partitions: int, *, compacted: bool, most_bytes: int) -> None:
        policy = "compact" if compacted else "delete"
        config = _CONFIG | {"cleanup.policy": policy, "max.message.bytes": str(most_bytes)}
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])

    async def delete(self, name: str) -> None:
        async with self._admin() as admin:
            await admin.delete_topics([name])

    async def delete_records(self, tp: TopicPartition, before: int) -> None:
        async with self._admin() as admin:
            await admin.delete_records({tp: RecordsToDelete(before_offset=before)})

    async def kill_broker(self) -> None:
        if not self._stack.owns("kafka"):
            pytest.skip("the broker is not the stack's to kill")
        self._stack.kill("kafka")

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


class Cluster:
    """A Kafka, and the clients that a test made of it; they are stopped after it."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.session_s = operator.session_s
        self._clients: list[Any] = []

    async def topic(self, partitions: int = 1, *, compacted: bool = False, most_bytes: int = 1 << 20) -> str:
        """A new topic, once the broker leads it."""
        name = f"contract.{uuid.uuid4().hex[:8]}.v1"
        await self.make(name, partitions, compacted=compacted, most_bytes=most_bytes)
        return name

    async def make(self, name: str, partitions: int, *, compacted: bool = False, most_bytes: int = 1 << 20) -> None:
        """A topic of this name, once the broker leads it."""
        await self.operator.create(name, partitions, compacted=compacted, most_bytes=most_bytes)

        async def led() -> bool:
            async with AIOKafkaConsumer(bootstrap_servers=self.operator.bootstrap) as consumer:
                await consumer._client._wait_on_metadata(name)
                everything = [TopicPartition(name, number) for number in range(partitions)]
                return set((await consumer.end_offsets(everything)).values()) == {0}

        await eventually(led, 20, f"{name} is led")

    async def producer(self, *, patience_s: float = 0.0, **settings: Any) -> AIOKafkaProducer:
        """A producer that is started, idempotent; while the broker is away it is asked for again for so long."""
        settings = {"acks": "all", "enable_idempotence": True, "retry_backoff_ms": 20} | settings
        made = AIOKafkaProducer(bootstrap_servers=self.operator.bootstrap, **settings)
        self._clients.append(made)
        until = time.monotonic() + patience_s
        while True:
            try:
                await made.start()
                return made
            except KafkaConnectionError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)

    def new_consumer(self, **settings: Any) -> AIOKafkaConsumer:
        """A consumer that is not started, as a lane makes its own."""
        settings = {
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "fetch_max_wait_ms": 50,
            "retry_backoff_ms": 20,
            "session_timeout_ms": int(self.session_s * 1000),
            "heartbeat_interval_ms": int(self.session_s * 1000 / 8),
            "rebalance_timeout_ms": int(self.session_s * 1000),
        } | settings
        made = AIOKafkaConsumer(bootstrap_servers=self.operator.bootstrap, **settings)
        self._clients.append(made)
        return made

    async def reader(self, topic: str, *partitions: int, at: int | None = 0, **settings: Any) -> AIOKafkaConsumer:
        """A consumer that reads partitions of a topic by itself, from the offset `at` on (None: where it may)."""
        made = self.new_consumer(**settings)
        await made.start()
        made.assign([TopicPartition(topic, number) for number in partitions or (0,)])
        for tp in made.assignment():
            if at is not None:
                made.seek(tp, at)
        return made

    async def fill(self, topic: str, count: int, partition: int = 0, first: int = 0) -> None:
        """Append `count` records whose values are the numbers from `first` on, in one batch."""
        producer = await self.producer()
        batch = producer.create_batch()
        for number in range(first, first + count):
            assert batch.append(key=b"k", value=str(number).encode(), timestamp=None)
        await (await producer.send_batch(batch, topic, partition=partition))

    async def stop(self) -> None:
        """Stop every client."""
        for client in self._clients:
            with contextlib.suppress(TimeoutError):
                await client.stop()


@pytest_asyncio.fixture(params=["fake", pytest.param("real", marks=pytest.mark.stack)])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """Both Kafkas, one after the other."""
    if request.param == "fake":
        fake = Kafka()
        made = Cluster(FakeOperator(fake))
        yield made
        await made.stop()
        fake.close()
        return
    stack: Stack = request.getfixturevalue("stack")
    await stack.wait_ready()
    made = Cluster(RealOperator(stack))
    yield made
    await made.stop()


async def read(consumer: AIOKafkaConsumer, count: int, **settings: Any) -> list[Any]:
    """The next `count` records (or a few more), in the order in which they come."""
    found: list[Any] = []

    async def enough() -> bool:
        for records in (await consumer.getmany(timeout_ms=100, **settings)).values():
            found.extend(records)
        return len(found) >= count

    await eventually(enough, 15, lambda: f"{count} records, not {found}")
    return found


def values(records: list[Any]) -> list[int]:
    """The numbers that `fill` wrote."""
    return [int(record.value) for record in records]
