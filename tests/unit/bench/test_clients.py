"""The bench's own clients read answers however the wire cuts them, and take none for another."""

import asyncio
from typing import Any

import pytest
from youai_bench.latency.door_load import Client, Plan, calls
from youai_bench.systems.redis_lua.client import Line, command


class Wire(asyncio.Transport):
    """What was written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))


def test_a_command_is_an_array_of_bulk_strings() -> None:
    assert command(b"SET", b"k", b"") == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
async def test_answers_of_a_pipeline_are_read_in_any_pieces(size: int) -> None:
    answers: list[bytes] = []
    line, wire = Line([(b"first", 2), (b"second", 1)], answers), Wire()
    line.connection_made(wire)
    line.go()
    for said in (b"$9\r\nconfirmed\r\n$8\r\nrejected\r\n", b"$10\r\nwaitlisted\r\n"):
        for start in range(0, len(said), size):
            line.data_received(said[start : start + size])
    assert wire.sent == [b"first", b"second"]
    assert answers == [b"confirmed", b"rejected", b"waitlisted"]
    assert line.done.done()
    assert line.done.exception() is None


async def test_an_error_among_the_answers_ends_the_line() -> None:
    line = Line([(b"first", 2)], [])
    line.connection_made(Wire())
    line.go()
    line.data_received(b"$9\r\nconfirmed\r\n-ERR no such script\r\n")
    assert "no such script" in str(line.done.exception())


PLAN = Plan(80, "token", (0, 3), ("slot-1", "slot-2"), 2, 1, "file")


def test_calls_carry_all_bookings_once() -> None:
    batches = list(calls(PLAN))
    assert [batch.count(b'"idempotency_key"') for batch in batches] == [2, 1]
    assert all(batch.startswith(b"POST /v1/bookings:batch HTTP/1.1\r\n") for batch in batches)


def answer(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def test_a_client_asks_again_where_it_may_and_goes_on_after_the_answer() -> None:
    client, wire = Client(iter([b"one", b"two"]), b"HTTP/1.1 202 "), Wire()
    client.connection_made(wire)
    client.go()
    client.data_received(answer("504 Gateway Timeout", b'{"status":504}'))
    whole = answer("202 Accepted", b'{"request_id":"r"}')
    client.data_received(whole[:20])
    client.data_received(whole[20:])
    client.data_received(whole)
    assert wire.sent == [b"one", b"one", b"two"]
    assert client.done.done()
    assert client.done.exception() is None


async def test_a_refusal_ends_the_client() -> None:
    client = Client(iter([b"one"]), b"HTTP/1.1 202 ")
    client.connection_made(Wire())
    client.go()
    client.data_received(answer("404 Not Found", b'{"status":404}'))
    assert "404" in str(client.done.exception())


async def test_an_item_of_a_batch_that_was_not_taken_ends_the_client() -> None:
    client = Client(iter([b"one"]), b"HTTP/1.1 200 ")
    client.connection_made(Wire())
    client.go()
    said = b'{"results":[{"idempotency_key":"a","status":202},{"idempotency_key":"b","status":409}]}'
    client.data_received(answer("200 OK", said))
    assert "409" in str(client.done.exception())
