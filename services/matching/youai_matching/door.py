"""The door's way into the slot log: appends with bounded waits, and knows when not to try."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
        self._unacknowledged = 0  # records
        # By the record's id, oldest first. In a plain dict the first is looked for behind all that were taken away.
        self._latest: OrderedDict[bytes, tuple[float, asyncio.Future[object]]] = OrderedDict()

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
        if not self._started or self._unacknowledged >= MOST_UNACKNOWLEDGED:
            return False
        if partition not in self._closed_until:
            return True
        now = time.monotonic()
        if now < self._closed_until[partition]:
            return False
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
        now = time.monotonic()
        self._forget(now - REMEMBERS_S)
        ids = [_id(message) for message in messages]
        sent = {id_: latest[1] for id_ in ids if (latest := self._latest.get(id_)) and not _failed(latest[1])}
        trouble: Exception | None = None
        until = asyncio.get_running_loop().time() + WAIT_S
        try:
            async with asyncio.timeout_at(until):
                fresh = {id_: message for id_, message in zip(ids, messages, strict=True) if id_ not in sent}
                for some, batch in self._batches(fresh):
                    future = await self._send(batch, messages[0].topic, partition, len(some))
                    for id_ in some:
                        self._latest.pop(id_, None)  # what failed stood further ahead
                        self._latest[id_] = (now, future)
                    sent |= dict.fromkeys(some, future)
                await asyncio.wait(set(sent.values()))
        except (KafkaError, OSError) as error:
            trouble = error
        there = {id_ for id_, one in sent.items() if one.done() and not _failed(one)}
        acknowledged = [id_ in there for id_ in ids]
        if len(there) < len(set(ids)):
            self._closed_until[partition] = time.monotonic() + _PAUSE_S
            told = trouble or next(
                (one.exception() for one in sent.values() if one.done() and not one.cancelled() and _failed(one)), None
            )
            log.warning("append-unknown", partition=partition, records=acknowledged.count(False), error=repr(told))
        return acknowledged

    def _forget(self, before: float) -> None:
        while self._latest and next(iter(self._latest.values()))[0] < before:
            self._latest.popitem(last=False)

    def _batches(self, messages: Mapping[bytes, Message]) -> Iterator[tuple[list[bytes], Any]]:
        """Batches as they go out, each with its records' ids: a batch costs the client little more than a record."""
        batch, ids = self._producer.create_batch(), list[bytes]()
        for id_, message in messages.items():
            if not _add(batch, message):
                yield ids, batch
                batch, ids = self._producer.create_batch(), []
                _add(batch, message)
            ids.append(id_)
        if ids:
            yield ids, batch

    async def _send(self, batch: Any, topic: str, partition: int, records: int) -> asyncio.Future[object]:
        batch.close()
        sent: asyncio.Future[object] = await self._producer.send_batch(batch, topic, partition=partition)
        self._unacknowledged += records
        sent.add_done_callback(lambda done: self._done(done, partition, records))
        return sent

    def _done(self, future: asyncio.Future[object], partition: int, records: int) -> None:
        self._unacknowledged -= records
        if not _failed(future):
            self._closed_until.pop(partition, None)


def _id(message: Message) -> bytes:
    for name, value in message.headers:
        if name == "ce_id":
            return value
    raise AssertionError("a record without an id")


def _add(batch: Any, message: Message) -> bool:
    """Whether there was room for it; in an empty batch there is for any."""
    added = batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers))
    return added is not None


def _failed(sent: asyncio.Future[object]) -> bool:
    return sent.done() and (sent.cancelled() or sent.exception() is not None)


def record(event: SlotRecord, *, id: str, source: str, traceparent: str | None) -> Message:
    """A record of the slot log, stamped with this process's clock for information."""
    return codec.encode(event, id=id, source=source, at=datetime.now(UTC), traceparent=traceparent)


class Wholes:
    """Makes records of bookings whose data were made whole when they were taken in; all are of the moment at hand."""

    def __init__(self) -> None:
        made = codec.headers(
            id="", type=BookingRequested.type, source=SOURCE, time=codec.rfc3339(datetime.now(UTC)), traceparent=None
        )
        place = next(place for place, (name, _) in enumerate(made) if name == "ce_id")
        self._before, self._after = made[:place], made[place + 1 :]

    def __call__(self, event: BookingRequested, data: bytes, traceparent: str | None) -> Message:
        """The record of a booking; its id is the request's."""
        headers = (*self._before, ("ce_id", event.request_id.encode()), *self._after)
        if traceparent is not None:
            headers = (*headers, ("traceparent", traceparent.encode()))
        return Message(topics.SLOT_LOG.name, event.slot_id.encode(), data, headers)


def again(slot_id: str, id: str, kind: str, data: bytes, traceparent: str | None) -> Message:
    """The record of a command that was kept, as its kind says."""
    headers = codec.headers(
        id=id, type=TYPES[kind], source=SOURCE, time=codec.rfc3339(datetime.now(UTC)), traceparent=traceparent
    )
    return Message(topics.SLOT_LOG.name, slot_id.encode(), data, headers)
