"""What people are shown: sessions that can be booked now, the pool without who asked for what, and the badge."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest_asyncio
import youai_portal
from youai_contracts import codec, topics
from youai_contracts.events import NotificationSent
from youai_portal import streams
from youai_portal.store import inbox, ledger
from youai_runtime import database

from tests.support.catalog_alone import database_of
from tests.support.market import Market, new_id
from tests.support.notify_alone import Rec
from tests.support.stack import Stack
from tests.support.waiting import eventually

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest_asyncio.fixture
async def tables(stack: Stack) -> AsyncIterator[database.Connection]:
    """The portal's tables, empty."""
    async with database_of(stack, "template1", "portal") as (_name, dsn):
        await database.migrate(dsn, Path(youai_portal.__file__).parent / "migrations")
        pool = await database.connect_pool(dsn, name="test", size=1)
        async with pool.acquire() as connection:
            yield connection
        pool.terminate()


async def put(
    tables: database.Connection,
    slot_id: str,
    taken: int | None,
    *,
    waiting: int = 0,
    waitlist: int | None = None,
    opens_at: datetime = NOW - HOUR,
    closes_at: datetime = NOW + HOUR,
    state: str = "open",
) -> None:
    """A session of five places; `taken` None: nothing was decided of it yet."""
    await tables.execute(
        "INSERT INTO session (slot_id, session_id, offer_id, capacity, opens_at, closes_at, starts_at, ends_at,"
        " waitlist, venue_name, state) VALUES ($1, $1, 'o', 5, $2, $3, $4, $5, $6, '中山村', $7)",
        slot_id,
        opens_at,
        closes_at,
        NOW + 2 * HOUR,
        NOW + 3 * HOUR,
        waitlist,
        state,
    )
    if taken is not None:
        await tables.execute(
            "INSERT INTO slot (slot_id, capacity, taken, waiting, waiting_places, sequence)"
            " VALUES ($1, 5, $2, $3, $3, 1)",
            slot_id,
            taken,
            waiting,
        )


async def test_the_number_that_can_be_booked_is_that_of_the_list_beside_it(tables: database.Connection) -> None:
    await tables.execute(
        "INSERT INTO offer (offer_id, provider_id, provider_name, category, title, description, towns, audience, mode,"
        " published_at) VALUES ('o', 'd', '市妇联', '其他', '课', '', '{}', '', 'arrival', now())"
    )
    await put(tables, "untouched", None)
    await put(tables, "nearly full", 4)
    await put(tables, "full, queue open", 5, waiting=7)
    await put(tables, "full, queue with room", 5, waiting=1, waitlist=2)
    await put(tables, "full, queue full", 5, waiting=2, waitlist=2)
    await put(tables, "full, no queue", 5, waitlist=0)
    await put(tables, "not open yet", 0, opens_at=NOW + HOUR / 2)
    await put(tables, "closed", 0, closes_at=NOW - HOUR / 2)
    await put(tables, "cancelled", 0, state="cancelled")
    shown = {row["slot_id"] for row in await ledger.opening(tables, 100)}
    numbers = await ledger.headline(tables, NOW, NOW + 24 * HOUR)
    assert shown == {"untouched", "nearly full"}
    assert (numbers["bookable"], numbers["queueing"]) == (len(shown), 2)
    assert numbers["sessions"] == 8  # of the month: all but the cancelled one


async def test_anybody_finds_a_resource_and_nobody_reads_who_asked_for_it(stack: Stack, market: Market) -> None:
    word = new_id("旗袍老师")
    owner = market.caller("catalog", market.department_id, "provider-staff")
    body = {"owner_id": market.department_id, "kind": "person", "title": word, "town": "大新镇"}
    answer = await owner.post("/v1/resources", body, key=uuid.uuid4().hex)
    assert answer.status_code == 201, answer.text
    resource = answer.json()["resource_id"]
    asker = await market.venue()
    asked = market.caller("catalog", asker.organization_id, "venue-staff")
    message = {"message": f"{word}能来教吗"}
    assert (await asked.post(f"/v1/resources/{resource}/ask", message, key=uuid.uuid4().hex)).status_code == 201
    read = "SELECT 1 FROM resource_ask AS a JOIN resource AS r USING (resource_id) WHERE r.resource_id = $1"
    await eventually(lambda: stack.ask("portal", read, resource), 30, "the portal knows the resource and the ask")
    async with httpx.AsyncClient(base_url=stack.url("portal"), timeout=30) as public:
        for path in (f"/search?q={word}", f"/resources?q={word}"):
            page = await public.get(path)
            assert (page.status_code, f"/resources/{resource}" in page.text) == (200, True), path
        page = await public.get(f"/resources/{resource}")
        assert (page.status_code, word in page.text) == (200, True)
        assert message["message"] not in page.text
        assert asker.organization_id not in page.text
        assert "登录后联系" in page.text


async def test_what_was_muted_is_in_the_inbox_and_not_in_the_badge(tables: database.Connection) -> None:
    records = []
    for number, muted in enumerate((False, True, True)):
        sent = NotificationSent(
            notification_id=f"n-{number}",
            recipient_id="station",
            kind="booking-rejected" if muted else "booking-confirmed",
            subject_id="slot",
            source_topic=topics.BOOKING.name,
            source_id=f"0-{number}-0",
            title_zh="一",
            title_en="one",
            body_zh="",
            body_en="",
            occurred_at=NOW,
            muted=muted,
        )
        told = codec.encode(sent, id=f"notify-{number}", source="/test", at=NOW)
        records.append(Rec(0, number, 0, told.key, told.value, told.headers))
    (lane,) = (one for one in streams.projections() if one.topic == topics.NOTIFICATION)
    async with tables.transaction():
        await lane.apply(tables, -1, records)
    assert await inbox.unread(tables, "station") == 1
    assert len(await inbox.page(tables, "station", unread=True, after=None, limit=10)) == 3
    # As it was written before the field was there.
    again = codec.encode(
        msgspec.structs.replace(sent, notification_id="n-9", muted=False), id="notify-9", source="/test", at=NOW
    )
    old = again.value.replace(b',"muted":false', b"")
    assert old != again.value
    async with tables.transaction():
        await lane.apply(tables, -1, [Rec(0, 9, 0, again.key, old, again.headers)])
    assert await inbox.unread(tables, "station") == 2
