"""The short way of `POST /v1/bookings`: in a rush this one call is nearly all there is."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.quick import Call, Headers, QuickApp, Told

PATH = "/v1/bookings"
_Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+\Z")]


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """A booking's body, as forms.BookingBody."""

    slot_id: _Id
    party_size: Annotated[int, Meta(ge=1, le=100_000)]
    venue_id: _Id | None = None
    auto_accept: bool = False
    overlap_ok: bool = False


Book = Callable[[Wanted, Principal, str | None, str | None], Awaitable[Told]]
"""Takes body, caller, Idempotency-Key and Prefer."""

_decoder = msgspec.json.Decoder(Wanted)
_JSON = re.compile(rb"application/json(\s*;\s*charset=utf-8)?", re.IGNORECASE)


def add(app: QuickApp, authenticate: Authenticator, book: Book) -> None:
    """Give the documented route, which must be there, its short way."""

    async def answer(wanted: Wanted, headers: Headers) -> Told:
        who = await authenticate.of(headers.get(b"authorization", b"").decode("latin-1"))
        return await book(wanted, who, _text(headers, b"idempotency-key"), _text(headers, b"prefer"))

    app.quicken(Call("POST", PATH, _read, answer))


def _text(headers: Headers, name: bytes) -> str | None:
    raw = headers.get(name)
    return None if raw is None else raw.decode("latin-1")


def is_json(content_type: bytes) -> bool:
    """Whether a body is said to be JSON in the plain way."""
    return _JSON.fullmatch(content_type) is not None


def _read(headers: Headers, body: bytes) -> Wanted | None:
    """The body, if it fits; None leaves it to the documented route to say what is wrong."""
    if not is_json(headers.get(b"content-type", b"")):
        return None
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
