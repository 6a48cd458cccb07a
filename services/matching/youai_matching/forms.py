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
    auto_accept: bool = False


class Taken(BaseModel):
    """The door's answer: taken in, not yet decided."""

    request_id: str
    status: str = "received"
