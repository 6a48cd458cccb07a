"""When holds end, hour by hour over two weeks of holidays and make-up days, worked out by hand.

2026-09-20 (Sunday) is worked, 09-25 to 27 and 10-01 to 07 are off, 2026-10-10 (Saturday) is worked; work is from 09:00
to 17:30, eight and a half hours.
"""

from pathlib import Path

import pytest

from tests.unit.verifier.exports import (
    ALL_RULES,
    DAY,
    HOUR,
    NINE,
    Row,
    Step,
    ask,
    at,
    cancel,
    held,
    in_ms,
    must_hold,
    of,
    opened,
    released,
    wait,
    yes,
)

FOUR_HOURS = [  # promoted five days before: four hours of work
    ("09-19 10:00", "09-20 13:00"),  # Saturday
    ("09-20 00:00", "09-20 13:00"),  # the Sunday that is worked
    ("09-20 08:00", "09-20 13:00"),
    ("09-20 09:00", "09-20 13:00"),
    ("09-20 10:00", "09-20 14:00"),
    ("09-20 11:00", "09-20 15:00"),
    ("09-20 12:00", "09-20 16:00"),
    ("09-20 13:00", "09-20 17:00"),
    ("09-20 13:30", "09-20 17:30"),
    ("09-20 13:31", "09-21 09:01"),
    ("09-20 14:00", "09-21 09:30"),
    ("09-20 15:00", "09-21 10:30"),
    ("09-20 16:00", "09-21 11:30"),
    ("09-20 17:00", "09-21 12:30"),
    ("09-20 17:30", "09-21 13:00"),
    ("09-20 18:00", "09-21 13:00"),
    ("09-20 23:59", "09-21 13:00"),
    ("09-24 14:00", "09-28 09:30"),  # Thursday, before three days off
    ("09-24 23:00", "09-28 13:00"),
    ("09-25 10:00", "09-28 13:00"),
    ("09-27 16:00", "09-28 13:00"),
    ("09-30 13:30", "09-30 17:30"),  # Wednesday, before seven days off
    ("09-30 14:00", "10-08 09:30"),
    ("09-30 17:00", "10-08 12:30"),
    ("10-01 00:00", "10-08 13:00"),
    ("10-05 12:00", "10-08 13:00"),
    ("10-09 16:00", "10-10 11:30"),  # Friday, before a Saturday that is worked
    ("10-10 15:00", "10-12 10:30"),
    ("10-11 10:00", "10-12 13:00"),
]
A_DAY = [  # promoted thirty days before: 24 hours, and if that is no time of work, half an hour after it begins
    ("09-19 09:00", "09-20 09:30"),
    ("09-19 09:01", "09-20 09:01"),
    ("09-19 17:30", "09-20 17:30"),
    ("09-19 17:31", "09-21 09:30"),
    ("09-20 03:00", "09-21 09:30"),
    ("09-24 09:00", "09-28 09:30"),
    ("09-29 12:00", "09-30 12:00"),
    ("09-30 12:00", "10-08 09:30"),
    ("10-06 10:00", "10-08 09:30"),
    ("10-07 10:00", "10-08 10:00"),
    ("10-09 10:00", "10-10 10:00"),
    ("10-10 10:00", "10-12 09:30"),
]
HALF_AN_HOUR = [  # promoted a day before
    ("09-20 08:00", "09-20 09:30"),
    ("09-20 08:30", "09-20 09:30"),
    ("09-20 08:31", "09-20 09:01"),
    ("09-20 17:00", "09-20 17:30"),
    ("09-20 17:01", "09-21 09:30"),
    ("09-30 17:01", "10-08 09:30"),
    ("10-10 12:00", "10-10 12:30"),
    ("10-11 12:00", "10-12 09:30"),
]
OWN = [  # the venue's hours, how long before, when, until when
    (("08:00", "12:00"), 5 * DAY, "09-20 10:00", "09-21 10:00"),
    (("13:00", "13:20"), 1 * DAY, "09-21 08:00", "09-21 13:20"),
    (("00:00", "23:59"), 1 * DAY, "09-20 23:40", "09-21 00:10"),
    (("9:00", "17:00"), 1 * DAY, "09-20 08:00", "09-20 09:30"),
    (("17:00", "10:00"), 1 * DAY, "09-20 08:00", "09-20 09:30"),
    (("10:00", "10:00"), 1 * DAY, "09-20 08:00", "09-20 09:30"),
    (("10:00", "24:00"), 1 * DAY, "09-20 08:00", "09-20 09:30"),
]
BOUNDS = [  # how long before, from Tuesday 09-22 10:00, until when
    (7 * DAY + 1, "09-23 10:00"),
    (7 * DAY, "09-22 14:00"),
    (2 * DAY, "09-22 14:00"),
    (2 * DAY - 1, "09-22 10:30"),
    (-DAY, "09-22 10:30"),
]


def promoted(when: str, before: int, until: str, closes: int = 60 * DAY, **fields: object) -> list[Step]:
    """A place is freed at that time, so long before the session, and held until then."""
    now = in_ms(f"2026-{when}") - NINE
    slot: Row = of(opened(1) | {"ms": now - DAY}, rule_version=ALL_RULES, opens_at=at(NINE + now - HOUR))
    slot["data"] |= {"closes_at": at(NINE + now + closes), "starts_at": at(NINE + now + before)}
    return [
        (slot, []),
        (ask(1, ms=now), [yes(1, 1)]),
        (of(ask(2, ms=now), **fields), [wait(2, 1, 0, 1)]),
        (
            cancel(1, now),
            [released(1, "cancelled-late" if before < DAY else "cancelled", 0), held(2, 1, f"2026-{until}")],
        ),
    ]


@pytest.mark.parametrize(("when", "until"), FOUR_HOURS)
def test_r5_four_hours_of_work(when: str, until: str, tmp_path: Path) -> None:
    must_hold(promoted(when, 5 * DAY, until), tmp_path)


@pytest.mark.parametrize(("when", "until"), A_DAY)
def test_r5_a_day(when: str, until: str, tmp_path: Path) -> None:
    must_hold(promoted(when, 30 * DAY, until), tmp_path)


@pytest.mark.parametrize(("when", "until"), HALF_AN_HOUR)
def test_r5_half_an_hour(when: str, until: str, tmp_path: Path) -> None:
    must_hold(promoted(when, DAY, until), tmp_path)


@pytest.mark.parametrize(("hours", "before", "when", "until"), OWN)
def test_r5_a_venues_own_hours(hours: tuple[str, str], before: int, when: str, until: str, tmp_path: Path) -> None:
    must_hold(promoted(when, before, until, working_hours=list(hours)), tmp_path)


@pytest.mark.parametrize(("before", "until"), BOUNDS)
def test_r5_how_long_before(before: int, until: str, tmp_path: Path) -> None:
    must_hold(promoted("09-22 10:00", before, until), tmp_path)


def test_r5_never_after_closing(tmp_path: Path) -> None:
    must_hold(promoted("09-30 14:00", 5 * DAY, "10-01 14:00", closes=DAY), tmp_path)
