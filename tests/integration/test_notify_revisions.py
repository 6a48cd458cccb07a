"""Notify and sessions that change: whoever has places or waits is told once, whichever topic is read first."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import youai_notify
from youai_contracts.events import Decision, Event
from youai_runtime import database
from youai_runtime.work import Record

from tests.support.catalog_alone import database_of as plain_database_of
from tests.support.client import Caller
from tests.support.market import Market, new_id
from tests.support.notify_alone import Alone, apply, database_of, serving
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.unit.notify.story import NINE, booking, offer, revised, session

LATER = NINE.replace(day=6)
HOLD_UNTIL = "2026-12-05T04:30:00.000Z"


@pytest_asyncio.fixture
async def alone(stack: Stack) -> AsyncIterator[Alone]:
    """Notify over an empty database."""
    async with database_of(stack) as dsn, serving(stack, dsn) as served:
        yield served


def of(venue: str, outcome: str, reason: str = "x", slot: str = "slot-1", request: str | None = None) -> Decision:
    """A decision on a venue's request; it stands in the queue where that is what the outcome says."""
    queued = {"place": 1, "ahead": 0} if outcome in ("waitlisted", "lapsed", "displaced") else {}
    held = {"hold_until": HOLD_UNTIL} if outcome == "promoted" else {}
    named = {"venue_id": venue, "request_id": request or f"r-{venue}", "slot_id": slot}
    return booking(outcome, reason, **named, **queued, **held)


def out(venue: str, outcome: str, reason: str) -> Decision:
    """The decision that ends a request."""
    return booking(outcome, reason, venue_id=venue, request_id=f"r-{venue}")


BEFORE: list[Event] = [
    of("confirmed", "confirmed"),
    of("entered", "entered"),
    of("waiting", "waitlisted"),
    of("held", "waitlisted"),
    of("held", "promoted"),
    of("lapsed", "promoted"),
    of("lapsed", "lapsed"),
    of("displaced", "confirmed"),
    of("displaced", "displaced"),
    of("twice", "confirmed"),
    booking("rejected", "already-live", venue_id="twice", request_id="r-again"),
    of("back", "confirmed", request="r-first"),
    booking("released", "cancelled", venue_id="back", request_id="r-first"),
    of("back", "waitlisted", request="r-second"),
    of("elsewhere", "confirmed", slot="slot-2"),
    of("gone", "confirmed"),
    out("gone", "released", "cancelled"),
    of("out", "promoted"),
    out("out", "lapsed", "hold-lapsed-again"),
    of("cut", "confirmed"),
    out("cut", "displaced", "capacity-cut-closed"),
    out("refused", "rejected", "waitlist-full"),
]
LIVE = {"confirmed", "entered", "waiting", "held", "lapsed", "displaced", "twice", "back"}


async def recipients(alone: Alone, kind: str = "session-revised") -> Counter[str]:
    return Counter(event.recipient_id for event in await alone.sent() if event.kind == kind)


async def test_everybody_live_is_told_what_changed_and_nobody_twice(alone: Alone) -> None:
    change = revised(starts_at=LATER, venue_name="村委会", capacity=1)
    pairs: list[tuple[Event, Record]] = []
    for lane in ([offer(), session(), session("slot-2")], BEFORE, [change]):
        pairs += zip(lane, await alone.read(*lane), strict=True)
    assert await recipients(alone) == dict.fromkeys(LIVE, 1)
    (told,) = [row for row in await alone.inbox("confirmed") if row["kind"] == "session-revised"]
    assert told["body_zh"].startswith("“亲子烘焙”有变：开始时间改为2026年12月6日 09:00；地点改为村委会；名额改为1个")
    assert told["subject_id"] == "slot-1"
    sent = await alone.sent()
    await alone.work(pairs)
    assert await alone.sent() == sent
    # Each change by itself, and of another session to its own.
    await alone.read(revised(capacity=2), revised("slot-2", capacity=2))
    assert await recipients(alone) == dict.fromkeys(LIVE, 2) | {"elsewhere": 1}


