"""Records of the slot log in few words. Times are seconds after nine, when booking opens; it closes an hour later."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import structs
from youai_contracts import codec
from youai_contracts.events import (
    Actor,
    BookingCancelled,
    BookingRequested,
    ClaimEndRequested,
    ClaimRequested,
    SlotClosed,
    SlotOpened,
    SlotRecord,
    TimerFired,
    demand_slot,
)

from tests.unit.matching.fakes import RULE_VERSION, LogRecord

NINE = datetime(2026, 12, 1, 1, tzinfo=UTC)
CLOSES = 3600.0
SLOT = "slot-1"
DEMAND = demand_slot("d1")
Closing = Literal["session-cancelled", "offer-withdrawn", "demand-withdrawn", "demand-expired"]
ACTOR = Actor(subject="staff-1", organization_id="station-1")


def at(seconds: float) -> datetime:
    return NINE + timedelta(seconds=seconds)


def opened(capacity: int, *, waitlist: int | None = None, slot: str = SLOT, rules: str = RULE_VERSION) -> SlotOpened:
    return SlotOpened(
        slot_id=slot,
        offer_id="offer-1",
        session_id=slot,
        capacity=capacity,
        opens_at=at(0),
        closes_at=at(CLOSES),
        starts_at=at(2 * CLOSES),
        ends_at=at(3 * CLOSES),
        rule_version=rules,
        waitlist=waitlist,
    )


def ask(request: str, size: int = 1, *, venue: str = "", slot: str = SLOT) -> BookingRequested:
    """A request; its venue is its own (`v-` and the request's id) unless named."""
    return BookingRequested(
        slot_id=slot,
        request_id=request,
        venue_id=venue or f"v-{request}",
        town="杨舍镇",
        party_size=size,
        requested_at=at(0),
        actor=ACTOR,
    )


def cancel(request: str, *, slot: str = SLOT) -> BookingCancelled:
    return BookingCancelled(slot_id=slot, request_id=request, actor=ACTOR)


def posted(capacity: int = 1, *, slot: str = DEMAND) -> SlotOpened:
    """A demand's slot, of so many claims."""
    demand_id = slot.partition(":")[2]
    opening = opened(capacity, slot=slot, waitlist=0)
    return structs.replace(opening, kind="demand", offer_id=demand_id, session_id=demand_id)


def claim(request: str, *, provider: str = "", slot: str = DEMAND) -> ClaimRequested:
    """A claim; its provider is its own (`p-` and the claim's id) unless named."""
    provider = provider or f"p-{request}"
    return ClaimRequested(
        slot_id=slot,
        request_id=request,
        demand_id=slot.partition(":")[2] or "d1",
        provider_id=provider,
        provider_name=f"队 {provider}",
        actor=ACTOR,
    )


def give_back(
    request: str, reason: Literal["handed-back", "lapsed", "center"] = "handed-back", *, slot: str = DEMAND
) -> ClaimEndRequested:
    demand_id = slot.partition(":")[2] or "d1"
    return ClaimEndRequested(slot_id=slot, request_id=request, demand_id=demand_id, reason=reason, actor=ACTOR)


def close(reason: Closing = "session-cancelled", *, slot: str = SLOT) -> SlotClosed:
    return SlotClosed(slot_id=slot, reason=reason)


def fire(due: float = CLOSES, *, subject: str = "", slot: str = SLOT) -> TimerFired:
    return TimerFired(slot_id=slot, kind="closing", due_at=at(due), subject=subject)


def on_log(event: SlotRecord, id: str, seconds: float, partition: int, offset: int) -> LogRecord:
    """The event as a record: appended `seconds` after nine, under the CloudEvents id `id`."""
    message = codec.encode(event, id=id, source="/youai/matching", at=NINE)
    milliseconds = round(at(seconds).timestamp() * 1000)
    return LogRecord(partition, offset, milliseconds, message.key, message.value, message.headers)
