"""Portal's tables under the rules of draws, holds and changed sessions: what is read of them is what the topics say."""

import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
import youai_portal
from msgspec import structs
from youai_contracts import codec, topics
from youai_contracts.events import AttendanceRecorded, Decision, Event, SessionCancelled
from youai_portal import domain, streams
from youai_portal.store import bookings, ledger, manage, offers
from youai_runtime import database

from tests.support.catalog_alone import database_of
from tests.support.stack import Stack
from tests.unit.notify.story import ACTOR, NINE, booking, offer, revised, session

BEGUN = datetime(2026, 12, 4, tzinfo=UTC)
LANES = {topics.OFFER.name: streams.Offers(topics.OFFER), topics.BOOKING.name: streams.Bookings(topics.BOOKING)}


@pytest_asyncio.fixture
async def pool(stack: Stack) -> AsyncIterator[database.Pool]:
    """Portal's database, migrated and empty."""
    async with database_of(stack, "template1", "portal") as (_name, dsn):
        await database.migrate(dsn, Path(youai_portal.__file__).parent / "migrations")
        made = await database.connect_pool(dsn, name="test", size=4)
        yield made
        made.terminate()


async def read(pool: database.Pool, *events: Event, at: datetime = BEGUN) -> None:
    """Let the lane of the events' topic fold them, in one batch."""
    records = []
    for n, event in enumerate(events):
        message = codec.encode(event, id=f"t-{n}", source="/test", at=at)
        record = {"partition": 0, "offset": n, "timestamp": int(at.timestamp() * 1000)}
        records.append(SimpleNamespace(**record, key=message.key, value=message.value, headers=message.headers))
    async with pool.acquire() as connection, connection.transaction():
        await LANES[events[0].topic.name].apply(connection, 0, records)


def of(venue: str, outcome: str, sequence: int, reason: str = "x", **more: Any) -> Decision:
    at = codec.rfc3339(BEGUN + timedelta(seconds=sequence))
    return booking(outcome, reason, venue_id=venue, request_id=f"r-{venue}", sequence=sequence, decided_at=at, **more)


async def slot(pool: database.Pool, slot_id: str = "slot-1") -> dict[str, Any]:
    async with pool.acquire() as connection:
        row = await offers.slot(connection, slot_id)
    assert row is not None
    return dict(row)


async def own(pool: database.Pool, venue: str) -> dict[str, Any]:
    async with pool.acquire() as connection:
        (row,) = await bookings.own_in_slot(connection, "slot-1", venue)
    return row


async def unmet(pool: database.Pool) -> tuple[int, int]:
    """Requests and places that the ledger counts as unmet."""
    async with pool.acquire() as connection:
        rows = (await ledger.balance(connection, ledger.Scope()))["category"]
    return sum(row["unmet"] for row in rows), sum(row["unmet_places"] for row in rows)


async def test_a_session_follows_its_changes(pool: database.Pool) -> None:
    later = NINE + timedelta(days=2)
    await read(pool, offer(), session(), revised(capacity=5), revised(starts_at=later, venue_name="村委会"))
    row = await slot(pool)
    assert (row["capacity"], row["starts_at"], row["venue_name"], row["closes_at"]) == (5, later, "村委会", NINE)
    assert (row["revised_reason"], row["revised_at"]) == ("讲师改期", BEGUN)
    await read(pool, revised(capacity=3, closes_at=NINE - timedelta(hours=1), reason="少一位老师"))
    row = await slot(pool)
    assert (row["capacity"], row["closes_at"], row["starts_at"]) == (3, NINE - timedelta(hours=1), later)
    assert row["revised_reason"] == "少一位老师"
    await read(pool, revised("nobody", capacity=3), session("slot-2"), revised("slot-2", opens_at=later))
    assert (await slot(pool, "slot-2"))["opens_at"] == later
    cancelled = SessionCancelled(offer_id="offer-1", session_id="slot-1", slot_id="slot-1", reason="雨", actor=ACTOR)
    await read(pool, cancelled)
    assert (await slot(pool))["state"] == "cancelled"


