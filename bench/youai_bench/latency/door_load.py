"""Clients of the door in one process: `python -m youai_bench.latency.door_load`, told by BENCH_* variables.

Each of its connections has one call on its way. Calls are made before the go; of an answer the status is looked at, and
the answers of a batch's items.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop

from youai_bench.gate import wait_for_go

PLAN = "BENCH_PLAN"
_TAKEN = b"HTTP/1.1 202 "
_ALL_TAKEN = b"HTTP/1.1 200 "
_AGAIN = (b'"status":503', b'"status":504')
"""What is to be asked again under the same key; it happens on a machine that is too busy, and costs what it costs."""
_MOST_TRIES = 5


class Plan(msgspec.Struct, frozen=True):
    """What to ask: `bookings` of as many venues, `a_call` of them in one call, one place each, over these slots."""

    port: int
    token: str
    venues: tuple[int, int]
    slots: tuple[str, ...]
    a_call: int
    connections: int
    file: str


def venue(number: int) -> str:
    """A venue's id."""
    return f"venue-{number:07d}"


def calls(plan: Plan) -> Iterator[bytes]:
    """The calls as they go over the wire."""
    single = plan.a_call == 1
    path = "/v1/bookings" if single else "/v1/bookings:batch"
    first, last = plan.venues
    for start in range(first, last, plan.a_call):
        items = [
            {"slot_id": plan.slots[number % len(plan.slots)], "party_size": 1, "venue_id": venue(number)}
            for number in range(start, min(last, start + plan.a_call))
        ]
        if single:
            body, key = msgspec.json.encode(items[0]), f"Idempotency-Key: key-{start}\r\n"
        else:
            keyed = [item | {"idempotency_key": f"key-{start + place}"} for place, item in enumerate(items)]
            body, key = msgspec.json.encode({"items": keyed}), ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\nAuthorization: Bearer {plan.token}\r\n"
            f"Content-Type: application/json\r\n{key}Content-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


class Client(asyncio.Protocol):
    """A connection that is kept open; calls one after the other."""

    def __init__(self, waiting: Iterator[bytes], taken: bytes) -> None:
        self._waiting = waiting
        self._taken = taken
        self._answer = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def itself(self) -> "Client":
        """What a connection asks for as its protocol."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def go(self) -> None:
        """Ask the next, if there is one."""
        self._call = next(self._waiting, b"")
        self._tries = 0
        if self._call:
            self._ask()
        else:
            self.done.set_result(None)

    def _ask(self) -> None:
        self._tries += 1
        self._transport.write(self._call)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        answer, self._answer = self._answer, b""
        refused = not answer.startswith(self._taken) or (
            self._taken == _ALL_TAKEN and body.count(b'"status":202') != body.count(b'"idempotency_key"')
        )
        if refused and self._tries < _MOST_TRIES and any(again in answer for again in _AGAIN):
            self._ask()
        elif refused:
            self.done.set_exception(RuntimeError(answer.decode(errors="replace")[:2_000]))
        else:
            self.go()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the door closed the connection"))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RuntimeError("an answer tells no length")


async def run(plan: Plan) -> float:
    """Ask everything after the go; the seconds until the last answer. Raises RuntimeError where a call is refused."""
    waiting = iter(list(calls(plan)))
    taken = _TAKEN if plan.a_call == 1 else _ALL_TAKEN
    clients = [Client(waiting, taken) for _ in range(plan.connections)]
    for client in clients:
        await asyncio.get_running_loop().create_connection(client.itself, "127.0.0.1", plan.port)
    await wait_for_go()
    begun = time.perf_counter()
    for client in clients:
        client.go()
    await asyncio.gather(*(client.done for client in clients))
    return time.perf_counter() - begun


def main() -> None:
    """Run the plan and write the seconds."""
    plan = msgspec.json.decode(os.environ[PLAN], type=Plan)
    Path(plan.file).write_text(str(uvloop.run(run(plan))), encoding="ascii")


if __name__ == "__main__":
    main()
