"""What the HTTP calls give, for their descriptions in /openapi.json."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel
from youai_contracts.events import Category

from youai_catalog.domain import Kind, Level
from youai_catalog.resource_forms import AskState, ResourceKind, Weekday
from youai_catalog.windows import Calendar, DayKind


class OrganizationView(BaseModel):
    """An organization."""

    organization_id: str
    parent_id: str | None
    kind: Kind
    level: Level
    name: str
    town: str
    categories: list[Category]


class OrganizationsView(BaseModel):
    """A part of the organizations, by id."""

    organizations: list[OrganizationView]
    next_cursor: str | None


class ImportedView(BaseModel):
    """What an import did: organizations new or changed, and those that were so already."""

    imported: int
    unchanged: int


class OffersImportedView(BaseModel):
    """What an import of offers did: published, opened, and rows that were imported before."""

    offers: int
    sessions: int
    unchanged: int


class SessionView(BaseModel):
    """A session; what is booked of it is its slot's (matching), under `slot_id`."""

    session_id: str
    slot_id: str
    offer_id: str
    capacity: int
    opens_at: datetime
    closes_at: datetime
    starts_at: datetime
    ends_at: datetime
    town_shares: dict[str, int]
    waitlist: int | None
    venue_name: str
    state: Literal["open", "cancelled"]
    reason: str | None


class AttendanceView(BaseModel):
    """What a list of who came did: lines that are new or otherwise than before, and those that were so already."""

    session_id: str
    recorded: int
    unchanged: int


class SessionsView(BaseModel):
    """Sessions that were opened together."""

    sessions: list[SessionView]


class OfferView(BaseModel):
    """An offer."""

    offer_id: str
    provider_id: str
    provider_name: str
    category: Category
    title: str
    description: str
    towns: list[str]
    audience: str
    mode: str
    state: Literal["published", "withdrawn"]
    reason: str | None


class OfferWithSessionsView(OfferView):
    """An offer with a part of its sessions, by start."""

    sessions: list[SessionView]
    next_cursor: str | None


class OffersView(BaseModel):
    """A part of the published offers, by id."""

    offers: list[OfferView]
    next_cursor: str | None


class WindowView(BaseModel):
    """A recurring window in the city's time."""

    days: list[Weekday]
    opens: str
    closes: str


class ResourceView(BaseModel):
    """A resource of the pool."""

    resource_id: str
    owner_id: str
    owner_name: str
    kind: ResourceKind
    title: str
    description: str
    skills: list[str]
    categories: list[Category]
    town: str
    capacity: int | None
    windows: list[WindowView]
    state: Literal["listed", "retired"]


class ResourcesView(BaseModel):
    """A part of the listed resources; `matched`: what of `q` they fit (null without `q`); `words`: what `q` says."""

    resources: list[ResourceView]
    matched: Literal["all", "some", "none"] | None
    words: list[str]
    next_cursor: str | None


class AskView(BaseModel):
    """An ask for a resource, and its answer."""

    ask_id: str
    resource_id: str
    asker_id: str
    asker_name: str
    message: str
    wanted_from: datetime | None
    state: AskState
    answer: str | None
    asked_at: datetime
    answered_at: datetime | None


class AsksView(BaseModel):
    """A part of a resource's asks, newest first."""

    asks: list[AskView]
    next_cursor: str | None


class OpenView(BaseModel):
    """A concrete window: as times, and in the city's time of day."""

    opens_at: datetime
    closes_at: datetime
    opens: str
    closes: str


class DayView(BaseModel):
    """A day of a place: what it is, who says so, the holiday's name (or the override's note), and when it is open."""

    date: str
    weekday: int
    kind: DayKind
    calendar: Calendar
    name: str
    windows: list[OpenView]


class PlaceWindowsView(BaseModel):
    """When a place is open, day by day; a retired one never is."""

    place_id: str
    title: str
    town: str
    state: Literal["listed", "retired"]
    calendar: Literal["announced", "weekends-only"]
    days: list[DayView]


class OverrideView(BaseModel):
    """What a day is in this city, whatever the announced calendar says."""

    day: str
    kind: DayKind
    note: str


class OverridesView(BaseModel):
    """A part of the overrides, by day."""

    overrides: list[OverrideView]
    next_cursor: str | None
