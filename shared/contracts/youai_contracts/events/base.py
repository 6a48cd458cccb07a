"""What all event types share: kinds of fields, who acted, and the base class."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from youai_contracts.topics import Topic


def _told(pattern: str) -> dict[str, str]:
    """A pattern for the schema alone: `check_shapes` holds a record to it by all fields at once, for less."""
    return {"pattern": pattern}


# No NUL anywhere: PostgreSQL cannot store it, and a lane must never meet what it may not skip and cannot write.
_ID = "^[^\\x00-\\x20\\x7f]+(?!\\n)$"
Id = Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema=_told(_ID))]
Name = Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema=_told("^[^\\x00]+$"))]
Label = Annotated[str, Meta(max_length=200, extra_json_schema=_told("^[^\\x00]*$"))]
Text = Annotated[str, Meta(max_length=4000, extra_json_schema=_told("^[^\\x00]*$"))]
Explanation = Annotated[str, Meta(min_length=1, max_length=1000, extra_json_schema=_told("^[^\\x00]+$"))]
Places = Annotated[int, Meta(ge=1, le=100_000)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Hash = Annotated[str, Meta(min_length=64, max_length=64, extra_json_schema=_told("^[0-9a-f]{64}(?!\\n)$"))]
DemandId = Annotated[str, Meta(min_length=1, max_length=190, extra_json_schema=_told(_ID))]
Moment = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z(?!\\n)$")]
Instant = Annotated[datetime, Meta(tz=True)]
TownShares = Annotated[dict[Name, Places], Meta(max_length=50)]
_Listed = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ID)]
Invited = Annotated[tuple[_Listed, ...], Meta(max_length=1_000)]  # at the most 800 kB, which still fits a record

Category = Literal[
    "理论宣讲",
    "教育服务",
    "文化文艺",
    "健康服务",
    "科技科普",
    "体育健身",
    "法律援助",
    "应急救护",
    "心理服务",
    "环保",
    "其他",
]
Mode = Literal["arrival", "draw"]
ClaimEnd = Literal["handed-back", "lapsed", "center"]
_HEX = "0123456789abcdef"
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def demand_slot(demand_id: str) -> str:
    """The id of the slot in which a demand's claims are decided."""
    return f"demand:{demand_id}"


class Actor(Struct, frozen=True, kw_only=True):
    """Who gave a command: the token's subject, and the organization that it acted for."""

    subject: Id
    organization_id: Id


@cache
def _instants(cls: type[Struct]) -> tuple[str, ...]:
    """The fields of an event that are instants."""
    return tuple(field.name for field in msgspec.structs.fields(cls) if field.type in (Instant, Instant | None))


class _Reader:
    """Reads some fields of an event at once, by their paths."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.read: Callable[[Struct], tuple[Any, ...]] = attrgetter(*names, names[0])  # of one alone: no tuple

    def first(self, event: Struct, is_wrong: Callable[[str], object]) -> str:
        """The first field of which this is true."""
        found = zip(self._names, self.read(event), strict=False)
        return next(name for name, value in found if value and is_wrong(value))


@cache
def _readers(cls: type[Struct]) -> tuple[_Reader, _Reader | None]:
    """What reads an event's ids, with those of its actor, and what reads its hashes; None where it has no hash."""
    ids: list[str] = []
    hashes: list[str] = []
    for field in msgspec.structs.fields(cls):
        kinds = get_args(field.type) if get_origin(field.type) in (Union, UnionType) else (field.type,)
        if Id in kinds or DemandId in kinds:
            ids.append(field.name)
        elif Hash in kinds:
            hashes.append(field.name)
        elif Actor in kinds:
            ids += [f"{field.name}.{inner.name}" for inner in msgspec.structs.fields(Actor)]
    return _Reader(ids), _Reader(hashes) if hashes else None


def check_shapes(event: "Event", raw: bytes) -> None:
    """Raise ValueError for what the patterns of an event's fields forbid; `raw` is the JSON that it was read from."""
    ids, hashes = _readers(type(event))
    joined = _joined(ids.read(event))
    if not (joined.isascii() and joined.isprintable() and " " not in joined) and _BLANK.search(joined):
        raise ValueError(f"a blank or a control character in {ids.first(event, _BLANK.search)}")
    if hashes is not None and _joined(hashes.read(event)).strip(_HEX):
        raise ValueError(f"no small hexadecimal digits in {hashes.first(event, lambda value: value.strip(_HEX))}")
    if b"\\u0000" in raw and _has_nul(msgspec.to_builtins(event)):
        raise ValueError("a text has the character NUL")


def _joined(values: tuple[Any, ...]) -> str:
    try:
        return "".join(values)
    except TypeError:  # one is null, or not there
        return "".join(filter(None, values))


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nul, [*value, *value.values()]))
    if isinstance(value, list | tuple):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


class Event(Struct, frozen=True, kw_only=True):
    """Base of all events. `type` and `topic` are fixed by the class; `key()` is the record's key."""

    type: ClassVar[str] = ""
    topic: ClassVar[Topic]

    def check(self) -> None:
        """Raise ValueError for what no schema can say; a record that was read is checked.

        An instant beyond either end of the calendar in UTC can be neither reckoned with nor stored.
        """
        for name in _instants(type(self)):
            value = getattr(self, name)
            if value is not None and not 1 < value.year < 9_999 and not _EARLIEST <= value <= _LATEST:
                raise ValueError(f"{name} is beyond the calendar")

    def key(self) -> str:
        """The record's key: the value of the field that the topic names."""
        value: str = getattr(self, self.topic.key)
        return value
