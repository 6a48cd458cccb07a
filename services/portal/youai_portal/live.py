"""Live pages: which subjects have changed, told to whoever watches them once the projections say so too.

A reader of the topics, without a group, learns that something happened to a slot, an offer, a demand or an inbox;
the watchers are woken when the lane that projects it has passed that record, so that what they then read is never
older than it.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from youai_contracts import topics
from youai_runtime import kafka, logs
from youai_runtime.database import Pool

log = logs.get(__name__)

LOOK_S = 0.05
"""How often the lanes' progress is looked at while somebody waits for it."""
CALM_S = 0.3
"""Least time between two states sent to one watcher: a rush is shown as a few states a second, not as each."""
HEARTBEAT_S = 15.0
"""A state is read again after so long at the latest, so that nothing missed stays missed."""

_TOPICS = (topics.BOOKING, topics.CLAIM, topics.DEMAND, topics.NOTIFICATION, topics.OFFER)
_SUBJECTS: dict[str, Callable[[str], str]] = {
    topics.BOOKING.name: lambda key: f"slot:{key}",
    topics.CLAIM.name: lambda key: key,  # demand:{id}
    topics.DEMAND.name: lambda key: f"demand:{key}",
    topics.NOTIFICATION.name: lambda key: f"inbox:{key}",
    topics.OFFER.name: lambda key: f"offer:{key}",
}


class Full(Exception):
    """There are as many live connections as this process takes."""


class Watcher:
    """One live connection's view of its subjects."""

    def __init__(self, subjects: Iterable[str], ending: Callable[[], bool]) -> None:
        self.subjects = frozenset(subjects)
        self.woken = asyncio.Event()
        self.woken.set()  # the state as it is comes first
        self._ending = ending

    async def changes(self) -> AsyncIterator[bool]:
        """Yields when something of the subjects may have changed: True if it was told so, False at a heartbeat."""
        while not self._ending():
            told = True
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self.woken.wait()
            except TimeoutError:
                told = False
            if self._ending():
                return
            self.woken.clear()
            yield told
            await asyncio.sleep(CALM_S)


class Hub:
    """Reads what happens and wakes the watchers; at most `most` of them."""

    def __init__(self, pool: Pool, broker: kafka.Broker, client_id: str, *, most: int) -> None:
        self._pool = pool
        self._broker = broker
        self._client_id = client_id
        self._most = most
        self._watchers: dict[str, set[Watcher]] = defaultdict(set)
        self._count = 0
        self._unseen: dict[tuple[str, int], dict[str, int]] = {}
        self._pending = asyncio.Event()
        self._stopped = False
        self._ending: Callable[[], bool] = lambda: False

    @property
    def ending(self) -> bool:
        """True once the process is asked to end: live connections must not hold it up."""
        return self._stopped or self._ending()

    def ends_with(self, ending: Callable[[], bool]) -> None:
        """Say how to tell that the process is to end."""
        self._ending = ending

    @contextmanager
    def watch(self, *subjects: str) -> Any:
        """Watch subjects (`slot:{id}`, `offer:{id}`, `demand:{id}`, `inbox:{organization}`). Raises Full."""
        if self._count >= self._most:
            raise Full
        watcher = Watcher(subjects, lambda: self.ending)
        self._count += 1
        for subject in watcher.subjects:
            self._watchers[subject].add(watcher)
        try:
            yield watcher
        finally:
            self._count -= 1
            for subject in watcher.subjects:
                self._watchers[subject].discard(watcher)
                if not self._watchers[subject]:
                    del self._watchers[subject]

    async def run(self) -> None:
        """Read until cancelled; after a failure begin anew, and let everybody look once."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._release())
            group.create_task(self._end())
            while True:
                try:
                    await self._read()
                except Exception as error:
                    log.warning("live-reader-waits", error=repr(error))
                await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """Let every live connection end."""
        self._stopped = True
        self._wake_all()

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._broker.options(),
            client_id=f"{self._client_id}-live",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_wait_ms=100,
            fetch_min_bytes=64 * 1024,
            metadata_max_age_ms=30_000,
            retry_backoff_ms=100,
        )
        await kafka.start(consumer)
        try:
            partitions = [TopicPartition(topic.name, number) for topic in _TOPICS for number in range(topic.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_end(*partitions)
            for partition in partitions:
                await consumer.position(partition)
            self._wake_all()  # whoever read the state before the ends were found may have missed something
            while True:
                for tp, records in (await consumer.getmany(timeout_ms=1_000)).items():
                    self._note(tp.topic, tp.partition, records)
        finally:
            await consumer.stop()

    def _note(self, topic: str, partition: int, records: Iterable[Any]) -> None:
        subject_of = _SUBJECTS[topic]
        for record in records:
            subject = subject_of((record.key or b"").decode("utf-8", "replace"))
            if subject in self._watchers:
                self._unseen.setdefault((topic, partition), {})[subject] = record.offset
                self._pending.set()

    async def _release(self) -> None:
        while True:
            await self._pending.wait()
            started = time.monotonic()
            try:
                await self._release_passed()
            except Exception as error:  # the database is away: the heartbeat comes anyway
                log.warning("live-release-waits", error=repr(error))
                await asyncio.sleep(1.0)
            await asyncio.sleep(max(0.0, LOOK_S - (time.monotonic() - started)))

    async def _release_passed(self) -> None:
        wanted = list(self._unseen)
        lanes = [_lane(topic) for topic, _ in wanted]
        rows = await self._pool.fetch(
            "SELECT p.lane, p.partition, p.next_offset FROM lane_progress AS p"
            " JOIN unnest($1::text[], $2::int[]) AS w (lane, partition) USING (lane, partition)",
            lanes,
            [partition for _, partition in wanted],
        )
        passed = {(row["lane"], row["partition"]): row["next_offset"] for row in rows}
        for topic, partition in wanted:
            following = passed.get((_lane(topic), partition), 0)
            subjects = self._unseen[topic, partition]
            for subject in [subject for subject, offset in subjects.items() if offset < following]:
                del subjects[subject]
                for watcher in self._watchers.get(subject, ()):
                    watcher.woken.set()
            if not subjects:
                del self._unseen[topic, partition]
        if not self._unseen:
            self._pending.clear()

    async def _end(self) -> None:
        """Wake everybody once the process is to end."""
        while not self.ending:  # noqa: ASYNC110 (the server's own flag has no event)
            await asyncio.sleep(0.25)
        self._wake_all()

    def _wake_all(self) -> None:
        for watchers in list(self._watchers.values()):
            for watcher in watchers:
                watcher.woken.set()


def _lane(topic: str) -> str:
    return f"portal.{topic.split('.')[1]}"
