"""Watches the decisions as they are published, as any department could: the topic alone, no group, no database."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from youai_contracts import topics
from youai_contracts.topics import Topic

QUIET_S = 2.0


class _Seen(msgspec.Struct):
    request_id: str
    outcome: str
    place: int | None = None
    hold_until: str | None = None


class Watch:
    """What was decided so far. `first` maps a request to the time (monotonic) at which its first outcome was read."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._decode = msgspec.json.Decoder(_Seen).decode
        self._high_water: dict[int, tuple[int, int]] = {}
        self.first: dict[str, float] = {}
        self.last: dict[str, str] = {}
        self.outcomes: Counter[str] = Counter()
        self.by_partition: dict[int, float] = {}
        self.held: dict[str, str] = {}  # requests for which places are held, and until when
        self.on_held: Callable[[str], None] | None = None
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled, from the topic's beginning; a broker that is away is waited for."""
        names = [TopicPartition(topics.BOOKING.name, number) for number in range(topics.BOOKING.partitions)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # At most so late, and little work beside the rush: a fetch names all partitions, whatever it finds.
            fetch_max_wait_ms=100,
            fetch_min_bytes=128 * 1024,
            request_timeout_ms=10_000,
            retry_backoff_ms=50,
        )
        consumer.assign(names)
        await consumer.start()
        try:
            while True:
                try:
                    batches = await consumer.getmany(timeout_ms=200)
                except KafkaError:
                    await asyncio.sleep(0.2)
                    continue
                for tp, records in batches.items():
                    self._take(tp.partition, records)
        finally:
            await consumer.stop()

    def _take(self, partition: int, records: list[Any]) -> None:
        now = time.monotonic()
        for record in records:
            ce_id = dict(record.headers).get("ce_id", b"")
            _, offset, index = ce_id.split(b"-")
            position = (int(offset), int(index))
            if position <= self._high_water.get(partition, (-1, -1)):
                continue
            self._high_water[partition] = position
            seen = self._decode(record.value)
            self.outcomes[seen.outcome] += 1
            # Lapsed or displaced into the queue, one waits again.
            self.last[seen.request_id] = seen.outcome if seen.place is None else "waitlisted"
            if seen.outcome != "entered":
                self.first.setdefault(seen.request_id, now)
            self.held.pop(seen.request_id, None)
            if seen.hold_until is not None:
                self.held[seen.request_id] = seen.hold_until
                if self.on_held is not None:
                    self.on_held(seen.request_id)
        self.by_partition[partition] = now
        self.changed.set()


async def until_quiet(bootstrap: str, topic: Topic, most_s: float) -> None:
    """Wait until a topic has not grown for QUIET_S, at most `most_s`: to look is cheaper than to read it all."""
    names = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        began = grown = time.monotonic()
        last: dict[TopicPartition, int] = {}
        while (now := time.monotonic()) - began < most_s and now - grown < QUIET_S:
            ends = await consumer.end_offsets(names)
            if ends != last:
                last, grown = ends, time.monotonic()
            await asyncio.sleep(0.2)
    finally:
        await consumer.stop()
