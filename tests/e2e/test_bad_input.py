"""Bad input over HTTP: each gets a 4xx that says what to mend, and nothing is half-done."""

import asyncio
import http.client
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from youai_stack.tokens import private_key_file

from tests.support import checks, kafka
from tests.support.client import Venue, assert_problem
from tests.support.market import Market, new_id
from tests.support.stack import Stack

TEN_MB = 10_000_000

WRONG_BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "a number as text": ({"party_size": "3"}, "party_size"),
    "a fraction": ({"party_size": 1.5}, "party_size"),
    "a truth value": ({"party_size": True}, "party_size"),
    "null": ({"party_size": None}, "party_size"),
    "nothing": ({"party_size": 0}, "party_size"),
    "below nothing": ({"party_size": -1}, "party_size"),
    "beyond bounds": ({"party_size": 100_001}, "party_size"),
    "beyond 64 bits": ({"party_size": 10**40}, "party_size"),
    "a list": ({"party_size": [1]}, "party_size"),
    "a number for a slot": ({"slot_id": 5}, "slot_id"),
    "an empty slot": ({"slot_id": ""}, "slot_id"),
    "a slot with a blank": ({"slot_id": "a b"}, "slot_id"),
    "a slot with NUL": ({"slot_id": "a\x00b"}, "slot_id"),
    "a slot too long": ({"slot_id": "s" * 201}, "slot_id"),
    "a venue with a line break": ({"venue_id": "a\nb"}, "venue_id"),
    "a number for a venue": ({"venue_id": 7}, "venue_id"),
    "a text for a truth value": ({"auto_accept": "yes"}, "auto_accept"),
    "a field that there is not": ({"places": 3}, "places"),
}
NO_BODIES = {
    "nothing": b"",
    "no JSON": b"{party_size: 1",
    "no object": b"[1, 2]",
    "no UTF-8": b'{"slot_id": "\xff\xfe"}',
    "half a surrogate pair": b'{"slot_id": "\\ud800", "party_size": 1}',
    "endless nesting": b"[" * 30_000,
    "a number beyond all": b'{"slot_id": "s", "party_size": 1e999}',
    "NaN": b'{"slot_id": "s", "party_size": NaN}',
}


async def asked(stack: Stack, slot: str) -> int:
    """Requests of the slot that were kept or appended."""
    rows = await stack.ask("matching", "SELECT 1 FROM request WHERE slot_id = $1", slot)
    log = await kafka.read_topic(stack.bootstrap, checks.SLOT_LOG)
    return len(rows) + sum(record.key == slot.encode() and record.type == "booking-requested" for record in log)


async def test_wrong_types(stack: Stack, market: Market, crowd: list[Venue]) -> None:
    slot = await market.session()
    for name, (wrong, field) in WRONG_BODIES.items():
        answer = await crowd[0].post("/v1/bookings", {"slot_id": slot, "party_size": 1, **wrong}, key=uuid.uuid4().hex)
        body = assert_problem(answer, 422, "invalid")
        assert field in [error["field"] for error in body["errors"]], (name, body)
        assert field in body["detail"], (name, body)
    for name, content in NO_BODIES.items():
        headers = {"Content-Type": "application/json"}
        answer = await crowd[0].call("POST", "/v1/bookings", content=content, headers=headers, key=uuid.uuid4().hex)
        assert answer.status_code in (400, 422), (name, answer.status_code, answer.text)
        assert_problem(answer, answer.status_code)
    assert await asked(stack, slot) == 0


async def test_unknown_ids(market: Market, crowd: list[Venue]) -> None:
    slot = await market.session()
    nobody = market.as_venue(new_id("nobody"))
    key = uuid.uuid4().hex
    for answer, code in (
        (await crowd[0].post("/v1/bookings", {"slot_id": new_id("no"), "party_size": 1}, key=key), "slot-unknown"),
        (await nobody.post("/v1/bookings", {"slot_id": slot, "party_size": 1}, key=key), "venue-unknown"),
        (await crowd[0].get(f"/v1/slots/{new_id('no')}"), "slot-unknown"),
    ):
        assert_problem(answer, 404, code)
        assert int(answer.headers["retry-after"]) > 0
    assert_problem(await crowd[0].get(f"/v1/bookings/{new_id('booking')}"), 404, "not-found")
    assert_problem(await crowd[0].cancel(new_id("booking")), 404, "not-found")
    for path in ("/v1/bookings/a%00b", "/v1/slots/a%00b", f"/v1/slots/{'s' * 201}"):
        assert_problem(await crowd[0].get(path), 422, "invalid")
    catalog = market.caller("catalog", market.center_id, "center")
    for path in ("organizations", "offers", "sessions"):
        assert_problem(await catalog.get(f"/v1/{path}/{new_id('no')}"), 404)
    assert_problem(await catalog.get("/v1/nothing"), 404, "not-found")
    assert_problem(await crowd[0].call("PUT", "/v1/bookings"), 405, "method-not-allowed")


