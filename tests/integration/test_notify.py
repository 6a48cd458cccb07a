"""Notify's calls over a real database, and its stream and its topic through the running service."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest_asyncio
from youai_contracts import codec, topics
from youai_contracts.events import NotificationRead, NotificationSent
from youai_notify.events import MOST_OF_ONE

from tests.support import kafka
from tests.support.client import Caller, assert_problem
from tests.support.market import Market, new_id
from tests.support.notify_alone import Alone, database_of, serving, views
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.unit.notify.story import VENUE, booking, offer, organization, session

INBOX, COUNT, EVENTS, PREFERENCES = "/v1/inbox", "/v1/inbox/count", "/v1/inbox/events", "/v1/preferences"


@pytest_asyncio.fixture
async def alone(stack: Stack) -> AsyncIterator[Alone]:
    """Notify over an empty database."""
    async with database_of(stack) as dsn, serving(stack, dsn) as served:
        yield served


async def fill(alone: Alone, number: int) -> None:
    """Put notifications into the venue's inbox: every third is a rejection, the others are confirmations."""
    await alone.read(offer(), session())
    outcomes = ["rejected" if n % 3 == 2 else "confirmed" for n in range(number)]
    await alone.read(*(booking(outcome, request_id=f"r-{n}") for n, outcome in enumerate(outcomes)))


async def test_the_inbox_page_by_page_the_newest_first(alone: Alone) -> None:
    await fill(alone, 25)
    venue = alone.as_(VENUE)
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = await venue.get(INBOX, params={"limit": 7, **({"cursor": cursor} if cursor else {})})
        found += views(answer)
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
        if len(found) == 7:  # what comes meanwhile stands before the first part, and moves nothing
            await alone.read(booking("confirmed", request_id="late"))
    assert [one["position"] for one in found] == list(range(25, 0, -1))
    newest = views(await venue.get(INBOX, params={"limit": 1}))[0]
    assert newest["position"] == 26
    sent = {event.notification_id: event for event in await alone.sent()}
    for name in ("kind", "subject_id", "source_topic", "source_id", "title_zh", "title_en", "body_zh", "body_en"):
        assert newest[name] == getattr(sent[newest["notification_id"]], name)
    assert newest["read_at"] is None
    rejected = views(await venue.get(INBOX, params={"kind": "booking-rejected", "limit": 500}))
    assert len(rejected) == 8
    assert {one["kind"] for one in rejected} == {"booking-rejected"}


async def test_read_marks_stand_once_and_for_ones_own_inbox_alone(alone: Alone) -> None:
    await fill(alone, 5)
    venue, other = alone.as_(VENUE), alone.as_("station-2")
    first = views(await venue.get(INBOX))[-1]
    path = f"{INBOX}/{first['notification_id']}/read"
    assert_problem(await other.post(path), 404, "not-found")
    marked = await asyncio.gather(*(venue.post(path) for _ in range(5)))
    assert {answer.status_code for answer in marked} == {200}
    assert len({answer.json()["read_at"] for answer in marked}) == 1
    (event,) = await alone.marked()
    assert (event.notification_id, event.recipient_id) == (first["notification_id"], VENUE)
    assert (event.actor.subject, event.actor.organization_id) == ("tester", VENUE)
    assert len(views(await venue.get(INBOX, params={"unread": True}))) == 4
    assert [one["position"] for one in views(await venue.get(INBOX, params={"unread": False}))] == [1]
    assert_problem(await venue.post(f"{INBOX}/n-nothing/read"), 404, "not-found")


