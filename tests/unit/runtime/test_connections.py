"""Slow, endless and broken connections over a real socket: each is closed in bounded time, and others are served."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from youai_runtime import connections, http
from youai_runtime.connections import MOST_AROUND, Patience
from youai_runtime.http import create_app
from youai_runtime.quick import Call, Told

POST = b"POST /echo HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n"
HASTE = Patience(head_s=0.2, whole_s=0.4, reading_s=0.2)
CALM = Patience()


class Served:
    """An app over a socket: an echo, a call with a short way, one that waits, and one that tells a great deal."""

    def __init__(self) -> None:
        self.app = create_app("test", ready=self._ready)
        self.let_go = asyncio.Event()
        self.told = 0
        self.gone = 0
        self.seen: list[dict[str, str]] = []
        self.port = 0
        self.server: Any = None
        self._routes(self.app)
        self.app.quicken(Call("POST", "/quick", lambda headers, body: (dict(headers), body), self._quick))

    async def _ready(self) -> dict[str, str]:
        return {}

    async def _quick(self, read: Any, _headers: Any) -> Told:
        headers, body = read
        self.seen.append({name.decode(): value.decode() for name, value in headers.items()})
        if body == b"wait":
            await self.let_go.wait()
        return 202, {"short": len(body)}, {}

    def _routes(self, app: FastAPI) -> None:
        @app.post("/echo")
        @app.post("/quick")
        async def echo(request: Request) -> dict[str, Any]:
            self.seen.append(dict(request.headers))
            return {"bytes": len(await request.body())}

        @app.get("/waits")
        async def waits() -> dict[str, Any]:
            await self.let_go.wait()
            return {}

        @app.get("/much")
        async def much() -> StreamingResponse:
            async def pieces() -> AsyncIterator[bytes]:
                try:
                    for _ in range(4_000):
                        self.told += 1
                        yield b"x" * 100_000
                        await asyncio.sleep(0)
                finally:
                    self.gone += 1

            return StreamingResponse(pieces())

    async def send(self, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that has sent `pieces`, each by itself."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return reader, writer

    async def answer(self, *pieces: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one answer; (0, {}) where the connection was closed without any."""
        reader, writer = await self.send(*pieces)
        try:
            return await one_answer(reader)
        finally:
            writer.close()


async def one_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """The next answer on a connection."""
    async with asyncio.timeout(10):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, {}
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        body = await reader.readexactly(int(lines[b"content-length"]))
        return int(head.split()[1]), json.loads(body)


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server has closed the connection, soon."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while await reader.read(65_536):
                pass
    return True


@contextlib.asynccontextmanager
async def served_with(patience: Patience) -> AsyncIterator[Served]:
    served = Served()
    server: Any = http.server(served.app, "127.0.0.1", 0, lifespan="off")
    server._patience = patience
    server.capture_signals = contextlib.nullcontext
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    served.port = server.servers[0].sockets[0].getsockname()[1]
    served.server = server
    try:
        yield served
    finally:
        served.let_go.set()
        server.should_exit = server.force_exit = True
        await task


@pytest_asyncio.fixture(loop_scope="session")
async def hasty() -> AsyncIterator[Served]:
    async with served_with(HASTE) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="session")
async def calm() -> AsyncIterator[Served]:
    async with served_with(CALM) as served:
        yield served


SLOW = {
    "a head that ends nowhere": (POST, 408),
    "half a line": (b"POST /ec", 408),
    "a body that does not come": (POST + b"content-length: 5\r\n\r\n", 408),
    "half a body": (POST + b"content-length: 5\r\n\r\nab", 408),
    "half a body of pieces": (CHUNKED + b"\r\n3\r\nabc\r\n", 408),
    "the short way's half a body": (b"POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab", 408),
    "a body with an end that does not come": (CHUNKED + b"\r\n3\r\nabc\r\n0\r\nx: y\r\n", 408),
    "nothing at all": (b"", 0),
    "ends of line": (b"\r\n\r\n", 0),
}


