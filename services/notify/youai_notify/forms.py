"""What the HTTP calls take and give."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError
from youai_runtime.pages import Page

from youai_notify.domain.owed import Kind

MOST_POSITION = 2**63 - 1
_ID = r"^[^\x00-\x20\x7f]+$"

Id = Annotated[str, Field(min_length=1, max_length=200, pattern=_ID)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _instant(value: str) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 2000 <= at.year < 2200:
        raise PydanticCustomError("time", "a time is RFC 3339 with its offset, such as 2026-12-01T09:00:00+08:00")
    return value


class WhoseQuery(_Form):
    """Whose inbox."""

    organization_id: Id | None = Field(default=None, description="for role center: an organization below its own")


class InboxQuery(WhoseQuery, Page):
    """A part of an inbox, the newest first."""

    unread: bool | None = Field(default=None, description="true: unread alone; false: read alone")
    kind: Kind | None = None


class ReadAllForm(_Form):
    """Up to where all was seen, so that what came meanwhile stays unread."""

    model_config = ConfigDict(extra="forbid", strict=True)

    until: Annotated[int, Field(ge=0, le=MOST_POSITION)] | Annotated[str, AfterValidator(_instant)] = Field(
        description="the `position` of the newest one that was shown, or a time (RFC 3339) by which it had arrived"
    )

    def bound(self) -> int | datetime:
        """`until` as a position or a time."""
        return self.until if isinstance(self.until, int) else datetime.fromisoformat(self.until)


class PreferencesForm(_Form):
    """An organization's preferences, whole."""

    model_config = ConfigDict(extra="forbid", strict=True)

    muted: list[Kind] = Field(max_length=50, description="kinds that do not count for the badge")


class NotificationView(BaseModel):
    """A notification as it stands in its inbox."""

    notification_id: str
    position: int = Field(description="counts the inbox in the order of arrival")
    kind: Kind
    subject_id: str
    source_topic: str
    source_id: str
    title_zh: str
    title_en: str
    body_zh: str
    body_en: str
    occurred_at: datetime
    sent_at: datetime
    read_at: datetime | None


class InboxView(BaseModel):
    """A part of an inbox."""

    notifications: list[NotificationView]
    next_cursor: str | None


class CountView(BaseModel):
    """What the badge shows; muted kinds do not count."""

    unread: int
    by_kind: dict[str, int]
    last: int = Field(description="the inbox's last position")


class ReadAllView(BaseModel):
    """How many were marked."""

    read: int


class PreferencesView(BaseModel):
    """An organization's preferences."""

    muted: list[Kind]