async def test_places_are_those_that_the_later_word_gives(pool: database.Pool) -> None:
    """A provider's change at once, whatever decisions just before it said; then what matching says, overrides too."""
    await read(pool, offer(), session())
    assert (await slot(pool))["capacity"] == 1
    await read(pool, of("a", "confirmed", 1, capacity=1))
    await read(pool, of("b", "confirmed", 2, "override", capacity=2, taken=2))
    assert ((await slot(pool))["capacity"], (await slot(pool))["taken"]) == (2, 2)
    changed, soon = BEGUN + timedelta(hours=1), BEGUN + timedelta(hours=1, seconds=5)
    await read(pool, revised(capacity=6), at=changed)
    assert (await slot(pool))["capacity"] == 6
    await read(pool, booking("confirmed", "place-free", sequence=3, capacity=2, decided_at=codec.rfc3339(soon)))
    assert (await slot(pool))["capacity"] == 6  # decided before matching had read the change
    late = codec.rfc3339(changed + timedelta(hours=1))
    await read(pool, booking("confirmed", "override", sequence=4, capacity=7, decided_at=late, taken=4))
    assert (await slot(pool))["capacity"] == 7
    async with pool.acquire() as connection:
        (row,) = (await ledger.balance(connection, ledger.Scope()))["category"]
        assert (row["places"], row["taken"]) == (7, 4)
        (provider,) = await ledger.providers(connection, ledger.Scope(), 5)
        assert (provider["places"], provider["taken"]) == (7, 4)


async def test_an_override_right_after_a_change_is_believed(pool: database.Pool) -> None:
    """Three taken of two: never shown, neither at once nor until the next decision."""
    await read(pool, offer(), structs.replace(session(), capacity=9))
    told = [of(venue, "confirmed", n, capacity=9, taken=n) for n, venue in enumerate("ab", start=1)]
    await read(pool, *told)
    changed = BEGUN + timedelta(hours=1)
    await read(pool, revised(capacity=2), at=changed)
    assert ((await slot(pool))["capacity"], (await slot(pool))["taken"]) == (2, 2)
    soon = {"decided_at": codec.rfc3339(changed + timedelta(seconds=20))}
    await read(pool, structs.replace(of("c", "confirmed", 3, "override", capacity=3, taken=3), **soon))
    assert ((await slot(pool))["capacity"], (await slot(pool))["taken"]) == (3, 3)
    soon = {"decided_at": codec.rfc3339(changed + timedelta(seconds=30))}
    await read(pool, structs.replace(of("c", "released", 4, "cancelled", capacity=3, taken=2), **soon))
    assert ((await slot(pool))["capacity"], (await slot(pool))["taken"]) == (3, 2)


async def test_a_cut_that_matching_has_not_read_shows_no_more_taken_than_there_are(pool: database.Pool) -> None:
    await read(pool, offer(), structs.replace(session(), capacity=9))
    await read(pool, *(of(f"v{n}", "confirmed", n, capacity=9, taken=n) for n in range(1, 6)))
    changed = BEGUN + timedelta(hours=1)
    await read(pool, revised(capacity=3), at=changed)
    assert ((await slot(pool))["capacity"], (await slot(pool))["taken"]) == (9, 5)
    soon = {"decided_at": codec.rfc3339(changed + timedelta(seconds=1))}
    cut = [of(f"v{n}", "displaced", 11 - n, "capacity-cut", capacity=3, taken=n - 1, place=1, ahead=0) for n in (5, 4)]
    await read(pool, *(structs.replace(one, **soon) for one in cut))
    assert ((await slot(pool))["capacity"], (await slot(pool))["taken"]) == (3, 3)


async def test_a_draw_a_hold_its_lapse_and_a_cut(pool: database.Pool) -> None:
    await read(pool, offer(), session())
    await read(pool, *(of(venue, "entered", n) for n, venue in enumerate("abc", start=1)))
    row = await slot(pool)
    assert (row["entered"], row["waiting"], row["taken"]) == (3, 0, 1)
    assert ((await own(pool, "a"))["status"], (await own(pool, "a"))["place"]) == ("entered", None)
    assert await unmet(pool) == (0, 0)  # nobody has lost yet
    await read(
        pool,
        of("c", "confirmed", 4, "drawn"),
        of("a", "waitlisted", 5, "drawn-behind", place=1, ahead=0),
        of("b", "waitlisted", 6, "drawn-behind", place=2, ahead=1),
    )
    row = await slot(pool)
    assert (row["entered"], row["waiting"], row["waiting_places"]) == (0, 2, 2)
    assert ((await own(pool, "a"))["place"], (await own(pool, "b"))["place"]) == (1, 2)
    await read(
        pool,
        of("c", "released", 7, "cancelled"),
        of("a", "promoted", 8, "place-freed", hold_until="2026-12-05T04:30:00.000Z"),
    )
    held = await own(pool, "a")
    assert (held["status"], held["hold_until"]) == ("promoted", datetime(2026, 12, 5, 4, 30, tzinfo=UTC))
    await read(pool, of("a", "lapsed", 9, "hold-lapsed", place=2, ahead=1), of("b", "promoted", 10, "place-freed"))
    lapsed = await own(pool, "a")
    assert (lapsed["status"], lapsed["reason"], lapsed["place"], lapsed["hold_until"]) == (
        "waitlisted",
        "hold-lapsed",
        1,
        None,
    )
    await read(pool, of("b", "confirmed", 11, "accepted"), of("b", "displaced", 12, "capacity-cut", place=1, ahead=0))
    assert ((await own(pool, "b"))["place"], (await own(pool, "a"))["place"]) == (1, 2)
    assert await unmet(pool) == (2, 2)
    async with pool.acquire() as connection:
        live = await bookings.bookings(connection, "b", live=True, after=None, limit=5)
        assert [(one["status"], one["place"]) for one in live] == [("waitlisted", 1)]
        assert await bookings.bookings(connection, "c", live=True, after=None, limit=5) == []