async def test_who_sends_too_slowly_is_told_and_closed(hasty: Served) -> None:
    async def one(sent: bytes) -> tuple[int, bool, str]:
        reader, writer = await hasty.send(sent)
        status, problem = await one_answer(reader)
        gone = await closed(reader)
        writer.close()
        return status, gone, problem.get("title", "")

    told = await asyncio.gather(*(one(sent) for sent, _ in SLOW.values()))
    wanted = [(status, True, "too-slow" if status else "") for _, status in SLOW.values()]
    assert dict(zip(SLOW, told, strict=True)) == dict(zip(SLOW, wanted, strict=True))
    assert hasty.seen == []


async def test_a_head_has_less_time_than_a_body() -> None:
    async with served_with(Patience(head_s=0.2, whole_s=60.0, reading_s=60.0)) as served:
        body, writer = await served.send(POST + b"content-length: 5\r\n\r\nab")
        assert (await served.answer(POST))[0] == 408
        writer.write(b"cde")
        assert await one_answer(body) == (200, {"bytes": 5})
        writer.close()


async def test_who_only_ends_lines_after_an_answer_is_closed(hasty: Served) -> None:
    reader, writer = await hasty.send(POST + b"content-length: 1\r\n\r\na")
    assert await one_answer(reader) == (200, {"bytes": 1})
    writer.write(b"\r\n")
    assert await closed(reader)
    writer.close()


async def test_who_does_not_read_is_cut_off_and_little_is_kept_for_it(hasty: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", hasty.port, limit=1_000)
    writer.write(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(10):
        while not hasty.gone:
            await asyncio.sleep(0.02)
    assert hasty.told < 400  # what the sockets of both sides hold, and no more
    writer.close()


async def test_slow_bodies_hold_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_IN_FLIGHT", 2)
    async with served_with(CALM) as served:
        slow = [await served.send(POST + b"content-length: 9\r\n\r\nab") for _ in range(5)]
        assert await served.answer(POST + b"content-length: 1\r\n\r\na") == (200, {"bytes": 1})
        for _, writer in slow:
            writer.close()


async def test_bodies_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http._BodyLimit, "MOST_HELD", 100_000)
    async with served_with(CALM) as served:
        slow = [await served.send(POST + b"content-length: 60000\r\n\r\n" + b"x" * 40_000) for _ in range(2)]
        async with asyncio.timeout(10):
            while (await served.answer(POST + b"content-length: 30000\r\n\r\n" + b"x" * 30_000))[0] != 503:
                await asyncio.sleep(0.01)
        for _, writer in slow:
            writer.close()
        async with asyncio.timeout(10):
            while (await served.answer(POST + b"content-length: 30000\r\n\r\n" + b"x" * 30_000))[0] != 200:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "endless",
    [
        b"x-%d: " + b"y" * 100 + b"\r\n",
        b"y" * 100,
    ],
    ids=["lines", "one line"],
)
async def test_a_head_without_an_end(endless: bytes, calm: Served) -> None:
    reader, writer = await calm.send(POST + b"x: ")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing() and sent < 40 * MOST_AROUND:
            writer.write(endless * 20)
            sent += len(endless) * 20
            await writer.drain()
            await asyncio.sleep(0)
    assert await closed(reader)
    assert calm.seen == []
    writer.close()


