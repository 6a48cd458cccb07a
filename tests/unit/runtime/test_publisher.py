"""The publisher: of a partition nothing goes out before everything earlier is acknowledged."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from youai_runtime.kafka import Outgoing, Publisher, start


class Batch:
    def __init__(self, room: int) -> None:
        self.values: list[bytes] = []
        self.room = room
        self.closed = False

    def append(self, *, key: bytes, value: bytes, timestamp: int | None, headers: list[tuple[str, bytes]]) -> Any:
        assert timestamp is None, "the broker stamps"
        if len(self.values) == self.room:
            return None
        self.values.append(value)
        return object()

    def close(self) -> None:
        self.closed = True


class Producer:
    """Takes batches of two. `fails` names values whose batch is not acknowledged."""

    def __init__(self, *fails: bytes) -> None:
        self.sent: list[tuple[int, list[bytes]]] = []
        self.in_flight: dict[int, int] = {}
        self.fails = fails

    def create_batch(self) -> Batch:
        return Batch(2)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":
        assert batch.closed
        assert self.in_flight.get(partition, 0) == 0, "a batch overtakes another"
        self.in_flight[partition] = 1
        self.sent.append((partition, batch.values))
        future = asyncio.get_running_loop().create_future()

        def acknowledge() -> None:
            self.in_flight[partition] = 0
            if set(batch.values) & set(self.fails):
                future.set_exception(KafkaConnectionError())
            else:
                future.set_result(None)

        asyncio.get_running_loop().call_soon(acknowledge)
        return future


def out(partition: int, *values: bytes) -> list[Outgoing]:
    return [Outgoing("t", partition, b"k", value, ()) for value in values]


async def test_publishes_each_partition_in_order_one_batch_at_a_time() -> None:
    producer = Producer()
    await Publisher(producer).publish([*out(0, b"1", b"2", b"3"), *out(1, b"a"), *out(0, b"4", b"5")])
    assert [values for partition, values in producer.sent if partition == 0] == [[b"1", b"2"], [b"3", b"4"], [b"5"]]
    assert [values for partition, values in producer.sent if partition == 1] == [[b"a"]]


async def test_after_a_failure_nothing_later_of_that_partition_goes_out() -> None:
    producer = Producer(b"2")
    with pytest.raises(KafkaConnectionError):
        await Publisher(producer).publish([*out(0, b"1", b"2", b"3"), *out(1, b"a", b"b", b"c")])
    assert [values for partition, values in producer.sent if partition == 0] == [[b"1", b"2"]]
    assert [values for partition, values in producer.sent if partition == 1] == [[b"a", b"b"], [b"c"]]


async def test_nothing_to_publish_sends_nothing() -> None:
    producer = Producer()
    await Publisher(producer).publish([])
    assert producer.sent == []


async def test_a_client_starts_once_the_broker_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def soon(seconds: float) -> None:
        waits.append(seconds)

    class Client:
        left = 6

        async def start(self) -> None:
            self.left -= 1
            if self.left:
                raise KafkaConnectionError

    monkeypatch.setattr("youai_runtime.kafka.asyncio.sleep", soon)
    await start(Client())
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6]
