"""Events of the resource pool: who or what can help."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from youai_contracts import topics
from youai_contracts.events.base import Actor, Category, Event, Id, Instant, Label, Name, Places, Text
from youai_contracts.topics import Topic

Clock = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9](?!\\n)$")]


class Window(Struct, frozen=True, kw_only=True):
    """A recurring window: weekdays (1 Monday to 7 Sunday) or day kinds, from and until in local time (HH:MM)."""

    days: tuple[Literal["1", "2", "3", "4", "5", "6", "7", "workday", "holiday"], ...]
    opens: Clock
    closes: Clock


class ResourceEvent(Event, frozen=True, kw_only=True):
    """Base of what happens to a resource. `owner_id` is the organization that lists it."""

    topic: ClassVar[Topic] = topics.RESOURCE

    resource_id: Id
    owner_id: Id
    actor: Actor


class ResourceListed(ResourceEvent, frozen=True, kw_only=True):
    """Somebody or something is in the pool. A person is shown by role, never by name."""

    type: ClassVar[str] = "resource-listed"

    owner_name: Name
    kind: Literal["person", "place", "thing"]
    title: Name
    description: Text = ""
    skills: tuple[Name, ...] = ()
    categories: tuple[Category, ...] = ()
    town: Label
    capacity: Places | None = None
    windows: tuple[Window, ...] = ()


class ResourceRevised(ResourceListed, frozen=True, kw_only=True):
    """A resource's whole state after a change."""

    type: ClassVar[str] = "resource-revised"


class ResourceRetired(ResourceEvent, frozen=True, kw_only=True):
    """A resource leaves the pool."""

    type: ClassVar[str] = "resource-retired"


class ResourceAsked(ResourceEvent, frozen=True, kw_only=True):
    """An organization asks for a resource."""

    type: ClassVar[str] = "resource-asked"

    ask_id: Id
    asker_id: Id
    asker_name: Name
    message: Text = ""
    wanted_from: Instant | None = None


class ResourceAnswered(ResourceEvent, frozen=True, kw_only=True):
    """The owner says yes or no to an ask."""

    type: ClassVar[str] = "resource-answered"

    ask_id: Id
    asker_id: Id
    accepted: bool
    message: Text = ""