async def test_read_all_leaves_what_came_after(alone: Alone) -> None:
    await fill(alone, 1_203)  # more than one transaction's worth
    venue = alone.as_(VENUE)
    seen = views(await venue.get(INBOX, params={"limit": 1}))[0]
    await alone.read(booking("confirmed", request_id="late"))
    await alone.read(booking("confirmed", request_id="other", venue_id="station-2"))
    until = {"until": seen["position"]}
    assert (await venue.post(f"{INBOX}/read-all", until)).json() == {"read": 1_203}
    assert (await venue.post(f"{INBOX}/read-all", until)).json() == {"read": 0}
    assert (await venue.get(COUNT)).json() == {"unread": 1, "by_kind": {"booking-confirmed": 1}, "last": 1_204}
    assert len(await alone.marked()) == 1_203
    assert (await alone.as_("station-2").get(COUNT)).json()["unread"] == 1
    early = {"until": "2026-01-01T00:00:00Z"}
    assert (await venue.post(f"{INBOX}/read-all", early)).json() == {"read": 0}
    late = {"until": datetime.now(UTC).replace(year=2100).isoformat()}
    assert (await venue.post(f"{INBOX}/read-all", late)).json() == {"read": 1}
    assert len({event.notification_id for event in await alone.marked()}) == 1_204


async def test_muted_kinds_stay_in_the_inbox_and_off_the_badge(alone: Alone) -> None:
    venue = alone.as_(VENUE)
    assert (await venue.get(PREFERENCES)).json() == {"muted": []}
    assert (await venue.get(COUNT)).json() == {"unread": 0, "by_kind": {}, "last": 0}
    muted = {"muted": ["booking-rejected", "booking-rejected", "demand-fits"]}
    assert (await venue.post(PREFERENCES, muted)).json() == {"muted": ["booking-rejected", "demand-fits"]}
    await fill(alone, 9)
    assert (await venue.get(PREFERENCES)).json() == {"muted": ["booking-rejected", "demand-fits"]}
    assert (await venue.get(COUNT)).json() == {"unread": 6, "by_kind": {"booking-confirmed": 6}, "last": 9}
    assert len(views(await venue.get(INBOX, params={"unread": True}))) == 9
    assert (await alone.as_("station-2").get(PREFERENCES)).json() == {"muted": []}
    await venue.post(PREFERENCES, {"muted": []})
    assert (await venue.get(COUNT)).json()["unread"] == 9


async def test_the_center_reads_inboxes_below_it_and_nobody_else_reads_anothers(alone: Alone) -> None:
    await alone.read(
        organization("center", "center", None),
        organization("town", "institute"),
        organization(VENUE, "station", "town"),
        organization("elsewhere", "center", None),
    )
    await fill(alone, 2)
    asked = {"organization_id": VENUE}
    for path in (INBOX, COUNT):
        assert (await alone.as_("center", "center").get(path, params=asked)).status_code == 200
        assert (await alone.as_(VENUE, "collector").get(path, params=asked)).status_code == 200
        assert_problem(await alone.as_("center", "venue-staff").get(path, params=asked), 403, "forbidden")
        assert_problem(await alone.as_("town", "venue-staff").get(path, params=asked), 403, "forbidden")
        assert_problem(await alone.as_("elsewhere", "center").get(path, params=asked), 403, "forbidden")
        assert_problem(await alone.as_(VENUE, "center").get(path, params={"organization_id": "town"}), 403, "forbidden")
        unknown = {"organization_id": "nobody"}
        assert_problem(await alone.as_("center", "center").get(path, params=unknown), 403, "forbidden")
    assert len(views(await alone.as_("center", "center").get(INBOX, params=asked))) == 2
    (one, _) = views(await alone.as_("center", "center").get(INBOX, params=asked))
    assert_problem(await alone.as_("center", "center").post(f"{INBOX}/{one['notification_id']}/read"), 404)


