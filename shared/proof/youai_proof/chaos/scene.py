"""What one fault's rush asks for: sessions of its own in every partition of the log, and who books them when."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from youai_contracts import topics
from youai_runtime.kafka import partition_of
from youai_stack.demo.plan import (
    ANSWER_WEIGHTS,
    ANSWERS,
    CANCEL_SHARE,
    PARTY_SIZES,
    PARTY_WEIGHTS,
    REPEAT_SHARE,
    Send,
)

DRAWN = 4
DRAWN_OPEN_AFTER_S = 4
HOT_SHARE = 0.3
"""How much of the rush is for the few sessions that everybody wants."""
HOT = 6


class Sends(list[Send]):
    """A plan that can be stopped: whoever goes through it is told of no more sends then."""

    stopped = False

    def __iter__(self) -> Iterator[Send]:
        for send in super().__iter__():
            if self.stopped:
                return
            yield send


@dataclass(frozen=True)
class Scene:
    """The sessions of one fault, as catalog is told of them, and a plan for many seconds."""

    name: str
    offers: tuple[dict[str, Any], ...]
    sessions: dict[str, list[dict[str, Any]]]
    """By offer."""
    sends: Sends

    @property
    def slots(self) -> list[str]:
        return [session["session_id"] for sessions in self.sessions.values() for session in sessions]


def make_scene(
    name: str, chance: random.Random, venues: tuple[str, ...], provider: str, *, rate: float, seconds: float
) -> Scene:
    """One session in each partition, and some that are drawn, opening soon; `rate` bookings a second."""
    now = datetime.now(UTC)
    by_partition: dict[int, str] = {}
    number = 0
    while len(by_partition) < topics.SLOT_PARTITIONS:
        slot_id = f"{name}-{number}"
        by_partition.setdefault(partition_of(slot_id.encode(), topics.SLOT_PARTITIONS), slot_id)
        number += 1
    offers = tuple(
        {
            "offer_id": f"{name}-{mode}", "provider_id": provider, "category": "理论宣讲",
            "title": f"试验 {name}", "description": "", "audience": "", "mode": mode,
        }
        for mode in ("arrival", "draw")
    )  # fmt: skip
    drawn = [f"{name}-draw-{n}" for n in range(DRAWN)]
    long_ago, soon = now - timedelta(hours=2), now + timedelta(seconds=DRAWN_OPEN_AFTER_S)
    sessions = {
        f"{name}-arrival": [_session(slot, chance, now, long_ago, n) for n, slot in enumerate(by_partition.values())],
        f"{name}-draw": [_session(slot, chance, now, soon, n) for n, slot in enumerate(drawn)],
    }
    slots = [*by_partition.values(), *drawn]
    return Scene(name, offers, sessions, _plan(name, chance, venues, slots, int(rate * seconds), seconds))


def _session(slot_id: str, chance: random.Random, now: datetime, opens: datetime, number: int) -> dict[str, Any]:
    starts = now + timedelta(days=21 + number % 7, hours=number % 12)
    times = {
        "opens_at": opens,
        "closes_at": starts - timedelta(days=1),
        "starts_at": starts,
        "ends_at": starts + timedelta(hours=1),
    }
    session = {"session_id": slot_id, "capacity": chance.randint(6, 30), "venue_name": "试验站", "town_shares": {}}
    return session | {key: at.isoformat().replace("+00:00", "Z") for key, at in times.items()}


def _plan(
    name: str, chance: random.Random, venues: tuple[str, ...], slots: list[str], number: int, seconds: float
) -> Sends:
    hot = chance.sample(slots, HOT)
    free = {slot: chance.sample(venues, len(venues)) for slot in slots}
    sends = Sends()
    for index in range(number):
        wanted = hot if chance.random() < HOT_SHARE else slots
        slot_id = chance.choice([slot for slot in wanted if free[slot]] or [slot for slot in slots if free[slot]])
        at = seconds * index / number
        send = Send(
            at=at,
            venue_id=free[slot_id].pop(),
            slot_id=slot_id,
            party_size=chance.choices(PARTY_SIZES, PARTY_WEIGHTS)[0],
            key=f"{name}-{index}",
            answer=chance.choices(ANSWERS, ANSWER_WEIGHTS)[0],
            cancels=chance.random() < CANCEL_SHARE,
        )
        sends.append(send)
        if chance.random() < REPEAT_SHARE:
            sends.append(send)  # tapped twice: the same key
    return sends