def forged(stack: Stack) -> dict[str, str | None]:
    """Tokens that must not be taken, by what is wrong with them."""
    own = private_key_file(stack.home.keys).read_text()
    now = int(time.time())
    good: dict[str, Any] = {"iss": "youai-development", "aud": "youai", "sub": "x", "org": "x", "roles": ["center"]}
    good |= {"iat": now, "exp": now + 600}

    def signed(key: Any = own, algorithm: str = "EdDSA", without: str = "", **claims: Any) -> str:
        said = {name: value for name, value in (good | claims).items() if name != without}
        return jwt.encode(said, key, algorithm=algorithm)

    return {
        "none": None,
        "no token": "abc",
        "three dots": "a.b.c",
        "unsigned": signed(None, "none"),
        "a secret for a key": signed("s" * 32, "HS256"),
        "another key": signed(Ed25519PrivateKey.generate()),
        "another issuer": signed(iss="somebody"),
        "another audience": signed(aud="others"),
        "expired": signed(exp=now - 60, iat=now - 600),
        "not yet": signed(iat=now + 600, nbf=now + 600),
        "no organization": signed(without="org"),
        "no roles": signed(without="roles"),
        "roles as text": signed(roles="center"),
        "organization with NUL": signed(org="a\x00b"),
        "no end": signed(without="exp"),
    }


async def test_foreign_tokens(stack: Stack, market: Market) -> None:
    slot = await market.session()
    calls = [
        ("matching", "POST", "/v1/bookings", {"slot_id": slot, "party_size": 1}),
        ("matching", "GET", f"/v1/slots/{slot}", None),
        ("matching", "DELETE", "/v1/bookings/booking-1", None),
        ("catalog", "POST", "/v1/offers", {}),
        ("catalog", "GET", "/v1/organizations", None),
    ]
    for name, token in forged(stack).items():
        for service, method, path, body in calls:
            caller = market.caller(service, None)
            caller.token = token
            answer = await caller.call(method, path, json=body, key=uuid.uuid4().hex)
            assert answer.status_code == 401, (name, service, method, answer.text)
            assert_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert await asked(stack, slot) == 0


async def test_what_is_another_organizations(stack: Stack, market: Market, crowd: list[Venue]) -> None:
    slot = await market.session()
    id = await crowd[0].book(slot)
    stack.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
    await crowd[0].decided(id)
    assert_problem(await crowd[1].get(f"/v1/bookings/{id}"), 403, "forbidden")
    assert_problem(await crowd[1].cancel(id), 403, "forbidden")
    other = await crowd[1].ask(slot, venue_id=crowd[0].organization_id)
    assert_problem(other, 403, "forbidden")
    above = market.as_venue(market.institute_id)
    assert (await above.booking(id))["status"] == "confirmed"
    booked = await above.ask(slot, venue_id=crowd[2].organization_id)
    assert booked.status_code == 202
    stack.accepted.append({"request_id": booked.json()["request_id"], "slot_id": slot, "status": 202})
    assert (await crowd[2].decided(booked.json()["request_id"]))["venue_id"] == crowd[2].organization_id
    provider = market.as_venue(market.department_id)
    assert_problem(await provider.ask(slot), 422, "not-a-venue")
    assert (await crowd[0].booking(id))["status"] == "confirmed"


