"""What the HTTP calls take and give: bodies with the field names of the events that they cause, strict throughout."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.functional_validators import AfterValidator
from pydantic_core import PydanticCustomError
from youai_contracts.events import Category
from youai_runtime.pages import Page

from youai_demand.domain import State, Status

MOST_ID, MOST_NAME, MOST_TEXT = 100, 200, 4_000
"""Characters of an id, of a name or label, and of a longer text; contracts allow as much or more."""
MOST_PLACES = 50
"""Providers that one demand may want at a time."""

# Control characters would pass some readers and break others; a lone surrogate has no UTF-8 at all.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFIT_IN_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_UNFIT_IN_ID = re.compile("[\x00-\x20\x7f-\x9f\ud800-\udfff/]|\\s")  # with a slash it could not stand in a path
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def instant(value: str) -> datetime | None:
    """An RFC 3339 time as UTC, cut to the millisecond (what events carry); None if it is none of 2000 to 2199."""
    if not _TIME.fullmatch(value):
        return None
    try:
        at = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    if not 2000 <= at.year < 2200:
        return None
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _instant(value: Any) -> datetime:
    at = instant(value) if isinstance(value, str) else None
    if at is None:
        raise PydanticCustomError("time", "a time is RFC 3339 with its offset, such as 2026-12-01T09:00:00+08:00")
    return at


def _text(unfit: re.Pattern[str], *, empty: bool) -> AfterValidator:
    def check(value: str) -> str:
        if not value.strip() and (value or not empty):
            raise PydanticCustomError("unfit", "it must say something（不能为空）")
        if unfit.search(value):
            raise PydanticCustomError("unfit", "it has no control characters（不能含控制字符）")
        return value

    return AfterValidator(check)


def _id(value: str) -> str:
    if _UNFIT_IN_ID.search(value):
        raise PydanticCustomError(
            "unfit", "an id has no blanks, control characters or slashes（编号不能含空白、控制字符或斜杠）"
        )
    return value


Id = Annotated[str, Field(min_length=1, max_length=MOST_ID), AfterValidator(_id)]
Name = Annotated[str, Field(min_length=1, max_length=MOST_NAME), _text(_UNFIT, empty=False)]
Label = Annotated[str, Field(max_length=MOST_NAME), _text(_UNFIT, empty=True)]
Text = Annotated[str, Field(max_length=MOST_TEXT), _text(_UNFIT_IN_LINES, empty=True)]
Reason = Annotated[str, Field(min_length=1, max_length=MOST_TEXT), _text(_UNFIT_IN_LINES, empty=False)]
Instant = Annotated[datetime, BeforeValidator(_instant)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ResidentForm(_Form):
    """On whose behalf a demand is posted. It stays in this service, restricted; no event ever has it."""

    name: Name
    phone: Label = ""
    address: Label = ""
    note: Text = ""


class DemandForm(_Form):
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


class ClaimForm(_Form):
    """A claim, as in demand-claim-requested."""

    provider_id: Id | None = Field(default=None, description="default: the token's organization")


class _OfClaim(_Form):
    claim_id: Id | None = Field(default=None, description="needed where more than one claim of the demand is yours")


class ScheduleForm(_OfClaim):
    """When and where, as in demand-scheduled."""

    scheduled_at: Instant
    place: Label = ""
    note: Text = ""


class HandBackForm(_OfClaim):
    """Why a demand is handed back."""

    reason: Reason


class FulfilForm(_Form):
    """The venue's word on what was done, as in demand-fulfilled."""

    rating: int = Field(ge=1, le=5)
    residents_served: int = Field(ge=0, le=1_000_000)
    comment: Text = ""


class WithdrawForm(_Form):
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
