"""What the tests of the fake Kafka's faults play with: a world of its own for a scene, a producer, a member."""

import asyncio
import gc
import random
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from youai_proof.sim.kafka import Faults, Kafka
from youai_proof.sim.loop import Process, SimLoop

TOPIC = "faults.v1"
Scene = Callable[[Kafka, SimLoop], Coroutine[Any, Any, Any]]


def play(scene: Scene, seed: int = 1, trace: list[Any] | None = None, partitions: int = 2) -> Any:
    """Run a scene in a world of its own."""

    def note(at: float, process: Process, callback: Callable[..., object]) -> None:
        assert trace is not None
        trace.append((at, process.name, getattr(callback, "__qualname__", type(callback).__name__)))

    loop = SimLoop(random.Random(seed), None if trace is None else note)

    async def world() -> Any:
        kafka = Kafka(
            random.Random(seed), faults=Faults(latency_s=(0.001, 0.004)), clock=lambda: int(loop.time() * 1e3)
        )
        kafka.create_topic(TOPIC, partitions)
        try:
            async with asyncio.timeout(600):
                return await scene(kafka, loop)
        finally:
            kafka.close()

    try:
        return loop.run_until_complete(world())
    finally:
        loop.close()
        assert not loop.errors, loop.errors
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a world ends in the midst of what its tasks had begun
            gc.collect()


async def producer(kafka: Kafka, **settings: Any) -> AIOKafkaProducer:
    settings = {"acks": "all", "enable_idempotence": True, "retry_backoff_ms": 50} | settings
    made = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, request_timeout_ms=5_000, **settings)
    await made.start()
    return made


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what is told, and reads everything from its beginning."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.consumer = consumer
        self.owned: set[int] = set()

    async def on_partitions_revoked(self, revoked: Any) -> None:
        self.owned = set()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        self.owned = {tp.partition for tp in assigned}
        for tp in assigned:
            self.consumer.seek(tp, 0)


async def member(kafka: Kafka) -> tuple[AIOKafkaConsumer, Listener]:
    made = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        group_id="group",
        enable_auto_commit=False,
        auto_offset_reset="none",
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_500,
        rebalance_timeout_ms=6_000,
        request_timeout_ms=10_000,
        retry_backoff_ms=50,
        fetch_max_wait_ms=50,
    )
    listener = Listener(made)
    made.subscribe([TOPIC], listener=listener)
    await made.start()
    return made, listener


def texts(kafka: Kafka) -> list[str]:
    return [record.value.decode() for record in kafka.records(TOPIC)]


async def within(seconds: float, check: Callable[[], bool]) -> None:
    """Wait for something in virtual time."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.05)
