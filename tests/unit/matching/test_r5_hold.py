"""R5: promoted places are held for a time that suits the venue's working hours; missed twice, they are gone."""

from datetime import timedelta

import pytest
from youai_contracts.events import Decision

from tests.unit.matching.scenes import check, moment, play, shown

WAITING = """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1"""
HELD = f"""{WAITING}
        12-01 09:03 | ask c    | c waitlisted full #2+1 1/1
        12-01 10:00 | cancel a | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00"""

HOLDS = {
    "accepted in time": f"""{HELD}
        12-01 10:01 | accept b | b confirmed accepted 1/1
        12-01 10:02 | accept b | ignored
        12-02 10:00 | fire hold b | ignored""",
    "only who has a hold accepts or declines": f"""{HELD}
        12-01 10:01 | accept a      | ignored
        12-01 10:01 | accept c      | ignored
        12-01 10:01 | accept nobody | ignored
        12-01 10:01 | decline a     | ignored
        12-01 10:01 | decline c     | ignored
        12-01 10:02 | accept b      | b confirmed accepted 1/1
        12-01 10:03 | decline b     | ignored""",
    "accepted after it was due, and before its timer came": f"""{HELD}
        12-02 10:00:05 | accept b | b confirmed accepted 1/1
        12-02 10:00:06 | fire hold b due=12-02_10:00 | ignored""",
    "after its timer it is too late": f"""{HELD}
        12-02 10:00:05 | fire hold b due=12-02_10:00 | b lapsed hold-lapsed #2+1 0/1;
                       |                             | c promoted place-freed 1/1 until 12-03 10:00:05
        12-02 10:00:06 | accept b  | ignored
        12-02 10:00:06 | decline b | ignored""",
    "the timer counts if it names the hold, and is due": f"""{HELD}
        12-02 09:59:59.999 | fire hold b due=12-02_10:00        | ignored
        12-02 10:00        | fire hold b due=12-02_09:59:59.999 | ignored
        12-02 10:00        | fire hold c due=12-02_10:00        | ignored
        12-02 10:00        | fire hold due=12-02_10:00          | ignored
        12-02 10:00        | fire closing due=12-02_10:00       | ignored
        12-02 10:00        | fire hold b   | b lapsed hold-lapsed #2+1 0/1;
                           |               | c promoted place-freed 1/1 until 12-03 10:00""",
    "declined, and declined by a limit": f"""{HELD}
        12-01 10:01 | decline b       | b released declined 0/1; c promoted place-freed 1/1 until 12-02 10:01
        12-01 10:02 | decline c limit | c released limit 0/1
        12-01 10:03 | ask d           | d confirmed place-free 1/1""",
    "an answer to one hold is never one to the next": f"""{WAITING}
        12-01 10:00 | cancel a    | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00
        12-02 10:00 | fire hold b | b lapsed hold-lapsed #1+0 0/1; b promoted place-freed 1/1 until 12-03 10:00
        12-02 10:01 | accept b held=4  | ignored
        12-02 10:01 | decline b held=4 | ignored
        12-02 10:01 | accept b held=5  | ignored
        12-02 10:02 | accept b held=6  | b confirmed accepted 1/1""",
    "cancelled while it is held": f"""{HELD}
        12-01 10:01 | cancel b | b released cancelled 0/1; c promoted place-freed 1/1 until 12-02 10:01
        12-02 10:00 | fire hold b | ignored""",
    "the first lapse leads to the end of the queue, the second out": f"""{HELD}
        12-02 10:00 | fire hold b | b lapsed hold-lapsed #2+1 0/1; c promoted place-freed 1/1 until 12-03 10:00
        12-02 11:00 | decline c   | c released declined 0/1; b promoted place-freed 1/1 until 12-03 11:00
        12-03 11:00 | fire hold b | b lapsed hold-lapsed-again 0/1
        12-03 11:01 | accept b    | ignored
        12-03 11:02 | ask b2 venue=v-b | b2 confirmed place-free 1/1""",
    "who is alone in the queue has the place again at once, and then no more": f"""{WAITING}
        12-01 10:00 | cancel a    | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00
        12-02 10:00 | fire hold b | b lapsed hold-lapsed #1+0 0/1; b promoted place-freed 1/1 until 12-03 10:00
        12-03 10:00 | fire hold b | b lapsed hold-lapsed-again 0/1""",
    "a lapse that was made good by accepting is not forgotten": f"""{WAITING}
        12-01 10:00 | cancel a    | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00
        12-02 10:00 | fire hold b | b lapsed hold-lapsed #1+0 0/1; b promoted place-freed 1/1 until 12-03 10:00
        12-02 10:01 | accept b    | b confirmed accepted 1/1
        12-02 10:02 | ask c       | c waitlisted full #1+0 1/1
        12-02 10:03 | override x 9 capacity=9 | x rejected override-full 1/9;
                    |                         | c promoted place-freed 2/9 until 12-03 10:03""",
    "at closing holds end, in the order of asking, then the queue": """
        12-01 09:00 | open 3    | applied
        12-01 09:01 | ask a 3   | a confirmed place-free 3/3
        12-01 09:02 | ask b 2   | b waitlisted full #1+0 3/3
        12-01 09:03 | ask c     | c waitlisted full #2+2 3/3
        12-01 09:04 | ask d 3   | d waitlisted full #3+3 3/3
        12-19 16:00 | revise capacity=4 | c promoted place-freed 4/4 until 12-20 09:00
        12-19 16:01 | cancel a  | a released cancelled-late 1/4; b promoted place-freed 3/4 until 12-20 09:00
        12-20 09:00 | fire closing | b released not-accepted 1/4; c released not-accepted 0/4; d released closed 0/4
        12-20 09:00 | fire hold b  | ignored
        12-20 09:01 | accept b     | ignored""",
    "the slot's end releases a hold with its own reason": f"""{HELD}
        12-01 10:01 | close offer-withdrawn | b released offer-withdrawn 0/1; c released offer-withdrawn 0/1
        12-02 10:00 | fire hold b | ignored""",
    "in a version without holds a promotion is final": """
        12-01 09:00 | open 1 rules=2026-12 | applied
        12-01 09:01 | ask a     | a confirmed place-free 1/1
        12-01 09:02 | ask b     | b waitlisted full #1+0 1/1
        12-01 10:00 | cancel a  | a released cancelled 0/1; b promoted place-freed 1/1
        12-01 10:01 | accept b  | ignored
        12-01 10:02 | decline b | ignored
        12-02 10:00 | fire hold b | ignored
        12-20 09:00 | fire closing | applied
        12-20 10:00 | close     | b released session-cancelled 0/1""",
}