@pytest.mark.parametrize(
    ("outcome", "reason", "counts"),
    [
        ("rejected", "waitlist-full", True),
        ("released", "closed", True),
        ("lapsed", "hold-lapsed-again", True),
        ("displaced", "capacity-cut-closed", True),
        ("rejected", "already-live", False),
        ("rejected", "party-too-large", False),
        ("released", "cancelled", False),
        ("released", "cancelled-late", False),
        ("released", "declined", False),
        ("released", "limit", False),
        ("released", "not-accepted", False),
        ("promoted", "place-freed", False),
        ("confirmed", "override", False),
        ("entered", "entered", False),
    ],
)
async def test_what_the_ledger_counts_as_unmet(pool: database.Pool, outcome: str, reason: str, counts: bool) -> None:
    await read(pool, offer(), session())
    await read(pool, of("v", outcome, 1, reason, party_size=3))
    assert await unmet(pool) == ((1, 3) if counts else (0, 0))


NEXT = {
    None: ["entered", "confirmed", "waitlisted", "rejected"],
    "entered": ["confirmed", "waitlisted", "rejected", "released"],
    "waitlisted": ["promoted", "released"],
    "promoted": ["confirmed", "lapsed", "lapsed-again", "displaced", "released"],
    "confirmed": ["displaced", "displaced-closed", "released"],
}
REASONS = {
    "rejected": "waitlist-full",
    "released": "closed",
    "lapsed-again": "hold-lapsed-again",
    "displaced-closed": "capacity-cut-closed",
}


def life(chance: random.Random, number: int) -> tuple[list[Decision], dict[str, str]]:
    """Decisions in a slot, as they may follow each other, and the state in which each request ends."""
    states: dict[str, str] = {}
    told: list[Decision] = []
    for sequence in range(1, number + 1):
        venue = f"v{chance.randrange(40)}"
        before = states.get(venue)
        if before not in NEXT:
            continue
        step = chance.choice(NEXT[before])
        outcome = step.split("-")[0]
        queued = step in ("waitlisted", "lapsed", "displaced")
        more: dict[str, Any] = {"place": 1, "ahead": 0} if queued else {}
        told.append(of(venue, outcome, sequence, REASONS.get(step, "x"), party_size=1 + len(venue), **more))
        states[venue] = "waitlisted" if queued else outcome
    return told, states


def pieces(chance: random.Random, told: Sequence[Decision]) -> list[Sequence[Decision]]:
    cuts = sorted(chance.sample(range(1, len(told)), 6))
    return [told[a:b] for a, b in zip([0, *cuts], [*cuts, len(told)], strict=True)]


@pytest.mark.parametrize("seed", range(6))
async def test_the_rows_are_what_the_decisions_fold_to(pool: database.Pool, seed: int) -> None:
    chance = random.Random(seed)
    told, states = life(chance, 300)
    await read(pool, offer(), session())
    for part in pieces(chance, told):
        await read(pool, *part)
    await read(pool, *told[-20:])  # read again: changes nothing
    rows = await pool.fetch("SELECT venue_id, status, party_size FROM booking")
    assert {row["venue_id"]: row["status"] for row in rows} == states
    counts = Counter(states.values())
    row = await slot(pool)
    assert (row["waiting"], row["entered"]) == (counts["waitlisted"], counts["entered"])
    assert row["waiting_places"] == sum(1 + len(venue) for venue, state in states.items() if state == "waitlisted")
    lost = [venue for venue, state in states.items() if state == "waitlisted" or state in domain.ENDED]
    assert await unmet(pool) == (len(lost), sum(1 + len(venue) for venue in lost))


