"""Who listens for the badge, and what wakes them: this replica's own reading of the notification topic, in no group."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition
from youai_contracts import topics
from youai_runtime import kafka, logs
from youai_runtime.errors import is_transient

log = logs.get(__name__)

MOST_OF_ONE = 20
"""Open streams of one organization: its clerks' tabs, and none is left without because of another's."""


class Listener:
    """One open stream. `wake` says that its inbox may have changed; what changed is read from the database."""

    def __init__(self, recipient_id: str) -> None:
        self.recipient_id = recipient_id
        self.wake = asyncio.Event()

    async def woken(self, within_s: float) -> None:
        """Return once woken, or after `within_s` seconds; a wake that came before counts."""
        try:
            async with asyncio.timeout(within_s):
                await self.wake.wait()
        except TimeoutError:
            return


class Listeners:
    """The open streams of this process, bounded."""

    def __init__(self, most: int, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._by_recipient: dict[str, set[Listener]] = defaultdict(set)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def join(self, recipient_id: str) -> Listener | None:
        """A new listener, to be given to `leave` in the end; None where there are as many as may be."""
        if self._count >= self._most or len(self._by_recipient.get(recipient_id, ())) >= self._most_of_one:
            return None
        listener = Listener(recipient_id)
        self._by_recipient[recipient_id].add(listener)
        self._count += 1
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener; again is harmless."""
        there = self._by_recipient.get(listener.recipient_id, set())
        if listener in there:
            there.discard(listener)
            self._count -= 1
        if not there:
            self._by_recipient.pop(listener.recipient_id, None)

    def wake(self, recipient_ids: Iterable[str]) -> None:
        """Wake who listens for these organizations."""
        for recipient_id in recipient_ids:
            for listener in self._by_recipient.get(recipient_id, ()):
                listener.wake.set()

    def wake_all(self) -> None:
        """Wake everybody: something may have been missed."""
        self.wake(list(self._by_recipient))


class Feed:
    """Reads youai.notification.v1 from its end and wakes listeners. While it cannot, they look again by themselves."""

    def __init__(self, listeners: Listeners, *, bootstrap: str, client_id: str) -> None:
        self._listeners = listeners
        self._bootstrap = bootstrap
        self._client_id = client_id

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                client_id=f"{self._client_id}-feed",
                enable_auto_commit=False,
                auto_offset_reset="latest",
                fetch_max_wait_ms=100,
                retry_backoff_ms=50,
            )
            try:
                await kafka.start(consumer)
                await self._read(consumer)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("feed-waits", error=repr(error))
                await asyncio.sleep(1.0)
            finally:
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        topic = topics.NOTIFICATION
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        self._listeners.wake_all()  # whoever read the state before the ends were found may have missed something
        while True:
            batches = await consumer.getmany(timeout_ms=1_000, max_records=2_000)
            keys = {record.key for records in batches.values() for record in records if record.key}
            self._listeners.wake(key.decode("utf-8", "replace") for key in keys)
