"""Rule versions: immutable files of numbers, a working calendar and texts, each named by the SHA-256 of its bytes."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from youai_matching.domain.working_time import Calendar, parse_hours

Span = Annotated[int, Meta(ge=0, le=10 * 365 * 24 * 3_600_000)]
"""A time in ms, up to ten years."""
Small = Annotated[int, Meta(ge=1, le=1_000_000)]


class Draw(Struct, frozen=True, forbid_unknown_fields=True):
    """R2: how long after opening all requests tie."""

    window_ms: Span


class TownShares(Struct, frozen=True, forbid_unknown_fields=True):
    """R3: until when before the session places are kept for towns."""

    until_ms_before: Span


class QueueRules(Struct, frozen=True, forbid_unknown_fields=True):
    """R4: after how many passes freed places are kept for the first in the queue, and until when before the session."""

    most_passes: Small
    kept_until_ms_before: Span


class Hold(Struct, frozen=True, forbid_unknown_fields=True):
    """R5: how long a promoted venue has to accept, by how far away the session is, and how often it may miss that."""

    far_over_ms: Span
    far_ms: Span
    near_under_ms: Span
    middle_working_ms: Annotated[int, Meta(ge=1, le=30 * 24 * 3_600_000)]
    near_ms: Span
    after_opening_ms: Span
    most_lapses: Small


class Points(Struct, frozen=True, forbid_unknown_fields=True):
    """R6: what a late cancellation and a no-show count, for how long, and from where on a venue comes second."""

    late_cancellation: Small
    late_ms_before: Span
    no_show: Small
    gone_after_ms: Span
    forgiven: Annotated[int, Meta(ge=0)]
    second_class_from: Small
    second_class_until_ms_before: Span


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """R3: a venue's most bookings of one offer, and in one month of sessions. The door counts them."""

    per_offer: Small
    per_month: Small


class Override(Struct, frozen=True, forbid_unknown_fields=True):
    """R8: whose word stands above the queue."""

    by: str


class Text(Struct, frozen=True):
    """A reason in plain Chinese and English, with the places where values go."""

    zh: Annotated[str, Meta(min_length=1)]
    en: Annotated[str, Meta(min_length=1)]


_SILENT = Text("", "")
_PLACE = re.compile(r"\{(\w+)\}")


class _Calendar(Struct, frozen=True, forbid_unknown_fields=True):
    utc_offset_ms: Annotated[int, Meta(ge=-14 * 3_600_000, le=14 * 3_600_000)]
    working_hours: tuple[str, str]
    days_off: tuple[date, ...]
    working_days: tuple[date, ...]


class _File(Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1)]
    early_tolerance_ms: Span
    texts: dict[str, Text]
    draw: Draw | None = None
    town_shares: TownShares | None = None
    queue: QueueRules | None = None
    hold: Hold | None = None
    points: Points | None = None
    limits: Limits | None = None
    override: Override | None = None
    calendar: _Calendar | None = None


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of the rules. A part that is None is a rule that the version does not have.

    `version` is the hex SHA-256 of the file; `early_tolerance_ms` is how far a request may come before opening without
    being refused, for clocks that differ between the door and the broker.
    """

    version: str
    name: str
    early_tolerance_ms: int
    texts: dict[str, Text]
    draw: Draw | None = None
    town_shares: TownShares | None = None
    queue: QueueRules | None = None
    hold: Hold | None = None
    points: Points | None = None
    limits: Limits | None = None
    override: Override | None = None
    calendar: Calendar | None = None

    def covers(self, other: "RuleVersion") -> bool:
        """Whether every rule that `other` has is here too: a slot never loses one."""
        return all(getattr(self, part) is not None or getattr(other, part) is None for part in PARTS)

    def say(self, code: str, values: dict[str, int | str | None]) -> Text:
        """The reason `code` with its values put in, null ones empty; what stands in a value is never taken for a place.

        Empty if the version has no text for it: an old one is silent on a cut of capacity, and must be decided still.
        """
        text = self.texts.get(code, _SILENT)
        known = tuple(values)
        zh, en = _form(text.zh, known), _form(text.en, known)
        if zh is None and en is None:
            return text
        shown = {name: "" if value is None else value for name, value in values.items()}
        return Text(text.zh if zh is None else zh % shown, text.en if en is None else en % shown)


PARTS = ("draw", "town_shares", "queue", "hold", "points", "limits", "override", "calendar")
"""What a version may lack; under the names of the file."""

_WORDS = {
    "": "place-free full place-freed cancelled session-cancelled offer-withdrawn closed early party-too-large"
    " already-live waitlist-full",
    "draw": "entered drawn drawn-behind",
    "town_shares": "shares",
    "queue": "kept",
    "hold": "accepted declined limit hold-lapsed hold-lapsed-again not-accepted capacity-cut capacity-cut-closed",
    "points": "cancelled-late",
    "override": "override override-full",
}
"""The reasons that each part of a version has to give."""


@lru_cache(maxsize=1_024)
def _form(text: str, known: tuple[str, ...]) -> str | None:
    """A text with places for `known` values as a form for `%`; None if it has none of them."""
    parts = _PLACE.split(text.replace("%", "%%"))
    names = parts[1::2]
    if not set(names) & set(known):
        return None
    filled = (f"%({name})s" if name in known else f"{{{name}}}" for name in names)
    return "".join(part + place for part, place in zip(parts[::2], [*filled, ""], strict=True))


def parse(raw: bytes) -> RuleVersion:
    """A rule version from the bytes of its file. ValueError, which says what is wrong, if it is none."""
    try:
        file = msgspec.json.decode(raw.decode(), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"no rule version: {error}") from error
    parts = {part: getattr(file, part) for part in PARTS if part != "calendar"}
    for part, codes in _WORDS.items():
        lacking = sorted(set(codes.split()) - file.texts.keys()) if parts.get(part, True) is not None else []
        if lacking:
            raise ValueError(f"rule version {file.name} has no texts for {', '.join(lacking)}")
    if file.hold is not None and file.calendar is None:
        raise ValueError(f"rule version {file.name} has holds, and no calendar to count working time by")
    return RuleVersion(
        version=hashlib.sha256(raw).hexdigest(),
        name=file.name,
        early_tolerance_ms=file.early_tolerance_ms,
        texts=file.texts,
        calendar=_calendar(file),
        **parts,
    )


def _calendar(file: _File) -> Calendar | None:
    if file.calendar is None:
        return None
    hours = parse_hours(file.calendar.working_hours)
    if hours is None:
        raise ValueError(f"rule version {file.name}: working_hours must be two times HH:MM, the first the earlier")
    return Calendar(
        utc_offset_ms=file.calendar.utc_offset_ms,
        hours=hours,
        days_off=frozenset(file.calendar.days_off),
        working_days=frozenset(file.calendar.working_days),
    )
