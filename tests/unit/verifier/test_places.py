"""Draws, holds, cuts and overrides as tables written by hand from docs/rules.md: the verifier decides so."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.verifier.exports import (
    ALL_RULES,
    DAY,
    HOUR,
    NINE,
    OF_CLAIMS,
    Step,
    accept,
    ask,
    at,
    cancel,
    closed,
    decline,
    fired,
    held,
    lapse,
    must_hold,
    no,
    of,
    opened,
    override,
    released,
    reveal,
    revise,
    said,
    session,
    wait,
    yes,
)

NEXT_DAY = "2026-11-25 17:00"  # a day after the opening, and within working hours: when most holds here end
CLOSING = fired(10 * DAY, 10 * DAY - HOUR)

SEED = "11" * 32
SEED_HASH = "02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc"
"""What `printf 1111… | xxd -r -p | sha256sum` prints. The ranks of v1 to v4 in a window of r1 to r4, likewise, begin
with d19070, 85b8b2, dd71d1, b50ad1 (and under the seed 2222… with 087b35, ac2c02, 7ff16d, 4ccc0e)."""
WINDOW = fired(60_000, 60_000, "window")


def draw(capacity: int = 2, **fields: Any) -> Any:
    return session(capacity, mode="draw", seed_hash=SEED_HASH, **fields)


def entered(number: int, taken: int = 0) -> tuple[Any, ...]:
    return said(number, "entered entered", taken)


FOUR: list[Step] = [(ask(n), [entered(n)]) for n in (1, 2, 3, 4)]
DRAWS: dict[str, list[Step]] = {
    "by rank, those after the window behind, then in order of arrival": [
        (draw(), []),
        *FOUR,
        (cancel(4), [released(4, "cancelled", 0)]),
        (reveal(SEED, 59_000), []),
        (WINDOW, []),
        (ask(5, ms=60_000), [entered(5)]),
        (reveal("22" * 32), []),
        (
            reveal(SEED),
            [
                said(2, "confirmed drawn", 1),
                said(1, "confirmed drawn", 2),
                said(3, "waitlisted drawn-behind", 2, 1, 0),
                said(5, "waitlisted drawn-behind", 2, 2, 1),
            ],
        ),
        (reveal(SEED), []),
        (ask(6, ms=60_000), [wait(6, 3, 2, 2)]),
    ],
    "who was displaced in the window has what is free before anybody drawn joins": [
        (draw(waitlist=1), []),
        (ask(1), [entered(1)]),
        (override(8), [said(8, "confirmed override", 1)]),
        (override(9), [said(9, "confirmed override", 2)]),
        (revise(capacity=1), [said(9, "displaced capacity-cut", 1, 1, 0)]),
        (revise(capacity=2), []),
        (WINDOW, []),
        (reveal(SEED), [held(9, 2, "2026-11-25 17:01"), said(1, "waitlisted drawn-behind", 2, 1, 0)]),
    ],
    "what is refused anyway is refused in the window too": [
        (draw(), []),
        (ask(1, 3), [no(1, "party-too-large")]),
        (ask(2), [entered(2)]),
        (ask(3, venue=2), [no(3, "already-live")]),
        (ask(4, ms=-5_000), [entered(4)]),  # a slot's time never goes back
    ],
    "the second class comes behind all others": [
        (draw(), []),
        (of(ask(1), points=3), [entered(1)]),
        (of(ask(2), points=3), [entered(2)]),
        *FOUR[2:],
        (WINDOW, []),
        (
            reveal(SEED),
            [
                said(4, "confirmed drawn", 1),
                said(3, "confirmed drawn", 2),
                said(2, "waitlisted drawn-behind", 2, 1, 0),
                said(1, "waitlisted drawn-behind", 2, 2, 1),
            ],
        ),
    ],
    "no queue": [
        (draw(3, waitlist=0), []),
        *FOUR,
        (WINDOW, []),
        (
            reveal(SEED),
            [*[said(n, "confirmed drawn", k) for k, n in ((1, 2), (2, 4), (3, 1))], no(3, "waitlist-full", 3)],
        ),
    ],
    "the center's word in the window": [
        (draw(), []),
        *FOUR,
        (override(3), [said(3, "confirmed override", 1)]),
        (WINDOW, []),
        (
            reveal(SEED),
            [
                said(2, "confirmed drawn", 2),
                said(4, "waitlisted drawn-behind", 2, 1, 0),
                said(1, "waitlisted drawn-behind", 2, 2, 1),
            ],
        ),
    ],
    "closing before the draw": [
        (draw(closes=60_000), []),
        *FOUR[:2],
        (WINDOW, []),
        (fired(60_000, 60_000), [released(1, "closed", 0), released(2, "closed", 0)]),
        (reveal(SEED), []),
    ],
    "cancelled before the draw": [
        (draw(), []),
        *FOUR[:2],
        (closed(), [released(1, "session-cancelled", 0), released(2, "session-cancelled", 0)]),
        (WINDOW, []),
    ],
    "opened late, the window begins then": [
        (draw() | {"ms": HOUR}, []),
        (ask(1, ms=HOUR), [entered(1)]),
        (fired(HOUR, 60_000, "window"), []),
        (reveal(SEED, HOUR), []),
        (fired(HOUR + 60_000, HOUR + 60_000, "window"), []),
        (reveal(SEED, 2 * HOUR), [said(1, "confirmed drawn", 1)]),
    ],
    "an opening that moves takes the window along": [
        (draw(), []),
        (revise(-HOUR, opens_at=at(NINE + HOUR)), []),
        (ask(1), [no(1, "early")]),
        (ask(2, ms=HOUR), [entered(2)]),
        (fired(HOUR, 60_000, "window"), []),
        (reveal(SEED, HOUR), []),
        (fired(HOUR + 60_000, HOUR + 60_000, "window"), []),
        (reveal(SEED, 2 * HOUR), [said(2, "confirmed drawn", 1)]),
    ],
}

ONE: list[Step] = [
    (session(1), []),
    (ask(1), [yes(1, 1)]),
    (ask(2), [wait(2, 1, 0, 1)]),
    (ask(3), [wait(3, 2, 1, 1)]),
    (cancel(1), [released(1, "cancelled", 0), held(2, 1, NEXT_DAY)]),
]
HOLDS: dict[str, list[Step]] = {
    "accepted, once": [
        *ONE,
        (accept(3), []),
        (accept(2), [said(2, "confirmed accepted", 1)]),
        (accept(2), []),
        (decline(2), []),
        (lapse(2, DAY), []),
    ],
    "declined: to the next": [*ONE, (decline(2), [released(2, "declined", 0), held(3, 1, NEXT_DAY)])],
    "a limit: to the next": [*ONE, (decline(2, "limit"), [released(2, "limit", 0), held(3, 1, NEXT_DAY)])],
    "cancelled: to the next": [*ONE, (cancel(2), [released(2, "cancelled", 0), held(3, 1, NEXT_DAY)])],
    "lapsed: to the end of the queue, and the second time out": [
        *ONE,
        (lapse(2, DAY, DAY - 1), []),
        (lapse(2, DAY), [said(2, "lapsed hold-lapsed", 0, 2, 1), held(3, 1, "2026-11-26 17:00")]),
        (lapse(3, 2 * DAY), [said(3, "lapsed hold-lapsed", 0, 2, 1), held(2, 1, "2026-11-27 17:00")]),
        # Friday 17:00, seven days before: half an hour of work today, three and a half on Monday.
        (lapse(2, 3 * DAY), [said(2, "lapsed hold-lapsed-again", 0), held(3, 1, "2026-11-30 12:30")]),
        (cancel(2, 3 * DAY), []),
        (ask(4, venue=2, ms=3 * DAY), [wait(4, 1, 0, 1)]),
    ],
    "lapsed alone: held again": [
        *ONE[:-1],
        (cancel(3), [released(3, "cancelled", 1)]),
        (cancel(1), [released(1, "cancelled", 0), held(2, 1, NEXT_DAY)]),
        (lapse(2, DAY), [said(2, "lapsed hold-lapsed", 0, 1, 0), held(2, 1, "2026-11-26 17:00")]),
    ],
    "no hold outlives closing": [
        (session(1, closes=HOUR), []),
        *ONE[1:-1],
        (cancel(1), [released(1, "cancelled", 0), held(2, 1, "2026-11-24 18:00")]),
    ],
    "closing: holds first, then the queue": [
        *ONE,
        (CLOSING, [released(2, "not-accepted", 0), released(3, "closed", 0)]),
        (accept(2, 10 * DAY), []),
        (ask(4, ms=10 * DAY), [no(4, "closed", 0)]),
    ],
    "the end of the slot": [
        *ONE,
        (closed(), [released(2, "session-cancelled", 0), released(3, "session-cancelled", 0)]),
    ],
}

CUTS: dict[str, list[Step]] = {
    "holds first, then the confirmed, newest first, to the head of the queue": [
        (session(4), []),
        *[(ask(n), [yes(n, n)]) for n in (1, 2, 3, 4)],
        *[(ask(n), [wait(n, n - 4, n - 5, 4)]) for n in (5, 6, 7)],
        (cancel(1), [released(1, "cancelled", 3), held(5, 4, NEXT_DAY)]),
        (cancel(2), [released(2, "cancelled", 3), held(6, 4, NEXT_DAY)]),
        (
            revise(capacity=1),
            [said(n, "displaced capacity-cut", taken, 1, 0) for n, taken in ((6, 3), (5, 2), (4, 1))],
        ),
        (lapse(5, DAY, 0), []),
        (revise(capacity=3), [held(4, 2, NEXT_DAY), held(5, 3, NEXT_DAY)]),
        (ask(8), [wait(8, 3, 2, 3)]),
    ],
    "a hold goes before a confirmed one that is newer": [
        (session(2), []),
        *[(ask(n), [yes(n, n)]) for n in (1, 2)],
        (ask(3), [wait(3, 1, 0, 2)]),
        (cancel(1), [released(1, "cancelled", 1), held(3, 2, NEXT_DAY)]),
        (override(9, capacity=3), [said(9, "confirmed override", 3)]),
        (revise(capacity=2), [said(3, "displaced capacity-cut", 2, 1, 0)]),
    ],
    "whoever is displaced is of the first class": [
        (session(2), []),
        (ask(1), [yes(1, 1)]),
        (of(ask(2), points=3), [yes(2, 2)]),
        (ask(3), [wait(3, 1, 0, 2)]),
        (revise(capacity=1), [said(2, "displaced capacity-cut", 1, 1, 0)]),
        (revise(capacity=2), [held(2, 2, NEXT_DAY)]),
    ],
    "accepted last is newest": [
        (session(2), []),
        *[(ask(n), [yes(n, n)]) for n in (1, 2)],
        (ask(3), [wait(3, 1, 0, 2)]),
        (cancel(1), [released(1, "cancelled", 1), held(3, 2, NEXT_DAY)]),
        (accept(3), [said(3, "confirmed accepted", 2)]),
        (revise(capacity=1), [said(3, "displaced capacity-cut", 1, 1, 0)]),
    ],
    "after closing for good": [
        (session(2), []),
        *[(ask(n), [yes(n, n)]) for n in (1, 2)],
        (CLOSING, []),
        (revise(10 * DAY, capacity=1), [said(2, "displaced capacity-cut-closed", 1)]),
        (revise(10 * DAY, capacity=2), []),
        (cancel(2, 10 * DAY), []),
    ],
    "a closing that moves ends holds and booking earlier": [
        *ONE,
        (revise(closes_at=at(NINE + 2 * HOUR)), []),
        (lapse(2, DAY, 2 * HOUR), []),
        (lapse(2, 2 * HOUR), [said(2, "lapsed hold-lapsed", 0, 2, 1), held(3, 1, "2026-11-24 19:00")]),
        (fired(2 * HOUR, 10 * DAY - HOUR), []),
        (fired(2 * HOUR, 2 * HOUR), [released(3, "not-accepted", 0), released(2, "closed", 0)]),
    ],
    "an opening that is past stays": [
        (session(1), []),
        (revise(0, opens_at=at(NINE + HOUR)), []),
        (ask(1), [yes(1, 1)]),
    ],
    "a slot never loses a rule": [
        *ONE,
        (revise(rule_version=OF_CLAIMS, now={}), []),
        (decline(2), [released(2, "declined", 0), held(3, 1, NEXT_DAY)]),
    ],
    "a slot gains rules": [
        (opened(1), []),
        (ask(1), [yes(1, 1)]),
        (ask(2), [wait(2, 1, 0, 1)]),
        (revise(rule_version=ALL_RULES, starts_at=at(NINE + 2 * DAY), closes_at=at(NINE + DAY)), []),
        # Two days before: half an hour of work today, three and a half tomorrow.
        (cancel(1), [released(1, "cancelled", 0), held(2, 1, "2026-11-25 12:30")]),
    ],
}

BY_CENTER: dict[str, list[Step]] = {
    "past the queue, with a recorded change of capacity": [
        (session(2), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 2), [wait(2, 1, 0, 2)]),
        (ask(3), [wait(3, 2, 2, 2)]),
        (override(3), []),
        (override(3, venue=9, capacity=3), [held(3, 3, NEXT_DAY)]),  # another venue's: but there is one place more
        (override(2, 2), []),
        (override(3), [said(3, "confirmed override", 3)]),
        (override(3), []),
        (override(2, 1, capacity=5), [said(2, "confirmed override", 5)]),  # its own party counts
    ],
    "a new request": [
        (session(1), []),
        (override(1, 9), [no(1, "party-too-large")]),
        (override(2), [said(2, "confirmed override", 1)]),
        (override(3, venue=2), [no(3, "already-live", 1)]),
        (override(4), [no(4, "override-full", 1)]),
        (override(4, capacity=2), []),  # decided already
        (CLOSING, []),
        (override(5, ms=10 * DAY), [said(5, "confirmed override", 2)]),
        (override(6, capacity=4, ms=10 * DAY), [said(6, "confirmed override", 3)]),
        (closed(), [released(n, "session-cancelled", taken) for n, taken in ((2, 2), (5, 1), (6, 0))]),
        (override(7), [no(7, "session-cancelled")]),
    ],
    "before the opening": [(session(1), []), (override(1, ms=-DAY), [said(1, "confirmed override", 1)])],
}


@pytest.mark.parametrize("name", DRAWS)
def test_r2_draw(name: str, tmp_path: Path) -> None:
    must_hold(DRAWS[name], tmp_path)


@pytest.mark.parametrize("name", HOLDS)
def test_r5_hold(name: str, tmp_path: Path) -> None:
    must_hold(HOLDS[name], tmp_path)


@pytest.mark.parametrize("name", CUTS)
def test_r7_fewer_places(name: str, tmp_path: Path) -> None:
    must_hold(CUTS[name], tmp_path)


@pytest.mark.parametrize("name", BY_CENTER)
def test_r8_override(name: str, tmp_path: Path) -> None:
    must_hold(BY_CENTER[name], tmp_path)
