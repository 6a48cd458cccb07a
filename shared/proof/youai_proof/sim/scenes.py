"""Scenes: small worlds in which a few parties meet in one race, which a world drawn at large sees once in hundreds.

Every EVERY-th seed plays one; they take turns. Times are a plan's: virtual seconds since the world began.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from youai_proof.sim import plan, rules
from youai_proof.sim.plan import STRIKES, VENUES, Act, Fault, Plan, Session, Word

EVERY = 8
"""Seeds that are a multiple of this play a scene."""
_FAR = 300.0
"""When booking closes where nobody should mind: long after the world has come to rest."""


def strike(at: float, who: str, point: str, lasts: float, *, dies: bool, passed: int = 0) -> Fault:
    """A strike at a named point of a program's work, after it has passed there so many times."""
    kind = STRIKES.index(point) + len(STRIKES) * passed
    return Fault(at, "strike", who, lasts, (2 * kind + (not dies) + 0.5) / 1000)


def name_of(seed: int) -> str | None:
    """The scene that a seed plays; None for a world at large."""
    return list(SCENES)[seed // EVERY % len(SCENES)] if seed % EVERY == 0 else None


def seeds_of(name: str, first: int, most: int) -> list[int]:
    """The seeds of a scene, from the first that is not below `first`."""
    turn = list(SCENES).index(name)
    begin = -(-first // EVERY)
    begin += (turn - begin) % len(SCENES)
    return [EVERY * (begin + number * len(SCENES)) for number in range(most)]


def told_again(rng: random.Random, seed: int) -> Plan:
    """Venues move; then every lane begins anew from what it has stored, and a relay tells the oldest half again."""
    moves = [
        Word(rng.uniform(1.5, 5.0), "move", rng.choice(VENUES[:3]), {"parent": f"t{number % 3}", "town": "凤凰镇"})
        for number in range(6)
    ]
    anew = rng.choice((Fault(7.0, "rebalance"), Fault(7.0, "crash", "worker-1", 0.5)))
    again = Fault(rng.uniform(9.0, 13.0), "repeat", amount=0.999)
    return _plan(seed, [_session(rng, 1)], _books(rng, 1, 4), moves, [anew, again], notifies=1)


def limits(rng: random.Random, seed: int) -> Plan:
    """Venues ask two doors for everything in one moment, and the database is slow to say that it wrote."""
    sessions = [_session(rng, number, capacity=8, offer="o1") for number in range(1, 5)]
    acts = []
    for turn, venue in enumerate(VENUES[:6]):
        at = 3.0 + turn * rng.uniform(0.4, 1.2)
        may = rng.random() < 0.6
        acts += [
            Act(at, "book", venue, session.slot, key=f"l{turn}-{session.slot}", overlap_ok=may) for session in sessions
        ]
    slow = Fault(2.5, "slow-database", lasts=8.0, amount=rng.uniform(0.02, 0.15))
    return _plan(seed, sessions, acts, [], [slow], apis=2)


def late_news(rng: random.Random, seed: int) -> Plan:
    """Who is reserved again for a hold is read to be waiting only afterwards, and asks for more just then."""
    sessions, acts = [], []
    for number, venue in enumerate(VENUES[:3]):
        offer = f"o{number + 1}"
        wanted, *others = [_session(rng, number * 3 + at, capacity=(1, 6, 6)[at], offer=offer) for at in range(3)]
        at = 4.0 + number * rng.uniform(0.3, 1.0)
        key = f"n{number}"
        acts += [
            Act(at, "book", VENUES[-1 - number], wanted.slot, key=f"h{number}", overlap_ok=True),
            Act(at + 0.25, "book", venue, wanted.slot, key=key, overlap_ok=True, answers="accept"),
            Act(at + 0.6, "cancel", VENUES[-1 - number], wanted.slot, key=f"h{number}"),
            *(
                Act(at + rng.uniform(3.4, 4.6), "book", venue, other.slot, key=f"{key}-{other.slot}", overlap_ok=True)
                for other in others
            ),
        ]
        sessions += [wanted, *others]
    return _plan(seed, sessions, acts, [], [Fault(3.5, "lag", "booking", 12.0, rng.uniform(0.8, 1.0))])


def moving(rng: random.Random, seed: int) -> Plan:
    """Sessions move in the moment in which the door's lane notes who has places in them."""
    sessions = [_session(rng, number, capacity=9) for number in range(1, 5)]
    acts, words = [], []
    for number, session in enumerate(sessions):
        at = 4.0 + number * rng.uniform(1.0, 2.0)
        words.append(Word(at, "revise", session.slot, {"starts": session.starts + 10.0, "ends": session.ends + 10.0}))
        acts += [
            Act(at + rng.uniform(-0.5, 0.3), "override", venue, session.slot, 1, f"m{number}-{venue}")
            for venue in VENUES
        ]
    slow = Fault(3.0, "slow-database", lasts=9.0, amount=rng.uniform(0.02, 0.12))
    return _plan(seed, sessions, acts, words, [slow], workers=2)


def holds(rng: random.Random, seed: int) -> Plan:
    """Nothing goes wrong: places are given back one by one, and come to those who want them accepted for them."""
    sessions = [_session(rng, number, capacity=2) for number in range(1, 3)]
    acts = []
    for session in sessions:
        for number, venue in enumerate(VENUES):
            key = f"q{number}-{session.slot}"
            at = 3.0 + number * rng.uniform(0.1, 0.4)
            acts.append(Act(at, "book", venue, session.slot, key=key, auto_accept=number > 1, overlap_ok=True))
            if number < 5:
                later = at + rng.uniform(4.0, 9.0)
                acts.append(Act(later, "cancel", venue, session.slot, key=key))
    return _plan(seed, sessions, acts, [], [])


def stale_answers(rng: random.Random, seed: int) -> Plan:
    """A door freezes between keeping an acceptance and appending it: meanwhile its hold lapses, and the next begins."""
    at = rng.uniform(3.5, 5.0)
    closes = at + 20.0
    session = Session(0.5, "s1", "o1", 1, 2.0, closes, closes + 1.0, closes + 31.0)
    acts = [
        Act(at, "book", VENUES[0], "s1", key="first"),
        Act(at + 0.3, "book", VENUES[1], "s1", key="second", answers="accept"),
        Act(at + 0.6, "cancel", VENUES[0], "s1", key="first"),
    ]
    freezes = strike(at + 1.0, "api-1", "committed", rng.uniform(3.0, 4.0), dies=False)
    return _plan(seed, [session], acts, [], [freezes])


def draws(rng: random.Random, seed: int) -> Plan:
    """Drawn sessions whose opening or reveal is lost on its way once; in their windows somebody is displaced."""
    acts, words = [], []
    sessions = [_session(rng, number, capacity=2, draw=True, at=1.5, opens=3.6) for number in range(1, 4)]
    for number, session in enumerate(sessions):
        opens = session.opens
        acts.append(Act(opens + 0.2, "override", VENUES[number], session.slot, 2, f"d{number}"))
        words += [
            Word(opens + rng.uniform(0.8, 1.1), "revise", session.slot, {"capacity": 1}),
            Word(opens + rng.uniform(1.4, 1.8), "revise", session.slot, {"capacity": 3}),
        ]
        acts += [
            Act(opens + rng.uniform(0.3, 3.0), "book", venue, session.slot, key=f"e{number}-{venue}", overlap_ok=True)
            for venue in VENUES[3:7]
        ]
    opening = strike(1.4, "worker-1", "publish", rng.uniform(0.1, 0.6), dies=True)
    lasts, drawn_at = rng.uniform(5.2, 8.0), 3.6 + rules.WINDOW_S + rng.uniform(0.1, 0.45)
    reveal = [Fault(drawn_at, "leaderless", "slot-log", lasts, half) for half in (0.0, 0.6)]
    return _plan(seed, sessions, acts, words, rng.choice(([], [opening], reveal, reveal)))


def clocks(rng: random.Random, seed: int) -> Plan:
    """The database's clock is before the broker's: timers come before their time, and count only when it has come."""
    sessions = [_session(rng, number, capacity=2, closes=rng.uniform(9.0, 15.0)) for number in range(1, 3)]
    acts = [act for number in (1, 2) for act in _books(rng, number, 6)]
    early = Fault(1.0, "clock", "database", 15.0, rng.choice((0.4, 1.5, 4.0)))
    return _plan(seed, sessions, acts, [], [early])


def silence(rng: random.Random, seed: int) -> Plan:
    """Connections die without a word while programs start: whoever asks on one must give it up for another."""
    begins = rng.uniform(2.0, 6.0)
    faults = [
        Fault(begins, "bad-fetches", lasts=4.0, amount=rng.choice((0.0, 0.2))),
        *(Fault(begins + rng.uniform(0.1, 1.0), "crash", name, 0.2) for name in ("worker-1", "notify-1")),
    ]
    return _plan(seed, [_session(rng, 1, capacity=4)], _books(rng, 1, 8), [], faults, notifies=1)


def frozen(rng: random.Random, seed: int) -> Plan:
    """A worker begins anew, then hears nothing, then is frozen: several requests are overdue in one moment."""
    begins = rng.uniform(2.5, 4.0)
    faults = [
        Fault(begins - rng.uniform(0.03, 0.2), "rebalance"),
        Fault(begins, rng.choice(("cut-off", "deaf")), "worker-1", rng.uniform(10.5, 12.0)),
        Fault(begins + rng.uniform(1.5, 3.0), "freeze", "worker-1", rng.uniform(9.0, 10.0)),
    ]
    return _plan(seed, [_session(rng, 1, capacity=4)], _books(rng, 1, 8), [], faults)


def unknown(rng: random.Random, seed: int) -> Plan:
    """The database goes away while bookings are written, and while their callers wait for what becomes of them."""
    begins = rng.uniform(2.5, 3.5)
    faults = [
        Fault(begins, "unknown-commits", lasts=rng.uniform(1.0, 4.0), amount=rng.uniform(0.2, 0.8)),
        *(Fault(begins + rng.uniform(0.0, 5.0), "cut-database", "api-1", amount=0.9) for _ in range(6)),
    ]
    acts = [replace(act, waits=True) for number in (1, 2) for act in _books(rng, number, 9)]
    return _plan(seed, [_session(rng, number, capacity=3) for number in (1, 2)], acts, [], faults)


def _session(
    rng: random.Random,
    number: int,
    *,
    capacity: int = 2,
    offer: str = "",
    draw: bool = False,
    at: float = 0.5,
    opens: float = 2.0,
    closes: float = _FAR,
) -> Session:
    starts = closes + 10.0 + number * 5.0
    return Session(
        at=at + rng.uniform(0.0, 0.3),
        slot=f"s{number}",
        offer=offer or f"o{number}",
        capacity=capacity,
        opens=opens,
        closes=closes,
        starts=starts,
        ends=starts + 30.0,
        draw=draw,
    )


def _books(rng: random.Random, number: int, count: int) -> list[Act]:
    """Bookings of a session by different venues, one after the other."""
    return [
        Act(3.0 + turn * rng.uniform(0.1, 0.8), "book", venue, f"s{number}", key=f"b{number}-{turn}", overlap_ok=True)
        for turn, venue in enumerate(rng.sample(VENUES, count))
    ]


def _plan(
    seed: int,
    sessions: Sequence[Session],
    acts: Sequence[Act],
    words: Sequence[Word],
    faults: Sequence[Fault],
    *,
    workers: int = 1,
    apis: int = 1,
    notifies: int = 0,
) -> Plan:
    return Plan(
        seed=seed,
        workers=workers,
        apis=apis,
        notifies=notifies,
        sessions=tuple(sessions),
        words=tuple(sorted(words, key=lambda word: word.at)),
        acts=tuple(sorted(acts, key=lambda act: act.at)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
    )


SCENES: dict[str, Callable[[random.Random, int], Plan]] = {
    "told-again": told_again,
    "limits": limits,
    "late-news": late_news,
    "moving": moving,
    "holds": holds,
    "stale-answers": stale_answers,
    "draws": draws,
    "clocks": clocks,
    "silence": silence,
    "unknown": unknown,
    "frozen": frozen,
}
"""By name; their order is that of the seeds."""


def draw(seed: int) -> Plan:
    """The plan of a seed: a scene, or a world at large."""
    name = name_of(seed)
    return plan.draw(seed) if name is None else SCENES[name](random.Random(f"{seed} {name}"), seed)