@pytest.mark.parametrize("text", HOLDS.values(), ids=HOLDS)
def test_hold(text: str) -> None:
    check(text)


def hold(at: str, starts: str, hours: str = "", closes: str = "") -> str:
    """Until when a place is held that becomes free `at` some time, for a session that `starts` at another."""
    times = f"opens=01-01_09:00 starts={starts} closes={closes or starts} ends={starts}"
    hours = f"hours={hours}" if hours else ""
    text = f"""
        01-01 09:00 | open 1 {times} |
        01-02 09:00 | ask a          |
        01-02 09:01 | ask b {hours}  |
        {at} | cancel a |"""
    event = play(text)[-1].decisions[-1].event
    assert isinstance(event, Decision)
    assert isinstance(event.hold_until, str)
    return shown(event.hold_until)


def rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]


# A place becomes free | the session starts | the venue's hours | it is held until | why
UNTIL = """
    12-02 10:00        | 12-20_14:00 |             | 12-03 10:00        | far: a day
    12-13 13:59:59.999 | 12-20_14:00 |             | 12-14 13:59:59.999 | far: a millisecond more than seven days
    12-13 14:00        | 12-20_14:00 |             | 12-14 13:00        | seven days: four hours of Monday
    12-15 14:00        | 12-17_14:00 |             | 12-16 09:30        | two days: 3.5 hours and half an hour
    12-15 14:00:00.001 | 12-17_14:00 |             | 12-15 14:30:00.001 | near: half an hour
    12-08 13:30        | 12-13_14:00 |             | 12-08 17:30        | four hours end with the day
    12-08 13:30:00.001 | 12-13_14:00 |             | 12-09 09:00:00.001 | a millisecond of the next day
    12-08 07:00        | 12-13_14:00 |             | 12-08 13:00        | four hours from the morning on
    12-02 20:00        | 12-20_14:00 |             | 12-04 09:30        | a night: half an hour of the next morning
    12-02 06:00        | 12-20_14:00 |             | 12-03 09:30        | an early morning: of the same day
    12-02 09:00        | 12-20_14:00 |             | 12-03 09:30        | as the hours begin: nobody had it before
    12-02 17:30        | 12-20_14:00 |             | 12-03 17:30        | as they end: it stands
    12-02 17:30:00.001 | 12-20_14:00 |             | 12-04 09:30        | a millisecond later
    12-02 17:00        | 12-03_14:00 |             | 12-02 17:30        | near, as the hours end
    12-02 22:00        | 12-03_14:00 |             | 12-03 09:30        | near, at night
    12-02 08:30        | 12-03_14:00 |             | 12-02 09:30        | near, as the hours begin
    12-02 08:30:00.001 | 12-03_14:00 |             | 12-02 09:00:00.001 | near, a millisecond later
    12-04 10:00        | 12-20_14:00 |             | 12-07 09:30        | a weekend
    12-04 16:00        | 12-09_14:00 |             | 12-07 11:30        | 1.5 hours of Friday, 2.5 of Monday
    12-05 10:00        | 12-06_14:00 |             | 12-06 14:00        | near, at a weekend: until booking closes
    09-24 10:00        | 10-20_14:00 |             | 09-28 09:30        | Mid-Autumn: Friday to Sunday off
    09-19 10:00        | 10-20_14:00 |             | 09-20 10:00        | a Sunday that works
    09-30 10:00        | 10-20_14:00 |             | 10-08 09:30        | National Day's week
    09-30 16:00        | 10-06_16:00 |             | 10-06 16:00        | 1.5 hours, and no more before booking closes
    10-01 12:00        | 10-08_12:00 |             | 10-08 12:00        | four hours after it, until booking closes
    10-06 12:00        | 10-12_12:00 |             | 10-08 13:00        | four hours of the first day after it
    10-09 12:00        | 10-20_14:00 |             | 10-10 12:00        | a Saturday that works for the week off
    10-09 16:00        | 10-14_14:00 |             | 10-10 11:30        | 1.5 hours of Friday, 2.5 of that Saturday
    10-10 12:00        | 10-20_14:00 |             | 10-12 09:30        | the Sunday after it does not work
    12-02 20:00        | 12-20_14:00 | 13:00-21:00 | 12-03 20:00        | an evening venue
    12-02 21:30        | 12-20_14:00 | 13:00-21:00 | 12-04 13:30        | its night
    12-02 10:00        | 12-20_14:00 | 13:00-21:00 | 12-03 13:30        | its morning
    12-08 19:00        | 12-14_14:00 | 13:00-21:00 | 12-09 15:00        | two hours of its evening, two of its noon
    12-02 10:00        | 12-20_14:00 | 09:00-09:20 | 12-04 09:20        | hours shorter than half an hour
    12-08 09:30        | 12-14_14:00 | 09:00-10:00 | 12-14 09:30        | half an hour, three times one, half an hour
    12-02 23:30        | 12-20_14:00 | 00:00-23:59 | 12-03 23:30        | always open
    12-02 00:00        | 12-20_14:00 | 00:00-23:59 | 12-03 00:30        | always open, at midnight
    12-02 20:00        | 12-20_14:00 | 9:00-21:00  | 12-04 09:30        | no hours: one figure
    12-02 20:00        | 12-20_14:00 | 21:00-09:00 | 12-04 09:30        | no hours: the wrong way round
    12-02 20:00        | 12-20_14:00 | 20:00-20:00 | 12-04 09:30        | no hours: none between
    12-02 20:00        | 12-20_14:00 | 08:30-24:00 | 12-04 09:30        | no hours: 24:00
    12-02 20:00        | 12-20_14:00 | 19:60-21:00 | 12-04 09:30        | no hours: sixty minutes
    12-02 20:00        | 12-20_14:00 | ０9:00-21:00 | 12-04 09:30        | no hours: a wide figure
    12-02 20:00        | 12-20_14:00 | -21:00      | 12-04 09:30        | no hours: one is empty
"""


