"""Random calls of matching's and the runtime's own functions over a database, and what they answer."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
from msgspec import structs
from youai_contracts.events import Actor, BookingRequested, NotificationRead
from youai_matching import points, references, requests, reservations, store, why
from youai_matching.domain.keys import key_of
from youai_matching.domain.request import Common, Request
from youai_matching.domain.state import Decided, Slot
from youai_matching.requests import Command
from youai_matching.reservations import Asked, Numbers
from youai_matching.rule_files import RuleBook
from youai_runtime import lane, outbox
from youai_runtime.work import Batch

from tests.contract.postgres_databases import Postgres, failed, plain

RULES = RuleBook()
_limits, _points = RULES.named("2027-01").limits, RULES.named("2027-01").points
assert _limits is not None
assert _points is not None
NUMBERS = Numbers(
    [
        RULES.named("2026-11"),
        replace(RULES.named("2026-12"), limits=structs.replace(_limits, per_offer=2, per_month=4), points=None),
        replace(RULES.named("2027-01"), limits=structs.replace(_limits, per_offer=3, per_month=3), points=_points),
    ]
)
VERSIONS = (*(RULES.named(name).version for name in ("2026-11", "2026-12", "2027-01", "2027-01")), "none")
NOW = datetime(2027, 1, 28, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
HOUR = 3_600_000
CITY = (
    ("center", None, "venue", "center", "中心", ""),
    ("town", "center", "venue", "institute", "所", "大新镇"),
    ("station", "town", "venue", "station", "站", '"引"\\号\n'),
    ("point", "station", "venue", "point", "点", "杨舍镇"),
    ("team", None, "provider", "team", "队", "凤凰镇"),
    ("lonely", "gone", "venue", "station", "站", ""),
)
VENUES = ("center", "town", "station", "point", "team", "lonely", "unknown")
SLOTS = tuple(f"s{n}" for n in range(8))
STATUSES = ("entered", "waitlisted", "promoted", "confirmed", "rejected", "released")


class Caller:
    """Makes random calls and notes their answers. The same seed makes the same calls, as long as answers are equal."""

    def __init__(self, postgres: Postgres, seed: int) -> None:
        self.random = random.Random(seed)
        self.postgres = postgres
        self.answers: list[Any] = []
        self.offset = 0
        self.requests: list[str] = []
        self.stories = why.Stories()
        self.relay = outbox.Relay(postgres.matching, cast(Any, None), service="matching")
        self.calls: list[Callable[[Any], Awaitable[Any]]] = [
            *[self.take] * 6,
            *[self.decide] * 4,
            *[self.again, self.follow, self.ask_again, self.look] * 2,
            self.command,
            self.sweep,
            self.count_points,
            self.pick,
            self.time,
            self.publish,
            self.progress,
            self.number,
            self.break_a_rule,
        ]

    async def run(self, count: int) -> list[Any]:
        """The answers of `count` calls, each in a transaction."""
        async with self.postgres.matching.acquire() as connection, connection.transaction():
            await references.put_organizations(connection, CITY)
            await self.slots(connection, SLOTS)
        for _ in range(count):
            call = self.random.choice(self.calls)
            answer: Any
            try:
                async with self.postgres.matching.acquire() as connection, connection.transaction():
                    answer = plain(await call(connection))
                    if self.random.random() < 0.05:
                        raise RuntimeError("rolled back")
            except (asyncpg.PostgresError, RuntimeError) as error:
                answer = failed(error)
            self.answers.append((call.__name__, answer))
        return self.answers

    def some(self, of: Any, most: int = 4) -> list[Any]:
        return self.random.sample(list(of), min(len(of), self.random.randint(1, most)))

    def a_request(self) -> str:
        return self.random.choice(self.requests) if self.requests and self.random.random() < 0.9 else "nobody"

    # The decider

    def slot(self, slot_id: str) -> Slot:
        r = self.random
        starts = NOW_MS + r.choice((-HOUR, HOUR, 2 * HOUR, 3 * HOUR, 71 * HOUR, 95 * HOUR, 200 * HOUR, 900 * HOUR))
        capacity = r.randint(1, 5)
        return Slot(
            slot_id,
            kind="demand" if r.random() < 0.1 else "session",
            phase=cast(Any, r.choice(("open", "open", "open", "open", "closed"))),
            capacity=capacity,
            opens_at=NOW_MS - r.choice((-1, 0, HOUR)),
            closes_at=NOW_MS + r.choice((0, 1, HOUR, HOUR)),
            starts_at=starts,
            ends_at=starts + r.choice((HOUR, 2 * HOUR)),
            offer_id=r.choice(("o1", "o2")),
            session_id=f"x-{slot_id}",
            waitlist=r.choice((None, 3)),
            town_shares=r.choice(({}, {"大新镇": 1})),
            draw=cast(Any, r.choice(("", "awaited", "drawn"))),
            rule_version=r.choice(VERSIONS),
            sequence=r.randint(0, 9),
            taken=r.randint(0, capacity),
        )

    async def slots(self, connection: Any, slot_ids: Any) -> None:
        touched = {slot_id: self.slot(slot_id) for slot_id in slot_ids}
        for slot in touched.values():
            for kind in self.some(("closing", "hold", "hold", "window")):
                subject = self.a_request() if kind == "hold" else ""
                slot.timers[kind, subject] = NOW_MS + self.random.choice((-HOUR, -1, 0, 1, HOUR))
        retimed = {slot_id: slot for slot_id, slot in touched.items() if self.random.random() < 0.7}
        retold = {slot_id: slot for slot_id, slot in touched.items() if self.random.random() < 0.7}
        batch = store.Batch(self.random.randrange(3), touched=touched, retold=retold, retimed=retimed)
        await store.write(connection, [batch])

    async def decide(self, connection: Any) -> Any:
        """What a batch of decisions writes."""
        r = self.random
        batch = store.Batch(r.randrange(3))
        for request_id in self.some([*self.requests, "walk-in"], 3):
            slot_id = r.choice(SLOTS)
            self.offset += r.choice((1, 1, 1, 2))
            kind = r.choice(("decided", "decided", "repeat", "ignored", "refused"))
            if kind == "refused":
                batch.receipts.append(store.Receipt(self.offset, None, None, kind, None, "why"))
                continue
            batch.receipts.append(store.Receipt(self.offset, slot_id, request_id, kind, None, "why"))
            known = await connection.fetchval(
                "SELECT true FROM booking WHERE slot_id = $1 AND request_id = $2", slot_id, request_id
            )
            changed = batch.moved if known else batch.added
            common = Common(
                r.randint(1, 3),
                status=r.choice(STATUSES),
                working_hours=r.choice((None, ("09:00", "17:00"))),
                second=r.random() < 0.3,
                drawn_in=r.random() < 0.3,
            )
            key = key_of(request_id)
            changed[slot_id, key] = Request.of(key, r.choice(VENUES), self.offset, common, r.randint(-3, 9))
            for index in range(r.randint(0, 2)):
                kind = f"booking-{r.choice(('entered', 'confirmed', 'promoted', 'waitlisted'))}"
                event = SimpleNamespace(request_id=request_id, type=kind, decided_at=f"t{self.offset}")
                decided = cast(Decided, SimpleNamespace(event=event, data=b"%d" % index))
                batch.decisions.append(store.DecisionRow(self.offset, index, slot_id, decided, None))
        await store.write(connection, [batch])
        if r.random() < 0.7:
            await self.slots(connection, self.some(SLOTS, 2))
        return None

    async def look(self, connection: Any) -> Any:
        """What the decider and the door read."""
        request_id, slot_id = self.a_request(), self.random.choice(SLOTS)
        booking = await requests.booking(connection, request_id)
        loaded = await store.load_slots(connection, sorted(self.some([*SLOTS, "none"])))
        for slot in loaded.values():  # these come in no order
            slot.seen, slot.timers = dict(sorted(slot.seen.items())), dict(sorted(slot.timers.items()))
        return [
            {slot_id: repr(slot) for slot_id, slot in sorted(loaded.items())},
            booking,
            booking and await self.stories.of(connection, booking),
            await requests.is_decided(connection, slot_id, request_id),
            await requests.slot(connection, slot_id),
            await requests.in_scope(connection, self.random.choice(VENUES), self.random.choice(VENUES)),
            await requests.override_facts(
                connection, "center", slot_id, self.random.choice(VENUES), self.random.choice((None, request_id))
            ),
            await requests.awaited_draws(connection),
            await store.published_offset(connection, self.random.randrange(3)),
        ]

    # The door

    async def take(self, connection: Any) -> Any:
        r = self.random
        asked = []
        for _ in range(r.randint(1, 5)):
            request_id = f"r{len(self.requests)}" if r.random() < 0.85 or not self.requests else r.choice(self.requests)
            if request_id not in self.requests:
                self.requests.append(request_id)
            venue = r.choice(VENUES)
            event = BookingRequested(
                request_id=request_id,
                slot_id=r.choice((*SLOTS, "none")),
                venue_id=venue,
                town="",
                party_size=r.randint(1, 4),
                auto_accept=r.random() < 0.5,
                requested_at=NOW,
                actor=Actor(subject='引"\\', organization_id=venue if r.random() < 0.8 else r.choice(VENUES)),
            )
            asked.append(
                Asked(event, r.randrange(3), r.random() < 0.4, r.random() < 0.9, r.randbytes(2), r.choice((None, "t")))
            )
        answers = await reservations.take(connection, NUMBERS, asked)
        return [(a.verdict, repr(a.facts), a.obstacle, a.data) for a in answers]

    async def again(self, connection: Any) -> Any:
        ids = self.some([*self.requests, "nobody"], 3)
        return [repr(answer) for answer in await reservations.again(connection, NUMBERS, ids)]

    async def follow(self, connection: Any) -> Any:
        decided = {
            id_: (self.random.randint(0, 9), self.random.random() < 0.5) for id_ in self.some(["x", *self.requests])
        }
        await reservations.follow(connection, decided)
        return await reservations.auto_accepts(connection, sorted(decided))

    async def command(self, connection: Any) -> Any:
        r = self.random
        id_ = f"c{r.randrange(30)}"
        kind = r.choice(("cancel", "accept", "decline", "override"))
        command = Command(
            id_, kind, r.choice(SLOTS), 1, self.a_request(), "center", "town", 1, r.randbytes(1), b"d", None
        )
        return [
            repr(await requests.add_commands(connection, [command])),
            sorted(map(repr, (await requests.kept(connection, [id_, self.a_request()])).values())),
        ]

    async def ask_again(self, connection: Any) -> Any:
        await connection.execute("UPDATE request SET settled = false WHERE request_id = $1", self.a_request())
        rows = await requests.undecided(connection, self.random.choice((-60.0, 3600.0)), self.some(range(3)))
        found = sorted((row["request_id"], row["kind"], row["partition"]) for row in rows)
        await requests.appended(connection, [row[0] for row in found])
        return found

    async def sweep(self, connection: Any) -> Any:
        await requests.settle(connection)
        return await requests.next_offsets(connection, store.DECIDER)

    async def count_points(self, connection: Any) -> Any:
        r = self.random
        counted = [
            points.Point(
                f"p{r.randrange(9)}", r.choice(VENUES), r.randint(1, 2), NOW_MS - r.choice((0, HOUR, 481 * HOUR))
            )
            for _ in range(3)
        ]
        await points.add(connection, counted)
        await points.remove(connection, [f"p{r.randrange(9)}"] * r.randint(0, 2))
        pairs = [(r.choice(SLOTS), self.a_request()) for _ in range(3)]
        return sorted(map(repr, map(plain, await points.confirmed(connection, pairs))))

    async def pick(self, connection: Any) -> Any:
        seeds = {slot_id: self.random.choice((None, "5a")) for slot_id in self.some(SLOTS)}
        found = await references.pick_rules(connection, seeds, self.random.choice(("a", "b")))
        return sorted(found.items())

    # The loops and lanes

    async def time(self, connection: Any) -> Any:
        due = await requests.due_timers(connection, NOW_MS, self.random.choice((-60.0, 3600.0)))
        await requests.timers_appended(connection, sorted(due, key=repr)[:3])
        return [(row["due_at"], row["kind"] == "closing") for row in due]

    async def publish(self, connection: Any) -> Any:
        partition = self.random.randrange(3)
        row = await lane._lock_progress(connection, store.DECIDER, partition)
        found = await store.unpublished(connection, partition)
        if found and self.random.random() < 0.7:
            await store.raise_watermarks(connection, {partition: found[len(found) // 2][0], 9: 1})
        return [row, found]

    async def progress(self, connection: Any) -> Any:
        r = self.random
        rows = [await lane._lock_progress(connection, "lane", partition) for partition in (0, 1)]
        batches = {
            partition: Batch([], 1, r.randint(1, 99), r.randbytes(3), 1, r.choice((None, (1,), (2, 3))))
            for partition in self.some((0, 1, 2), 2)
        }
        await lane._move_progress(connection, "lane", batches)
        return rows

    async def number(self, connection: Any) -> Any:
        """Events are added here and numbered by the relay, in a transaction of its own."""
        found = await connection.fetchval(outbox._ANYTHING)
        rows = await self.relay._number(await self.postgres.connection()) if self.random.random() < 0.7 else []
        if rows:
            await connection.execute(
                "UPDATE relay SET published_position = greatest(published_position, $1)", rows[-1]["position"]
            )
        event = NotificationRead(notification_id="n", recipient_id="r", actor=Actor(subject="s", organization_id="o"))
        await outbox.add(connection, [event] * self.random.randint(0, 3), source="s")
        return [found, [(row["position"], row["key"]) for row in rows]]

    async def break_a_rule(self, connection: Any) -> Any:
        """What the tables refuse."""
        r = self.random
        match r.randrange(6):
            case 0:
                await connection.execute("UPDATE slot SET taken = capacity + 1 WHERE slot_id = $1", r.choice(SLOTS))
            case 1:
                await connection.execute(
                    "UPDATE slot SET kind = 'none', phase = 'x' WHERE slot_id = $1", r.choice(SLOTS)
                )
            case 2:
                await connection.execute(
                    "INSERT INTO point (source, venue_id, points, at) VALUES ('q', 'v', $1, 1)", r.choice((0, 1, None))
                )
            case 3:
                await connection.execute("INSERT INTO relay DEFAULT VALUES")
            case 4:
                await connection.executemany(
                    "INSERT INTO receipt (partition, log_offset, kind) VALUES ($1, $2, 'k')",
                    [(7, 1), (7, r.choice((1, 2)))],
                )
            case _:
                await connection.execute(
                    "INSERT INTO slot_rule (slot_id, rule_version) SELECT s, 'v' FROM unnest($1::text[]) AS s"
                    " ON CONFLICT (slot_id) DO UPDATE SET rule_version = excluded.rule_version",
                    [r.choice(SLOTS), r.choice(SLOTS)],
                )
        return None


def at_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the door's clock stand at NOW."""
    monkeypatch.setattr(reservations, "time", SimpleNamespace(time=lambda: NOW_MS / 1000))


__all__ = ["Caller", "at_now", "timedelta"]
