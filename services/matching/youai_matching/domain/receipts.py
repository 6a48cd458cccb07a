"""Receipts: every decision sealed into its slot's hash chain."""

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

import msgspec
from youai_contracts import events
from youai_contracts.events import ClaimDecision, Decision

FIRST_PREVIOUS = "0" * 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = msgspec.json.Encoder()

OUTCOMES: dict[str, type[Decision]] = {
    "entered": events.BookingEntered,
    "confirmed": events.BookingConfirmed,
    "waitlisted": events.BookingWaitlisted,
    "rejected": events.BookingRejected,
    "promoted": events.BookingPromoted,
    "lapsed": events.BookingLapsed,
    "released": events.BookingReleased,
    "displaced": events.BookingDisplaced,
}

CLAIM_OUTCOMES: dict[str, type[ClaimDecision]] = {
    "confirmed": events.ClaimConfirmed,
    "rejected": events.ClaimRejected,
    "ended": events.ClaimEnded,
}

AnyDecision = TypeVar("AnyDecision", Decision, ClaimDecision)


def milliseconds(at: datetime) -> int:
    """An aware datetime as milliseconds since 1970 UTC, rounded down."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=4_096)  # in a rush, many records bear the same millisecond
def instant(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 UTC, e.g. 2026-11-24T09:00:00.000Z."""
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seal(decision: AnyDecision) -> tuple[AnyDecision, bytes]:
    """Give a decision that was just made its hash; returns it, and its canonical bytes as published.

    The class declares its fields in RFC 8785 order, so that what the encoder writes is canonical already.
    """
    digest = hashlib.sha256(_encoder.encode(decision)).hexdigest()
    msgspec.structs.force_setattr(decision, "hash", digest)
    return decision, _encoder.encode(decision)
