"""A booking's short way and the documented one: the same request gets the same answer, and the same is taken."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import Request
from hypothesis import example, given, settings
from hypothesis import strategies as st
from youai_matching import admission, bookings
from youai_matching.desk import Desk
from youai_matching.rates import Rates
from youai_matching.requests import Facts
from youai_matching.reservations import Answer, Asked
from youai_runtime.auth import Authenticator, Principal, unauthorized
from youai_runtime.http import create_app
from youai_runtime.live import Listeners
from youai_runtime.quick import QuickApp

FACTS = Facts("venue", True, "open", 9, 0, 1, None)
PLAIN = [(b"authorization", b"Bearer venue-1"), (b"content-type", b"application/json"), (b"idempotency-key", b"k1")]
BODY = b'{"slot_id": "s", "party_size": 1}'
CHANCE = {"x-request-id", "date"}


class Door:
    """The route over a collector that takes everything and remembers what."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, ...]] = []
        self.shorts = 0
        self.app = self._app()
        self._calls = dict(self.app._calls)

    def _app(self) -> QuickApp:
        @asynccontextmanager
        async def lifespan(_app: Any) -> AsyncIterator[None]:
            yield

        async def ready() -> dict[str, str]:
            return {}

        app = create_app("test", ready=ready, lifespan=lifespan)
        desk = SimpleNamespace(collector=self, is_open=lambda slot_id: (len(slot_id), True), listeners=Listeners(9, 9))
        bookings.add(app, cast(Desk, desk), cast(Authenticator, _Authenticator()), Rates("1000000/second"))
        return app

    async def take(self, asked: Asked) -> Answer:
        event = asked.event
        fields = (event.slot_id, event.request_id, event.venue_id, event.party_size, event.auto_accept, event.actor)
        types = tuple(type(field) for field in fields)
        self.taken.append((*fields, types, asked.overlap_ok, asked.body_hash, asked.partition))
        if event.slot_id == "full":
            raise admission.slot_unknown()
        return Answer("taken", FACTS, 0, None, b"{}")

    async def asked(self, headers: list[tuple[bytes, bytes]], body: bytes, *, short: bool) -> tuple[Any, ...]:
        """Status, headers and body of the answer, and what was taken, with or without the short way."""
        self.taken.clear()
        self.app._calls = self._calls if short else {}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"accept": "*/*"}) as client:
            request = httpx.Request("POST", "http://test/v1/bookings", headers=headers, content=body)
            answer = await client.send(request)
        told = sorted((name, value) for name, value in answer.headers.items() if name not in CHANCE)
        return answer.status_code, told, answer.json(), list(self.taken)


class _Authenticator:
    """Believes who a token says it is."""

    async def __call__(self, request: Request) -> Principal:
        return await self.of(request.headers.get("authorization", ""))

    async def of(self, authorization: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("缺少访问令牌。", "none")
        return Principal(token, token, frozenset({"venue-staff"}))


DOOR = Door()


async def alike(headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[Any, ...]:
    short = await DOOR.asked(headers, body, short=True)
    documented = await DOOR.asked(headers, body, short=False)
    assert short == documented, (headers, body)
    assert short[0] < 500, short
    return short


def instead(name: bytes, *values: bytes) -> list[tuple[bytes, bytes]]:
    """The plain headers with other values for one: none, one, or several times the name."""
    return [one for one in PLAIN if one[0] != name] + [(name, value) for value in values]


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        b" \n" + BODY + b"\n",
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
        BODY.decode().encode("utf-32"),
        BODY + b"x",
        BODY + BODY,
        BODY + b"\x00",
        b'{"slot_id": "s", "party_size": 1, "party_size": 2}',
        b'{"slot_id": "s", "party_size": "x", "party_size": 2}',
        b'{"slot_id": "s", "party_size": 1, "slot_id": "t"}',
        b'{"slot_id": "s", "party_size": 1, "\\u0073lot_id": "t"}',
        b'{"slot_id": "s", "party_size": 1.0}',
        b'{"slot_id": "s", "party_size": 1e0}',
        b'{"slot_id": "s", "party_size": 1.0000000000000000001}',
        b'{"slot_id": "s", "party_size": -0}',
        b'{"slot_id": "s", "party_size": 01}',
        b'{"slot_id": "s", "party_size": 100000}',
        b'{"slot_id": "s", "party_size": 100001}',
        b'{"slot_id": "s", "party_size": 18446744073709551617}',
        b'{"slot_id": "s", "party_size": true}',
        b'{"slot_id": "s", "party_size": 1, "venue_id": null}',
        b'{"slot_id": "s", "party_size": 1, "venue_id": ""}',
        b'{"slot_id": "s", "party_size": 1, "auto_accept": null}',
        b'{"slot_id": "s", "party_size": 1, "auto_accept": 1}',
        b'{"slot_id": "s", "party_size": 1, "overlap_ok": "true"}',
        b'{"slot_id": "s", "party_size": 1, "overlap_ok": true, "auto_accept": true}',
        b'{"slot_id": "s\\n", "party_size": 1}',
        b'{"slot_id": "\\u007f", "party_size": 1}',
        b'{"slot_id": "\\u0085", "party_size": 1}',
        b'{"slot_id": "\\u3000", "party_size": 1}',
        b'{"slot_id": "\\ud83d\\ude00", "party_size": 1}',
        b'{"slot_id": "\\ud800", "party_size": 1}',
        b'{"slot_id": "\xed\xa0\x80", "party_size": 1}',
        b'{"slot_id": "\xff", "party_size": 1}',
        b'{"slot_id": "s\x01", "party_size": 1}',
        b'{"slot_id": "' + "字".encode() * 200 + b'", "party_size": 1}',
        b'{"slot_id": "' + "字".encode() * 201 + b'", "party_size": 1}',
        b'{"slot_id": "' + b"\\u5b57" * 200 + b'", "party_size": 1}',
        b'{"slot_id": "' + "😀".encode() * 200 + b'", "party_size": 1}',
        b'{"slot_id": "s", "party_size": 1, "x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"slot_id": ' + b"[" * 5_000 + b', "party_size": 1}',
        BODY[:-1] + b" " * 10_000 + b"}",
        BODY[:-1] + b" " * 60_000 + b"}",
        b'{"slot_id": "s", "party_size": NaN}',
        b"null",
        b"[]",
        b'"s"',
        b"",
        b'{"slot_id": "full", "party_size": 1}',
        b'{"slot_id": "s", "party_size": 1, // a word\n "venue_id": "v"}',
        b"{'slot_id': 's', 'party_size': 1}",
        b'{"SLOT_ID": "s", "party_size": 1}',
    ],
)
async def test_a_body_is_the_same_on_both_ways(body: bytes) -> None:
    await alike(PLAIN, body)


