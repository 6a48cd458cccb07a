"""What the HTTP calls take: bodies with the field names of the events that they cause, strict throughout."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, WrapValidator, model_validator
from pydantic_core import PydanticCustomError
from youai_contracts.events import Category, Mode
from youai_runtime.fields import (
    MOST_ID,
    Day,
    Form,
    Id,
    Instant,
    Label,
    Name,
    Reason,
    Text,
    Wrong,
    checked,
    fits,
    id_wrong,
)
from youai_runtime.pages import Page

from youai_catalog import domain, recurrence
from youai_catalog.domain import Kind, Level

MOST_SESSIONS = 200
"""Sessions opened by one call."""
MOST_TOWNS = 50
"""Towns that an offer is open to, or that a session keeps places for."""


def _session_id(value: str) -> Wrong | None:
    """A session's id is its slot's too, and `demand:` slots are the claims'."""
    if value.startswith("demand:"):
        return Wrong("场次编号不能以 demand: 开头", "a session's id does not start with demand:")
    return id_wrong(value)


SessionId = Annotated[str, Field(min_length=1, max_length=MOST_ID), checked(_session_id)]
Capacity = Annotated[int, Field(ge=1, le=100_000)]
TownShares = Annotated[
    dict[Name, Capacity], Field(max_length=MOST_TOWNS, description="town to places kept for it, within the capacity")
]
Waitlist = Annotated[int | None, Field(ge=0, le=2**53 - 1, description="most waiting; null: no bound; 0: none")]


class OrganizationForm(Form):
    """An organization's whole state, as in organization-registered."""

    organization_id: Id
    parent_id: Id | None = Field(default=None, description="null for the center alone")
    kind: Kind
    level: Level
    name: Name
    town: Label = ""
    categories: list[Category] = Field(default=[], max_length=20)


class OfferForm(Form):
    """An offer to publish, as in offer-published."""

    offer_id: Id | None = Field(default=None, description="for imports; else it is made from the Idempotency-Key")
    provider_id: Id
    category: Category
    title: Name
    description: Text = ""
    towns: list[Name] = Field(default=[], max_length=MOST_TOWNS, description="empty: every town")
    audience: Label = ""
    mode: Mode = "arrival"


class SessionForm(Form):
    """A session to open, as in session-opened: opens_at < closes_at <= starts_at < ends_at."""

    session_id: SessionId | None = Field(default=None, description="for imports; else made from the Idempotency-Key")
    capacity: Capacity
    opens_at: Instant
    closes_at: Instant
    starts_at: Instant
    ends_at: Instant
    town_shares: TownShares = Field(default={})
    waitlist: Waitlist = None
    venue_name: Name

    @model_validator(mode="after")
    def _times(self) -> "SessionForm":
        fits(domain.times_fault(self.opens_at, self.closes_at, self.starts_at, self.ends_at), "times")
        fits(domain.shares_fault(self.town_shares, self.capacity), "shares")
        return self


class SessionsForm(Form):
    """Sessions to open together, all or none."""

    sessions: list[SessionForm] = Field(min_length=1, max_length=MOST_SESSIONS)

    @model_validator(mode="after")
    def _distinct(self) -> "SessionsForm":
        given = [one.session_id for one in self.sessions if one.session_id is not None]
        if len(set(given)) < len(given):
            raise PydanticCustomError("repeated", "a session_id stands in the list twice（场次编号重复）")
        return self


class Recurrence(Form):
    """Sessions on the days that a rule names, all at the time of day of `from`; at most 200, within three years."""

    rrule: str = Field(
        min_length=1,
        max_length=500,
        description="RFC 5545: FREQ=DAILY, WEEKLY or MONTHLY, with COUNT or UNTIL: FREQ=WEEKLY;BYDAY=SA;COUNT=8",
    )
    first: Instant = Field(alias="from", description="the first day, and when sessions start; the rule decides on it")
    duration_minutes: int = Field(ge=1, le=7 * 24 * 60)
    capacity: Capacity
    opens_at: Instant = Field(description="when booking opens, of all of them")
    closes_before_minutes: int = Field(
        ge=0, le=366 * 24 * 60, description="how long before its start each one's closes"
    )
    town_shares: TownShares = Field(default={})
    waitlist: Waitlist = None
    venue_name: Name
    exclude: list[Day] = Field(default=[], max_length=200, description="days of the rule on which there is no session")

    def sessions(self) -> list[SessionForm]:
        """The sessions, in order. Raises recurrence.Refused."""
        found = []
        for at in recurrence.starts(self.rrule, self.first, self.exclude):
            closes_at = at - timedelta(minutes=self.closes_before_minutes)
            ends_at = at + timedelta(minutes=self.duration_minutes)
            fault = domain.times_fault(self.opens_at, closes_at, at, ends_at)
            if fault is not None:
                day = at.date().isoformat()
                told = domain.Fault(f"{day} 的场次：{fault.zh}", f"the session of {day}: {fault.en}")
                raise recurrence.Refused("opens_at", told)
            found.append(
                SessionForm.model_construct(
                    session_id=None,
                    capacity=self.capacity,
                    opens_at=self.opens_at,
                    closes_at=closes_at,
                    starts_at=at,
                    ends_at=ends_at,
                    town_shares=self.town_shares,
                    waitlist=self.waitlist,
                    venue_name=self.venue_name,
                )
            )
        return found

    @model_validator(mode="after")
    def _bounded(self) -> "Recurrence":
        fits(domain.shares_fault(self.town_shares, self.capacity), "shares")
        try:
            self.sessions()
        except recurrence.Refused as refused:
            told = {"field": refused.field, "en": refused.fault.en, "zh": refused.fault.zh}
            raise PydanticCustomError("recurrence", "{field}: {en}（{zh}）", told) from None
        return self


class RecurrenceForm(Form):
    """Sessions to open by a rule, all or none."""

    recurrence: Recurrence


def _one_or_many(value: Any, _handler: Any) -> SessionForm | SessionsForm | RecurrenceForm:
    # By hand, else a wrong field of one form is reported together with everything that the other forms would lack.
    named = value if isinstance(value, dict) else {}
    if "recurrence" in named:
        return RecurrenceForm.model_validate(value)
    return SessionsForm.model_validate(value) if "sessions" in named else SessionForm.model_validate(value)


OpenForm = Annotated[SessionForm | SessionsForm | RecurrenceForm, WrapValidator(_one_or_many)]


class ReasonForm(Form):
    """Why something is taken back."""

    reason: Reason


class OrganizationsQuery(Page):
    """Which organizations."""

    kind: Kind | None = None
    level: Level | None = None
    town: Label | None = None
    parent: Id | None = None


class OffersQuery(Page):
    """Which of the published offers; `town`: those that are open to it."""

    category: Category | None = None
    town: Name | None = None
    provider_id: Id | None = None
