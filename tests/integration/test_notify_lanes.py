"""Notify's lanes over a real database: each notification once, whatever the order, the repeats and the races."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from youai_contracts.events import Event
from youai_notify.streams import SERVICE
from youai_runtime.work import Record

from tests.support.notify_alone import Alone, Rec, apply, database_of, id_of, serving
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.unit.notify.story import (
    NINE,
    PROVIDER,
    TITLE,
    VENUE,
    answered,
    asked,
    booking,
    claim,
    claim_requested,
    demand,
    listed,
    offer,
    organization,
    posted,
    session,
)


@pytest_asyncio.fixture
async def alone(stack: Stack) -> AsyncIterator[Alone]:
    """Notify over an empty database."""
    async with database_of(stack) as dsn, serving(stack, dsn) as served:
        yield served


CITY: list[Event] = [organization("center", "center", None), organization("dept-1", categories=("理论宣讲", "环保"))]
DEMAND: list[Event] = [
    posted(),
    claim_requested(),
    claim_requested("claim-2", provider="team-2"),
    demand("demand-scheduled", scheduled_at=NINE),
    demand("demand-fulfilled", rating=5, residents_served=3),
]
CLAIMS: list[Event] = [
    claim("confirmed"),
    claim("rejected", "claimed", request_id="claim-2", provider_id="team-2"),
    claim("ended", "lapsed"),
]
SESSIONS: list[Event] = [offer(), session(), session("slot-2")]
BOOKINGS: list[Event] = [
    booking("confirmed"),
    booking("waitlisted", "full", place=1, request_id="r-2", venue_id="station-2"),
    booking("released", "cancelled"),
    booking("promoted", request_id="r-2", venue_id="station-2"),
    booking("confirmed", slot_id="slot-2", request_id="r-3"),
]
POOL: list[Event] = [listed(), asked(), answered()]
OWED = Counter(
    {
        "dept-1": 1,
        VENUE: 1 + 1 + 1 + 2 + 1,  # scheduled; demand-claimed, claim-ended; two bookings; the answer
        PROVIDER: 3,
        "team-2": 1,
        "station-2": 2,
        "owner": 1,
    }
)


async def test_everything_owed_is_there_once_however_often_it_is_read(alone: Alone) -> None:
    pairs: list[tuple[Event, Record]] = []
    for lane in (CITY, DEMAND, CLAIMS, SESSIONS, BOOKINGS, POOL):
        pairs += zip(lane, await alone.read(*lane), strict=True)
    sent = await alone.sent()
    assert Counter(event.recipient_id for event in sent) == OWED
    rows = await alone.pool.fetch("SELECT * FROM inbox")
    assert {row["notification_id"]: row["title_zh"] for row in rows} == {
        event.notification_id: event.title_zh for event in sent
    }
    assert await alone.kinds("station-2") == ["booking-waitlisted", "booking-promoted"]
    assert await alone.held() == 0
    for _ in range(2):
        await alone.work(pairs)
    assert await alone.sent() == sent
    assert await alone.pool.fetchval("SELECT count(*) FROM inbox") == len(rows)
    # A batch that holds the same record twice, as after a publisher's death.
    (first,) = alone.log.append(booking("confirmed", slot_id="slot-1", request_id="r-9", venue_id="station-9"))
    async with alone.pool.acquire() as connection, connection.transaction():
        await apply(connection, "youai.booking.v1", first.partition, [first, first])
    assert await alone.kinds("station-9") == ["booking-confirmed"]
    assert len(await alone.sent()) == len(sent) + 1


async def test_the_same_is_told_whichever_topic_is_read_first(stack: Stack) -> None:
    found = []
    for order in ((1, 2, 3, 4), (2, 1, 4, 3), (1, 4, 2, 3), (4, 3, 2, 1)):
        async with database_of(stack) as dsn, serving(stack, dsn) as alone:
            await alone.read(*CITY)
            lanes: dict[int, list[Event]] = {1: DEMAND, 2: CLAIMS, 3: SESSIONS, 4: BOOKINGS}
            pairs = {n: list(zip(lane, alone.log.append(*lane), strict=True)) for n, lane in lanes.items()}
            for number in order:
                await alone.work(pairs[number])
            assert await alone.held() == 0
            assert await alone.kinds("station-2") == ["booking-waitlisted", "booking-promoted"]
            kinds = await alone.kinds(PROVIDER)
            assert kinds.index("claim-confirmed") < kinds.index("claim-ended")
            found.append({event.notification_id: event for event in await alone.sent()})
    assert all(one == found[0] for one in found)
    assert len(found[0]) == sum(OWED.values()) - 2  # less the pool's


async def test_a_decision_waits_for_its_subject_and_for_no_other(alone: Alone) -> None:
    await alone.read(*BOOKINGS, *CLAIMS)
    assert await alone.sent() == []
    assert await alone.held() == 4 + 3  # not what a venue cancelled itself
    await alone.read(offer(), session("slot-2"))
    assert [event.subject_id for event in await alone.sent()] == ["slot-2"]
    await alone.read(posted())
    assert await alone.held() == 3 + 3  # the demand is known, its claims are not
    await alone.read(claim_requested())
    assert await alone.held() == 3 + 1
    assert TITLE in (await alone.inbox(PROVIDER))[0]["title_zh"]


async def test_a_demand_that_was_lost_and_appended_again_tells_its_claims(alone: Alone) -> None:
    await alone.read(claim_requested())
    await alone.read(claim("confirmed"))
    assert await alone.held() == 1
    await alone.read(claim_requested())
    assert await alone.held() == 1
    await alone.read(posted())
    assert await alone.held() == 0
    assert await alone.kinds(PROVIDER) == ["claim-confirmed"]
    assert await alone.kinds(VENUE) == ["demand-claimed"]


async def test_a_demand_goes_to_the_departments_whose_categories_fit_as_known_then(alone: Alone) -> None:
    await alone.read(
        *CITY,
        organization("dept-2", categories=("环保",)),
        organization("dept-3"),
        organization("team-1", "team", "dept-1", categories=("理论宣讲",)),
        organization("station-1", "station", "center", categories=("理论宣讲",)),
    )
    await alone.read(posted("d-1"), posted("d-2", category="环保"), posted("d-3", category="其他"))
    await alone.read(organization("dept-3", categories=("理论宣讲",)), organization("dept-1"))
    await alone.read(posted("d-4"))
    told = Counter((event.recipient_id, event.subject_id) for event in await alone.sent())
    assert told == Counter([("dept-1", "d-1"), ("dept-1", "d-2"), ("dept-2", "d-2"), ("dept-3", "d-4")])


async def test_a_resource_is_called_what_it_was_called_when_asked_for(alone: Alone) -> None:
    """In one batch as over several: the name is the last one before the ask in its own partition."""
    await alone.read(listed(title="甲"), asked(), listed(title="乙"), asked(ask_id="ask-2"))
    await alone.read(asked(ask_id="ask-3"), listed(title="丙"))
    await alone.read(answered())
    assert [row["title_zh"][-1] for row in await alone.inbox("owner")] == ["甲", "乙", "乙"]
    assert [row["title_zh"][-1] for row in await alone.inbox(VENUE)] == ["丙"]


async def test_what_cannot_be_read_is_a_dead_letter_and_hinders_nobody(alone: Alone) -> None:
    await alone.read(offer(), session())
    good = alone.log.append(booking("confirmed"), booking("rejected", venue_id="station-2"))
    bad = [
        Rec(0, 1, 0, b"slot-1", b"{", good[0].headers),
        Rec(0, 2, 0, None, good[0].value, good[0].headers),
        Rec(0, 3, 0, b"slot-1", None, good[0].headers),
        Rec(0, 4, 0, b"slot-1", good[0].value, []),
    ]
    async with alone.pool.acquire() as connection, connection.transaction():
        await apply(connection, "youai.booking.v1", 0, [bad[0], good[0], *bad[1:], good[1]])
    assert (await alone.kinds(VENUE), await alone.kinds("station-2")) == (["booking-confirmed"], ["booking-rejected"])
    letters = await alone.pool.fetchval(
        "SELECT count(*) FROM outbox WHERE topic = $1", f"youai.{SERVICE}.dead-letter.v1"
    )
    assert letters == 4


async def blocked(alone: Alone) -> bool:
    """Whether some transaction of this database waits for another's lock."""
    found: bool = await alone.pool.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
    )
    return found


