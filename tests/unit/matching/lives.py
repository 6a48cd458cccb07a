"""Logs of all record types, by hypothesis: the writer sees what is pending, so that timers, holds and draws meet.

A log begins with openings; each move after that is a verb and small numbers, which a `Writer` makes a record of: it
plays the log along, to know which timers are pending, who holds places and what was asked for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, get_args

from hypothesis import strategies as st
from msgspec import structs
from youai_contracts.events import (
    ClaimEnd,
    DrawRevealed,
    HoldAccepted,
    HoldDeclined,
    OverrideRequested,
    SlotOpened,
    SlotRecord,
    SlotRevised,
    TimerFired,
)
from youai_matching.domain.keys import id_of, key_of
from youai_matching.domain.receipts import milliseconds
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Slot

from tests.unit.matching.fakes import RULES
from tests.unit.matching.logs import BAD, D1, Item
from tests.unit.matching.records import ACTOR, Closing, ask, at, cancel, claim, close, give_back, opened, posted
from tests.unit.matching.scenes import SEED, SEED_HASH

HOUR, DAY = 3600.0, 86_400.0
TOWNS = ("杨舍镇", "大新镇", "凤凰镇")
SHARES: tuple[dict[str, int], ...] = ({}, {}, {"大新镇": 1}, {"大新镇": 2, "凤凰镇": 1}, {"凤凰镇": 9})
STARTS = (2 * HOUR, DAY + 30, DAY + 2 * HOUR, 2 * DAY + HOUR, 3 * DAY + HOUR, 5 * DAY, 7 * DAY + 2 * HOUR, 12 * DAY)
"""Seconds from opening to start: on both sides of every band and of every time before the session."""
CLOSES = (0.0, HOUR, DAY)
"""Seconds from closing to start."""
STEPS = (*[0.0] * 8, 0.001, 0.5, 0.5, 2.0, 20.0, 61.0, HOUR, 5 * HOUR, 0.9 * DAY)
HOURS = (None, None, None, ("13:00", "21:00"), ("00:00", "23:59"), ("09:00", "09:10"), ("9:00", "21:00"))
SIZES = (1, 1, 2, 1, 3, 2, 4)
KINDS = ("closing", "window", "shares", "class", "accumulation", "hold", "invited")
WRONG_SEED = "5b" * 32
ENDS: tuple[ClaimEnd, ...] = get_args(ClaimEnd)
REASONS: tuple[Closing, ...] = get_args(Closing)


@dataclass(frozen=True)
class Opening:
    """How a session's slot begins: the rest is fixed."""

    capacity: int
    waitlist: int | None
    shares: dict[str, int]
    draw: bool
    starts: float
    closes: float
    rules: str


@dataclass(frozen=True)
class Move:
    """What comes next: a verb, a slot, two numbers to choose by, how much later, an id, and what is wrong with it."""

    verb: str
    slot: str
    n: int
    m: int
    later: float
    id: str | None = None
    wrong: str | None = None


@dataclass
class Writer:
    """Writes a log, and plays it along. `clock` is in seconds after nine."""

    log: list[Item] = field(default_factory=list)
    slots: dict[str, Slot] = field(default_factory=dict)
    clock: float = -30.0

    def add(self, event: SlotRecord, id: str | None = None, wrong: str | None = None) -> None:
        item = Item(event, self.clock, id, wrong)
        stamp = round(at(self.clock).timestamp() * 1000)
        slot = self.slots.setdefault(event.slot_id, Slot(event.slot_id))
        if wrong is None:
            decide(slot, At(7, len(self.log), stamp, id or f"own-{len(self.log)}"), event, RULES.by_version)
        self.log.append(item)

    def open(self, opening: Opening, slot: str) -> None:
        self.add(_opened(opening, slot))

    def move(self, move: Move) -> None:
        slot = self.slots.setdefault(move.slot, Slot(move.slot))
        event = VERBS[move.verb](self, slot, move)
        self.clock += move.later
        if event is not None:
            self.add(event, move.id, move.wrong)

    def fire(self, slot: Slot, move: Move) -> SlotRecord | None:
        """One of the pending timers, most often the one that is due first; when it is due, or later."""
        pending = sorted(slot.timers.items(), key=lambda timer: (timer[1], timer[0]))
        lasting = [timer for timer in pending if timer[0][0] != "closing" or move.n == 13]
        if not lasting:
            return None
        (kind, subject), due = lasting[0 if move.n < 7 else move.n % len(lasting)]
        seconds = (due - milliseconds(at(0))) / 1000
        if move.m < 5:
            self.clock = max(self.clock, seconds)
        return _timer(slot, kind, subject, seconds)