async def test_bad_input_is_refused_and_writes_nothing(alone: Alone) -> None:
    await fill(alone, 3)
    venue = alone.as_(VENUE)
    elsewhere = "b2ZmZXJzIDE"  # "offers 1"
    for query in (
        {"limit": 0},
        {"limit": 501},
        {"unread": "x"},
        {"kind": "x"},
        {"cursor": "x"},
        {"cursor": "é"},
        {"cursor": elsewhere},
        {"organization_id": ""},
        {"organization_id": "\x00"},
        {"foo": 1},
    ):
        assert_problem(await venue.get(INBOX, params=query), 422, "invalid")
    bodies: tuple[Any, ...] = ({}, {"until": -1}, {"until": True}, {"until": 2**63}, {"until": "x"}, {"until": None})
    for body in (*bodies, {"until": "2026-12-01T09:00:00"}, {"until": 1, "x": 1}, []):
        assert_problem(await venue.post(f"{INBOX}/read-all", body), 422, "invalid")
    for body in (
        {},
        {"muted": ["x"]},
        {"muted": "demand-fits"},
        {"muted": ["demand-fits"] * 51},
        {"muted": [], "x": 1},
    ):
        assert_problem(await venue.post(PREFERENCES, body), 422, "invalid")
    assert_problem(await venue.get(EVENTS, headers={"Last-Event-ID": "x"}), 422, "invalid")
    assert_problem(await venue.get(EVENTS, headers={"Last-Event-ID": "9" * 30}), 422, "invalid")
    assert_problem(await venue.post(f"{INBOX}/%00/read"), 422, "invalid")
    assert_problem(await venue.post(f"{INBOX}/read-all", {"until": 1, "x": "y" * 70_000}), 413, "too-large")
    nobody = Caller(venue._http, venue.url, None)
    assert_problem(await nobody.get(INBOX), 401, "unauthorized")
    assert_problem(await nobody.get(EVENTS), 401, "unauthorized")
    assert await alone.marked() == []
    assert len(alone.listeners) == 0


async def test_without_its_database_it_says_503_and_keeps_no_listener(stack: Stack) -> None:
    async with serving(stack, "postgresql://notify:x@127.0.0.1:1/notify") as away:
        venue = away.as_(VENUE)
        for answer in (
            await venue.get(INBOX),
            await venue.get(COUNT),
            await venue.get(EVENTS),
            await venue.post(f"{INBOX}/n-1/read"),
            await venue.post(f"{INBOX}/read-all", {"until": 1}),
            await venue.post(PREFERENCES, {"muted": []}),
        ):
            assert_problem(answer, 503, "unavailable")
            assert answer.headers["retry-after"]
        assert len(away.listeners) == 0


class Stream:
    """An open event stream of the running service."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, str, Any]:
        """The next event: its name, its id, its data. Comments (heartbeats) are passed over."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "event" in fields:
                    return fields["event"], fields["id"], json.loads(fields["data"])
        raise AssertionError("the stream ended")

    async def until(self, name: str, kind: str | int) -> tuple[str, Any]:
        """The next `notification` of that kind, or `count` of that number; its id and data."""
        while True:
            event, id_, data = await self.next()
            if event == name and kind in (data.get("kind"), data.get("unread")):
                return id_, data


@contextlib.asynccontextmanager
async def listening(
    market: Market, organization_id: str, headers: dict[str, str] | None = None
) -> AsyncIterator[Stream]:
    sent = {"Authorization": f"Bearer {market.stack.token(organization_id, 'venue-staff')}"} | (headers or {})
    async with market.http.stream("GET", market.stack.url("notify") + EVENTS, headers=sent) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def station(market: Market) -> str:
    return await market.register(new_id("station"), market.institute_id, "venue", "station")


