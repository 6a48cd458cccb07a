"""The app that every service starts from: its limits, ids, metrics and health."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from prometheus_client import REGISTRY
from youai_runtime import http
from youai_runtime.http import create_app
from youai_runtime.observed import current_traceparent
from youai_runtime.problems import Problem
from youai_runtime.quick import MOST_BODY, Call, Told

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LARGE = 100_000


class Served:
    """An app with an echo, its readiness, and a call that waits until it is let go."""

    def __init__(self) -> None:
        self.waiting: dict[str, str] = {}
        self.calls = 0
        self.entered = asyncio.Event()
        self.let_go = asyncio.Event()
        self.app = create_app("test", ready=self._ready, large_bodies={"/large": LARGE})
        self._routes(self.app)

    async def _ready(self) -> dict[str, str]:
        return self.waiting

    def _routes(self, app: FastAPI) -> None:
        @app.post("/echo")
        @app.post("/large")
        async def echo(request: Request) -> dict[str, Any]:
            self.calls += 1
            return {"bytes": len(await request.body())}

        @app.get("/things/{thing}")
        async def things(thing: str) -> dict[str, Any]:
            return {"thing": thing, "traceparent": current_traceparent()}

        @app.get("/waits")
        async def waits() -> dict[str, Any]:
            self.entered.set()
            await self.let_go.wait()
            return {}

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test")


async def pieces(size: int) -> AsyncIterator[bytes]:
    """A body without an announced length."""
    for start in range(0, size, 10_000):
        yield b"x" * min(10_000, size - start)


def body(size: int, announced: bool) -> bytes | AsyncIterator[bytes]:
    return b"x" * size if announced else pieces(size)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("path", "limit"), [("/echo", MOST_BODY), ("/large", LARGE)])
async def test_413_past_the_limit_and_not_at_it(path: str, limit: int, announced: bool) -> None:
    served = Served()
    async with served.client() as client:
        fits = await client.post(path, content=body(limit, announced))
        too_large = await client.post(path, content=body(limit + 1, announced), headers={"accept-language": "en"})
    assert (fits.status_code, fits.json()) == (200, {"bytes": limit})
    assert (too_large.status_code, served.calls) == (413, 1)
    assert too_large.headers["content-type"] == "application/problem+json"
    assert too_large.headers["x-request-id"]
    assert too_large.json()["detail"] == f"The body is larger than the {limit} bytes that this call takes."


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "", "9" * 30, "१"])
async def test_a_length_that_is_none_or_too_long_is_refused(length: str) -> None:
    served = Served()
    async with served.client() as client:
        answer = await client.post("/echo", content=b"x", headers={b"content-length": length.encode()})
    assert (answer.status_code, served.calls) == (413, 0)


async def test_a_client_that_goes_away_while_it_sends_calls_nothing() -> None:
    served, sent = Served(), list[Any]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b"", "app": served.app}
    await served.app(scope, receive, send)
    assert (served.calls, sent) == (0, [])


async def test_503_at_once_when_full_but_health_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_IN_FLIGHT", 1)
    served = Served()
    async with served.client() as client:
        first = asyncio.create_task(client.get("/waits"))
        await served.entered.wait()
        full = await client.get("/things/1")
        health = [await client.get(path) for path in ("/livez", "/readyz", "/metrics")]
        served.let_go.set()
        assert (await first).status_code == 200
        assert (await client.get("/things/1")).status_code == 200
    assert (full.status_code, full.headers["retry-after"], full.json()["title"]) == (503, "1", "unavailable")
    assert full.headers["x-request-id"]
    assert [answer.status_code for answer in health] == [200, 200, 200]


async def test_ready_says_what_it_waits_for() -> None:
    served = Served()
    async with served.client() as client:
        ready = await client.get("/readyz")
        served.waiting = {"matching.decider": "waits for its partitions"}
        waiting = await client.get("/readyz")
        alive = await client.get("/livez")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "waiting": {}})
    assert (waiting.status_code, waiting.json()["waiting"]) == (503, served.waiting)
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})


async def test_a_request_keeps_its_id_and_trace_or_gets_them() -> None:
    served = Served()
    async with served.client() as client:
        given = await client.get("/things/1", headers={"x-request-id": "abc", "traceparent": TRACE})
        own = [await client.get("/things/1") for _ in range(2)]
        long = await client.get("/things/1", headers={"x-request-id": "x" * 500})
        odd = await client.get("/things/1", headers={"traceparent": "00-zz-1-1\x7f"})
        missing = await client.get("/nothing", headers={"x-request-id": "abc"})
    assert (given.headers["x-request-id"], given.json()["traceparent"]) == ("abc", TRACE)
    assert len({answer.headers["x-request-id"] for answer in own}) == 2
    assert len({answer.json()["traceparent"] for answer in own}) == 2
    assert long.headers["x-request-id"] == "x" * 64
    assert odd.json()["traceparent"].startswith("00-")
    assert (missing.status_code, missing.headers["x-request-id"]) == (404, "abc")


@pytest.mark.parametrize("id", [b"a\r\nset-cookie: x=1", b"a\nb", b"\x00", b"\x1b[2J", b"\xe5\xbc\xa0"])
async def test_a_request_id_that_is_no_plain_word_is_not_sent_back(id: bytes) -> None:
    served = Served()
    async with served.client() as client:
        answer = await client.get("/things/1", headers={b"x-request-id": id})
    assert answer.headers["x-request-id"].isascii()
    assert answer.headers["x-request-id"].isalnum()


def counted(route: str, status: str, method: str = "GET") -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("youai_http_requests_total", labels) or 0.0


async def test_metrics_count_by_route_and_not_by_address() -> None:
    before = counted("/things/{thing}", "200"), counted("unknown", "404"), counted("unknown", "413", "POST")
    served = Served()
    async with served.client() as client:
        for thing in range(3):
            await client.get(f"/things/{thing}")
            await client.get(f"/nothing/{thing}")
        await client.post("/echo", content=b"x" * (MOST_BODY + 1))
        page = (await client.get("/metrics")).text
    after = counted("/things/{thing}", "200"), counted("unknown", "404"), counted("unknown", "413", "POST")
    assert [a - b for a, b in zip(after, before, strict=True)] == [3, 3, 1]
    assert 'route="/things/{thing}"' in page
    assert "/things/1" not in page
    assert "/nothing" not in page


@pytest.mark.parametrize("method", ["BREW", "X" * 200])
async def test_a_method_of_the_clients_own_makes_no_label_of_its_own(method: str) -> None:
    served = Served()
    async with served.client() as client:
        assert (await client.request(method, "/things/1")).status_code == 405
        page = (await client.get("/metrics")).text
    assert f'method="{method}"' not in page


async def test_an_error_of_ours_is_counted_as_what_was_answered() -> None:
    served = Served()

    @served.app.get("/fails")
    async def fails() -> None:
        raise ConnectionRefusedError

    before = counted("/fails", "503")
    async with served.client() as client:  # it would raise what the app raises past its answer
        assert (await client.get("/fails")).status_code == 503
    assert counted("/fails", "503") == before + 1


async def test_there_are_no_documentation_pages_but_a_description() -> None:
    served = Served()
    async with served.client() as client:
        assert [(await client.get(path)).status_code for path in ("/docs", "/redoc")] == [404, 404]
        description = (await client.get("/openapi.json")).json()
    assert "/things/{thing}" in description["paths"]
    assert "/livez" not in description["paths"]


class Quick:
    """An app with a call that has a short way for bodies that say `quick`; `raises` is what it meets there."""

    def __init__(self) -> None:
        self.raises: Exception | None = None
        self.entered, self.let_go = asyncio.Event(), asyncio.Event()
        self.app = create_app("test", ready=self._ready)

        @self.app.post("/call")
        async def documented(request: Request) -> dict[str, Any]:
            return {"way": "documented", "bytes": len(await request.body())}

        self.app.quicken(Call("POST", "/call", lambda _, body: body if b"quick" in body else None, self._answer))

    async def _ready(self) -> dict[str, str]:
        return {}

    async def _answer(self, body: Any, _headers: Any) -> Told:
        if body == b"quick, but wait":
            self.entered.set()
            await self.let_go.wait()
        if self.raises is not None:
            raise self.raises
        return 202, {"way": "short", "traceparent": current_traceparent()}, {"Location": "/there"}

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test")


async def test_what_fits_goes_the_short_way_and_all_else_the_documented_one() -> None:
    quick = Quick()
    async with quick.client() as client:
        fits = await client.post("/call", content=b"quick", headers={"x-request-id": "mine", "traceparent": TRACE})
        other = await client.post("/call", content=b"slow")
        pieced = await client.post("/call", content=pieces(20_000))
        too_large = [await client.post("/call", content=body(MOST_BODY + 1, announced)) for announced in (True, False)]
    assert (fits.status_code, fits.json()) == (202, {"way": "short", "traceparent": TRACE})
    assert (fits.headers["location"], fits.headers["x-request-id"]) == ("/there", "mine")
    assert other.json() == {"way": "documented", "bytes": 4}
    assert pieced.json() == {"way": "documented", "bytes": 20_000}
    assert [answer.status_code for answer in too_large] == [413, 413]


async def test_the_short_way_answers_problems_and_failures_as_the_other_does() -> None:
    quick = Quick()
    async with quick.client() as client:
        quick.raises = Problem(409, "taken", "已被占用。", "It is taken.", {"Retry-After": "3"})
        problem = await client.post("/call", content=b"quick", headers={"accept-language": "en"})
        quick.raises = RuntimeError("our own fault")
        failure = await client.post("/call", content=b"quick")
        quick.raises = ConnectionRefusedError()
        away = await client.post("/call", content=b"quick")
    assert (problem.status_code, problem.headers["retry-after"]) == (409, "3")
    assert problem.headers["content-type"] == "application/problem+json"
    assert (problem.json()["detail"], problem.json()["instance"]) == ("It is taken.", "/call")
    assert (failure.status_code, failure.json()["title"]) == (500, "internal")
    assert (away.status_code, away.json()["title"]) == (503, "unavailable")
    assert all(answer.headers["x-request-id"] for answer in (problem, failure, away))


async def test_both_ways_share_one_room_and_are_counted_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_IN_FLIGHT", 1)
    quick = Quick()

    def count(status: str) -> float:
        labels = {"method": "POST", "route": "/call", "status": status}
        return REGISTRY.get_sample_value("youai_http_requests_total", labels) or 0.0

    before = count("202"), count("503")
    async with quick.client() as client:
        first = asyncio.create_task(client.post("/call", content=b"quick, but wait"))
        await quick.entered.wait()
        full = [await client.post("/call", content=content) for content in (b"quick", b"slow")]
        quick.let_go.set()
        assert (await first).status_code == 202
        assert (await client.post("/call", content=b"slow")).status_code == 200
    assert [(answer.status_code, answer.headers["retry-after"]) for answer in full] == [(503, "1"), (503, "1")]
    assert (count("202") - before[0], count("503") - before[1]) == (1, 1)  # one who is refused first has no route yet
