"""Fields of HTTP bodies that every service takes alike: ids, names, texts, times; what is wrong, in both languages."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError

MOST_ID, MOST_NAME, MOST_TEXT = 100, 200, 4_000
"""Characters of an id, of a name or label, and of a longer text; contracts allow as much or more."""

# Control characters would pass some readers and break others; a lone surrogate has no UTF-8 at all.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFIT_IN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFIT_IN_ID = re.compile("[\x00-\x20\x7f-\x9f\ud800-\udfff/]|\\s")  # with a slash it could not stand in a path
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Told(Protocol):
    """Something that is wrong, in both languages."""

    @property
    def zh(self) -> str: ...
    @property
    def en(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a value."""

    zh: str
    en: str


def id_wrong(value: str, most: int = MOST_ID) -> Wrong | None:
    """What keeps `value` from being an id: at most `most` characters, no blanks, control characters and slashes."""
    if not 0 < len(value) <= most:
        return Wrong(f"编号须为 1 到 {most} 个字符", f"an id has 1 to {most} characters")
    if _UNFIT_IN_ID.search(value):
        return Wrong("编号不能含空白、控制字符或斜杠", "an id has no blanks, control characters or slashes")
    return None


def text_wrong(value: str, most: int = MOST_NAME, *, empty: bool = False, lines: bool = False) -> Wrong | None:
    """What keeps `value` from being a text of at most `most` characters; `lines` allows tabs and line breaks."""
    if len(value) > most:
        return Wrong(f"不能超过 {most} 个字符", f"it has at most {most} characters")
    if not value.strip() and not (empty and not value):
        return Wrong("不能为空", "it must say something")
    if (_UNFIT_IN_LINES if lines else _UNFIT).search(value):
        return Wrong("不能含控制字符", "it has no control characters")
    return None


def instant(value: str) -> datetime | None:
    """An RFC 3339 time as UTC, cut to the millisecond (what events carry); None if it is none of 2000 to 2199."""
    if not _TIME.fullmatch(value):
        return None
    try:
        at = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    if not 2000 <= at.year < 2200:
        return None
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def day(value: str) -> date:
    """A day as 2026-12-05. Raises ValueError if it is none of 2000 to 2199."""
    found = date.fromisoformat(value)
    if not _DAY.fullmatch(value) or not 2000 <= found.year < 2200:
        raise ValueError(value)
    return found


def fits(wrong: Told | None, kind: str = "unfit") -> None:
    """Raise what pydantic makes an error of the field from, `kind` being its type, unless nothing is wrong."""
    if wrong is not None:
        raise PydanticCustomError(kind, "{en}（{zh}）", {"en": wrong.en, "zh": wrong.zh})


def checked(wrong_of: Callable[[str], Told | None]) -> AfterValidator:
    """A validator that refuses a text of which something is wrong."""

    def check(value: str) -> str:
        fits(wrong_of(value))
        return value

    return AfterValidator(check)


def _instant(value: Any) -> datetime:
    at = instant(value) if isinstance(value, str) else None
    if at is None:
        raise PydanticCustomError("time", "a time is RFC 3339 with its offset, such as 2026-12-01T09:00:00+08:00")
    return at


def _day(value: Any) -> date:
    try:
        return day(value)
    except (TypeError, ValueError):
        raise PydanticCustomError("day", "a day is written like 2026-12-05（日期格式如 2026-12-05）") from None


def _label(value: str) -> Wrong | None:
    return text_wrong(value, empty=True)


def _text(value: str) -> Wrong | None:
    return text_wrong(value, MOST_TEXT, empty=True, lines=True)


def _reason(value: str) -> Wrong | None:
    return text_wrong(value, MOST_TEXT, lines=True)


Id = Annotated[str, Field(min_length=1, max_length=MOST_ID), checked(id_wrong)]
Name = Annotated[str, Field(min_length=1, max_length=MOST_NAME), checked(text_wrong)]
Label = Annotated[str, Field(max_length=MOST_NAME), checked(_label)]
Text = Annotated[str, Field(max_length=MOST_TEXT), checked(_text)]
Reason = Annotated[str, Field(min_length=1, max_length=MOST_TEXT), checked(_reason)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Day = Annotated[date, BeforeValidator(_day)]


class Form(BaseModel):
    """Base of the bodies: no unknown field, nothing made into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)