async def test_a_venue_sees_its_promotion_arrive(stack: Stack, market: Market) -> None:
    """Booking, queue, promotion: through matching, the lanes, the relay, the topic, the stream and the inbox."""
    since = await kafka.end_offsets(stack.bootstrap, topics.NOTIFICATION.name)
    first, second = await station(market), await station(market)
    slot_id = await market.session(capacity=1)
    async with listening(market, second) as stream:
        assert (await stream.next())[2] == {"unread": 0, "by_kind": {}, "last": 0}
        request_id = await market.as_venue(first).book(slot_id)
        await market.as_venue(first).decided(request_id, "confirmed")
        await market.as_venue(second).book(slot_id)
        id_, told = await stream.until("notification", "booking-waitlisted")
        assert (id_, told["title_zh"][:5]) == ("1", "候补第1位")
        await stream.until("count", 1)
    # Away for a moment: what is missed is told on the way back, and nothing twice.
    await market.as_venue(first).cancel(request_id)
    inbox = market.caller("notify", second, "venue-staff")

    async def both() -> list[dict[str, Any]]:
        found = views(await inbox.get(INBOX))
        return found if len(found) == 2 else []

    newest, oldest = await eventually(both, 20, "both notifications are in the inbox")
    async with listening(market, second, {"Last-Event-ID": "1"}) as stream:
        event, id_, told = await stream.next()
        assert (event, id_, told["kind"]) == ("notification", "2", "booking-promoted")
        assert told["notification_id"] == newest["notification_id"]
        await stream.until("count", 2)
        assert (await inbox.post(f"{INBOX}/{oldest['notification_id']}/read")).status_code == 200
        await stream.until("count", 1)
        assert (await inbox.post(PREFERENCES, {"muted": ["booking-promoted"]})).status_code == 200
        await stream.until("count", 0)

    async def on_the_topic() -> list[Any]:
        records = await kafka.read_topic(stack.bootstrap, topics.NOTIFICATION.name, since)
        told = [record for record in records if record.key == second.encode()]
        return told if len(told) == 3 else []

    records = await eventually(on_the_topic, 20, "two were sent and one was read, says the topic")
    found = [codec.decode(topics.NOTIFICATION, one.key, one.value, list(one.headers.items())).event for one in records]
    sent, marked = found[:2], found[2]
    assert all(isinstance(event, NotificationSent) for event in sent)
    assert [event.kind for event in sent if isinstance(event, NotificationSent)] == [oldest["kind"], newest["kind"]]
    assert isinstance(marked, NotificationRead)
    assert marked.notification_id == oldest["notification_id"]


async def test_a_demand_and_its_claims_are_told_to_all_concerned(stack: Stack, market: Market) -> None:
    """From demand's own calls, through matching's decisions, into the inboxes of all."""
    venue = await station(market)
    departments = [
        await market.register(new_id("department"), market.center_id, "provider", "department", categories=categories)
        for categories in (["环保"], [], [], [])
    ]

    async def known() -> bool:
        rows = await stack.ask("notify", "SELECT FROM organization WHERE organization_id = $1", departments[-1])
        asked = await market.caller("demand", venue, "venue-staff").get("/v1/demands")
        return len(rows) == 1 and asked.status_code == 200

    await eventually(known, 20, "the departments are known")
    now = datetime.now(UTC)
    wanted = {
        "category": "环保",
        "title": "垃圾分类入户宣传",
        "residents": 60,
        "wanted_from": now.isoformat(),
        "wanted_until": (now + timedelta(days=9)).isoformat(),
    }

    async def posted() -> str:
        answer = await market.caller("demand", venue, "venue-staff").post("/v1/demands", wanted, key=venue)
        return str(answer.json()["demand_id"]) if answer.status_code in (200, 201) else ""

    demand_id = await eventually(posted, 20, "the demand is posted")

    async def told(recipient: str, *kinds: str) -> list[dict[str, Any]]:
        async def there() -> list[dict[str, Any]]:
            found = views(await market.caller("notify", recipient, "provider-staff").get(INBOX))
            return found if [one["kind"] for one in reversed(found)] == list(kinds) else []

        return await eventually(there, 30, f"{recipient} is told {kinds}")

    (fits,) = await told(departments[0], "demand-fits")
    assert (fits["subject_id"], fits["title_zh"]) == (demand_id, "新需求：垃圾分类入户宣传")
    path = f"/v1/demands/{demand_id}"

    async def claim(provider: str) -> str:
        answer = await market.caller("demand", provider, "provider-staff").post(f"{path}/claims", key=provider)
        return provider if answer.status_code == 202 else ""  # 409: it was decided before this one came

    racers = [racer for racer in await asyncio.gather(*(claim(one) for one in departments[1:])) if racer]
    (fate,) = await told(venue, "demand-claimed")
    (winner,) = [racer for racer in racers if racer in fate["body_zh"]]
    await told(winner, "claim-confirmed")
    for loser in set(racers) - {winner}:
        (lost,) = await told(loser, "claim-rejected")
        assert winner in lost["body_zh"]  # the market's names hold the ids
    answer = await market.caller("demand", winner, "provider-staff").post(
        f"{path}/schedule", {"scheduled_at": wanted["wanted_until"]}
    )
    assert answer.status_code == 200, answer.text
    await told(venue, "demand-claimed", "demand-scheduled")
    done = {"rating": 5, "residents_served": 58, "comment": "好"}
    answer = await market.caller("demand", venue, "venue-staff").post(f"{path}/fulfil", done)
    assert answer.status_code == 200, answer.text
    newest, _ = await told(winner, "claim-confirmed", "demand-fulfilled")
    assert "评分5分" in newest["body_zh"]