@pytest.mark.parametrize(("at", "starts", "hours", "until", "why"), rows(UNTIL))
def test_a_hold_ends_in_working_time(at: str, starts: str, hours: str, until: str, why: str) -> None:
    assert hold(at, starts, hours) == until, why


def test_a_hold_never_outlives_bookings_closing() -> None:
    assert hold("12-02 10:00", "12-20_14:00", closes="12-03_09:00") == "12-03 09:00"
    assert hold("12-02 10:00", "12-20_14:00", closes="12-03_10:00:00.001") == "12-03 10:00"
    assert hold("12-02 10:00", "12-20_14:00", closes="12-01_10:00") == "12-01 10:00"


# The week of National Day 2026: off from Thursday 10-01 to Wednesday 10-07; Saturday 10-10 works instead.
# A place becomes free at | far: session on 11-01 | middle: in five days | near: in 30 hours
HOLIDAY = """
    09-29 09:00 | 09-30 09:30 | 09-29 13:00 | 09-29 09:30
    09-29 12:00 | 09-30 12:00 | 09-29 16:00 | 09-29 12:30
    09-29 15:00 | 09-30 15:00 | 09-30 10:30 | 09-29 15:30
    09-29 18:00 | 10-08 09:30 | 09-30 13:00 | 09-30 09:30
    09-30 09:00 | 10-08 09:30 | 09-30 13:00 | 09-30 09:30
    09-30 12:00 | 10-08 09:30 | 09-30 16:00 | 09-30 12:30
    09-30 15:00 | 10-08 09:30 | 10-05 15:00 | 09-30 15:30
    09-30 18:00 | 10-08 09:30 | 10-05 18:00 | 10-02 00:00
    10-01 09:00 | 10-08 09:30 | 10-06 09:00 | 10-02 15:00
    10-01 15:00 | 10-08 09:30 | 10-06 15:00 | 10-02 21:00
    10-02 12:00 | 10-08 09:30 | 10-07 12:00 | 10-03 18:00
    10-03 12:00 | 10-08 09:30 | 10-08 12:00 | 10-04 18:00
    10-04 12:00 | 10-08 09:30 | 10-08 13:00 | 10-05 18:00
    10-05 12:00 | 10-08 09:30 | 10-08 13:00 | 10-06 18:00
    10-06 12:00 | 10-08 09:30 | 10-08 13:00 | 10-07 18:00
    10-07 08:00 | 10-08 09:30 | 10-08 13:00 | 10-08 09:30
    10-07 18:00 | 10-09 09:30 | 10-08 13:00 | 10-08 09:30
    10-08 09:00 | 10-09 09:30 | 10-08 13:00 | 10-08 09:30
    10-08 15:00 | 10-09 15:00 | 10-09 10:30 | 10-08 15:30
    10-08 18:00 | 10-10 09:30 | 10-09 13:00 | 10-09 09:30
    10-09 12:00 | 10-10 12:00 | 10-09 16:00 | 10-09 12:30
    10-09 15:00 | 10-10 15:00 | 10-10 10:30 | 10-09 15:30
    10-09 18:00 | 10-12 09:30 | 10-10 13:00 | 10-10 09:30
    10-10 12:00 | 10-12 09:30 | 10-10 16:00 | 10-10 12:30
    10-10 15:00 | 10-12 09:30 | 10-12 10:30 | 10-10 15:30
    10-10 18:00 | 10-12 09:30 | 10-12 13:00 | 10-12 00:00
    10-11 12:00 | 10-12 12:00 | 10-12 13:00 | 10-12 09:30
    10-12 09:00 | 10-13 09:30 | 10-12 13:00 | 10-12 09:30
"""


@pytest.mark.parametrize(("at", "far", "middle", "near"), rows(HOLIDAY))
def test_the_week_of_national_day_hour_by_hour(at: str, far: str, middle: str, near: str) -> None:
    in_five_days, in_thirty_hours = (
        shown(moment(at) + timedelta(hours=hours)).replace(" ", "_") for hours in (5 * 24, 30)
    )
    assert (hold(at, "11-01_10:00"), hold(at, in_five_days), hold(at, in_thirty_hours)) == (far, middle, near)


def test_the_text_names_the_local_time() -> None:
    event = play(HELD)[-1].decisions[-1].event
    assert "12-02 10:00" in event.reason_zh
    assert "2026-12-02 10:00" in event.reason_en
