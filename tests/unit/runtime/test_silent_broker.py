"""Clients whose broker answers no more: what aiokafka leaves undone there, found by seeds of the simulator."""

import asyncio
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.errors import RequestTimedOutError
from youai_runtime.kafka import closing_unless_answered


class Connection:
    """A connection on which nothing is answered."""

    def __init__(self) -> None:
        self.closed: list[Any] = []

    def close(self, reason: Any = None) -> None:
        self.closed.append(reason)

    async def send(self, _request: Any, expect_response: bool = True) -> Any:
        raise TimeoutError


async def test_a_connection_without_an_answer_in_time_is_closed() -> None:
    connection = Connection()
    with pytest.raises(TimeoutError):
        await closing_unless_answered(connection, connection.send(None))
    assert connection.closed == [CloseReason.CONNECTION_TIMEOUT]


async def test_a_connection_with_an_answer_stays() -> None:
    async def answer() -> str:
        return "answer"

    connection = Connection()
    assert await closing_unless_answered(connection, answer()) == "answer"
    assert connection.closed == []


async def test_a_request_on_a_connection_that_another_dropped_times_out_too() -> None:
    client = AIOKafkaClient(bootstrap_servers="nobody:1")
    key = (1, ConnectionGroup.DEFAULT)

    class Dropped(Connection):
        async def send(self, _request: Any, expect_response: bool = True) -> Any:
            del client._conns[key]  # somebody else was not answered either, and came first
            raise TimeoutError

    async def ready(*_: Any, **__: Any) -> bool:
        client._conns[key] = Dropped()
        return True

    client.ready = ready
    with pytest.raises(RequestTimedOutError):
        await client.send(1, object())
    await asyncio.sleep(0)
