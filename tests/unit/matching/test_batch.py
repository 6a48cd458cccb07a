"""A batch read at once and by the documented form: the same body gets the same answer, and the same is taken."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st
from youai_contracts.codec import Message
from youai_matching import batch, bookings
from youai_matching.desk import Desk
from youai_matching.rates import Rates
from youai_matching.requests import Facts
from youai_matching.reservations import Answer, Asked
from youai_runtime.auth import Authenticator, Principal, unauthorized
from youai_runtime.http import create_app
from youai_runtime.live import Listeners

FACTS = Facts("venue", True, "open", 9, 0, 1, None)
PLAIN = {"authorization": "Bearer venue-1", "content-type": "application/json"}
ITEM: dict[str, Any] = {"idempotency_key": "k", "slot_id": "s", "party_size": 1}


class Door:
    """The route over a collector and a log that take everything but what is named after what becomes of it."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.appended: list[Message] = []

        @asynccontextmanager
        async def lifespan(_app: Any) -> AsyncIterator[None]:
            yield

        async def ready() -> dict[str, str]:
            return {}

        self.app = create_app("t", ready=ready, lifespan=lifespan, large_bodies={batch.PATH: batch.MOST_BYTES})
        desk = SimpleNamespace(
            collector=self, appender=self, is_open=lambda slot_id: (len(slot_id), True), listeners=Listeners(9, 9)
        )
        bookings.add(self.app, cast(Desk, desk), cast(Authenticator, _Authenticator()), Rates("1000000/second"))

    async def take_all(self, asked: Sequence[Asked]) -> list[Answer]:
        self.taken += [
            (e.slot_id, e.request_id, e.venue_id, e.party_size, e.auto_accept, e.actor, a.overlap_ok, a.body_hash)
            for a in asked
            for e in [a.event]
        ]
        return [
            Answer("refused", Facts("venue", True, None, 0, 0, 0, None), 0, None, None)
            if a.event.slot_id == "none"
            else Answer("taken", FACTS, 0, None, a.event.request_id.encode())
            for a in asked
        ]

    async def append_line(self, _partition: int, messages: Sequence[Message]) -> list[bool]:
        self.appended += messages
        return [message.key != b"lost" for message in messages]

    async def asked(self, body: bytes, headers: dict[str, str], *, plain: bool) -> tuple[Any, ...]:
        self.taken.clear()
        self.appended.clear()
        with pytest.MonkeyPatch.context() as patch:
            if not plain:
                patch.setattr(batch, "read", lambda *_: None)
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                answer = await client.post(batch.PATH, content=body, headers=headers)
        told = sorted((name, value) for name, value in answer.headers.items() if name != "x-request-id")
        records = sorted((m.topic, m.key, m.value, m.headers[1]) for m in self.appended)
        return answer.status_code, told, answer.json(), list(self.taken), records


class _Authenticator:
    async def __call__(self, request: Request) -> Principal:
        _, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            raise unauthorized("缺少访问令牌。", "none")
        return Principal(token, token, frozenset({"venue-staff"} if token != "stranger" else ()))


DOOR = Door()


async def alike(body: bytes, headers: dict[str, str] | None = None) -> tuple[Any, ...]:
    plain, documented = [await DOOR.asked(body, headers or PLAIN, plain=plain) for plain in (True, False)]
    assert plain == documented, body
    assert plain[0] < 500, plain
    return plain


def of(*items: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"items": list(items), **more}).encode()


@pytest.mark.parametrize(
    "body",
    [
        of(ITEM),
        of(),
        of(*[ITEM | {"idempotency_key": f"k{number}"} for number in range(1_000)]),
        of(*[ITEM | {"idempotency_key": f"k{number}"} for number in range(1_001)]),
        of(ITEM, x=1),
        of(ITEM | {"x": 1}),
        of({"slot_id": "s", "party_size": 1}),
        of(ITEM, None),  # type: ignore[arg-type]
        b'{"items": null}',
        b"{}",
        b"[]",
        b"",
        of(ITEM) + b"x",
        b"\xef\xbb\xbf" + of(ITEM),
        of(ITEM).decode().encode("utf-16"),
        of(*[ITEM | {"slot_id": "s" * 200, "idempotency_key": f"{number}" * 50} for number in range(1_000, 2_000)]),
        b'{"items": [], "items": [{"idempotency_key": "k", "slot_id": "s", "party_size": 1}]}',
        b'{"items": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        of(ITEM, ITEM),
        of(ITEM, ITEM | {"party_size": 2}),
        of(ITEM, ITEM | {"party_size": 2}, ITEM),
        of(ITEM | {"slot_id": "none"}, ITEM | {"slot_id": "none"}),
        of(ITEM | {"slot_id": "lost"}, ITEM | {"slot_id": "lost"}, ITEM | {"idempotency_key": "l"}),
        of(ITEM | {"slot_id": "none"}, ITEM | {"slot_id": "lost", "idempotency_key": "l"}, ITEM),
    ],
)
async def test_a_body_is_the_same_on_both_ways(body: bytes) -> None:
    await alike(body)


VALUES: dict[str, list[Any]] = {
    "idempotency_key": [None, 1, "", "k" * 200, "k" * 201, "a b", "k\n", "\x7f", "字", "~!", "\u2028"],
    "slot_id": [
        None,
        1,
        "",
        "s" * 201,
        "字" * 200,
        "字" * 201,
        "a b",
        "s\n",
        "\x00",
        "\x7f",
        "\x85",
        "\u3000",
        "\ud800",
    ],
    "venue_id": [None, 1, "", "v" * 201, "字", "a b", "v\n", "\x00"],
    "party_size": [None, 0, -1, 1.0, 1.5, "1", True, 100_000, 100_001, 2**70],
    "auto_accept": [None, 0, "true", True],
    "overlap_ok": [None, 1, "", True],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALUES.items() for value in values])
async def test_a_field_is_the_same_on_both_ways(name: str, value: Any) -> None:
    await alike(of(ITEM | {"idempotency_key": "first"}, ITEM | {name: value}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer stranger"},
        {"authorization": ""},
        {"accept-language": "en"},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "application/json; charset=utf-16"},
    ],
)
@pytest.mark.parametrize("body", [of(ITEM), of(ITEM | {"slot_id": "none"}), b"{}"])
async def test_headers_are_the_same_on_both_ways(headers: dict[str, str], body: bytes) -> None:
    await alike(body, PLAIN | headers)


NAMES = st.sampled_from([*VALUES, "x"])
ANY = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.just([]), st.just({}))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.dictionaries(NAMES, ANY, max_size=2), max_size=3), st.booleans())
async def test_any_items_are_the_same_on_both_ways(some: list[dict[str, Any]], whole: bool) -> None:
    await alike(of(*[(ITEM if whole else {}) | one for one in some]))


async def test_an_items_answer_is_that_of_its_key() -> None:
    lost, refused, kept = (ITEM | {"slot_id": slot, "idempotency_key": slot} for slot in ("lost", "none", "s"))
    status, _, told, _, records = await alike(of(kept, lost, refused, kept, lost, kept | {"party_size": 2}))
    assert status == 200
    assert [result["status"] for result in told["results"]] == [202, 504, 404, 202, 504, 409]
    assert told["results"][0] == told["results"][3]
    assert {record[1] for record in records} == {b"s", b"lost"}
    assert len(records) == 2
