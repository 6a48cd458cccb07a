"""Places with opening windows: on which days they open, from when to when. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal

from youai_contracts.codec import rfc3339

from youai_catalog.domain import LOCAL, Fault

DayKind = Literal["workday", "holiday"]
Calendar = Literal["announced", "weekends-only", "override"]

MOST_DAYS = 92
"""Days that one answer tells of."""


@dataclass(frozen=True)
class Window:
    """A recurring window: weekdays (1 Monday to 7 Sunday) or kinds of days, from and until in the city's time."""

    days: tuple[str, ...]
    opens: str
    closes: str


@dataclass(frozen=True)
class DayOf:
    """What a day is: a workday or a holiday, who says so, and the holiday's name or the override's note."""

    day: date
    kind: DayKind
    calendar: Calendar
    name: str = ""


def fault(opens: str, closes: str) -> Fault | None:
    """What is wrong with a window's times (HH:MM, well formed)."""
    if opens >= closes:
        return Fault("关闭须晚于开放（当日之内）", "closes must be later than opens, on the same day")
    return None


def open_on(windows: Iterable[Window], day: DayOf) -> list[tuple[str, str]]:
    """When it is open on that day, in order; windows that touch or overlap are one.

    A weekday's number counts on every such day; `workday` and `holiday` go by the calendar: a Saturday that makes up
    for a holiday is a workday, any other weekend is a holiday.
    """
    names = {str(day.day.isoweekday()), day.kind}
    merged: list[tuple[str, str]] = []
    for opens, closes in sorted((one.opens, one.closes) for one in windows if names.intersection(one.days)):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(closes, merged[-1][1]))
        else:
            merged.append((opens, closes))
    return merged


def day_view(windows: Sequence[Window], day: DayOf) -> dict[str, Any]:
    """A day as it is answered, with its concrete windows."""
    return {
        "date": day.day.isoformat(),
        "weekday": day.day.isoweekday(),
        "kind": day.kind,
        "calendar": day.calendar,
        "name": day.name,
        "windows": [
            {"opens_at": _at(day.day, opens), "closes_at": _at(day.day, closes), "opens": opens, "closes": closes}
            for opens, closes in open_on(windows, day)
        ],
    }


def _at(day: date, clock: str) -> str:
    return rfc3339(datetime.combine(day, time.fromisoformat(clock), LOCAL))
