"""Full doors: clients that vanish, that send slowly, that only listen; and a broker that hangs under a crowd."""

import asyncio
import contextlib
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import checks
from tests.support.client import Venue, assert_problem
from tests.support.market import Market
from tests.support.stack import Stack
from tests.support.waiting import eventually

VANISHING = 1_000
SLOW = 1_500
CROWDING = 4_000
STREAMS_OF_ONE = 200
MOST_GROWTH_MB = 150

Connected = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(stack: Stack, sent: bytes) -> Connected:
    """A connection to matching's door that has sent so much."""
    address = urlsplit(stack.url("matching"))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


def request(venue: Venue, slot: str, key: str, *, size: int = 1) -> bytes:
    """A booking as bytes."""
    body = json.dumps({"slot_id": slot, "party_size": size}).encode()
    head = (
        f"POST /v1/bookings HTTP/1.1\r\nhost: matching\r\nauthorization: Bearer {venue.token}\r\n"
        f"content-type: application/json\r\nidempotency-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer_of(connected: Connected, within: float = 30.0) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; closes the connection. (0, …) where there was no answer."""
    reader, writer = connected
    try:
        async with asyncio.timeout(within):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return 0, {}, b""
    finally:
        writer.close()


def resident_mb(stack: Stack) -> float:
    """Memory of matching's API, in MB."""
    status = Path(f"/proc/{stack.pid('matching-api')}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def known_slots(market: Market, venue: Venue, number: int, capacity: int) -> list[str]:
    slots = await market.sessions([{"capacity": capacity} for _ in range(number)])
    for slot in slots:
        await venue.read_back(f"/v1/slots/{slot}")
    return slots


@contextlib.asynccontextmanager
async def unmoved(stack: Stack) -> AsyncIterator[None]:
    """The door's process is the same after it, and has not grown beyond bounds."""
    pid, before = stack.pid("matching-api"), resident_mb(stack)
    yield
    assert stack.pid("matching-api") == pid
    grown = resident_mb(stack) - before
    print(f"\nmatching-api: {before:.0f} MB before, {grown:+.0f} MB")
    assert grown < MOST_GROWTH_MB


async def test_a_thousand_vanish_while_their_booking_is_appended(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    """Each is taken in whole or not at all; who asks again with the key is told which, and nothing is done twice."""
    slots = await known_slots(market, crowd[0], VANISHING // len(crowd), 10)
    asked = [(venue, slot, uuid.uuid4().hex) for slot in slots for venue in crowd]

    at_once = asyncio.Semaphore(50)

    async def vanish(venue: Venue, slot: str, key: str, number: int) -> None:
        async with at_once:
            _, writer = await connect(whole, request(venue, slot, key))
            await asyncio.sleep(number % 10 / 100)  # before it is read, while it waits, while it is appended, after
            writer.transport.abort()

    async with unmoved(whole):
        await asyncio.gather(*(vanish(*one, number) for number, one in enumerate(asked)))
        taken = await whole.ask("matching", "SELECT request_id FROM request WHERE slot_id = ANY($1::text[])", slots)
        told = Counter[int]()
        for venue, slot, key in asked:

            async def answered(venue: Venue = venue, slot: str = slot, key: str = key) -> tuple[int, bytes] | None:
                status, _, body = await answer_of(await connect(whole, request(venue, slot, key)))
                return (status, body) if status not in (0, 503, 504) else None

            status, body = await eventually(answered, 20, "it is answered")
            told[status] += 1
            assert status == 202, body
            whole.accepted.append({"request_id": json.loads(body)["request_id"], "slot_id": slot, "status": 202})
    print(f"\nof {len(asked)} that vanished {len(taken)} were seen taken at once; asked again: {dict(told)}")
    assert taken, "some were taken in before they vanished"
    rows = await whole.ask("matching", "SELECT request_id FROM request WHERE slot_id = ANY($1::text[])", slots)
    assert len(rows) == len({row["request_id"] for row in rows}) == len(asked)
    await checks.verify(whole, tmp_path)


async def test_slow_senders_take_nobodys_place(whole: Stack, market: Market, crowd: list[Venue]) -> None:
    """More of them than are served at a time; whoever sends a whole request is served meanwhile."""
    (slot,) = await known_slots(market, crowd[0], 1, 100)
    whole_request = request(crowd[0], slot, uuid.uuid4().hex)
    override = whole_request.replace(b"/v1/bookings", f"/v1/slots/{slot}/overrides".encode())
    parts = [whole_request[:40], whole_request[:-5], override[:-5]]
    async with unmoved(whole):
        slow = [await connect(whole, parts[number % 3]) for number in range(SLOW)]
        try:
            for venue in crowd[:5]:
                status, _, body = await answer_of(await connect(whole, request(venue, slot, uuid.uuid4().hex)), 5)
                assert status == 202, body
                whole.accepted.append({"request_id": json.loads(body)["request_id"], "slot_id": slot, "status": 202})
            assert (await crowd[1].get(f"/v1/slots/{slot}")).status_code == 200
            assert (await crowd[1].get("/livez")).status_code == 200
        finally:
            for _, writer in slow:
                writer.transport.abort()


async def test_as_many_listen_as_may_and_the_next_is_told_when_to_come(
    whole: Stack, market: Market, crowd: list[Venue]
) -> None:
    (slot,) = await known_slots(market, crowd[0], 1, 5)
    head = f"GET /v1/slots/{slot}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {crowd[0].token}\r\n\r\n".encode()
    async with unmoved(whole):
        streams = [await connect(whole, head) for _ in range(STREAMS_OF_ONE)]
        try:
            for reader, _ in streams:
                assert b" 200 " in await asyncio.wait_for(reader.readline(), 10)
            refused = await crowd[0].get(f"/v1/slots/{slot}/events")
            assert_problem(refused, 503, "unavailable")
            assert int(refused.headers["retry-after"]) > 0
            # Nobody reads these streams; what they are told of is decided all the same, and others are answered.
            id = await crowd[0].book(slot)
            whole.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
            assert (await crowd[0].decided(id))["status"] == "confirmed"
        finally:
            for _, writer in streams:
                writer.transport.abort()

        async def listens() -> bool:
            connected = await connect(whole, head)
            try:
                return b" 200 " in await asyncio.wait_for(connected[0].readline(), 5)
            finally:
                connected[1].transport.abort()

        await eventually(listens, 20, "places are free again")


async def test_a_crowd_before_a_broker_that_hangs(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    """Every answer is honest and says when to come again, most are quick, and afterwards all is as before."""
    if not whole.owns("kafka"):
        pytest.skip("kafka is not the stack's own")
    slots = await known_slots(market, crowd[0], CROWDING // len(crowd) + 1, 5)
    asked = [(venue, slot, uuid.uuid4().hex) for slot in slots for venue in crowd][:CROWDING]
    told = Counter[str]()
    async with unmoved(whole):
        with whole.paused("kafka"):

            async def ask(venue: Venue, slot: str, key: str) -> None:
                status, headers, body = await answer_of(await connect(whole, request(venue, slot, key)), 15)
                told[f"{status}"] += 1
                assert status in (202, 503, 504), (status, body)
                assert status == 202 or int(headers["retry-after"]) > 0
                assert status == 202 or headers["content-type"] == "application/problem+json"
                if status == 202:
                    accepted = {"request_id": json.loads(body)["request_id"], "slot_id": slot, "status": 202}
                    whole.accepted.append(accepted)

            await asyncio.gather(*(ask(*one) for one in asked))
            assert (await crowd[0].get("/livez")).status_code == 200
            assert (await crowd[0].get(f"/v1/slots/{slots[0]}")).status_code == 200
        print(f"\n{len(asked)} before a broker that hangs: {dict(told)}")
        await whole.wait_ready()
        (fresh,) = await known_slots(market, crowd[0], 1, 5)
        id = await crowd[0].book(fresh)
        whole.accepted.append({"request_id": id, "slot_id": fresh, "status": 202})
        assert (await crowd[0].decided(id, "confirmed"))["status"] == "confirmed"
    assert told["503"]
    await checks.verify(whole, tmp_path)
