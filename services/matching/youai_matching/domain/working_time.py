"""Working time: which days work in the Chinese calendar, and when so many working hours have passed."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)

Hours = tuple[int, int]
"""When a day's work begins and ends, in ms after midnight."""


def parse_hours(text: tuple[str, str] | None) -> Hours | None:
    """Two times `HH:MM`, the first the earlier; None for anything else."""
    found = [_HOUR.fullmatch(item) for item in text or ()]
    times = [(int(match[1]) * 60 + int(match[2])) * 60_000 for match in found if match]
    return (times[0], times[1]) if len(times) == 2 and times[0] < times[1] else None


@dataclass(frozen=True, slots=True)
class Calendar:
    """Monday to Friday without `days_off`, and `working_days`; `hours` are those of who names none of its own."""

    utc_offset_ms: int
    hours: Hours
    days_off: frozenset[date]
    working_days: frozenset[date]

    def works(self, day: int) -> bool:
        """Whether the local day, counted from 1970-01-01, is a working day."""
        that = date.fromordinal(719_163 + day)
        return that in self.working_days or (that.isoweekday() < 6 and that not in self.days_off)

    def after(self, at: int, working_ms: int, hours: Hours) -> int:
        """The moment at which `working_ms` (> 0) of working time have passed since `at`; all in ms."""
        day, clock = divmod(at + self.utc_offset_ms, DAY_MS)
        while True:
            if self.works(day) and (begins := max(clock, hours[0])) < hours[1]:
                if working_ms <= hours[1] - begins:
                    return day * DAY_MS + begins + working_ms - self.utc_offset_ms
                working_ms -= hours[1] - begins
            day, clock = day + 1, 0

    def within(self, at: int, after_opening_ms: int, hours: Hours) -> int:
        """`at` if it is in working time; else so long after the next working hours begin (or their end, if sooner)."""
        day, clock = divmod(at + self.utc_offset_ms, DAY_MS)
        if self.works(day) and hours[0] < clock <= hours[1]:
            return at
        if clock > hours[0]:
            day += 1
        while not self.works(day):
            day += 1
        return day * DAY_MS + min(hours[0] + after_opening_ms, hours[1]) - self.utc_offset_ms

    def local(self, at: int) -> str:
        """The local time to the minute, e.g. 2026-12-03 17:30."""
        return (_EPOCH + timedelta(milliseconds=at + self.utc_offset_ms)).strftime("%Y-%m-%d %H:%M")
