"""Live streams (Server-Sent Events): who listens for what, and what wakes them, bounded.

Each replica reads a topic by itself, in no group. A stream is: listen first, then read the state from the database,
tell it, and again whenever woken. What is told always comes from the database; the topic only says when to look.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send
from youai_contracts.topics import Topic

from youai_runtime import kafka, logs
from youai_runtime.errors import is_database_transient, is_transient

log = logs.get(__name__)

HEARTBEAT_S = 15
LINGERS_S = 30.0
"""How long a feed reads on after the last listener has left: to begin takes it a moment."""
LIFETIME_S = 600.0
"""A stream ends after so long: the client comes back with its Last-Event-ID, and shows its token again."""
GAP_S = 0.25
"""Between two looks at the state for one stream: a burst is told in pieces of that length."""


class Listener:
    """One open stream. `wake` says that what it listens for may have changed."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.wake = asyncio.Event()

    async def woken(self, within_s: float) -> None:
        """Return once woken, or after `within_s` seconds; a wake that came before counts."""
        try:
            async with asyncio.timeout(within_s):
                await self.wake.wait()
        except TimeoutError:
            return


class Listeners:
    """The open streams of this process, by the key that they listen for, bounded in all and for each key."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._by_key: dict[str, set[Listener]] = defaultdict(set)
        self._count = 0
        self.some = asyncio.Event()
        """Set while anybody listens."""

    def __len__(self) -> int:
        return self._count

    def join(self, key: str) -> Listener | None:
        """A new listener, to be given to `leave` in the end; None where there are as many as may be."""
        if self._count >= self._most or len(self._by_key.get(key, ())) >= self._most_of_one:
            return None
        listener = Listener(key)
        self._by_key[key].add(listener)
        self._count += 1
        self.some.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener; again is harmless."""
        there = self._by_key.get(listener.key, set())
        if listener in there:
            there.discard(listener)
            self._count -= 1
            if not self._count:
                self.some.clear()
        if not there:
            self._by_key.pop(listener.key, None)

    def wake(self, keys: Iterable[str]) -> None:
        """Wake who listens for these keys."""
        for key in keys:
            for listener in self._by_key.get(key, ()):
                listener.wake.set()

    def wake_all(self) -> None:
        """Wake everybody: something may have been missed."""
        self.wake(list(self._by_key))


class Feed:
    """Reads a topic from its end and wakes who listens for a record's key. While it cannot, streams look themselves.

    While nobody listens nothing is read: in a rush each decision would be read back by a process that is busy enough.
    """

    def __init__(self, topic: Topic, listeners: Listeners, *, broker: kafka.Broker, client_id: str) -> None:
        self._topic = topic
        self._listeners = listeners
        self._broker = broker
        self._client_id = client_id

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            await self._listeners.some.wait()
            consumer = AIOKafkaConsumer(
                **self._broker.options(),
                client_id=f"{self._client_id}-feed",
                enable_auto_commit=False,
                auto_offset_reset="latest",
                fetch_max_wait_ms=100,
                fetch_min_bytes=64 * 1024,
                retry_backoff_ms=50,
            )
            try:
                await kafka.start(consumer)
                await self._read(consumer)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("feed-waits", topic=self._topic.name, error=repr(error))
                await asyncio.sleep(1.0)
            finally:
                await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        partitions = [TopicPartition(self._topic.name, number) for number in range(self._topic.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        self._listeners.wake_all()  # whoever read the state before the ends were found may have missed something
        left_at = time.monotonic()
        while self._listeners.some.is_set() or time.monotonic() - left_at < LINGERS_S:
            if self._listeners.some.is_set():
                left_at = time.monotonic()
            batches = await consumer.getmany(timeout_ms=1_000, max_records=2_000)
            keys = {record.key for records in batches.values() for record in records if record.key}
            self._listeners.wake(key.decode("utf-8", "replace") for key in keys)


@dataclass(frozen=True, slots=True)
class State:
    """What a stream tells: the event's name, its JSON, and the id by which a client that comes back is known."""

    event: str
    data: str
    id: str


class LiveStream(EventSourceResponse):
    """A stream of states; its listener leaves when it ends, however it ends.

    `look` reads the state; it is told at once (unless the client has it already: `last_id`), and whenever it differs
    from what was told last. A state whose `event` is `end` ends the stream.
    """

    def __init__(
        self,
        listeners: Listeners,
        listener: Listener,
        look: Callable[[], Awaitable[State]],
        last_id: str | None = None,
    ) -> None:
        super().__init__(_states(listener, look, last_id), ping=HEARTBEAT_S, send_timeout=10, sep="\n")
        self._listeners = listeners
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, then leave."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._listeners.leave(self._listener)


async def _states(
    listener: Listener, look: Callable[[], Awaitable[State]], last_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    ends = time.monotonic() + LIFETIME_S
    told: str | None = None
    try:
        while time.monotonic() < ends:
            listener.wake.clear()  # before the state is read: what comes while it is read wakes again
            state = await look()
            if state.data != told and not (told is None and state.id == last_id):
                yield ServerSentEvent(state.data, event=state.event, id=state.id, retry=2_000)
            told = state.data
            if state.event == "end":
                return
            await asyncio.sleep(GAP_S)
            await listener.woken(HEARTBEAT_S)
    except Exception as error:
        if not is_database_transient(error):
            raise
        log.warning("stream-ends", error=repr(error))  # the client comes back, and is told 503 if it is still away
