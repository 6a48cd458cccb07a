"""Recurrences: a rule (RFC 5545's RRULE) as the days on which sessions are, bounded before it is worked out. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

from youai_catalog.domain import LOCAL, Fault

MOST = 200
"""Occurrences of one recurrence."""
DAYS = 3 * 366
"""How far from its first day a recurrence may reach."""

_DAY = "(MO|TU|WE|TH|FR|SA|SU)"
_COMMON = {"COUNT": r"[1-9]\d{0,5}", "UNTIL": r"\d{8}(T\d{6}Z?)?", "INTERVAL": r"[1-9]\d?", "WKST": _DAY}
# Every rule of these parts names a day soon, so that working it out ends; with others (30 February, or each 14th day if
# it is a Monday and never is) it could go on to the year 9999.
_PARTS = {
    "DAILY": _COMMON,
    "WEEKLY": {**_COMMON, "BYDAY": rf"{_DAY}(,{_DAY}){{0,6}}"},
    "MONTHLY": {
        **_COMMON,
        "BYDAY": rf"([+-]?[1-4]|-?5)?{_DAY}(,([+-]?[1-4]|-?5)?{_DAY}){{0,34}}",
        "BYMONTHDAY": r"(-?([1-9]|[12]\d|3[01]))(,-?([1-9]|[12]\d|3[01])){0,30}",
        "BYSETPOS": r"-?[1-4]",
    },
}


@dataclass
class Refused(Exception):
    """What is wrong with a recurrence, and in which of its fields."""

    field: str
    fault: Fault


def starts(rrule: str, first: datetime, exclude: Collection[date]) -> list[datetime]:
    """When the sessions start, in order: the rule's days from `first` on (that day too, if the rule names it).

    All are at `first`'s time of day in the city. COUNT counts days that `exclude` takes out again. Raises Refused.
    """
    parts = _parts(rrule)
    begin = first.astimezone(LOCAL).replace(tzinfo=None)
    count = int(parts.pop("COUNT", 0))
    until = parts.pop("UNTIL", None)
    if count > MOST:
        raise _refused(f"COUNT 最多 {MOST}", f"COUNT is at most {MOST}")
    last = begin + timedelta(days=DAYS)
    end = last if until is None else _until(until)
    if end > last:
        raise _refused("UNTIL 不能晚于首日后三年", "UNTIL is at most three years after the first day")
    found: list[datetime] = []
    for at in rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=begin):
        if at > end or len(found) == count > 0:
            break
        if len(found) == MOST:
            raise _refused(f"超过 {MOST} 场", f"these are more than {MOST} sessions: name an earlier UNTIL")
        found.append(at)
    if len(found) < count:
        raise _refused(
            f"三年内只有 {len(found)} 场", f"it names only {len(found)} days within three years, not COUNT={count}"
        )
    missing = set(exclude) - {at.date() for at in found}
    if missing:
        day = min(missing).isoformat()
        raise Refused("exclude", Fault(f"{day} 本来就没有场次", f"{day} is none of the rule's days"))
    kept = [at.replace(tzinfo=LOCAL) for at in found if at.date() not in exclude]
    if not kept:
        raise _refused("没有任何场次", "it leaves no session")
    return kept


def _parts(rrule: str) -> dict[str, str]:
    """The rule's parts by name; every one is known, and fits."""
    parts: dict[str, str] = {}
    for part in rrule.upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name in parts:
            raise _refused(f"{name} 重复", f"{name} stands in it twice")
        parts[name] = value
    allowed = _PARTS.get(parts.get("FREQ", ""))
    if allowed is None:
        raise _refused(f"FREQ 须为 {' / '.join(_PARTS)}", f"its FREQ is one of {', '.join(_PARTS)}")
    for name, value in parts.items():
        if name != "FREQ" and name not in allowed:
            named, frequency = ", ".join(allowed), parts["FREQ"]
            raise _refused(f"{frequency} 只能带 {named}", f"beside FREQ={frequency} it may have {named} alone")
        if name != "FREQ" and not re.fullmatch(allowed[name], value, re.ASCII):
            raise _refused(f"{name} 的值不对", f"that is no {name}")
    if "BYSETPOS" in parts and "BYDAY" not in parts:
        raise _refused("BYSETPOS 须与 BYDAY 同用", "BYSETPOS goes with BYDAY")
    if "BYDAY" in parts and "BYMONTHDAY" in parts:
        raise _refused("BYDAY 与 BYMONTHDAY 只能有一个", "it has BYDAY or BYMONTHDAY, not both")
    if "BYSETPOS" in parts and re.search(r"\d", parts["BYDAY"]):
        raise _refused("BYSETPOS 与带数字的 BYDAY 不能同用", "BYSETPOS goes with weekdays that have no number")
    if ("COUNT" in parts) == ("UNTIL" in parts):
        raise _refused("须有 COUNT 或 UNTIL 之一，否则没有尽头", "it must have an end: COUNT or UNTIL (one of the two)")
    return parts


def _until(text: str) -> datetime:
    """UNTIL in the city's time; a day means all of it, and a time without Z is the city's."""
    try:
        day = datetime.strptime(text[:8], "%Y%m%d")  # noqa: DTZ007 - the city's time has no name here
        if len(text) == 8:
            return datetime.combine(day, time.max)
        at = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
        return at + timedelta(hours=8) if text.endswith("Z") else at
    except (ValueError, OverflowError):
        raise _refused("UNTIL 不是日期", "UNTIL is no date, such as 20261231") from None


def _refused(zh: str, en: str) -> Refused:
    return Refused("rrule", Fault(zh, en))
