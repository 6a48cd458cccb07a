"""The lean client: connections are used again, and an answer that is not whole is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from youai_stack.demo import wire
from youai_stack.demo.calls import Patient
from youai_stack.demo.wire import Address, Wire

CALL = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Served:
    """A server that answers each head as it is told; counts its connections."""

    def __init__(self, *answers: bytes) -> None:
        self.connections = 0
        self.calls: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self._answers = list(answers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Address]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
                self.calls.append(head + await reader.readexactly(int(body or 0)))
                answer = self._answers.pop(0)
                if answer == b"silence":
                    continue
                half = len(answer) // 2
                for piece in (answer[:half], answer[half:]):
                    writer.write(piece)
                    await writer.drain()
                if b"close" in answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def answer(body: bytes, *, status: int = 200, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nRetry-After: 7\r\n%sContent-Length: %d\r\n\r\n%s" % (status, more, len(body), body)


async def test_a_connection_serves_one_call_after_the_other() -> None:
    served = Served(answer(b"one"), answer(b"two", status=503), answer(b""))
    async with served.running() as address:
        client = Wire()
        answers = [await client.ask(address, CALL) for _ in range(3)]
        client.close()
    assert [(a.status, a.body, a.headers[b"retry-after"]) for a in answers] == [
        (200, b"one", b"7"),
        (503, b"two", b"7"),
        (200, b"", b"7"),
    ]
    assert served.connections == 1


async def test_calls_at_the_same_time_have_connections_of_their_own() -> None:
    served = Served(*[answer(b"x")] * 6)
    async with served.running() as address:
        client = Wire()
        for _ in range(2):
            await asyncio.gather(*(client.ask(address, CALL) for _ in range(3)))
        client.close()
    assert served.connections == 3


async def test_beyond_the_most_connections_one_waits_for_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_CONNECTIONS", 2)
    served = Served(*[answer(b"x")] * 20)
    async with served.running() as address:
        client = Wire()
        asked = [asyncio.create_task(client.ask(address, CALL)) for _ in range(12)]
        await asyncio.sleep(0)
        for gone in (asked[0], asked[5], asked[11]):
            gone.cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(one, wire.Answer) for one in answers) == 9
        assert client._busy == 0
        client.close()


async def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    served = Served(answer(b"x", more=b"Connection: close\r\n"), answer(b"y"))
    async with served.running() as address:
        client = Wire()
        assert [(await client.ask(address, CALL)).body for _ in range(2)] == [b"x", b"y"]
        client.close()
    assert served.connections == 2


async def test_a_connection_that_was_closed_while_idle_is_not_used_again() -> None:
    served = Served(answer(b"x"), answer(b"y"))
    async with served.running() as address:
        client = Wire()
        assert (await client.ask(address, CALL)).body == b"x"
        served.writers[0].close()
        while client._idle[address][0].is_open:
            await asyncio.sleep(0)
        assert (await client.ask(address, CALL)).body == b"y"
        client.close()
    assert served.connections == 2


@pytest.mark.parametrize(
    "broken",
    [b"no HTTP at all, close", answer(b"x" * 9, more=b"Connection: close\r\n")[:-3], b"HTTP/1.1 200 close"],
)
async def test_an_answer_that_is_not_whole_is_none(broken: bytes) -> None:
    served = Served(broken, answer(b"y"))
    async with served.running() as address:
        client = Wire()
        with pytest.raises(ConnectionError):
            await client.ask(address, CALL)
        assert (await client.ask(address, CALL)).body == b"y"
        client.close()


async def test_silence_ends_and_so_does_a_call_that_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(b"silence", b"silence", answer(b"y"))
    async with served.running() as address:
        client = Wire()
        given_up = asyncio.create_task(client.ask(address, CALL))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        monkeypatch.setattr(wire, "ANSWER_S", 0.01)
        with pytest.raises(TimeoutError):
            await client.ask(address, CALL)
        monkeypatch.undo()
        served._answers = [answer(b"y")]
        assert (await client.ask(address, CALL)).body == b"y"
        client.close()


async def test_a_patient_call_asks_again_and_says_all_that_it_is_told_to() -> None:
    served = Served(answer(b'{"a": 1}', status=503), answer(b'{"a": 2}').replace(b"Retry-After: 7\r\n", b""))
    served._answers[0] = served._answers[0].replace(b"Retry-After: 7", b"Retry-After: 0")
    async with served.running() as (host, port):
        calls = Patient({"it": f"http://{host}:{port}"}, lambda organization, role: f"{organization}.{role}")
        told = await calls.ask("it", "POST", "/v1/x y", ("o", "r"), key="k", body={"b": "字"}, params={"q": "字 &"})
        calls.close()
    assert told == (200, {"a": 2})
    assert calls.attempts.by_status == {503: 1, 200: 1}
    assert served.calls[0] == served.calls[1]
    head, _, body = served.calls[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/x%20y?q=%E5%AD%97+%26 HTTP/1.1"
    assert {"Authorization: Bearer o.r", "Idempotency-Key: k", "Content-Type: application/json"} <= set(lines)
    assert body == '{"b":"字"}'.encode()


async def test_nobody_there_is_a_status_of_its_own() -> None:
    async with Served().running() as address:
        pass
    calls = Patient({"it": f"http://{address[0]}:{address[1]}"}, lambda *_: "")
    assert (await calls._once(address, CALL)) == (0, None, {})