async def test_who_waited_before_this_version_keeps_its_place(stack: Stack, tmp_path: Path) -> None:
    """An upgrade: the queue was ordered by places in the log, and is ordered by decisions now."""
    folder = Path(youai_portal.__file__).parent / "migrations"
    for path in folder.glob("000[123]-*.sql"):
        shutil.copy(path, tmp_path)
    async with database_of(stack, "template1", "portal") as (_name, dsn):
        await database.migrate(dsn, tmp_path)
        pool = await database.connect_pool(dsn, name="test", size=4)
        insert = "INSERT INTO booking VALUES ($1, 'slot-1', $2, 1, $3, 'x', '', '', $4, $5, '2026-11-24', '2026-11-24')"
        for venue, status, sequence, offset in (("a", "waitlisted", 3, 900), ("b", "waitlisted", 4, 700)):
            await pool.execute(insert, f"r-{venue}", venue, status, sequence, offset)
        await database.migrate(dsn, folder)
        await read(pool, offer(), session())
        await read(pool, of("c", "waitlisted", 5, place=3), of("d", "displaced", 6, place=1))
        assert [(await own(pool, venue))["place"] for venue in "dabc"] == [1, 2, 3, 4]
        pool.terminate()


async def test_overrides_are_counted_for_good(pool: database.Pool) -> None:
    await read(pool, offer(), session())
    await read(pool, of("a", "confirmed", 1, "place-free", capacity=3), of("b", "confirmed", 2, "override", capacity=3))
    assert (await slot(pool))["overrides"] == 1
    await read(pool, of("b", "confirmed", 2, "override", capacity=3))  # read again
    await read(pool, of("b", "released", 3, "cancelled", capacity=3), of("c", "rejected", 4, "override-full"))
    assert (await slot(pool))["overrides"] == 1
    async with pool.acquire() as connection:
        (given,) = await manage.overrides(connection, "slot-1", 5)
    assert (given["venue_id"], given["party_size"], given["sequence"]) == ("b", 1, 2)


async def test_whom_fewer_places_would_hit(pool: database.Pool) -> None:
    """Holds first, newest first; then the newest confirmed: as matching displaces them."""
    await read(pool, offer(), session())
    held = {"hold_until": "2026-12-05T04:30:00.000Z"}
    await read(
        pool,
        *(of(venue, "confirmed", n, party_size=2) for n, venue in enumerate("abc", start=1)),
        of("h", "promoted", 4, "place-freed", party_size=3, **held),
        of("w", "waitlisted", 5, party_size=4, place=1, ahead=0),
        of("a", "confirmed", 6, "accepted", party_size=2),
    )
    async with pool.acquire() as connection:
        hits = [await manage.hit(connection, "slot-1", places) for places in (20, 9, 8, 6, 5, 3, 1)]
    found = [(hit.venues, hit.places) for hit in hits]
    assert found == [(0, 0), (0, 0), (1, 3), (1, 3), (2, 5), (3, 7), (4, 9)]


async def test_who_came_is_the_latest_word(pool: database.Pool) -> None:
    await read(pool, offer(), session())
    await read(pool, of("a", "confirmed", 1), of("b", "waitlisted", 2, place=1, ahead=0))
    for came in (0, 4):
        named: dict[str, Any] = {"offer_id": "offer-1", "session_id": "slot-1", "slot_id": "slot-1", "actor": ACTOR}
        await read(pool, AttendanceRecorded(**named, request_id="r-a", venue_id="a", attended=came))
    async with pool.acquire() as connection:
        (row,) = await manage.confirmed(connection, "slot-1", None, 5)
        assert (row["request_id"], row["attended"]) == ("r-a", 4)
        assert await manage.venues_of(connection, "slot-1", ["r-a", "r-b", "r-x"]) == {"r-a": "a"}


async def test_where_else_there_are_places(pool: database.Pool) -> None:
    later = datetime.now(UTC) + timedelta(days=9)
    times = {"closes_at": later, "starts_at": later, "ends_at": later + timedelta(hours=2), "capacity": 4}
    await read(pool, offer(), session(), *(structs.replace(session(f"slot-{n}"), **times) for n in range(2, 6)))
    full = {"slot_id": "slot-3", "capacity": 4, "taken": 3, "sequence": 1}
    await read(pool, booking("confirmed", "x", venue_id="z", request_id="r-z", **full))
    mine = {"slot_id": "slot-4", "capacity": 4, "taken": 1, "sequence": 1}
    await read(pool, booking("confirmed", "x", venue_id="a", request_id="r-a4", **mine))
    gone = SessionCancelled(offer_id="offer-1", session_id="slot-5", slot_id="slot-5", reason="雨", actor=ACTOR)
    await read(pool, gone)
    async with pool.acquire() as connection:
        two = await bookings.alternatives(connection, "slot-1", "a", 2)
        one = await bookings.alternatives(connection, "slot-1", "a", 1)
    assert [row["slot_id"] for row in two] == ["slot-2"]  # slot-3 has one, slot-4 is the venue's own
    assert [row["slot_id"] for row in one] == ["slot-2", "slot-3"]