async def test_whoever_books_after_a_change_reads_the_new_time_and_is_told_no_change(alone: Alone) -> None:
    await alone.read(offer(), session(), revised(starts_at=LATER, venue_name="村委会"))
    await alone.read(of("late", "confirmed"))
    assert await alone.kinds("late") == ["booking-confirmed"]
    (told,) = await alone.inbox("late")
    assert "2026年12月6日 09:00，村委会" in told["body_zh"]


async def test_a_change_of_a_session_whose_opening_could_not_be_read_stops_nobody(alone: Alone) -> None:
    await alone.read(offer(), revised(starts_at=LATER))
    await alone.read(of("early", "confirmed"))
    assert await alone.sent() == []
    await alone.read(session())
    assert await alone.kinds("early") == ["booking-confirmed"]


@pytest.mark.parametrize("one_batch", [True, False])
async def test_the_same_are_told_whichever_topic_is_read_first(stack: Stack, one_batch: bool) -> None:
    """Bookings that were made before the change and are read after it, with their session or without."""
    found = []
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2)):
        async with database_of(stack) as dsn, serving(stack, dsn) as alone:
            lanes: list[list[Event]] = [[offer(), session(), session("slot-2")], BEFORE, [revised(starts_at=LATER)]]
            pairs = [list(zip(lane, alone.log.append(*lane), strict=True)) for lane in lanes]
            for number in order:
                for part in [pairs[number]] if one_batch else [[pair] for pair in pairs[number]]:
                    await alone.work(part)
            assert await alone.held() == 0
            found.append({venue: n for venue, n in (await recipients(alone)).items() if venue in LIVE})
            assert set((await recipients(alone)).values()) == {1}
    assert found == [dict.fromkeys(LIVE, 1)] * 3


async def test_an_old_change_that_is_read_again_neither_tells_nor_takes_back(alone: Alone) -> None:
    await alone.read(offer(), session())
    (old,) = await alone.read(revised(starts_at=LATER))
    await alone.read(revised(starts_at=LATER.replace(day=7)), of("v", "confirmed"))
    await alone.work([(revised(), old)])
    await alone.read(of("w", "confirmed"))
    assert await recipients(alone) == {}
    assert "2026年12月7日" in (await alone.inbox("w"))[0]["body_zh"]


async def test_who_was_there_before_a_change_and_is_read_together_with_what_came_after_it(alone: Alone) -> None:
    await alone.read(offer(), session())
    first = alone.log.append(of("v", "waitlisted"))
    change = alone.log.append(revised(starts_at=LATER))
    then = alone.log.append(of("v", "promoted"), of("new", "confirmed"))
    await alone.work([(revised(), one) for one in change])
    await alone.work([(of("v", "promoted"), one) for one in (*first, *then)])
    assert await recipients(alone) == {"v": 1}


async def test_a_session_that_is_opened_and_changed_in_one_batch(alone: Alone) -> None:
    await alone.read(of("early", "confirmed"))
    await alone.read(offer(), session(), revised(starts_at=LATER), revised(venue_name="村委会"))
    assert await alone.kinds("early") == ["booking-confirmed", "session-revised", "session-revised"]
    assert "2026年12月6日 09:00，村委会" in (await alone.inbox("early"))[0]["body_zh"]


async def test_a_change_of_a_session_that_nobody_knows_stops_nothing(alone: Alone) -> None:
    await alone.read(of("held", "confirmed", slot="nobody"))
    await alone.read(offer(), revised("nobody", capacity=3), revised("other", capacity=3), session())
    await alone.read(of("v", "confirmed"))
    assert await alone.kinds("v") == ["booking-confirmed"]
    assert await alone.held() == 1