async def test_what_follows_a_body_is_no_header_and_has_an_end(calm: Served) -> None:
    for path in (b"/echo", b"/quick"):
        head = b"POST " + path + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        status, _ = await calm.answer(head + b"1\r\na\r\n0\r\nauthorization: Bearer evil\r\nx-late: 1\r\n\r\n")
        assert status in (200, 202)
    assert not any({"authorization", "x-late"} & set(seen) for seen in calm.seen), calm.seen
    reader, writer = await calm.send(CHUNKED + b"\r\n1\r\na\r\n0\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            writer.write(b"x: " + b"y" * 10_000 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
    assert await closed(reader)
    writer.close()


async def test_many_small_pieces_are_taken(calm: Served) -> None:
    pieces = b"1\r\nx\r\n" * 64_000
    parts = [pieces[at : at + 30_000] for at in range(0, len(pieces), 30_000)]
    assert await calm.answer(CHUNKED + b"\r\n", *parts, b"0\r\n\r\n") == (200, {"bytes": 64_000})


NO_HTTP = {
    "noise": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "both lengths": CHUNKED + b"content-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "a length below nothing": POST + b"content-length: -1\r\n\r\n",
    "a line without a name": POST + b": x\r\n\r\n",
    "a blank before the colon": POST + b"content-length : 1\r\n\r\na",
    "a folded line": POST + b"x: a\r\n b\r\ncontent-length\n: 1\r\n\r\na",
    "NUL": POST + b"x: a\x00b\r\n\r\n",
    "a connection elsewhere": b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    "a path that is no text": b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", NO_HTTP)
async def test_what_is_no_http_is_a_400_and_ends_the_connection(name: str, calm: Served) -> None:
    reader, writer = await calm.send(NO_HTTP[name])
    status, problem = await one_answer(reader)
    assert (status, problem.get("title")) in ((400, "malformed"), (400, "refused"), (404, "not-found")), problem
    assert status == 404 or await closed(reader)
    writer.close()


async def test_noise_after_a_request_is_not_answered_in_its_place(calm: Served) -> None:
    """An answer that is written while another is owed would be taken for that one."""
    reader, writer = await calm.send(b"GET /waits HTTP/1.1\r\nhost: x\r\n\r\n")
    writer.write(b"\x00\x01 noise\r\n\r\n")
    assert await one_answer(reader) == (0, {})
    writer.close()


async def test_requests_in_one_go_are_answered_in_order_each_with_its_own(calm: Served) -> None:
    def one(number: int, path: bytes) -> bytes:
        head = b"POST %b HTTP/1.1\r\nhost: x\r\nx-request-id: r%d\r\ncontent-length: %d\r\n\r\n"
        return head % (path, number, number) + b"x" * number

    paths = [b"/quick", b"/echo", b"/quick", b"/%71uick", b"/quick?x=1", b"/echo"]
    sent = b"".join(one(number, path) for number, path in enumerate(paths, 1))
    for size in (1, 7, len(sent)):
        reader, writer = await calm.send(*(sent[at : at + size] for at in range(0, len(sent), size)))
        told = [await one_answer(reader) for _ in paths]
        names = ["bytes" if path == b"/echo" else "short" for path in paths]
        assert told == [(200 if n == "bytes" else 202, {n: number}) for number, n in enumerate(names, 1)]
        writer.close()


async def test_a_body_split_anywhere_is_the_same(calm: Served) -> None:
    sent = b"POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabcdef"
    for at in range(1, len(sent)):
        assert await calm.answer(sent[:at], sent[at:]) == (202, {"short": 6}), at


async def test_who_goes_while_it_waits_leaves_its_place(calm: Served) -> None:
    waiting = [await calm.send(b"POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nwait") for _ in range(200)]
    async with asyncio.timeout(10):
        while calm.app.room._in_flight < 200:
            await asyncio.sleep(0.01)
    for _, writer in waiting:
        writer.transport.abort()
    calm.let_go.set()
    async with asyncio.timeout(10):
        while calm.app.room._in_flight or calm.server.server_state.connections:
            await asyncio.sleep(0.01)
    assert await calm.answer(POST + b"content-length: 1\r\n\r\na") == (200, {"bytes": 1})


async def test_more_connections_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    async with served_with(CALM) as served:
        kept = [await served.send(b"POST /") for _ in range(3)]
        async with asyncio.timeout(10):
            while len(served.server.server_state.connections) < 3:
                await asyncio.sleep(0.01)
        status, problem = await served.answer()
        assert (status, problem["title"]) == (503, "unavailable")
        for _, writer in kept:
            writer.close()
        async with asyncio.timeout(10):
            while served.server.server_state.connections:
                await asyncio.sleep(0.01)
        assert await served.answer(POST + b"content-length: 1\r\n\r\na") == (200, {"bytes": 1})


async def test_other_protocols_are_not_switched_to(calm: Served) -> None:
    upgrade = b"GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: %b\r\n\r\n"
    for name in (b"websocket", b"h2c"):
        status, problem = await calm.answer(upgrade % name)
        assert (status, problem["title"]) == (404, "not-found")