def _opened(opening: Opening, slot: str) -> SlotOpened:
    return structs.replace(
        opened(opening.capacity, waitlist=opening.waitlist, slot=slot, rules=RULES.named(opening.rules).version),
        mode="draw" if opening.draw else "arrival",
        seed_hash=SEED_HASH if opening.draw else None,
        town_shares=opening.shares,
        starts_at=at(opening.starts),
        closes_at=at(max(60.0, opening.starts - opening.closes)),
        ends_at=at(opening.starts + HOUR),
    )


def _timer(slot: Slot, kind: Any, subject: str, seconds: float) -> TimerFired:
    return TimerFired(slot_id=slot.slot_id, kind=kind, due_at=at(seconds), subject=subject)


def _misfire(writer: Writer, slot: Slot, move: Move) -> SlotRecord:
    return _timer(slot, KINDS[move.n % len(KINDS)], "r1" if move.m == 1 else "", writer.clock)


def _ask(_: Writer, slot: Slot, move: Move) -> SlotRecord:
    number = move.n if move.n == 13 else len(slot.requests) + len(slot.ended)
    asked = ask(f"r{number}", SIZES[move.m], venue=f"v{move.n}", slot=slot.slot_id)
    points = (0, 0, 3, 0, 2, 5)[move.n % 6]
    town = TOWNS[(move.n + move.m) % 3]
    return structs.replace(asked, points=points, town=town, working_hours=HOURS[move.n % len(HOURS)])


def _cancel(_: Writer, slot: Slot, move: Move) -> SlotRecord:
    live = list(slot.live.values())
    return cancel(live[move.n % len(live)].request_id if live and move.m else f"r{move.n}", slot=slot.slot_id)


def _of_hold(cls: type[HoldAccepted] | type[HoldDeclined]) -> Callable[[Writer, Slot, Move], SlotRecord]:
    def answer(_: Writer, slot: Slot, move: Move) -> SlotRecord:
        held = sorted(subject for kind, subject in slot.timers if kind == "hold")
        who = held[move.n % len(held)] if held and move.m < 5 else f"r{move.n}"
        reason: dict[str, Any] = {"reason": ("declined", "limit")[move.m % 2]} if cls is HoldDeclined else {}
        since = slot.requests[key_of(who)].since if key_of(who) in slot.requests else 1
        meant = (None, since, since, max(0, since - 1))[(move.n + move.m) % 4]
        return cls(slot_id=slot.slot_id, request_id=who, held=meant, actor=ACTOR, **reason)

    return answer


def _override(_: Writer, slot: Slot, move: Move) -> SlotRecord:
    """Of a request that is there, with its own venue or another; or of a new one."""
    known = [(request.key, request.venue_id) for request in slot.requests.values()]
    known += [(key, f"v{move.n}") for key in slot.ended]
    chosen = known[move.n % len(known)] if known and move.m < 4 else None
    return OverrideRequested(
        slot_id=slot.slot_id,
        request_id=id_of(chosen[0]) if chosen else f"x{move.n}",
        venue_id=chosen[1] if chosen and move.n else f"v{move.n}",
        town=TOWNS[move.n % 3],
        party_size=1 + move.m % 3,
        capacity=(None, slot.capacity + 1, 1, slot.capacity + 3)[move.n % 4] or None,
        explanation="{place}联席会议同意。",
        actor=ACTOR,
    )


