"""Places' windows by the Chinese calendar: make-up working days, holidays, years not announced, overrides."""

from datetime import date

import pytest
from pydantic import ValidationError
from youai_catalog import workdays
from youai_catalog.resource_forms import OverrideForm, ResourceStateForm, WindowForm, WindowsQuery
from youai_catalog.windows import DayOf, Window, day_view, fault, open_on

SCHOOL = [
    Window(("workday",), "05:30", "07:00"),
    Window(("workday",), "18:30", "21:00"),
    Window(("holiday",), "06:00", "21:00"),
]


@pytest.mark.parametrize(
    ("day", "kind", "calendar", "name"),
    [
        (date(2026, 11, 24), "workday", "announced", ""),
        (date(2026, 11, 28), "holiday", "announced", ""),  # a Saturday
        (date(2026, 10, 1), "holiday", "announced", "国庆节"),
        (date(2026, 10, 10), "workday", "announced", "国庆节"),  # a Saturday that makes up for it
        (date(2026, 2, 17), "holiday", "announced", "春节"),
        (date(2026, 2, 28), "workday", "announced", "春节"),
        (date(2199, 12, 28), "holiday", "weekends-only", ""),  # a Saturday
        (date(2199, 12, 27), "workday", "weekends-only", ""),
        (date(2000, 1, 1), "holiday", "weekends-only", ""),
    ],
)
def test_what_a_day_is(day: date, kind: str, calendar: str, name: str) -> None:
    found = workdays.announced(day)
    assert (found.kind, found.calendar, found.name) == (kind, calendar, name)


def test_overrides_come_first() -> None:
    given = {date(2026, 12, 4): ("holiday", "运动会")}
    days = list(workdays.days(date(2026, 12, 3), date(2026, 12, 5), given))  # type: ignore[arg-type]
    assert [day.kind for day in days] == ["workday", "holiday", "holiday"]
    assert (days[1].calendar, days[1].name) == ("override", "运动会")


def test_a_school_ground() -> None:
    evening = [("05:30", "07:00"), ("18:30", "21:00")]
    assert open_on(SCHOOL, workdays.announced(date(2026, 11, 24))) == evening
    assert open_on(SCHOOL, workdays.announced(date(2026, 10, 10))) == evening
    assert open_on(SCHOOL, workdays.announced(date(2026, 10, 1))) == [("06:00", "21:00")]


def test_windows_that_touch_are_one_and_a_weekday_counts_whatever_the_day_is() -> None:
    own = [
        Window(("6",), "08:00", "10:00"),
        Window(("workday",), "10:00", "11:00"),
        Window(("6", "7"), "08:30", "09:00"),
    ]
    makes_up = DayOf(date(2026, 10, 10), "workday", "announced")
    assert open_on(own, makes_up) == [("08:00", "11:00")]
    assert open_on(own, DayOf(date(2026, 10, 11), "holiday", "announced")) == [("08:30", "09:00")]
    assert open_on(own, DayOf(date(2026, 10, 12), "holiday", "announced")) == []


def test_windows_are_in_the_city_time() -> None:
    view = day_view(SCHOOL, workdays.announced(date(2026, 10, 1)))
    assert view["windows"] == [
        {
            "opens_at": "2026-09-30T22:00:00.000Z",
            "closes_at": "2026-10-01T13:00:00.000Z",
            "opens": "06:00",
            "closes": "21:00",
        }
    ]
    assert (view["weekday"], view["kind"], view["name"]) == (4, "holiday", "国庆节")


def test_times_of_a_window() -> None:
    assert fault("06:00", "06:01") is None
    assert fault("06:00", "06:00") is not None
    assert fault("22:00", "05:00") is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"days": []},
        {"days": ["8"]},
        {"days": [1]},
        {"opens": "24:00"},
        {"opens": "6:00"},
        {"opens": "06:00\n"},
        {"closes": "05:00"},
        {"closes": "06:00"},
        {"closes": None},
        {"more": 1},
    ],
)
def test_windows_that_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WindowForm.model_validate({"days": ["workday"], "opens": "06:00", "closes": "07:00"} | changed)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-12-02", "2026-12-01"),
        ("2026-12-01", "2027-03-03"),
        ("2026-02-30", "2026-03-01"),
        ("1999-12-31", "2000-01-01"),
    ],
)
def test_spans_that_are_refused(first: str, last: str) -> None:
    with pytest.raises(ValidationError):
        WindowsQuery.model_validate({"from": first, "to": last})


def test_spans_that_pass() -> None:
    assert WindowsQuery.model_validate({"from": "2026-12-01", "to": "2027-03-02"}).last == date(2027, 3, 2)
    assert OverrideForm.model_validate({"day": "2027-02-06", "kind": "holiday"}).note == ""


@pytest.mark.parametrize(
    "text",
    ["请打13912345678", "电话 139-1234-5678", "139 1234 5678找王", "身份证32058219900101123x"],
)
def test_no_number_of_a_person_gets_into_an_event(text: str) -> None:
    state = {"kind": "person", "title": "老师"}
    for changed in ({"title": text}, {"description": text}, {"skills": [text]}):
        with pytest.raises(ValidationError, match="leave out mobile"):
            ResourceStateForm.model_validate(state | changed)
    harmless = "办公室 0512-58671234，2026 年 12 月，容纳 100 人，编号 13912345678901"
    assert ResourceStateForm.model_validate(state | {"description": harmless}).description == harmless