PAIRS: list[tuple[list[Event], list[Event], str]] = [
    ([offer(), session()], [booking("confirmed")], VENUE),
    ([posted(), claim_requested()], [claim("confirmed")], PROVIDER),
]


@pytest.mark.parametrize(("subject", "decision", "recipient"), PAIRS, ids=["booking", "claim"])
@pytest.mark.parametrize("decision_first", [True, False])
async def test_subject_and_decision_read_at_the_same_moment(
    alone: Alone, subject: list[Event], decision: list[Event], recipient: str, decision_first: bool
) -> None:
    """Whoever comes second waits for the first's commit; else neither would see the other, and nobody were told."""
    lanes = (decision, subject) if decision_first else (subject, decision)
    first, second = [list(zip(lane, alone.log.append(*lane), strict=True)) for lane in lanes]
    async with alone.pool.acquire() as connection:
        async with connection.transaction():
            partition = first[0][1].partition
            await apply(connection, first[0][0].topic.name, partition, [record for _, record in first])
            working = asyncio.create_task(alone.work(second))
            await eventually(lambda: blocked(alone), 10, "the second waits for the first")
            assert not working.done()
        await working
    assert await alone.held() == 0
    assert len(await alone.kinds(recipient)) == 1


async def test_an_inbox_is_committed_in_the_order_of_its_positions(alone: Alone) -> None:
    """Who has seen position n has seen all below it: what comes later waits until the earlier is there."""
    await alone.read(offer(), session(), session("slot-2"))
    (one, two) = alone.log.append(booking("confirmed"), booking("confirmed", slot_id="slot-2", request_id="r-2"))
    async with alone.pool.acquire() as connection:
        async with connection.transaction():
            await apply(connection, "youai.booking.v1", one.partition, [one])
            second = booking("confirmed", slot_id="slot-2", request_id="r-2")
            working = asyncio.create_task(alone.work([(second, two)]))
            await eventually(lambda: blocked(alone), 10, "the second waits for the first")
            assert await alone.inbox(VENUE) == []
        await working
    assert [(row["position"], row["source_id"]) for row in await alone.inbox(VENUE)] == [
        (1, id_of(one)),
        (2, id_of(two)),
    ]