def _revise(writer: Writer, slot: Slot, move: Move) -> SlotRecord:
    values: dict[str, Any] = {}
    if move.n % 2 == 0:
        values["capacity"] = 1 + move.m
    if move.n % 4 == 3:
        values["starts_at"] = at(max(writer.clock, 0) + STARTS[move.m])
    if move.n in (5, 9):
        values["closes_at"] = at(max(writer.clock, 0) + (-1.0, 0.5, HOUR, DAY, 3 * DAY, 6 * DAY, 9 * DAY)[move.m])
    if move.n % 5 == 2:
        values["opens_at"] = at((-20.0, -1.0, 5.0, 30.0, HOUR, -50.0, 0.0)[move.m])
    if move.n in (7, 11):
        values["rule_version"] = RULES.named(("2027-01", "2026-12", "2026-11")[move.m % 3]).version
    return SlotRevised(slot_id=slot.slot_id, **values)


def _reveal(_: Writer, slot: Slot, move: Move) -> SlotRecord:
    return DrawRevealed(slot_id=slot.slot_id, seed=SEED if move.m else WRONG_SEED)


VERBS: dict[str, Callable[[Writer, Slot, Move], SlotRecord | None]] = {
    "ask": _ask,
    "cancel": _cancel,
    "fire": Writer.fire,
    "misfire": _misfire,
    "accept": _of_hold(HoldAccepted),
    "decline": _of_hold(HoldDeclined),
    "override": _override,
    "revise": _revise,
    "reveal": _reveal,
    "close": lambda _, slot, move: (
        close(REASONS[move.m % 4], slot=slot.slot_id) if move.n == 13 and move.m < 3 else None
    ),
    "claim": lambda _, slot, move: claim(f"c{move.n}", provider=f"p{move.n % 5}", slot=D1 if move.m else slot.slot_id),
    "end": lambda _, slot, move: give_back(f"c{move.n}", ENDS[move.m % 3], slot=D1 if move.m else slot.slot_id),
}
WEIGHTS = {
    "ask": 24, "cancel": 8, "fire": 8, "reveal": 3, "accept": 3, "decline": 2, "override": 2, "revise": 3, "claim": 2
}  # fmt: skip
verbs = st.sampled_from([verb for verb in VERBS for _ in range(WEIGHTS.get(verb, 1))])
openings = st.builds(
    Opening,
    capacity=st.integers(1, 6),
    waitlist=st.sampled_from([None, None, None, 0, 2, 4]),
    shares=st.sampled_from(SHARES),
    draw=st.sampled_from([False, False, True]),
    starts=st.sampled_from(STARTS),
    closes=st.sampled_from(CLOSES),
    rules=st.sampled_from(["2027-01"] * 4 + ["2026-12"]),
)
moves = st.builds(
    Move,
    verbs,
    st.sampled_from(["s1"] * 12 + ["s2", D1]),
    st.integers(0, 13),
    st.integers(0, 6),
    st.sampled_from(STEPS),
    st.sampled_from([None] * 40 + ["i1", "i2"]),
    st.sampled_from([None] * 60 + sorted(BAD)),
)


def write(first: Opening, second: Opening, rest: Iterable[Move]) -> list[Item]:
    """The log: two sessions and a demand are opened, then the moves."""
    writer = Writer()
    writer.open(first, "s1")
    writer.open(second, "s2")
    writer.add(
        structs.replace(posted(1 + second.capacity % 3, slot=D1), rule_version=RULES.named(second.rules).version)
    )
    for move in rest:
        writer.move(move)
    return writer.log


lives = st.builds(write, openings, openings, st.lists(moves, min_size=25, max_size=90))
