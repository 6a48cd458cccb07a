"""What the HTTP calls give, for their descriptions in /openapi.json."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel
from youai_contracts.events import Category

from youai_catalog.domain import Kind, Level


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
    waitlist: int | None
    venue_name: str
    state: Literal["open", "cancelled"]
    reason: str | None


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
