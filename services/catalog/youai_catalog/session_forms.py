"""What the calls on an opened session take: its revision, and who came to it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from youai_runtime.fields import Form, Id, Instant, Name, Reason, checked, id_wrong

from youai_catalog.forms import Capacity
from youai_catalog.revisions import FIELDS

MOST_LINES = 2_000
"""Bookings of which one call says who came."""
MOST_REQUEST_ID = 200

RequestId = Annotated[
    str,
    Field(min_length=1, max_length=MOST_REQUEST_ID),
    checked(lambda value: id_wrong(value, MOST_REQUEST_ID)),
]


class SessionRevisionForm(Form):
    """What changes of a session, as in session-revised: at least one field; what is left out, or null, stays."""

    capacity: Capacity | None = None
    opens_at: Instant | None = Field(default=None, description="until booking has opened")
    closes_at: Instant | None = Field(default=None, description="until booking has closed")
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    venue_name: Name | None = None
    reason: Reason

    def wanted(self) -> dict[str, int | str | datetime]:
        """The fields that are to change, by name."""
        given: dict[str, Any] = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _something(self) -> "SessionRevisionForm":
        if not self.wanted():
            told = {"names": ", ".join(FIELDS)}
            raise PydanticCustomError("nothing", "at least one of {names} must be given（至少改一项）", told)
        return self


class AttendanceLine(Form):
    """How many came for a booking, as in attendance-recorded; 0 is a no-show."""

    request_id: RequestId
    venue_id: Id
    attended: int = Field(ge=0, le=100_000)


class AttendanceForm(Form):
    """Who came to a session: a line a booking."""

    attendance: list[AttendanceLine] = Field(min_length=1, max_length=MOST_LINES)

    @model_validator(mode="after")
    def _distinct(self) -> "AttendanceForm":
        if len({line.request_id for line in self.attendance}) < len(self.attendance):
            raise PydanticCustomError("repeated", "a request_id stands in the list twice（点单编号重复）")
        return self
