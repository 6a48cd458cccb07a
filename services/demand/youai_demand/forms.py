"""What the HTTP calls take and give: bodies with the field names of the events that they cause, strict throughout."""

from datetime import datetime

from pydantic import BaseModel, Field
from youai_contracts.events import Category
from youai_runtime.fields import Form, Id, Instant, Label, Name, Reason, Text
from youai_runtime.pages import Page

from youai_demand.domain import State, Status

MOST_PLACES = 50
"""Providers that one demand may want at a time."""


class ResidentForm(Form):
    """On whose behalf a demand is posted. It stays in this service, restricted; no event ever has it."""

    name: Name
    phone: Label = ""
    address: Label = ""
    note: Text = ""


class DemandForm(Form):
    """A demand to post, as in demand-posted: wanted_from < wanted_until, which is still to come."""

    demand_id: Id | None = Field(default=None, description="for imports; else it is made from the Idempotency-Key")
    venue_id: Id | None = Field(default=None, description="default: the token's organization")
    category: Category
    title: Name
    description: Text = Field(default="", description="public: it names no resident")
    residents: int = Field(ge=1, le=100_000)
    wanted_from: Instant
    wanted_until: Instant
    places_wanted: int = Field(default=1, ge=1, le=MOST_PLACES, description="how many providers it wants")
    resident: ResidentForm | None = None


class ClaimForm(Form):
    """A claim, as in demand-claim-requested."""

    provider_id: Id | None = Field(default=None, description="default: the token's organization")


class _OfClaim(Form):
    claim_id: Id | None = Field(default=None, description="needed where more than one claim of the demand is yours")


class ScheduleForm(_OfClaim):
    """When and where, as in demand-scheduled."""

    scheduled_at: Instant
    place: Label = ""
    note: Text = ""


class HandBackForm(_OfClaim):
    """Why a demand is handed back."""

    reason: Reason


class FulfilForm(Form):
    """The venue's word on what was done, as in demand-fulfilled."""

    rating: int = Field(ge=1, le=5)
    residents_served: int = Field(ge=0, le=1_000_000)
    comment: Text = ""


class WithdrawForm(Form):
    """Why a demand is taken back."""

    reason: Reason


class DemandsQuery(Page):
    """Which demands. `provider_id`: those that it has; `q` is looked for in title, description and names."""

    category: Category | None = None
    town: Name | None = None
    state: State | None = None
    venue_id: Id | None = None
    provider_id: Id | None = None
    q: Name | None = None


class TeamView(BaseModel):
    """A provider that has a demand."""

    claim_id: str
    provider_id: str
    provider_name: str
    scheduled_at: datetime | None
    place: str


class DemandRow(BaseModel):
    """A demand as in the public table: the publishing unit, the category, the matched teams, the state, times."""

    demand_id: str
    venue_id: str
    venue_name: str
    town: str
    category: Category
    title: str
    description: str
    residents: int
    wanted_from: datetime
    wanted_until: datetime
    places_wanted: int
    state: State
    teams: list[TeamView]
    posted_at: datetime
    changed_at: datetime
    rating: int | None
    residents_served: int | None


class DemandsView(BaseModel):
    """A part of the demands, the latest first."""

    demands: list[DemandRow]
    next_cursor: str | None


class ClaimView(BaseModel):
    """A claim. `note` and `explanation` are null except for those whom the demand or the claim is of."""

    claim_id: str
    demand_id: str
    provider_id: str
    provider_name: str
    status: Status
    ending: bool
    requested_at: datetime
    decided_at: datetime | None
    reason: str | None
    reason_zh: str | None
    reason_en: str | None
    winner_id: str | None
    winner_name: str | None
    lease_until: datetime | None
    scheduled_at: datetime | None
    place: str
    note: str | None
    explanation: str | None


class EntryView(BaseModel):
    """What happened to a demand."""

    at: datetime
    type: str
    organization_id: str
    zh: str
    en: str


class WholeView(DemandRow):
    """A demand with its claims (those that have it first, then the latest) and its story, 200 of each at most.

    `can` are the commands that its state allows now. `on_behalf`, `withdrawn_reason`, `comment`: for its venue alone.
    """

    can: list[str]
    claims: list[ClaimView]
    timeline: list[EntryView]
    posted_by_role: str
    on_behalf: str | None
    withdrawn_reason: str | None
    comment: str | None


class TakenView(BaseModel):
    """Taken in, not yet decided."""

    claim_id: str
    status: str = "received"


class ResidentView(BaseModel):
    """On whose behalf a demand was posted."""

    on_behalf: str
    name: str
    phone: str
    address: str
    note: str