async def test_inboxes_are_locked_in_one_order_whatever_the_batch_s(alone: Alone) -> None:
    """A batch that waits for inbox b holds none behind it: else two batches could wait for each other."""
    await alone.read(offer(), session())
    await alone.read(*(booking("confirmed", venue_id=venue, request_id=venue) for venue in "abc"))
    again = [booking("rejected", venue_id=venue, request_id=f"again-{venue}") for venue in "cba"]
    lock = "SELECT FROM recipient WHERE recipient_id = $1 FOR UPDATE NOWAIT"
    async with alone.pool.acquire() as connection:
        async with connection.transaction():
            await connection.fetch(lock, "b")
            working = asyncio.create_task(alone.read(*again))
            await eventually(lambda: blocked(alone), 10, "the batch waits for b")
            await connection.fetch(lock, "c")
        await working
    for venue in "abc":
        assert await alone.kinds(venue) == ["booking-confirmed", "booking-rejected"]


async def test_a_large_batch_takes_no_more_statements_than_a_small_one(alone: Alone) -> None:
    await alone.read(*CITY, offer(), session())
    counts = []
    for size in (1, 5, 2_000):  # the first one also asks for the types
        events = [booking("confirmed", venue_id=f"venue-{n}", request_id=f"r-{size}-{n}") for n in range(size)]
        records = alone.log.append(*events)
        async with alone.pool.acquire() as connection:
            asked_for: list[str] = []
            with connection.query_logger(lambda query, seen=asked_for: seen.append(query.query)):
                async with connection.transaction():
                    await apply(connection, "youai.booking.v1", records[0].partition, records)
        counts.append(len(asked_for))
    assert len(await alone.sent()) == 2_006
    assert counts[1] == counts[2] <= 9
