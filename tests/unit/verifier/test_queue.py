"""Order, town shares, promotion and points as tables written by hand from docs/rules.md: the verifier decides so."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.verifier.exports import (
    DAY,
    HOUR,
    NINE,
    Row,
    Step,
    ask,
    at,
    cancel,
    fired,
    held,
    must_hold,
    no,
    of,
    released,
    said,
    session,
    wait,
    yes,
)

NEXT_DAY = "2026-11-25 17:00"  # a day after the opening, and within working hours: when most holds here end


def kept(number: int, place: int, ahead: int, taken: int) -> tuple[Any, ...]:
    return said(number, "waitlisted kept", taken, place, ahead)


def town(number: int, name: str, size: int = 1) -> Row:
    return of(ask(number, size), town=name)


def pointed(number: int, points: int, ms: int = 0) -> Row:
    return of(ask(number, ms=ms), points=points)


ORDER: dict[str, list[Step]] = {
    "the log's order decides, whatever clients' clocks say": [
        (session(1), []),
        (ask(1), [yes(1, 1)]),
        (of(ask(2), requested_at=at(NINE - DAY)), [wait(2, 1, 0, 1)]),
    ],
    "one live request a venue, and again once it is cancelled": [
        (session(1), []),
        (ask(1), [yes(1, 1)]),
        (ask(2, venue=1), [no(2, "already-live", 1)]),
        (cancel(1), [released(1, "cancelled", 0)]),
        (ask(3, venue=1), [yes(3, 1)]),
    ],
    "a bounded queue": [
        (session(1, waitlist=1), []),
        (ask(1), [yes(1, 1)]),
        (ask(2), [wait(2, 1, 0, 1)]),
        (ask(3), [no(3, "waitlist-full", 1)]),
    ],
}

SHARES: dict[str, list[Step]] = {
    "kept for a town until 72 hours before": [
        (session(3, town_shares={"大新镇": 2}), []),
        (town(1, "塘桥镇"), [yes(1, 1)]),
        (town(2, "塘桥镇"), [said(2, "waitlisted shares", 1, 1, 0)]),
        (town(3, "大新镇"), [yes(3, 2)]),
        (town(4, "塘桥镇", 2), [said(4, "waitlisted full", 2, 2, 1)]),
        # Tuesday 1 December 17:00, three days before: half an hour of work today, and three and a half tomorrow.
        (fired(7 * DAY, 7 * DAY, "shares"), [held(2, 3, "2026-12-02 12:30")]),
    ],
    "a town may have more than its share": [
        (session(4, town_shares={"大新镇": 1}), []),
        (town(1, "大新镇", 2), [yes(1, 2)]),
        (town(2, "塘桥镇", 2), [yes(2, 4)]),
    ],
    "places of its share pass by the first, and are no pass": [
        (session(2, town_shares={"大新镇": 1}), []),
        (town(1, "塘桥镇", 2), [said(1, "waitlisted shares", 0, 1, 0)]),
        (town(2, "大新镇"), [yes(2, 1)]),
        (cancel(2), [released(2, "cancelled", 0)]),
        (town(3, "大新镇"), [yes(3, 1)]),
        (cancel(3), [released(3, "cancelled", 0)]),
        (town(4, "大新镇"), [yes(4, 1)]),
        (cancel(4), [released(4, "cancelled", 0)]),
        (town(5, "大新镇"), [yes(5, 1)]),
    ],
    "within a town, passes count as ever": [
        (session(4, town_shares={"大新镇": 3}), []),
        (town(1, "塘桥镇"), [yes(1, 1)]),
        (town(2, "大新镇", 4), [wait(2, 1, 0, 1)]),
        *[
            step
            for n in (3, 4, 5)
            for step in [(town(n, "大新镇"), [yes(n, 2)]), (cancel(n), [released(n, "cancelled", 1)])]
        ],
        (town(6, "大新镇"), [kept(6, 2, 4, 1)]),
    ],
    "opened within 72 hours, there are no shares": [
        (session(2, starts=3 * DAY - HOUR, town_shares={"大新镇": 2}), []),
        (town(1, "塘桥镇", 2), [yes(1, 2)]),
    ],
}

FIVE: list[Step] = [
    (session(3), []),
    *[(ask(n), [yes(n, n)]) for n in (1, 2, 3)],
    (ask(4, 3), [wait(4, 1, 0, 3)]),
    (ask(5), [wait(5, 2, 3, 3)]),
    (ask(6), [wait(6, 3, 4, 3)]),
    (ask(7), [wait(7, 4, 5, 3)]),
    (ask(8), [wait(8, 5, 6, 3)]),
    (cancel(1), [released(1, "cancelled", 2), held(5, 3, NEXT_DAY)]),  # r4 is passed
    (cancel(2), [released(2, "cancelled", 2), held(6, 3, NEXT_DAY)]),  # again
    (cancel(3), [released(3, "cancelled", 2), held(7, 3, NEXT_DAY)]),  # and for the third time
    (cancel(5), [released(5, "cancelled", 2)]),
]
PROMOTION: dict[str, list[Step]] = {
    "in the same decision that frees the place": [
        (session(1), []),
        (ask(1), [yes(1, 1)]),
        (ask(2), [wait(2, 1, 0, 1)]),
        (cancel(1), [released(1, "cancelled", 0), held(2, 1, NEXT_DAY)]),
        (ask(3), [wait(3, 1, 0, 1)]),
    ],
    "passed three times, places are kept for the first": [
        *FIVE,
        (ask(9), [kept(9, 3, 4, 2)]),
        (cancel(6), [released(6, "cancelled", 1)]),
        (cancel(7), [released(7, "cancelled", 0), held(4, 3, NEXT_DAY)]),
    ],
    "until 48 hours before": [
        *FIVE,
        # Wednesday 2 December 17:00, two days before.
        (fired(8 * DAY, 8 * DAY, "accumulation"), [held(8, 3, "2026-12-03 12:30")]),
    ],
    "not once the first has gone": [*FIVE, (cancel(4), [released(4, "cancelled", 2), held(8, 3, NEXT_DAY)])],
    "twice in one record is one pass": [
        (session(4), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 2), [yes(2, 4)]),
        (ask(3, 4), [wait(3, 1, 0, 4)]),
        *[(ask(n), [wait(n, n - 2, n, 4)]) for n in (4, 5, 6, 7, 8)],
        (cancel(1), [released(1, "cancelled", 2), held(4, 3, NEXT_DAY), held(5, 4, NEXT_DAY)]),
        (cancel(4), [released(4, "cancelled", 3), held(6, 4, NEXT_DAY)]),
        (cancel(5), [released(5, "cancelled", 3), held(7, 4, NEXT_DAY)]),
        (cancel(6), [released(6, "cancelled", 3)]),
    ],
    "closing releases all who wait": [
        (session(1), []),
        (ask(1), [yes(1, 1)]),
        (ask(2), [wait(2, 1, 0, 1)]),
        (ask(3), [wait(3, 2, 1, 1)]),
        (fired(10 * DAY, 10 * DAY - HOUR), [released(2, "closed", 1), released(3, "closed", 1)]),
    ],
}

POINTS: dict[str, list[Step]] = {
    "three points stand behind the clean until 24 hours before": [
        (session(1), []),
        (ask(1), [yes(1, 1)]),
        (pointed(2, 3), [wait(2, 1, 0, 1)]),
        (ask(3), [wait(3, 1, 0, 1)]),
        (pointed(4, 5), [wait(4, 3, 2, 1)]),
        (pointed(5, 2), [wait(5, 2, 1, 1)]),
        (cancel(1), [released(1, "cancelled", 0), held(3, 1, NEXT_DAY)]),
        (fired(9 * DAY, 9 * DAY, "class"), []),
        # Thursday 3 December 17:00, a day before: half an hour.
        (cancel(3, 9 * DAY), [released(3, "cancelled", 0), held(2, 1, "2026-12-03 17:30")]),
        (pointed(6, 3, 9 * DAY), [wait(6, 3, 2, 1)]),
    ],
    "late is less than 24 hours before, and of confirmed places alone": [
        (session(2, DAY, DAY - HOUR), []),
        (ask(1), [yes(1, 1)]),
        (ask(2), [yes(2, 2)]),
        (ask(3), [wait(3, 1, 0, 2)]),
        (ask(4), [wait(4, 2, 1, 2)]),
        # Tuesday 17:00, and half an hour: just within working hours.
        (cancel(1), [released(1, "cancelled", 1), held(3, 2, "2026-11-24 17:30")]),
        (cancel(4, 1), [released(4, "cancelled", 2)]),
        (cancel(3, 1), [released(3, "cancelled", 1)]),
        (cancel(2, 1), [released(2, "cancelled-late", 0)]),
    ],
}


@pytest.mark.parametrize("name", ORDER)
def test_r1_order(name: str, tmp_path: Path) -> None:
    must_hold(ORDER[name], tmp_path)


@pytest.mark.parametrize("name", SHARES)
def test_r3_town_shares(name: str, tmp_path: Path) -> None:
    must_hold(SHARES[name], tmp_path)


@pytest.mark.parametrize("name", PROMOTION)
def test_r4_promotion(name: str, tmp_path: Path) -> None:
    must_hold(PROMOTION[name], tmp_path)


@pytest.mark.parametrize("name", POINTS)
def test_r6_points(name: str, tmp_path: Path) -> None:
    must_hold(POINTS[name], tmp_path)
