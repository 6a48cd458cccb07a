"""Random events through notify's own lanes, and what its inboxes answer, over a database."""

import random
from typing import Any

import asyncpg
from youai_contracts.events import Actor, Event, SessionOpened, SessionRevised
from youai_notify import knowledge, store

from tests.contract.postgres_databases import Postgres, failed, plain
from tests.support.notify_alone import WORKS, Log
from tests.unit.notify.story import (
    NINE,
    PROVIDER,
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
    revised,
    session,
)

SLOTS = ("slot-1", "slot-2", "slot-3")
VENUES = (VENUE, "station-2", "station-3")
OUTCOMES = ("entered", "confirmed", "waitlisted", "rejected", "promoted", "released", "lapsed", "displaced")
ACTOR = Actor(subject="s", organization_id="o")
KINDS = ("booking-confirmed", "booking-waitlisted", "session-revised")


class Reader:
    """Lets lanes read random events, some again, and looks into inboxes. Answers are noted."""

    def __init__(self, postgres: Postgres, seed: int) -> None:
        self.random = random.Random(seed)
        self.postgres = postgres
        self.log = Log()
        self.read: list[tuple[str, Any]] = []
        self.answers: list[Any] = []
        self.opened: set[str] = set()

    async def run(self, count: int) -> list[Any]:
        """The answers of `count` turns: each works a batch of one topic, or asks something."""
        for _ in range(count):
            call = self.random.choice((self.work, self.work, self.work, self.ask, self.mark))
            answer: Any = None
            try:
                async with self.postgres.notify.acquire() as connection, connection.transaction():
                    answer = plain(await call(connection))
                    if self.random.random() < 0.05:
                        raise RuntimeError("rolled back")
            except (asyncpg.PostgresError, RuntimeError, KeyError) as error:
                answer = failed(error)
            self.answers.append((call.__name__, answer))
        return self.answers

    def event(self) -> Event:
        r = self.random
        slot_id, venue, number = r.choice(SLOTS), r.choice(VENUES), r.randint(1, 3)
        made: list[Any] = [
            lambda: organization(
                f"dept-{number}", parent=r.choice((None, "center")), categories=r.choice(((), ("环保",)))
            ),
            lambda: posted(f"demand-{number}", r.choice(("环保", "理论宣讲")), venue_id=venue),
            lambda: claim_requested(f"claim-{number}", f"demand-{number}", PROVIDER),
            lambda: demand("demand-scheduled", demand_id=f"demand-{number}", scheduled_at=NINE),
            lambda: claim(r.choice(("confirmed", "rejected", "ended")), "claimed", request_id=f"claim-{number}"),
            lambda: offer(f"offer-{number}", f"题{r.randint(1, 2)}"),
            lambda: session(slot_id, f"offer-{number}"),
            lambda: revised(slot_id, venue_name=r.choice(("别处", "这里"))),
            lambda: listed(f"resource-{number}"),
            lambda: asked(f"resource-{number}"),
            lambda: answered(resource_id=f"resource-{number}"),
        ]
        made += [
            lambda: booking(
                r.choice(OUTCOMES),
                r.choice(("full", "cancelled")),
                slot_id=slot_id,
                venue_id=venue,
                request_id=f"r-{number}",
            )
        ] * 8
        found: Event = r.choice(made)()
        if isinstance(found, SessionOpened):
            self.opened.add(found.slot_id)
        elif isinstance(found, SessionRevised) and found.slot_id not in self.opened:
            return self.event()  # a change follows on an opening in the same partition
        return found

    async def work(self, connection: Any) -> Any:
        events = [self.event() for _ in range(self.random.randint(1, 8))]
        topic = events[0].topic.name
        chosen = [event for event in events if event.topic.name == topic]
        self.opened -= {e.slot_id for e in events if isinstance(e, SessionOpened) and e not in chosen}
        fresh = list(zip([topic] * len(chosen), self.log.append(*chosen), strict=True))
        old = [pair for pair in self.read if pair[0] == topic]
        again = self.random.sample(old, min(len(old), self.random.choice((0, 0, 2))))
        self.read += fresh
        await WORKS[topic].apply(connection, 0, [record for _, record in (*again, *fresh)])

    async def ask(self, connection: Any) -> Any:
        r = self.random
        venue = r.choice(VENUES)
        return [
            await store.page(
                connection,
                venue,
                before=r.choice((None, 3)),
                limit=r.choice((2, 50)),
                unread=r.choice((None, True, False)),
                kind=r.choice((None, *KINDS)),
            ),
            await store.since(connection, venue, r.randint(0, 3), r.choice((1, 50))),
            await store.count(connection, venue),
            await store.muted(connection, venue),
            await store.is_below(connection, "center", r.choice(("dept-1", "dept-2", "center", "none"))),
            (await knowledge.waiting(connection))[0],
        ]

    async def mark(self, connection: Any) -> Any:
        r = self.random
        venue = r.choice(VENUES)
        if r.random() < 0.4:
            await store.mute(connection, venue, r.sample(KINDS, r.randint(0, 2)))
            return None
        ids = await connection.fetch(
            "SELECT notification_id FROM inbox WHERE recipient_id = $1 ORDER BY position", venue
        )
        if ids and r.random() < 0.5:
            return await store.mark_read(connection, venue, r.choice(ids)[0], ACTOR)
        return await store.mark_all_read(connection, venue, r.randint(0, 9), r.choice((1, 50)), ACTOR)
