"""The short way of `POST /v1/bookings`: what fits is served without the framework's own work, all else goes its way.

In a rush this one call is nearly all there is. What it takes is a part of what the documented route takes, and what it
does not take is handed to that route whole, so that errors and the description stay as they are.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from msgspec import Meta, Struct
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from youai_runtime.auth import Authenticator, Principal

PATH = "/v1/bookings"
_Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+\Z")]


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """A booking's body, as forms.BookingBody."""

    slot_id: _Id
    party_size: Annotated[int, Meta(ge=1, le=100_000)]
    venue_id: _Id | None = None
    auto_accept: bool = False
    overlap_ok: bool = False


Answer = tuple[int, Any, dict[str, str]]
"""Status, body and headers."""
Book = Callable[[Wanted, Principal, str | None, str | None], Awaitable[Answer]]
"""Takes body, caller, Idempotency-Key and Prefer."""

_decoder = msgspec.json.Decoder(Wanted)
_JSON = re.compile(r"application/json(\s*;\s*charset=utf-8)?", re.IGNORECASE)


def add(app: FastAPI, authenticate: Authenticator, book: Book) -> None:
    """Put the short way before the documented route, which must be there."""
    documented = next(
        route
        for route in app.router.routes
        if isinstance(route, APIRoute) and route.path == PATH and "POST" in (route.methods or ())
    )
    app.router.routes.insert(0, Route(PATH, _Direct(documented, authenticate, book), methods=["POST"]))


class _Direct:
    """The ASGI app of the short way."""

    def __init__(self, documented: APIRoute, authenticate: Authenticator, book: Book) -> None:
        self._documented = documented
        self._authenticate = authenticate
        self._book = book

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._documented  # for what counts requests by route
        message = await receive()
        wanted = _read(scope, message)
        if wanted is None:
            await self._documented.handle(scope, _first(message, receive), send)
            return
        request = Request(scope)
        who = await self._authenticate(request)
        headers = request.headers
        status, body, more = await self._book(wanted, who, headers.get("idempotency-key"), headers.get("prefer"))
        told = msgspec.json.encode(body)
        start: Message = {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(told)).encode()),
                *((name.encode(), value.encode("latin-1")) for name, value in more.items()),
            ],
        }
        await send(start)
        await send({"type": "http.response.body", "body": told})


def _read(scope: Scope, message: Message) -> Wanted | None:
    """The body, if it is whole and fits; None leaves it to the documented route to say what is wrong."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if message.get("more_body") or not _JSON.fullmatch(kind.decode("latin-1")):
        return None
    try:
        return _decoder.decode(message.get("body", b""))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _first(message: Message, receive: Receive) -> Receive:
    """The message again, then those that follow."""
    waiting = [message]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