HEADERS = [
    *(instead(b"content-type", *values) for values in (
        (), (b"",), (b"application/json; charset=utf-8",), (b"APPLICATION/JSON;CHARSET=UTF-8",),
        (b"application/json; charset=utf-16",), (b"application/json;",), (b"application/json; x=y",),
        (b"application/json, text/plain",), (b" application/json",), (b"application/merge-patch+json",),
        (b"text/json",), (b"text/plain",), (b"application/x-www-form-urlencoded",), (b"application/\xff",),
        (b"application/json", b"text/plain"), (b"text/plain", b"application/json"),
        (b"application/json\n",), (b"application/json; charset=utf-8\n",),
    )),
    *(instead(b"authorization", *values) for values in (
        (), (b"",), (b"bearer venue-2",), (b"Bearer",), (b"Bearer  venue-2",), (b"Basic eA==",),
        (b"Bearer \xe5\xbc\xa0",),
        (b"Bearer venue-1", b"Bearer venue-2"), (b"Bearer venue-2", b"Bearer venue-1"), (b"", b"Bearer venue-2"),
    )),
    *(instead(b"idempotency-key", *values) for values in (
        (), (b"",), (b"a b",), (b"k" * 200,), (b"k" * 201,), (b"\xff",), (b"k1", b"k2"), (b"k2", b"k1"), (b"k1", b"k1"),
        (b"k\n",), (b" k ",),
    )),
    *([*PLAIN, (b"prefer", value)] for value in (b"wait=0", b"wait=x", b"wait=99999999999999999999", b"\xff", b"")),
    [*PLAIN, (b"prefer", b"wait=0"), (b"prefer", b"respond-async")],
    [*PLAIN, (b"accept-language", b"en")],
    [*PLAIN, (b"accept-language", b"\xff\xfe")],
    [*PLAIN, (b"accept-language", b"en"), (b"accept-language", b"zh")],
    [*PLAIN, (b"content-encoding", b"gzip")],
    [*PLAIN, (b"x-http-method-override", b"DELETE")],
    [*PLAIN, (b"transfer-encoding", b"chunked")],
]  # fmt: skip


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("body", [BODY, b'{"slot_id": "full", "party_size": 1}', b"{}"])
async def test_headers_are_the_same_on_both_ways(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await alike(headers, body)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.sampled_from(["s", 1, 7, [], {}, [1]])
)
NAMES = st.sampled_from(["slot_id", "party_size", "venue_id", "auto_accept", "overlap_ok", "x", "Slot_id"])


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.sampled_from([{}, {"slot_id": "s"}, {"slot_id": "s", "party_size": 2}]),
)
@example({"venue_id": "a\u2028b", "auto_accept": True}, {"slot_id": "s", "party_size": 2})
async def test_any_fields_are_the_same_on_both_ways(some: dict[str, Any], more: dict[str, Any]) -> None:
    await alike(PLAIN, json.dumps(some | more).encode())


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(BODY) - 1), st.binary(max_size=3), st.integers(0, 3))
async def test_a_body_with_a_wound_is_the_same_on_both_ways(at: int, instead_of: bytes, gone: int) -> None:
    await alike(PLAIN, BODY[:at] + instead_of + BODY[at + gone :])