async def test_streams_are_bounded_and_a_place_that_is_left_can_be_taken(stack: Stack, market: Market) -> None:
    venue = await station(market)
    async with contextlib.AsyncExitStack() as open_streams:
        # All are kept: a stream that nobody holds any more is closed.
        streams = [await open_streams.enter_async_context(listening(market, venue)) for _ in range(MOST_OF_ONE)]
        assert [(await stream.next())[0] for stream in streams] == ["count"] * MOST_OF_ONE
        answer = await market.caller("notify", venue, "venue-staff").get(EVENTS)
        assert_problem(answer, 503, "too-many-listeners")
        assert answer.headers["retry-after"]
        async with listening(market, await station(market)) as other:
            assert (await other.next())[0] == "count"

    async def taken() -> bool:
        try:
            async with listening(market, venue) as stream:
                return (await stream.next())[0] == "count"
        except AssertionError:
            return False

    await eventually(taken, 20, "the places are free again")


async def test_a_killed_worker_tells_each_once(stack: Stack, market: Market) -> None:
    """Forty bookings, the worker killed among them: no notification is missing, none is doubled, in inbox and topic."""
    since = await kafka.end_offsets(stack.bootstrap, topics.NOTIFICATION.name)
    slot_id = await market.session(capacity=10)
    venues = [await station(market) for _ in range(40)]
    name = stack.workers("notify")[0]
    for number, venue in enumerate(venues):
        await market.as_venue(venue).book(slot_id)
        if number in (10, 25):
            await stack.restarted(name, stack.kill(name))

    async def all_sent() -> list[str]:
        records = await kafka.read_topic(stack.bootstrap, topics.NOTIFICATION.name, since)
        keys = [(one.key or b"").decode() for one in records if one.data["subject_id"] == slot_id]
        return keys if len(keys) >= 40 else []

    keys = await eventually(all_sent, 60, "forty notifications are on the topic")
    assert sorted(keys) == sorted(venues)
    for venue in venues[:3]:
        assert len(views(await market.caller("notify", venue, "venue-staff").get(INBOX))) == 1


async def test_a_stream_does_not_keep_the_service_from_stopping(stack: Stack, market: Market) -> None:
    venue = await station(market)
    async with listening(market, venue) as stream:
        await stream.next()
        old = stack.kill("notify-api", signal.SIGTERM)
        with contextlib.suppress(AssertionError, httpx.HTTPError):
            while True:
                await stream.next()
    await stack.restarted("notify-api", old)
    await stack.wait_ready()
