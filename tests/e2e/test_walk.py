"""A stranger's walk: an offer published, ten bookings for three places, one cancelled, all of it proved.

The client knows what contracts say and what each service's /openapi.json says, and nothing else of ours.
"""

import asyncio
import hashlib
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
import rfc8785

from tests.support import checks, kafka
from tests.support.client import Venue
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack
from tests.support.waiting import eventually

BOOKING = "youai.booking.v1"


async def openapi(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await http.get(f"{url}/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


async def decisions(stack: Stack, slot_id: str) -> list[kafka.Read]:
    """The slot's decisions, each once, in their order, read by a plain Kafka client."""
    found: dict[str, kafka.Read] = {}
    for record in await kafka.read_topic(stack.bootstrap, BOOKING):
        if record.key == slot_id.encode():
            found.setdefault(record.id, record)
    return list(found.values())


async def asked(stack: Stack, slot_id: str) -> list[str]:
    """The slot's requests as they stand in the log."""
    log = await kafka.read_topic(stack.bootstrap, "youai.slot-log.v1")
    wanted = [record for record in log if record.key == slot_id.encode() and record.type == "booking-requested"]
    return list(dict.fromkeys(record.data["request_id"] for record in wanted))


@pytest.fixture(scope="module")
async def paths(stack: Stack, market: Market) -> dict[str, set[tuple[str, str]]]:
    """Each service's calls, as its /openapi.json says them."""
    return {
        service: {
            (method, path)
            for path, calls in (await openapi(market.http, stack.url(service)))["paths"].items()
            for method in calls
        }
        for service in ("catalog", "matching")
    }


async def test_the_calls_of_the_contract_are_offered(paths: dict[str, set[tuple[str, str]]]) -> None:
    assert paths["matching"] >= {
        ("post", "/v1/bookings"),
        ("get", "/v1/bookings/{request_id}"),
        ("delete", "/v1/bookings/{request_id}"),
        ("get", "/v1/slots/{slot_id}"),
    }
    calls = {(method, path.split("{")[0]) for method, path in paths["catalog"]}
    assert calls >= {("post", "/v1/organizations"), ("post", "/v1/offers"), ("post", "/v1/offers/")}


async def test_ten_ask_for_three_places(stack: Stack, market: Market, tmp_path: Path) -> None:
    venues = await market.venues(10)
    offer_id = await market.offer()
    session = session_body(capacity=3, session_id=new_id("walk"))
    provider = market.caller("catalog", market.department_id, "provider-staff")
    opened = await provider.post(f"/v1/offers/{offer_id}/sessions", session, key=uuid.uuid4().hex)
    assert opened.status_code == 201, opened.text
    slot_id: str = opened.json()["slot_id"]

    # Each asks twice with the same key: the same answer, one request.
    keys = [uuid.uuid4().hex for _ in venues]
    first = [await venue.book(slot_id, key=key) for venue, key in zip(venues, keys, strict=True)]
    again = await asyncio.gather(*(venue.book(slot_id, key=key) for venue, key in zip(venues, keys, strict=True)))
    assert again == first
    assert len(set(first)) == 10
    for venue, request_id in zip(venues, first, strict=True):
        stack.accepted.append({"request_id": request_id, "slot_id": slot_id, "status": 202})
        await venue.decided(request_id)

    async def ten() -> list[kafka.Read]:
        found = await decisions(stack, slot_id)
        return found if len(found) >= 10 else []

    read = await eventually(ten, 20, "ten decisions are published")
    in_order = await asked(stack, slot_id)
    assert sorted(in_order) == sorted(first)
    assert [record.data["request_id"] for record in read] == in_order
    assert [record.data["outcome"] for record in read] == ["confirmed"] * 3 + ["waitlisted"] * 7
    assert [record.data["place"] for record in read] == [None] * 3 + [1, 2, 3, 4, 5, 6, 7]
    assert [record.data["ahead"] for record in read] == [None] * 3 + [0, 1, 2, 3, 4, 5, 6]
    assert [record.data["taken"] for record in read] == [1, 2, 3, 3, 3, 3, 3, 3, 3, 3]
    by_request: dict[str, Venue] = dict(zip(first, venues, strict=True))

    # One cancels; the first in the queue has the place, by the same record of the log.
    leaving, lucky = in_order[1], in_order[3]
    answer = await by_request[leaving].cancel(leaving, key=uuid.uuid4().hex)
    assert answer.status_code == 202, answer.text
    promoted = await by_request[lucky].decided(lucky, "promoted")
    assert promoted["place"] is None
    assert (await by_request[in_order[4]].booking(in_order[4]))["place"] == 1
    assert (await by_request[leaving].booking(leaving))["status"] == "released"

    async def twelve() -> list[kafka.Read]:
        found = await decisions(stack, slot_id)
        return found if len(found) >= 12 else []

    read = await eventually(twelve, 20, "the cancelling and the promotion are published")
    released, granted = (record.data for record in read[10:])
    assert (released["request_id"], released["outcome"], released["taken"]) == (leaving, "released", 2)
    assert (granted["request_id"], granted["outcome"], granted["taken"]) == (lucky, "promoted", 3)
    assert granted["log_offset"] == released["log_offset"]
    chain(read)
    for record in read:
        assert (record.headers["ce_specversion"], record.headers["ce_source"]) == (b"1.0", b"/youai/matching")
        assert record.type == f"booking-{record.data['outcome']}"
        assert record.partition == record.data["log_partition"]

    # What a venue reads over HTTP is what was published.
    receipts = (await by_request[lucky].booking(lucky))["receipts"]
    assert receipts == [record.data for record in read if record.data["request_id"] == lucky]

    await checks.settled(stack)
    summary = await proved(stack, tmp_path)
    assert summary["first_outcomes"]["confirmed"] >= 3


def chain(read: list[kafka.Read]) -> None:
    """Each receipt's hash is that of its RFC 8785 JSON, and names the one before it."""
    previous = "0" * 64
    for number, record in enumerate(read, 1):
        data = record.data
        assert data["sequence"] == number
        assert data["previous_hash"] == previous
        bare = {name: value for name, value in data.items() if name != "hash"}
        assert data["hash"] == hashlib.sha256(rfc8785.dumps(bare)).hexdigest()
        previous = data["hash"]


async def proved(stack: Stack, folder: Path) -> dict[str, Any]:
    """`youai export` of the topics, and the verifier's word on it."""
    for topic in ("youai.slot-log.v1", BOOKING, "youai.claim.v1", "youai.offer.v1", "youai.organization.v1"):
        await run("-m", "youai_stack", "export", topic, "-o", str(folder / f"{topic}.jsonl"), "--home", stack.home.path)
    (folder / "accepted.jsonl").write_text("".join(json.dumps(line) + "\n" for line in stack.accepted))
    return await checks.prove(folder)


async def run(*arguments: object) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
