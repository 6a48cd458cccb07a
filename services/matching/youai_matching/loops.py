"""What one of matching's workers does at a time: the sweeper and the timer."""

import math
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition
from youai_contracts import codec, topics
from youai_contracts.events import DrawRevealed, TimerFired
from youai_runtime import logs
from youai_runtime.database import Pool
from youai_runtime.kafka import DELIVERY_TIMEOUT_S, Outgoing, Publisher

from youai_matching import door, requests, store
from youai_matching.domain import draw
from youai_matching.sources import SOURCE

log = logs.get(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sweeper:
    """Appends again what was taken at the door and never decided.

    It waits out the delivery timeout, reads the log's ends, waits until the decider has passed them, and only then
    appends what still has no receipt, under the same id: a backlog causes no storm, and a repeat changes nothing.
    """

    def __init__(self, pool: Pool, publisher: Publisher, consumer: AIOKafkaConsumer) -> None:
        self._pool = pool
        self._publisher = publisher
        self._consumer = consumer
        self._ends: dict[int, int] = {}

    async def turn(self) -> None:
        """Look once; called every second or so."""
        async with self._pool.acquire() as connection:
            await requests.settle(connection)
            passed = await requests.next_offsets(connection, store.DECIDER)
            ready = [partition for partition, end in self._ends.items() if passed.get(partition, 0) >= end]
            rows = await requests.undecided(connection, DELIVERY_TIMEOUT_S * 2, ready) if ready else []
        if rows:
            log.info("appends-again", requests=len(rows))
            await self._publisher.publish(
                again(row["partition"], row["slot_id"], row["request_id"], row["kind"], row["data"], row["traceparent"])
                for row in rows
            )
            async with self._pool.acquire() as connection:
                await requests.appended(connection, [row["request_id"] for row in rows])
        await self._look_ahead(ready)

    async def _look_ahead(self, done: Iterable[int]) -> None:
        """Note the log's ends for partitions that have old undecided requests and no end noted yet."""
        for partition in done:
            del self._ends[partition]
        everywhere = range(topics.SLOT_LOG.partitions)
        async with self._pool.acquire() as connection:
            rows = await requests.undecided(connection, DELIVERY_TIMEOUT_S * 2, everywhere)
        wanted = {row["partition"] for row in rows} - set(self._ends)
        if wanted:
            tps = [TopicPartition(topics.SLOT_LOG.name, partition) for partition in wanted]
            ends = await self._consumer.end_offsets(tps)
            self._ends |= {tp.partition: end for tp, end in ends.items()}


class Timer:
    """Appends `timer-fired` for what is due, and again every 5 s until the decider has dropped the row.

    Likewise `draw-revealed`, until a slot whose window has ended is drawn.
    """

    AGAIN_AFTER_S = 5.0

    def __init__(self, pool: Pool, publisher: Publisher, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._publisher = publisher
        self._clock = clock
        self._revealed: dict[str, float] = {}

    async def turn(self) -> None:
        """Look once; called several times a second."""
        await self._fire()
        await self._reveal()

    async def _reveal(self) -> None:
        now = self._clock()
        async with self._pool.acquire() as connection:
            awaited = await requests.awaited_draws(connection)
        self._revealed = {
            row["slot_id"]: self._revealed[row["slot_id"]] for row in awaited if row["slot_id"] in self._revealed
        }
        due = [row for row in awaited if now - self._revealed.get(row["slot_id"], -math.inf) >= self.AGAIN_AFTER_S]
        self._revealed |= {row["slot_id"]: now for row in due}
        outgoing = []
        for row in due:
            if not _is_seed(row["seed"], row["seed_hash"]):
                log.error("no-seed", slot=row["slot_id"], announced=row["seed_hash"], stored=row["seed"] is not None)
                continue
            outgoing.append(_revealed(row["partition"], row["slot_id"], row["seed"]))
        if outgoing:
            await self._publisher.publish(outgoing)

    async def _fire(self) -> None:
        async with self._pool.acquire() as connection:
            # The database's clock: a worker whose own is an hour behind would let nothing lapse for an hour.
            due = await requests.due_timers(connection, await requests.now_ms(connection), self.AGAIN_AFTER_S)
        if not due:
            return
        now = datetime.now(UTC)
        await self._publisher.publish(
            fired(row["partition"], row["slot_id"], row["kind"], row["subject"], row["due_at"], now) for row in due
        )
        async with self._pool.acquire() as connection:
            await requests.timers_appended(connection, due)


def _is_seed(seed: str | None, seed_hash: str) -> bool:
    try:
        return seed is not None and draw.is_seed_of(seed, seed_hash)
    except ValueError:  # no hex
        return False


def again(partition: int, slot_id: str, id: str, kind: str, data: bytes, traceparent: str | None) -> Outgoing:
    """The record of a command that was kept, as its kind says."""
    message = door.again(slot_id, id, kind, data, traceparent)
    return Outgoing(message.topic, partition, message.key, message.value, message.headers)


def _revealed(partition: int, slot_id: str, seed: str) -> Outgoing:
    # A new id each time, as for timers.
    event = DrawRevealed(slot_id=slot_id, seed=seed)
    message = codec.encode(event, id=f"reveal-{uuid.uuid4()}", source=SOURCE, at=datetime.now(UTC))
    return Outgoing(message.topic, partition, message.key, message.value, message.headers)


def fired(partition: int, slot_id: str, kind: str, subject: str, due_at: int, now: datetime) -> Outgoing:
    """The record of a timer that is due."""
    event = TimerFired(
        slot_id=slot_id,
        kind=kind,  # type: ignore[arg-type]
        due_at=_EPOCH + timedelta(milliseconds=due_at),
        subject=subject,
    )
    # A new id each time: the first may come before its time by the broker's clock, and then must not count.
    message = codec.encode(event, id=f"timer-{uuid.uuid4()}", source=SOURCE, at=now)
    return Outgoing(message.topic, partition, message.key, message.value, message.headers)
