"""Events of organizations."""

from typing import ClassVar, Literal

from youai_contracts import topics
from youai_contracts.events.base import Actor, Category, Event, Id, Label, Name
from youai_contracts.topics import Topic


class OrganizationRegistered(Event, frozen=True, kw_only=True):
    """An organization's whole state; the latest per key stands."""

    type: ClassVar[str] = "organization-registered"
    topic: ClassVar[Topic] = topics.ORGANIZATION

    organization_id: Id
    parent_id: Id | None
    kind: Literal["venue", "provider"]
    level: Literal["center", "institute", "station", "point", "department", "team"]
    name: Name
    town: Label
    categories: tuple[Category, ...] = ()
    actor: Actor
