"""The short way past the framework, for the one call that a rush is made of.

It takes what fits a call's plain form and leaves all else, whole, to the documented route: errors of form and the
description stay as they are there. Admission, ids, metrics and problems are the same on both ways.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from youai_runtime import description, problems
from youai_runtime.observed import Room, begin, note
from youai_runtime.problems import Problem

MOST_BODY = 64 * 1024
"""Bytes of a request's body, where a call does not allow more; those that do have no short way."""

MOST_SHORT = 8 * 1024
"""Bytes of a body that goes the short way: it is read before there is a place among those served."""

Headers = Mapping[bytes, bytes]
Told = tuple[int, Any, dict[str, str]]
"""Status, body (to be told as JSON) and headers."""


@dataclass(frozen=True)
class Call:
    """One call's short way. `read` makes of headers and body what `answer` takes; None leaves it to the framework."""

    method: str
    path: str
    read: Callable[[Headers, bytes], Any]
    answer: Callable[[Any, Headers], Awaitable[Told]]


class QuickApp(FastAPI):
    """An app some of whose calls have a short way; `room` is what both ways share."""

    room: Room

    def __init__(self, *, room: Room, **settings: Any) -> None:
        super().__init__(**settings)
        self.room = room
        self._calls: dict[tuple[str, str], Call] = {}

    def quicken(self, call: Call) -> None:
        """Give a call its short way; its route must be there for what does not fit."""
        self._calls[call.method, call.path] = call

    def openapi(self) -> dict[str, Any]:
        """The description of the calls, with what all of them have in common."""
        if self.openapi_schema is None:
            description.complete(super().openapi())
        assert self.openapi_schema is not None
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what comes."""
        call = self._calls.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        headers = dict(scope["headers"]) if call is not None else {}
        if call is None or len(headers) != len(scope["headers"]):  # a name that comes twice: one rule for which counts
            await super().__call__(scope, receive, send)
            return
        messages = [await receive()]
        size = len(messages[0].get("body", b""))
        while messages[-1].get("more_body") and size <= MOST_SHORT:
            messages.append(await receive())
            size += len(messages[-1].get("body", b""))
        whole = messages[-1]["type"] == "http.request" and size <= MOST_SHORT
        read = call.read(headers, b"".join(message.get("body", b"") for message in messages)) if whole else None
        if read is None:
            await super().__call__(scope, _again(messages, receive), send)
            return
        await self._serve(call, read, headers, scope, send)

    async def _serve(self, call: Call, read: Any, headers: Headers, scope: Scope, send: Send) -> None:
        request_id = begin(headers)
        started = time.perf_counter()
        if self.room.is_full:
            status, body, more = _problem(problems.unavailable(self.room.when_free()), headers, scope)
        else:
            with self.room:
                try:
                    status, told, more = await call.answer(read, headers)
                    body = msgspec.json.encode(told)
                    more = {"content-type": "application/json", **more}
                except Problem as problem:
                    status, body, more = _problem(problem, headers, scope)
                except Exception as error:
                    answer = await problems.on_error(Request(scope), error)
                    status, body, more = answer.status_code, bytes(answer.body), dict(answer.headers)
        more |= {"content-length": str(len(body)), "x-request-id": request_id}
        told_headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": told_headers})
        await send({"type": "http.response.body", "body": body})
        # A call that was taken is a record with a trace of its own, and one that is refused for want of room is
        # counted: a line for each would be the larger part of a rush's work.
        note(call.method, call.path, status, time.perf_counter() - started, tell=status >= 400 and status != 503)


def plain_first(plain: Callable[[Request], Awaitable[Response | None]]) -> type[APIRoute]:
    """A kind of route that asks `plain` first, inside of all layers; where that answers None, the documented form."""

    class PlainFirst(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            documented = super().get_route_handler()

            async def handler(request: Request) -> Response:
                answer = await plain(request)
                return await documented(request) if answer is None else answer

            return handler

    return PlainFirst


def _problem(problem: Problem, headers: Headers, scope: Scope) -> tuple[int, bytes, dict[str, str]]:
    answer = problems.response(problem, headers.get(b"accept-language", b"").decode("latin-1"), scope["path"])
    return answer.status_code, bytes(answer.body), dict(answer.headers)


def _again(messages: list[Message], receive: Receive) -> Receive:
    """The messages again, then those that follow."""
    waiting = deque(messages)

    async def again() -> Message:
        return waiting.popleft() if waiting else await receive()

    return again
