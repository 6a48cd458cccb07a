"""The door's way into the slot log: appends with bounded waits, and knows when not to try."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from youai_contracts import codec, topics
from youai_contracts.codec import Message
from youai_contracts.events import BookingRequested, SlotRecord
from youai_runtime import kafka, logs

from youai_matching.sources import SOURCE

log = logs.get(__name__)

WAIT_S = 2.0
"""How long a caller waits for the log's acknowledgement."""
MOST_UNACKNOWLEDGED = 2_500
REMEMBERS_S = 5.0
"""How long it is known what became of an append: whoever asks again meanwhile gets that, and makes no second record."""
_PAUSE_S = 1.0


TYPES = {
    "booking": "booking-requested",
    "cancel": "booking-cancelled",
    "accept": "hold-accepted",
    "decline": "hold-declined",
    "override": "override-requested",
}
"""What a command of each kind is in the slot log."""


class Unknown(Exception):
    """The append was not acknowledged in time; whether it arrived is not known."""


class Appender:
    """Appends to the slot log.

    After a failure a partition is closed for a second at a time, one append being let through to try, so that an
    outage is met by refusals before anything is written, and not by a queue of unknown outcomes.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._started = False
        self._closed_until: dict[int, float] = {}
        self._unacknowledged: set[asyncio.Future[object]] = set()
        self._latest: dict[bytes, tuple[float, asyncio.Future[object]]] = {}  # by the record's id, oldest first

    async def start(self) -> None:
        """Connect, however long it takes."""
        await kafka.start(self._producer)
        self._started = True

    async def stop(self) -> None:
        """Flush and disconnect; waits at most WAIT_S for what is not yet acknowledged."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._producer.stop()
        except (TimeoutError, KafkaError) as error:
            log.warning("producer-stopped-hard", error=repr(error))

    @property
    def connected(self) -> bool:
        """True once the broker has answered."""
        return self._started

    def open_for(self, partition: int) -> bool:
        """True if an append to `partition` is worth trying now; in an outage True once a second, as a trial."""
        if not self._started or len(self._unacknowledged) >= MOST_UNACKNOWLEDGED:
            return False
        now = time.monotonic()
        if now < self._closed_until.get(partition, 0.0):
            return False
        if partition in self._closed_until:
            self._closed_until[partition] = now + _PAUSE_S
        return True

    async def append(self, message: Message, partition: int) -> None:
        """Append and await the ack of all in-sync replicas, for at most WAIT_S. Raises Unknown."""
        (acknowledged,) = await self.append_line(partition, [message])
        if not acknowledged:
            raise Unknown

    async def append_line(self, partition: int, messages: Sequence[Message]) -> list[bool]:
        """Append records of one partition, in order; for each whether it was acknowledged within WAIT_S of the call.

        Of one that was not, it is not known whether it arrived. One whose id is on its way already, or has just been
        acknowledged, is not sent again.
        """
        sent: list[asyncio.Future[object]] = []
        trouble: Exception | None = None
        until = asyncio.get_running_loop().time() + WAIT_S
        try:
            async with asyncio.timeout_at(until):
                for message in messages:
                    sent.append(await self._send_once(message, partition))  # noqa: PERF401  # kept where the next fails
                await asyncio.wait(sent)
        except (KafkaError, OSError) as error:
            trouble = error
        acknowledged = [one.done() and not one.cancelled() and one.exception() is None for one in sent]
        acknowledged += [False] * (len(messages) - len(sent))
        if not all(acknowledged):
            self._closed_until[partition] = time.monotonic() + _PAUSE_S
            told = trouble or next((one.exception() for one in sent if one.done() and not one.cancelled()), None)
            log.warning("append-unknown", partition=partition, records=acknowledged.count(False), error=repr(told))
        return acknowledged

    async def _send_once(self, message: Message, partition: int) -> asyncio.Future[object]:
        now = time.monotonic()
        while self._latest and (oldest := next(iter(self._latest.items())))[1][0] < now - REMEMBERS_S:
            del self._latest[oldest[0]]
        id_ = next(value for name, value in message.headers if name == "ce_id")
        if (latest := self._latest.get(id_)) is not None and not _failed(latest[1]):
            return latest[1]
        sent = await self._send(message, partition)
        self._latest.pop(id_, None)  # what failed stood further ahead
        self._latest[id_] = (now, sent)
        return sent

    async def _send(self, message: Message, partition: int) -> asyncio.Future[object]:
        sent: asyncio.Future[object] = await self._producer.send(
            message.topic, message.value, message.key, partition=partition, headers=list(message.headers)
        )
        self._unacknowledged.add(sent)
        sent.add_done_callback(lambda done: self._done(done, partition))
        return sent

    def _done(self, future: asyncio.Future[object], partition: int) -> None:
        self._unacknowledged.discard(future)
        if not future.cancelled() and future.exception() is None:
            self._closed_until.pop(partition, None)


def _failed(sent: asyncio.Future[object]) -> bool:
    return sent.done() and (sent.cancelled() or sent.exception() is not None)


def record(event: SlotRecord, *, id: str, source: str, traceparent: str | None) -> Message:
    """A record of the slot log, stamped with this process's clock for information."""
    return codec.encode(event, id=id, source=source, at=datetime.now(UTC), traceparent=traceparent)


def whole(event: BookingRequested, data: bytes, traceparent: str | None) -> Message:
    """The record of a booking whose data were made whole when it was taken in; its id is the request's."""
    headers = codec.headers(
        id=event.request_id,
        type=event.type,
        source=SOURCE,
        time=codec.rfc3339(datetime.now(UTC)),
        traceparent=traceparent,
    )
    return Message(event.topic.name, event.key().encode(), data, headers)


def again(slot_id: str, id: str, kind: str, data: bytes, traceparent: str | None) -> Message:
    """The record of a command that was kept, as its kind says."""
    headers = codec.headers(
        id=id, type=TYPES[kind], source=SOURCE, time=codec.rfc3339(datetime.now(UTC)), traceparent=traceparent
    )
    return Message(topics.SLOT_LOG.name, slot_id.encode(), data, headers)
