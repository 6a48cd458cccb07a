"""Kafka: how this suite makes its producers, names partitions, and publishes in order."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError, RequestTimedOutError
from aiokafka.partitioner import murmur2
from aiokafka.producer.transaction_manager import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, PidAndEpoch

DELIVERY_TIMEOUT_S = 5.0
"""A produce that is not acknowledged within this time is reported as failed (it may still arrive)."""

Headers = Sequence[tuple[str, bytes]]


async def closing_unless_answered(connection: Any, answer: Any) -> Any:
    """A request's answer; a connection that gives none in time is closed, and the next request opens another.

    aiokafka goes on asking for metadata and offsets where nothing comes back any more, until the kernel gives up a
    quarter of an hour later.
    """
    try:
        return await answer
    except TimeoutError:
        connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
        raise


def _mind_closed_transports(send: Any) -> Any:
    """aiokafka expects OSError from a connection that was cut; uvloop raises RuntimeError in that moment.

    Unminded it ends the client's metadata task, and a lane or a producer that never finds its broker again.
    """

    def minding(self: Any, request: Any, expect_response: bool = True) -> Any:
        try:
            answer = send(self, request, expect_response)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error
        return closing_unless_answered(self, answer) if expect_response else answer

    return minding


def _mind_dropped_connections(send: Any) -> Any:
    """Where two requests on one connection are not answered in time, aiokafka lets the second fail with KeyError.

    The first closes the connection and it is dropped from the client's list, where the second looks for it. Unminded it
    ends a consumer's fetching for good, without a word to whoever reads from it.
    """

    async def minding(self: Any, node_id: Any, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:
        return await timing_out_where_dropped(send(self, node_id, request, group=group))

    return minding


async def timing_out_where_dropped(answer: Any) -> Any:
    """A request's answer; of one whose connection another request had dropped: that it timed out."""
    try:
        return await answer
    except KeyError as error:
        raise RequestTimedOutError from error


AIOKafkaConnection.send = _mind_closed_transports(AIOKafkaConnection.send)
AIOKafkaClient.send = _mind_dropped_connections(AIOKafkaClient.send)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of `key`, as Kafka's default partitioner in every client counts it."""
    number: int = murmur2(key) & 0x7FFFFFFF
    return number % partitions


@dataclass(frozen=True)
class Broker:
    """Where the brokers are (host:port, by commas) and how they are to be talked to, by every client of this suite."""

    bootstrap: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def is_encrypted(self) -> bool:
        """True where clients speak TLS."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def is_authenticated(self) -> bool:
        """True where clients say who they are."""
        return self.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def tls(self) -> ssl.SSLContext | None:
        """What TLS trusts: the CA file, or, without one, what the machine trusts; None without TLS."""
        return ssl.create_default_context(cafile=self.ca_file) if self.is_encrypted else None

    def options(self) -> dict[str, Any]:
        """The arguments that make an aiokafka client connect."""
        found: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.security_protocol}
        if self.is_encrypted:
            found["ssl_context"] = self.tls()
        if self.is_authenticated:
            found |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return found


class Producer(AIOKafkaProducer):  # type: ignore[misc]
    """A producer that begins anew, under another producer id, after a batch of it has failed.

    aiokafka numbers a batch, then may give it up (its partition had no leader for too long, or the broker refused it),
    and sends the next with a gap in the numbers. The broker refuses that one and all that follow in this partition
    (OutOfOrderSequenceNumber), for as long as the producer lives.
    """

    async def send(self, *args: Any, **kwargs: Any) -> "asyncio.Future[Any]":
        """As aiokafka's."""
        return self._minded(await super().send(*args, **kwargs))

    async def send_batch(self, *args: Any, **kwargs: Any) -> "asyncio.Future[Any]":
        """As aiokafka's."""
        return self._minded(await super().send_batch(*args, **kwargs))

    def _minded(self, sent: "asyncio.Future[Any]") -> "asyncio.Future[Any]":
        sent.add_done_callback(self._begin_anew)
        return sent

    def _begin_anew(self, sent: "asyncio.Future[Any]") -> None:
        numbers = self._txn_manager
        if sent.cancelled() or sent.exception() is None or not numbers.has_pid():
            return
        # Batches that were numbered already keep their numbers; the sender asks for an id before it numbers the next.
        numbers._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)
        numbers._pid_waiter = asyncio.get_running_loop().create_future()
        numbers._sequence_numbers.clear()


def make_producer(broker: Broker, client_id: str, *, linger_ms: int = 0) -> Producer:
    """An idempotent producer, every append acknowledged by all in-sync replicas, every wait bounded."""
    return Producer(
        **broker.options(),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        linger_ms=linger_ms,
        max_batch_size=256 * 1024,
        request_timeout_ms=int(DELIVERY_TIMEOUT_S * 1000),
        retry_backoff_ms=50,
        metadata_max_age_ms=30_000,
    )


async def start(client: Any) -> None:
    """Start a consumer or a producer, asking again while the broker is away."""
    delay = 0.1
    while True:
        try:
            await client.start()
            return
        except KafkaError:
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A record to be published to a given partition."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Publisher:
    """Publishes in order: of a partition nothing goes out before everything earlier is acknowledged.

    aiokafka, idempotent too, drops a batch whose partition has no leader and sends later ones; readers drop what lies
    at or below their high-water mark, so a later record must never overtake an earlier one. Hence one batch at a time
    a partition, each awaited. Partitions go side by side.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, records: Iterable[Outgoing]) -> None:
        """Publish and await every ack. Raises KafkaError: of the failed partition nothing later was sent."""
        lines: dict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        for record in records:
            lines[record.topic, record.partition].append(record)
        results = await asyncio.gather(
            *(self._publish_line(topic, partition, line) for (topic, partition), line in lines.items()),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _publish_line(self, topic: str, partition: int, line: list[Outgoing]) -> None:
        batch = self._producer.create_batch()
        for record in line:
            if not self._append(batch, record):
                await self._send(batch, topic, partition)
                batch = self._producer.create_batch()
                self._append(batch, record)
        await self._send(batch, topic, partition)

    @staticmethod
    def _append(batch: Any, record: Outgoing) -> bool:
        appended = batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
        return appended is not None

    async def _send(self, batch: Any, topic: str, partition: int) -> None:
        batch.close()
        # Twice the delivery timeout: the producer's own comes first, and this only bounds a producer that is stuck.
        async with asyncio.timeout(DELIVERY_TIMEOUT_S * 2):
            acknowledged = await self._producer.send_batch(batch, topic, partition=partition)
            await acknowledged
