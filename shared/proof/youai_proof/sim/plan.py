"""What happens in a world: drawn from a seed as plain data, so that parts of it can be left out to find the shortest.

Times are virtual seconds since the world began; booking, closing and starting of sessions lie within the run.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CALM_AT = 17.0
"""When the last fault has ended and the last client has begun."""
TOWNS = ("杨舍镇", "大新镇", "凤凰镇")
VENUES = tuple(f"v{number}" for number in range(1, 10))
TOWN_OF = {venue: TOWNS[number % len(TOWNS)] for number, venue in enumerate(VENUES)}
DATABASE = "database"
"""Whose clock goes wrong, where it is no process's: the databases', against the broker's."""
PROVIDER, CENTER = "provider", "center"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that catalog opens at `at`."""

    at: float
    slot: str
    offer: str
    capacity: int
    opens: float
    closes: float
    starts: float
    ends: float
    draw: bool = False
    shares: Mapping[str, int] = field(default_factory=dict)
    waitlist: int | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """What catalog or demand says later: `kind` is revise, cancel, attend, move, demand, claim, end or withdraw."""

    at: float
    kind: str
    about: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    """What a client does: `verb` is book, batch, cancel, accept, decline, override or read, of a venue in a slot.

    A client that books minds its booking afterwards: it answers a hold as `answers` says (accept, decline; empty:
    not at all).
    """

    at: float
    verb: str
    venue: str
    slot: str
    size: int = 1
    key: str = ""
    auto_accept: bool = False
    overlap_ok: bool = False
    answers: str = ""
    waits: bool = False
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at `at` for `lasts` seconds, by so much an `amount`.

    `who` is a process, a topic or the database.
    """

    at: float
    kind: str
    who: str = ""
    lasts: float = 0.0
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a world is made of besides its seed, which chooses who runs next and how long each wait takes.

    `gap_at`: when the slot log loses an offset, which no fault may excuse: its deciders must stop. 0: never.
    """

    seed: int
    workers: int
    apis: int
    notifies: int
    sessions: tuple[Session, ...]
    words: tuple[Word, ...]
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]
    gap_at: float = 0.0


STRIKES = ("decided", "publish", "fenced", "published", "commit", "decided", "committed", "effect", "fenced")
"""Where in its work a program can be struck."""
FAULTS = {
    "strike": 12,
    "crash": 4,
    "freeze": 4,
    "leave": 2,
    "join": 2,
    "cut-database": 3,
    "unknown-commits": 4,
    "restart-database": 2,
    "slow-database": 4,
    "hold-locks": 2,
    "restart-broker": 2,
    "leaderless": 4,
    "bad-appends": 4,
    "bad-fetches": 2,
    "lag": 3,
    "cut-off": 2,
    "deaf": 2,
    "rebalance": 2,
    "clock": 3,
    "repeat": 4,
    "garbage": 1,
}
"""Kinds of faults, and how often each is drawn."""


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = random.Random(seed)
    sessions = _sessions(rng)
    demands = [f"d{number}" for number in range(rng.choice((0, 0, 1, 1, 2)))]
    workers, apis, notifies = rng.choice((1, 2, 2, 3)), rng.choice((1, 2, 2)), rng.choice((0, 1, 2, 2))
    acts = _acts(rng, sessions)
    words = [*_words(rng, sessions, acts), *(word for demand in demands for word in _demand(rng, demand))]
    names = [
        *(f"worker-{number}" for number in range(1, workers + 1)),
        *(f"api-{number}" for number in range(1, apis + 1)),
        *(f"notify-{number}" for number in range(1, notifies + 1)),
    ]
    found = [_fault(rng, names) for _ in range(rng.choice((0, 2, 3, 4, 5, 6, 8, 10)))]
    if found and rng.random() < 0.3:
        found += _heap(rng, names)
    faults = sorted(found, key=lambda fault: fault.at)
    gap_at = round(rng.uniform(4.0, 9.0), 3) if rng.random() < 0.03 else 0.0
    return Plan(
        seed=seed,
        workers=workers,
        apis=apis,
        notifies=notifies,
        sessions=tuple(sessions),
        words=tuple(sorted(words, key=lambda word: word.at)),
        acts=tuple(acts),
        faults=() if gap_at else tuple(faults),
        gap_at=gap_at,
    )


def _sessions(rng: random.Random) -> list[Session]:
    found = []
    offers = rng.choice((1, 1, 2))
    for number in range(1, rng.choice((1, 2, 3, 3, 4)) + 1):
        drawn = rng.random() < 0.3
        opens = rng.uniform(1.5, 4.0)
        closes = rng.choice((rng.uniform(11.0, 19.0), rng.uniform(24.0, 30.0), 300.0))
        starts = closes + rng.choice((0.0, rng.uniform(0.0, 20.0), 40.0, 90.0))
        shares = rng.choice(({}, {}, {TOWNS[1]: 1}, {TOWNS[0]: 1, TOWNS[2]: 1}))
        found.append(
            Session(
                at=rng.uniform(0.1, 1.0),
                slot=f"s{number}",
                offer=f"o{rng.randint(1, offers)}",
                capacity=rng.choice((1, 2, 2, 3, 4)),
                opens=round(opens, 3),
                closes=round(closes, 3),
                starts=round(starts, 3),
                ends=round(starts + 30.0, 3),
                draw=drawn,
                shares=shares,
                waitlist=rng.choice((None, None, None, 0, 3)),
            )
        )
    return found


def _acts(rng: random.Random, sessions: list[Session]) -> list[Act]:
    acts: list[Act] = []
    for number in range(rng.randint(8, 22)):
        session = rng.choice(sessions)
        venue = rng.choice(VENUES)
        at = rng.uniform(session.opens - 0.3, min(CALM_AT - 2.0, session.opens + rng.choice((1.5, 4.0, 12.0))))
        acts.append(
            Act(
                at=at,
                verb="batch" if rng.random() < 0.06 else "book",
                venue=venue,
                slot=session.slot,
                size=rng.choice((1, 1, 1, 2, 2, 3)),
                key=f"k{number}",
                auto_accept=rng.random() < 0.2,
                overlap_ok=rng.random() < 0.7,
                answers=rng.choice(("accept", "accept", "accept", "decline", "")),
                waits=rng.random() < 0.15,
            )
        )
        if rng.random() < 0.4:
            later = min(at + rng.expovariate(0.3), CALM_AT)
            acts.append(Act(later, "cancel", venue, session.slot, key=f"k{number}"))
    acts += _bursts(rng, sessions)
    for number in range(rng.choice((0, 0, 1, 2))):
        session, venue = rng.choice(sessions), rng.choice(VENUES)
        more = rng.choice((None, session.capacity + 1))
        acts.append(
            Act(
                rng.uniform(4, CALM_AT),
                "override",
                venue,
                session.slot,
                rng.choice((1, 2)),
                f"o{number}",
                capacity=more,
            )
        )
    return sorted(acts, key=lambda act: act.at)


def _bursts(rng: random.Random, sessions: list[Session]) -> list[Act]:
    """A venue asks for all sessions in one moment: what its limits are for."""
    found = []
    for number in range(rng.choice((0, 1, 1, 2))):
        venue = rng.choice(VENUES)
        at = max(session.opens for session in sessions) + rng.uniform(0.05, 6.0)
        found += [
            Act(at, "book", venue, session.slot, key=f"b{number}-{session.slot}", answers="accept")
            for session in sessions
        ]
    return found


def _words(rng: random.Random, sessions: list[Session], acts: list[Act]) -> list[Word]:
    words: list[Word] = []
    for session in sessions:
        for _ in range(rng.choice((0, 0, 1, 2))):
            at = rng.uniform(session.opens, CALM_AT)
            values: dict[str, Any] = {}
            if rng.random() < 0.7:
                values["capacity"] = max(1, session.capacity + rng.choice((-2, -1, -1, 1, 2)))
            if rng.random() < 0.3:
                values |= {"starts": session.starts + 10.0, "ends": session.ends + 10.0}
            if rng.random() < 0.2:
                values["closes"] = min(session.closes + rng.choice((-3.0, 5.0)), values.get("starts", session.starts))
            if values:
                words.append(Word(at, "revise", session.slot, values))
        if rng.random() < 0.08:
            words.append(Word(rng.uniform(8.0, CALM_AT), "cancel", session.slot))
    for _ in range(rng.choice((0, 2, 3, 5))):
        town = rng.randrange(len(TOWNS))
        values = {"parent": f"t{town}", "town": TOWNS[town]}
        words.append(Word(rng.uniform(2.0, CALM_AT - 1), "move", rng.choice(VENUES[:2]), values))
    absent = [act for act in acts if act.verb == "book" and rng.random() < 0.06]
    words += [
        Word(rng.uniform(10, CALM_AT), "attend", act.slot, {"venue": act.venue, "key": act.key}) for act in absent
    ]
    return words


def _demand(rng: random.Random, demand: str) -> list[Word]:
    words = [Word(rng.uniform(0.2, 2.0), "demand", demand, {"places": rng.choice((1, 1, 2))})]
    for number in range(rng.randint(1, 4)):
        at = rng.uniform(words[0].at, CALM_AT - 2)
        claim = f"claim-{demand}-{number}"
        words.append(Word(at, "claim", demand, {"claim": claim, "provider": f"p{rng.choice((1, 2, 3))}"}))
        if rng.random() < 0.4:
            reason = rng.choice(("handed-back", "lapsed", "center"))
            words.append(Word(rng.uniform(at, CALM_AT), "end", demand, {"claim": claim, "reason": reason}))
    if rng.random() < 0.15:
        words.append(Word(rng.uniform(6.0, CALM_AT), "withdraw", demand))
    return words


def _heap(rng: random.Random, names: list[str]) -> list[Fault]:
    """Commands come all at once, and whoever has decided them dies before it can say so."""
    at, lasts = rng.uniform(3.0, 9.0), rng.uniform(0.5, 2.5)
    workers = [name for name in names if name.startswith("worker")]
    strikes = [Fault(round(at + lasts - 0.1, 3), "strike", name, rng.choice((0.5, 2.0)), 0.0) for name in workers]
    return [Fault(round(at, 3), "lag", "slot-log", round(lasts, 3), 0.9), *strikes]


def _fault(rng: random.Random, names: list[str]) -> Fault:
    kind = rng.choices(list(FAULTS), list(FAULTS.values()))[0]
    at = rng.uniform(1.0, CALM_AT - 3.0)
    longest = CALM_AT - at
    who, lasts, amount = rng.choice(names), rng.uniform(0.3, min(longest, 6.0)), rng.random()
    if kind == "freeze":
        lasts = rng.choice((rng.uniform(0.2, 3.0), rng.uniform(6.5, 13.0)))
    elif kind == "strike":
        lasts = rng.choice((rng.uniform(0.2, 3.0), rng.uniform(6.5, 12.0)))
        at = min(at, CALM_AT - 4.0)
        longest = CALM_AT - at
    elif kind == "clock":
        amount = rng.choice((-3600.0, -5.0, -0.7, 0.7, 5.0, 3600.0))
        if abs(amount) < 60.0 and rng.random() < 0.3:
            who = DATABASE
    elif kind in ("lag", "leaderless"):
        who = rng.choice(("slot-log", "booking", "booking", "offer", "organization", "claim", "demand", "notification"))
        lasts = rng.choice((rng.uniform(0.3, 4.0), rng.uniform(5.2, 9.0)))
    elif kind in ("restart-database", "restart-broker"):
        lasts = rng.uniform(0.3, 4.0)
    return Fault(round(at, 3), kind, who, round(min(lasts, longest), 3), round(amount, 3))