async def test_a_key_for_another_body(stack: Stack, market: Market, crowd: list[Venue]) -> None:
    slot, other = await market.session(), await market.session()
    key = uuid.uuid4().hex
    id = await crowd[0].book(slot, key=key)
    stack.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
    assert_problem(await crowd[0].ask(slot, 2, key=key), 409, "key-reused")
    assert_problem(await crowd[0].ask(other, 1, key=key), 409, "key-reused")
    assert (await crowd[0].book(slot, key=key)) == id
    assert (await crowd[1].book(slot, key=key)) != id, "a key is its organization's own"
    provider = market.caller("catalog", market.department_id, "provider-staff")
    offer = {"provider_id": market.department_id, "category": "环保", "title": "净滩"}
    first = await provider.post("/v1/offers", offer, key=key)
    assert first.status_code == 201
    again = await provider.post("/v1/offers", offer, key=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert_problem(await provider.post("/v1/offers", offer | {"title": "植树"}, key=key), 409, "key-reused")


async def test_a_key_that_is_none(stack: Stack, market: Market, crowd: list[Venue]) -> None:
    slot = await market.session()
    body = {"slot_id": slot, "party_size": 1}
    assert_problem(await crowd[0].post("/v1/bookings", body), 400, "key-missing")
    for key in ("", "a b", "k" * 201):
        assert_problem(await crowd[0].post("/v1/bookings", body, key=key), 400, "key-missing")
    provider = market.caller("catalog", market.department_id, "provider-staff")
    offer = {"provider_id": market.department_id, "category": "环保", "title": "净滩"}
    assert_problem(await provider.post("/v1/offers", offer), 400, "key-missing")
    assert await asked(stack, slot) == 0


def plain_post(url: str, path: str, token: str, *, chunked: bool) -> tuple[int, str, dict[str, Any]]:
    """Ten million bytes by the standard library's client; returns status, content type and the problem."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid.uuid4().hex, "Content-Type": "text/csv"}
    try:
        body = (b"x" * 100_000 for _ in range(TEN_MB // 100_000)) if chunked else b"x" * TEN_MB
        connection.request("POST", path, body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.getheader("content-type") or "", json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("matching", "/v1/bookings"),
        ("catalog", "/v1/organizations"),
        ("catalog", "/v1/organizations:import"),
        ("catalog", "/v1/offers"),
        ("catalog", "/v1/offers/offer-1/sessions"),
        ("catalog", "/v1/resources"),
        ("matching", "/v1/bookings:batch"),
        ("demand", "/v1/demands"),
        ("demand", "/v1/demands/demand-1/claims"),
        ("notify", "/v1/inbox/read-all"),
        ("notify", "/v1/preferences"),
        ("portal", "/signin"),
        ("portal", "/demands/new"),
    ],
)
async def test_ten_million_bytes(service: str, path: str, chunked: bool, stack: Stack, market: Market) -> None:
    token = stack.token(market.center_id, "center")
    status, kind, problem = await asyncio.to_thread(plain_post, stack.url(service), path, token, chunked=chunked)
    assert (status, kind, problem["title"]) == (413, "application/problem+json", "too-large")
    assert "4194304" in problem["detail"] if path.endswith(":import") else problem["detail"]


async def test_early_closed_cancelled_and_too_large(stack: Stack, market: Market, crowd: list[Venue]) -> None:
    now = datetime.now(UTC)
    early = await market.session(opens_at=now + timedelta(hours=2))
    closed = await market.session(opens_at=now - timedelta(hours=2), closes_at=now - timedelta(hours=1))
    small = await market.session(capacity=3)
    cancelled = await market.session(capacity=3)
    id = await crowd[0].book(cancelled)
    stack.accepted.append({"request_id": id, "slot_id": cancelled, "status": 202})
    await crowd[0].decided(id)
    provider = market.caller("catalog", market.department_id, "provider-staff")
    answer = await provider.post(f"/v1/sessions/{cancelled}/cancel", {"reason": "讲师生病"}, key=uuid.uuid4().hex)
    assert answer.status_code == 200, answer.text
    released = await crowd[0].decided(id, "released")
    assert released["reason"] == "session-cancelled"

    wanted: tuple[tuple[httpx.Response, int, str], ...] = (
        (await crowd[1].ask(early), 425, "early"),
        (await crowd[1].ask(closed), 409, "slot-closed"),
        (await crowd[1].ask(small, 4), 422, "party-too-large"),
        (await crowd[1].ask(cancelled), 409, "slot-cancelled"),
    )
    for refused, status, code in wanted:
        assert_problem(refused, status, code)
    assert 3500 <= int(wanted[0][0].headers["retry-after"]) <= 7200
    assert [await asked(stack, slot) for slot in (early, closed, small)] == [0, 0, 0]
    assert_problem(await crowd[0].cancel(id), 409, "ended")
    assert (await crowd[1].ask(small, 3)).status_code == 202
