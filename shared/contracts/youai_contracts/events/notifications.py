"""Events of notifications: what organizations were told."""

from typing import ClassVar

from youai_contracts import topics
from youai_contracts.events.base import Actor, Event, Id, Instant, Label, Text
from youai_contracts.topics import Topic


class NotificationSent(Event, frozen=True, kw_only=True):
    """Something stands in an organization's inbox. `kind` is a code; `subject_id` is the thing that it is about.

    `muted`: the organization had muted the kind when it was sent, so it does not count among the unread ones.
    """

    type: ClassVar[str] = "notification-sent"
    topic: ClassVar[Topic] = topics.NOTIFICATION

    notification_id: Id
    recipient_id: Id
    kind: Id
    subject_id: Id
    source_topic: Id
    source_id: Id
    title_zh: Label
    title_en: Label
    body_zh: Text
    body_en: Text
    occurred_at: Instant
    muted: bool = False


class NotificationRead(Event, frozen=True, kw_only=True):
    """Somebody of the organization has read it."""

    type: ClassVar[str] = "notification-read"
    topic: ClassVar[Topic] = topics.NOTIFICATION

    notification_id: Id
    recipient_id: Id
    actor: Actor