async def test_a_change_waits_for_who_tells_of_a_booking(alone: Alone) -> None:
    """Read at the same moment: the booking tells the old time and the change is told, or the booking the new one."""
    await alone.read(offer(), session())
    (decided,) = alone.log.append(of("v", "confirmed"))
    (change,) = alone.log.append(revised(starts_at=LATER))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def revising() -> None:
        async with alone.pool.acquire() as other, other.transaction():
            await apply(other, "youai.offer.v1", change.partition, [change])

    async with alone.pool.acquire() as connection, connection.transaction():
        await apply(connection, "youai.booking.v1", decided.partition, [decided])
        task = asyncio.create_task(revising())

        async def is_over_or_waits() -> bool:
            return task.done() or bool(await alone.pool.fetchval(waiting))

        await eventually(is_over_or_waits, 10, "the change is over or waits for the booking")
    await task
    assert await alone.kinds("v") == ["booking-confirmed", "session-revised"]


async def test_what_was_told_before_this_version_says_who_is_live(stack: Stack, tmp_path: Path) -> None:
    """An upgrade: bookings that were told by the version before are known to the one that tells of changes."""
    folder = Path(youai_notify.__file__).parent / "migrations"
    for name in ("0001-notify.sql", "0002-traces.sql"):
        shutil.copy(folder / name, tmp_path)
    async with plain_database_of(stack, "template1", "notify") as (_name, dsn):
        await database.migrate(dsn, tmp_path)
        rows = [("a", "confirmed"), ("b", "waitlisted"), ("b", "promoted"), ("c", "confirmed"), ("c", "released")]
        rows += [("d", "rejected"), ("e", "confirmed"), ("e", "rejected")]
        async with serving(stack, dsn) as old:
            await old.pool.execute("INSERT INTO recipient SELECT unnest('{a,b,c,d,e}'::text[]), 99")
            for n, (venue, outcome) in enumerate(rows):
                await old.pool.execute(
                    "INSERT INTO inbox (notification_id, recipient_id, position, kind, subject_id, source_topic,"
                    " source_id, title_zh, title_en, body_zh, body_en, occurred_at)"
                    " VALUES ($1, $2, $3, $4, 'slot-1', 't', $1, '', '', '', '', now())",
                    f"n-{n}",
                    venue,
                    n,
                    f"booking-{outcome}",
                )
        await database.migrate(dsn, folder)
        async with serving(stack, dsn) as alone:
            await alone.read(of("b", "released", "cancelled"))
            await alone.read(offer(), session(), revised(capacity=2))
            assert await recipients(alone) == {"a": 1, "e": 1}


async def test_a_change_goes_from_the_provider_to_the_venues_and_the_pages(stack: Stack, market: Market) -> None:
    """Through catalog's call, its relay, the topic, notify's lane and the inbox; and through portal's to the page."""
    slot_id = await market.session(capacity=1)
    venues = await market.venues(3)
    requests = [await venue.book(slot_id) for venue in venues[:2]]
    for venue, request_id in zip(venues[:2], requests, strict=True):
        await venue.decided(request_id)
    callers = [market.caller("notify", venue.organization_id, "venue-staff") for venue in venues]

    async def told(caller: Caller) -> list[str]:
        return [one["kind"] for one in (await caller.get("/v1/inbox")).json()["notifications"]]

    async def both_know() -> bool:
        return [len(await told(caller)) for caller in callers[:2]] == [1, 1]

    await eventually(both_know, 30, "both venues are told what became of their requests")
    place = new_id("教室")
    provider = market.caller("catalog", market.department_id, "provider-staff")
    change = {"venue_name": place, "reason": "换教室"}
    answer = await provider.call("PATCH", f"/v1/sessions/{slot_id}", json=change, headers={"Idempotency-Key": slot_id})
    assert answer.status_code == 200, answer.text

    async def both_are_told() -> bool:
        return [(await told(caller))[0] for caller in callers[:2]] == ["session-revised"] * 2

    await eventually(both_are_told, 30, "both venues are told of the change")
    assert [len(await told(caller)) for caller in callers] == [2, 2, 0]

    async def shown() -> bool:
        return place in (await market.http.get(f"{stack.url('portal')}/slots/{slot_id}")).text

    await eventually(shown, 30, "the page has the new place")
