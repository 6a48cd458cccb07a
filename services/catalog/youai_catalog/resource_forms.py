"""What the calls on resources, places and the calendar take; field names as in the events, strict throughout."""

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from youai_contracts.events import Category
from youai_runtime.fields import Day, Form, Id, Instant, Label, Name, Text, checked
from youai_runtime.pages import Page

from youai_catalog import windows
from youai_catalog.domain import Fault
from youai_catalog.windows import DayKind

ResourceKind = Literal["person", "place", "thing"]
AskState = Literal["open", "accepted", "declined"]
Weekday = Literal["1", "2", "3", "4", "5", "6", "7", "workday", "holiday"]

_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_MOBILE = re.compile(r"(?<!\d)1[3-9]\d([ -]?\d{4}){2}(?!\d)", re.ASCII)
_IDENTITY = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)", re.ASCII)


def _personal(value: str) -> Fault | None:
    """Events are kept for ever and read by all departments: whose number it is, could never be taken back."""
    if _MOBILE.search(value) or _IDENTITY.search(value):
        return Fault("请勿填写手机号或身份证号", "leave out mobile and identity numbers: departments read this")
    return None


Public = checked(_personal)


class WindowForm(Form):
    """A recurring window in the city's time: weekdays (1 Monday to 7 Sunday), workday or holiday, from and until."""

    days: list[Weekday] = Field(min_length=1, max_length=9)
    opens: str = Field(pattern=_CLOCK)
    closes: str = Field(pattern=_CLOCK)

    @model_validator(mode="after")
    def _times(self) -> "WindowForm":
        fault = windows.fault(self.opens, self.closes)
        if fault is not None:
            raise PydanticCustomError("times", "{en}（{zh}）", {"en": fault.en, "zh": fault.zh})
        return self


class ResourceStateForm(Form):
    """A resource's whole state, as in resource-revised."""

    kind: ResourceKind
    title: Annotated[Name, Public] = Field(description="a person by role, never by name")
    description: Annotated[Text, Public] = ""
    skills: list[Annotated[Name, Public]] = Field(default=[], max_length=50)
    categories: list[Category] = Field(default=[], max_length=20)
    town: Label = Field(default="", description="empty: it serves every town")
    capacity: int | None = Field(default=None, ge=1, le=100_000)
    windows: list[WindowForm] = Field(default=[], max_length=50)


class ResourceForm(ResourceStateForm):
    """A resource to list, as in resource-listed."""

    resource_id: Id | None = Field(default=None, description="for imports; else it is made from the Idempotency-Key")
    owner_id: Id


class AskForm(Form):
    """An ask for a resource, as in resource-asked."""

    asker_id: Id | None = Field(default=None, description="your own organization, or one below it; default: your own")
    message: Annotated[Text, Public] = ""
    wanted_from: Instant | None = None


class AnswerForm(Form):
    """The owner's answer to an ask, as in resource-answered."""

    ask_id: Id
    accepted: bool
    message: Annotated[Text, Public] = ""


class OverrideForm(Form):
    """What a day is in this city, whatever the announced calendar says."""

    day: Day
    kind: DayKind
    note: Label = ""


class ResourcesQuery(Page):
    """Which of the listed resources; `town`: those that serve it; `q`: words, best fit first."""

    q: Label | None = None
    category: Category | None = None
    town: Name | None = None
    kind: ResourceKind | None = None
    owner_id: Id | None = None


class AsksQuery(Page):
    """Which of a resource's asks."""

    state: AskState | None = None


class WindowsQuery(Form):
    """Which days: both included, at most 92."""

    first: Day = Field(alias="from")
    last: Day = Field(alias="to")

    @model_validator(mode="after")
    def _span(self) -> "WindowsQuery":
        if not 0 <= (self.last - self.first).days < windows.MOST_DAYS:
            told = {"most": windows.MOST_DAYS}
            raise PydanticCustomError("span", "`to` is not before `from`, and these are at most {most} days", told)
        return self
