"""What matching's calls take and answer."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

ID = r"^[^\x00-\x20\x7f]+$"
PathId = Annotated[str, Path(max_length=200, pattern=ID)]


class BookingBody(BaseModel):
    """What a venue asks for: fields as in `booking-requested`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    slot_id: str = Field(min_length=1, max_length=200, pattern=ID)
    party_size: int = Field(ge=1, le=100_000)
    venue_id: str | None = Field(
        default=None, min_length=1, max_length=200, pattern=ID, description="default: the token's organization"
    )
    auto_accept: bool = Field(default=False, description="accept for the venue what is held for it from the queue")
    overlap_ok: bool = Field(default=False, description="book although the venue has another session at that time")


class OverrideBody(BaseModel):
    """Places that the guidance center gives: fields as in `override-requested`, the town being the venue's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    venue_id: str = Field(min_length=1, max_length=200, pattern=ID)
    party_size: int = Field(ge=1, le=100_000)
    request_id: str | None = Field(
        default=None, min_length=1, max_length=200, pattern=ID, description="the venue's request in the slot, if any"
    )
    capacity: int | None = Field(
        default=None, ge=1, le=100_000, description="if more than the slot's: the slot's from then on, recorded as such"
    )
    explanation: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")


class Taken(BaseModel):
    """The door's answer: taken in, not yet decided."""

    request_id: str
    status: str = "received"
