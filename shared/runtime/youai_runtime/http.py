"""HTTP: the app that every service starts from, with its limits, ids, logs, metrics and health."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from youai_runtime import connections, problems
from youai_runtime.connections import Connection
from youai_runtime.observed import Room, begin, note
from youai_runtime.problems import Problem
from youai_runtime.quick import MOST_BODY, QuickApp

MOST_IN_FLIGHT = 2_500
"""Requests served at a time by one process; beyond it the honest answer is 503, at once."""

Checks = Callable[[], Awaitable[dict[str, str]]]
"""What readiness asks: names of what is not ready, each with why; empty when ready."""


def create_app(
    title: str,
    *,
    ready: Checks,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    large_bodies: dict[str, int] | None = None,
) -> QuickApp:
    """A FastAPI app with health, metrics, problem+json errors and bounds on the body.

    `large_bodies` maps a path, with its parameters in braces, to the most bytes that it takes, where that is more than
    MOST_BODY.
    """
    room = Room(MOST_IN_FLIGHT)
    app = QuickApp(room=room, title=title, version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_exception_handler(Problem, problems.on_problem)
    app.add_exception_handler(RequestValidationError, problems.on_invalid)
    app.add_exception_handler(HTTPException, problems.on_http)
    app.add_middleware(_Admission, room=room)
    app.add_middleware(_BodyLimit, large_bodies=large_bodies or {})  # before a place is taken: bodies may come slowly
    app.add_middleware(_Observed)
    add_health(app, ready)
    return app


def add_health(app: FastAPI, ready: Checks) -> None:
    """Add /livez, /readyz and /metrics."""

    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz(response: Response) -> dict[str, Any]:
        waiting = await ready()
        if waiting:
            response.status_code = 503
        return {"status": "waiting" if waiting else "ready", "waiting": waiting}

    @app.get("/metrics", include_in_schema=False)
    async def metrics_page() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def server(app: FastAPI, host: str, port: int, lifespan: Literal["on", "off"] = "on") -> uvicorn.Server:
    """A uvicorn server that drains for at most 8 s on SIGTERM and closes idle and slow connections."""
    return _Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            lifespan=lifespan,
            timeout_graceful_shutdown=8,
            timeout_keep_alive=15,
            backlog=2_048,
        )
    )


class _Server(connections.Server):
    """Ends with 0 once it has drained; uvicorn's own raises the signal again and dies by it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()


class _BodyLimit:
    """Refuses a body past its limit with 413, whether or not its length was announced, and keeps none of it.

    What is still coming is read and dropped, within bounds: a client that is cut off while it sends sees a broken
    connection in place of the answer.
    """

    MOST_HELD = 64 * 1024 * 1024
    """Bytes of bodies that are here at a time, of all requests; health is asked without one."""
    MOST_DROPPED = 32 * 1024 * 1024
    MOST_DROPPING_S = 10.0

    def __init__(self, app: ASGIApp, large_bodies: dict[str, int]) -> None:
        self._app = app
        self._held = 0
        self._large = [(compile_path(path)[0], limit) for path, limit in large_bodies.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = next((most for path, most in self._large if path.match(scope["path"])), MOST_BODY)
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > limit:
            if b"expect" not in headers:  # who waits for a 100 has sent nothing yet
                await self._drop(receive)
            await self._refuse(scope, receive, send, limit)
            return
        body, more = bytearray(), True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                piece = message.get("body", b"")
                body += piece
                self._held += len(piece)
                more = message.get("more_body", False)
                if len(body) > limit:
                    await self._drop(receive)
                    await self._refuse(scope, receive, send, limit)
                    return
                if piece and self._held > self.MOST_HELD:
                    await _tell(problems.unavailable(5), scope, receive, send)
                    return
            await self._app(scope, _replay(bytes(body), receive), send)
        finally:
            self._held -= len(body)

    async def _drop(self, receive: Receive) -> None:
        dropped, more = 0, True
        try:
            async with asyncio.timeout(self.MOST_DROPPING_S):
                while more and dropped < self.MOST_DROPPED:
                    message = await receive()
                    dropped += len(message.get("body", b""))
                    more = message.get("more_body", False)
        except TimeoutError:
            return

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        problem = Problem(
            413,
            "too-large",
            f"请求体超过 {limit} 字节的上限。",
            f"The body is larger than the {limit} bytes that this call takes.",
            {"Connection": "close"},
        )
        await _tell(problem, scope, receive, send)


async def _tell(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    language = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
    await problems.response(problem, language, scope["path"])(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class _Admission:
    """Refuses with 503 what would only wait in a queue that grows, and says when there will be room."""

    def __init__(self, app: ASGIApp, room: Room) -> None:
        self._app = app
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ("/livez", "/readyz", "/metrics"):
            await self._app(scope, receive, send)
            return
        if self._room.is_full:
            await _tell(problems.unavailable(self._room.when_free()), scope, receive, send)
            return
        with self._room:
            await self._app(scope, receive, send)


class _Observed:
    """Gives each request an id and a trace, answers what was raised, logs the answer, counts it.

    The framework answers unexpected errors outside of all middleware, then raises them again: such an answer would
    have no id, would be counted wrongly, and the server would cut a connection that the client means to use again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = begin(dict(scope["headers"]))
        started, status = time.perf_counter(), 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as error:
            if status:
                raise
            await (await problems.on_error(Request(scope), error))(scope, receive, observed)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            tell = status >= 500 or route not in ("/livez", "/readyz", "/metrics")
            took = time.perf_counter() - started
            note(scope["method"], route, status, took, tell=tell, path=scope["path"])
