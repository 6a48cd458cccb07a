"""Recurrences: which days a rule names, and that what has no end, no day or no sense is refused with a sentence."""

import time
from datetime import date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from youai_catalog import recurrence
from youai_catalog.domain import LOCAL
from youai_catalog.forms import OpenForm, RecurrenceForm

SATURDAY = datetime(2026, 12, 5, 9, tzinfo=LOCAL)
BODY: dict[str, Any] = {
    "rrule": "FREQ=WEEKLY;BYDAY=SA;COUNT=8",
    "from": "2026-12-05T09:00:00+08:00",
    "duration_minutes": 90,
    "capacity": 20,
    "opens_at": "2026-11-28T09:00:00+08:00",
    "closes_before_minutes": 60,
    "venue_name": "阳光社区",
    "exclude": ["2026-12-26"],
}
form: TypeAdapter[Any] = TypeAdapter(OpenForm)


def days(rrule: str, *exclude: str, first: datetime = SATURDAY) -> list[str]:
    found = recurrence.starts(rrule, first, [date.fromisoformat(one) for one in exclude])
    assert all((at.hour, at.minute) == (9, 0) for at in found)
    return [at.date().isoformat() for at in found]


@pytest.mark.parametrize(
    ("rrule", "wanted"),
    [
        ("FREQ=WEEKLY;BYDAY=SA;COUNT=3", ["2026-12-05", "2026-12-12", "2026-12-19"]),
        ("RRULE:freq=weekly;count=2", ["2026-12-05", "2026-12-12"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SA;WKST=MO;COUNT=3", ["2026-12-05", "2026-12-15", "2026-12-19"]),
        ("FREQ=DAILY;INTERVAL=10;UNTIL=20261225", ["2026-12-05", "2026-12-15", "2026-12-25"]),
        ("FREQ=DAILY;UNTIL=20261206T010000Z", ["2026-12-05", "2026-12-06"]),  # 9 o'clock in the city
        ("FREQ=DAILY;UNTIL=20261206T085959", ["2026-12-05"]),
        ("FREQ=MONTHLY;BYDAY=2TU;COUNT=2", ["2026-12-08", "2027-01-12"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", ["2026-12-31", "2027-01-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3", ["2026-12-31", "2027-01-31", "2027-03-31"]),
    ],
)
def test_days_of_a_rule(rrule: str, wanted: list[str]) -> None:
    assert days(rrule) == wanted


def test_the_city_time_decides_which_day_it_is() -> None:
    late = datetime.fromisoformat("2026-12-04T17:00:00-08:00")  # Saturday there, at nine
    assert days("FREQ=WEEKLY;BYDAY=SA;COUNT=1", first=late) == ["2026-12-05"]


def test_excluded_days_count_and_must_be_days_of_the_rule() -> None:
    assert days("FREQ=WEEKLY;COUNT=3", "2026-12-12") == ["2026-12-05", "2026-12-19"]
    with pytest.raises(recurrence.Refused) as told:
        days("FREQ=WEEKLY;COUNT=3", "2026-12-13")
    assert (told.value.field, "2026-12-13" in told.value.fault.en) == ("exclude", True)


@pytest.mark.parametrize(
    ("rrule", "says"),
    [
        ("FREQ=WEEKLY;BYDAY=SA", "must have an end"),
        ("FREQ=WEEKLY;COUNT=3;UNTIL=20270101", "one of the two"),
        ("FREQ=WEEKLY;COUNT=201", "at most 200"),
        ("FREQ=DAILY;UNTIL=20280101", "more than 200"),
        ("FREQ=DAILY;UNTIL=20400101", "three years"),
        ("FREQ=WEEKLY;COUNT=200", "within three years"),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=32;COUNT=1", "no BYMONTHDAY"),
        ("FREQ=MONTHLY;INTERVAL=12;BYDAY=6SU;COUNT=1", "no BYDAY"),
        ("FREQ=SECONDLY;COUNT=3", "FREQ is one of"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1", "FREQ is one of"),
        ("COUNT=3", "FREQ is one of"),
        ("FREQ=WEEKLY;BYHOUR=9;COUNT=3", "alone"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=SU;COUNT=1", "alone"),
        ("FREQ=WEEKLY;BYDAY=XX;COUNT=3", "no BYDAY"),
        ("FREQ=WEEKLY;BYDAY=2SA;COUNT=3", "no BYDAY"),
        ("FREQ=WEEKLY;COUNT=0", "no COUNT"),
        ("FREQ=WEEKLY;COUNT=３", "no COUNT"),
        ("FREQ=WEEKLY;COUNT=3;COUNT=4", "twice"),
        ("FREQ=WEEKLY;UNTIL=20261340", "no date"),
        ("FREQ=WEEKLY;UNTIL=00000101", "no date"),
        ("FREQ=WEEKLY;UNTIL=20261201", "no session"),
        ("FREQ=MONTHLY;BYSETPOS=1;COUNT=1", "goes with BYDAY"),
        ("FREQ=MONTHLY;BYSETPOS=4;BYDAY=1MO;COUNT=1", "no number"),
        ("FREQ=MONTHLY;BYDAY=MO;BYMONTHDAY=1;COUNT=1", "not both"),
        ("", "FREQ is one of"),
        ("x", "FREQ is one of"),
    ],
)
def test_what_is_refused(rrule: str, says: str) -> None:
    with pytest.raises(recurrence.Refused) as told:
        days(rrule)
    assert told.value.field == "rrule"
    assert says in told.value.fault.en


def test_a_rule_that_names_no_day_is_over_soon() -> None:
    begun = time.monotonic()
    for rrule in ("FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=30;COUNT=1", "FREQ=MONTHLY;INTERVAL=24;BYDAY=-5MO;COUNT=1"):
        with pytest.raises(recurrence.Refused):
            days(rrule, first=datetime(2027, 2, 1, 9, tzinfo=LOCAL))
    assert time.monotonic() - begun < 5


def test_a_recurrence_opens_its_sessions() -> None:
    read = form.validate_python({"recurrence": BODY})
    assert isinstance(read, RecurrenceForm)
    sessions = read.recurrence.sessions()
    assert [one.starts_at.date().isoformat() for one in sessions][:4] == [
        "2026-12-05",
        "2026-12-12",
        "2026-12-19",
        "2027-01-02",
    ]
    assert len(sessions) == 7
    first = sessions[0]
    assert (first.starts_at - first.closes_at).total_seconds() == 3600
    assert (first.ends_at - first.starts_at).total_seconds() == 5400


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rrule": "FREQ=WEEKLY"}, "rrule: it must have an end"),
        ({"exclude": ["2026-12-06"]}, "exclude: 2026-12-06"),
        ({"exclude": ["6 December"]}, "a day is written like"),
        ({"exclude": ["20261205"]}, "a day is written like"),
        ({"exclude": [5]}, "a day is written like"),
        ({"opens_at": "2026-12-05T08:00:00+08:00"}, "the session of 2026-12-05: closes_at must be later"),
        ({"from": "2026-12-05T09:00:00"}, "RFC 3339"),
        ({"duration_minutes": 0}, "greater than or equal to 1"),
        ({"capacity": "20"}, "valid integer"),
        ({"rrule": "x" * 501}, "at most 500"),
        ({"more": 1}, "not permitted"),
    ],
)
def test_what_a_form_refuses(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        form.validate_python({"recurrence": BODY | changed})
