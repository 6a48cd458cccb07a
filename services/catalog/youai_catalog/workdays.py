"""The Chinese working calendar: holidays, make-up working days, and what to say of years not announced yet. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import chinese_calendar  # type: ignore[import-untyped]
from chinese_calendar.constants import Holiday  # type: ignore[import-untyped]

from youai_catalog.windows import DayKind, DayOf


def days(first: date, last: date, overrides: Mapping[date, tuple[DayKind, str]]) -> Iterable[DayOf]:
    """Every day from first to last (included). `overrides`: the kind that the center gave a day, and its note."""
    day = first
    while day <= last:
        kind, note = overrides.get(day, (None, ""))
        yield announced(day) if kind is None else DayOf(day, kind, "override", note)
        day += timedelta(days=1)


def announced(day: date) -> DayOf:
    """The day by the State Council's calendar; where that year's is not announced, by weekends alone."""
    try:
        off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return DayOf(day, "holiday" if day.isoweekday() >= 6 else "workday", "weekends-only")
    # The name stands at make-up working days too: it says what they make up for.
    return DayOf(day, "holiday" if off else "workday", "announced", Holiday(name).chinese if name else "")
