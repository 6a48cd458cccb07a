"""What all event types share: kinds of fields, who acted, and the base class."""

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from youai_contracts.topics import Topic

# No NUL anywhere: PostgreSQL cannot store it, and a lane must never meet what it may not skip and cannot write.
Id = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00-\\x20\\x7f]+(?!\\n)$")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^\\x00]+$")]
Label = Annotated[str, Meta(max_length=200, pattern="^[^\\x00]*$")]
Text = Annotated[str, Meta(max_length=4000, pattern="^[^\\x00]*$")]
Explanation = Annotated[str, Meta(min_length=1, max_length=1000, pattern="^[^\\x00]+$")]
Places = Annotated[int, Meta(ge=1, le=100_000)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}(?!\\n)$")]
DemandId = Annotated[str, Meta(min_length=1, max_length=190, pattern="^[^\\x00-\\x20\\x7f]+(?!\\n)$")]
Moment = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z(?!\\n)$")]
Instant = Annotated[datetime, Meta(tz=True)]
TownShares = Annotated[dict[Name, Places], Meta(max_length=50)]
Invited = Annotated[tuple[Id, ...], Meta(max_length=1_000)]  # at the most 800 kB, which still fits a record

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
            if value is not None and not _EARLIEST <= value <= _LATEST:
                raise ValueError(f"{name} is beyond the calendar")

    def key(self) -> str:
        """The record's key: the value of the field that the topic names."""
        value: str = getattr(self, self.topic.key)
        return value
