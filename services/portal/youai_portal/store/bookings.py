"""A venue's bookings as they stand, with their places in the queue, and where else there are places."""

from datetime import datetime
from typing import Any

from youai_runtime.database import Connection

from youai_portal.domain import LIVE
from youai_portal.store.places import CAPACITY

_SHOWN_LIVE = ", ".join(f"'{status}'" for status in (*LIVE, "received"))

_OWN = """
    SELECT b.request_id, b.slot_id, b.venue_id, b.party_size, b.status, b.reason, b.reason_zh, b.reason_en,
        b.first_at AS asked_at, b.decided_at, b.queued_at, b.hold_until, b.sequence
    FROM booking AS b WHERE {booking}
    UNION ALL
    SELECT a.request_id, a.slot_id, a.venue_id, a.party_size, 'received', '', '', '', a.asked_at, NULL, NULL, NULL, NULL
    FROM asked AS a WHERE {asked} AND NOT EXISTS (SELECT FROM booking AS b WHERE b.request_id = a.request_id)
"""


async def own_in_slot(connection: Connection, slot_id: str, venue_id: str) -> list[dict[str, Any]]:
    """A venue's bookings of a slot: live ones first, then the latest; each with its place and the number ahead."""
    own = _OWN.format(booking="b.slot_id = $1 AND b.venue_id = $2", asked="a.slot_id = $1 AND a.venue_id = $2")
    rows = await connection.fetch(
        f"""
        WITH own AS ({own})
        SELECT own.*, q.place, q.ahead FROM own LEFT JOIN LATERAL (
            SELECT count(*) + 1 AS place, coalesce(sum(b.party_size), 0) AS ahead FROM booking AS b
            WHERE b.slot_id = $1 AND b.status = 'waitlisted' AND b.queued_at < own.queued_at
        ) AS q ON own.status = 'waitlisted'
        ORDER BY own.status NOT IN ({_SHOWN_LIVE}), own.asked_at DESC LIMIT 10
        """,
        slot_id,
        venue_id,
    )
    return [dict(row) for row in rows]


async def bookings(
    connection: Connection, venue_id: str, *, live: bool, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` bookings of a venue, the latest first; `live`: those with places or a place in the queue."""
    at, request_id = after or (None, None)
    rows = await connection.fetch(
        f"""
        WITH own AS ({_OWN.format(booking="b.venue_id = $1", asked="a.venue_id = $1")}),
        shown AS (
            SELECT * FROM own
            WHERE (NOT $2 OR status IN ({_SHOWN_LIVE}))
                AND ($3::timestamptz IS NULL OR (asked_at, request_id) < ($3, $4))
            ORDER BY asked_at DESC, request_id DESC LIMIT $5
        )
        SELECT shown.*, s.starts_at, s.ends_at, s.closes_at, s.venue_name, s.state AS session_state, o.offer_id,
            o.title, o.provider_name, o.category, q.place, q.ahead
        FROM shown LEFT JOIN session AS s USING (slot_id) LEFT JOIN offer AS o USING (offer_id)
        LEFT JOIN LATERAL (
            SELECT count(*) + 1 AS place, coalesce(sum(b.party_size), 0) AS ahead FROM booking AS b
            WHERE b.slot_id = shown.slot_id AND b.status = 'waitlisted' AND b.queued_at < shown.queued_at
        ) AS q ON shown.status = 'waitlisted'
        ORDER BY shown.asked_at DESC, shown.request_id DESC
        """,
        venue_id,
        live,
        at,
        request_id,
        limit,
    )
    return [dict(row) for row in rows]


async def one(connection: Connection, request_id: str) -> dict[str, Any] | None:
    """A booking with its place now, `received` until its decision is read; None if it was never heard of here."""
    own = _OWN.format(booking="b.request_id = $1", asked="a.request_id = $1")
    row = await connection.fetchrow(
        f"""
        WITH own AS ({own})
        SELECT own.*, q.place, q.ahead FROM own LEFT JOIN LATERAL (
            SELECT count(*) + 1 AS place, coalesce(sum(b.party_size), 0) AS ahead FROM booking AS b
            WHERE b.slot_id = own.slot_id AND b.status = 'waitlisted' AND b.queued_at < own.queued_at
        ) AS q ON own.status = 'waitlisted'
        """,
        request_id,
    )
    return dict(row) if row else None


async def alternatives(connection: Connection, slot_id: str, venue_id: str, party_size: int) -> list[dict[str, Any]]:
    """At most 5 other sessions of the slot's offer that have so many places, or open later; not those the venue has."""
    rows = await connection.fetch(
        f"""
        SELECT s.slot_id, s.starts_at, s.ends_at, s.opens_at, s.venue_name, s.opens_at > now() AS early,
            {CAPACITY} - coalesce(t.taken, 0) AS free
        FROM session AS s LEFT JOIN slot AS t USING (slot_id)
        WHERE s.offer_id = (SELECT offer_id FROM session WHERE slot_id = $1) AND s.slot_id <> $1 AND s.state = 'open'
            AND s.closes_at > now() AND {CAPACITY} - coalesce(t.taken, 0) >= $3 AND coalesce(t.waiting, 0) = 0
            AND NOT EXISTS (SELECT FROM booking AS b
                WHERE b.slot_id = s.slot_id AND b.venue_id = $2 AND b.status IN ({_SHOWN_LIVE}))
        ORDER BY s.starts_at, s.slot_id LIMIT 5
        """,
        slot_id,
        venue_id,
        party_size,
    )
    return [dict(row) for row in rows]


async def pulse(connection: Connection, request_id: str) -> tuple[Any, ...]:
    """What tells one state of a booking's page from another, in few steps: itself, its place, its session."""
    booking = await one(connection, request_id)
    if booking is None:
        return ()
    session = await connection.fetchrow(
        "SELECT s.revised_at, s.state, t.capacity, t.overrides FROM session AS s LEFT JOIN slot AS t USING (slot_id)"
        " WHERE s.slot_id = $1",
        booking["slot_id"],
    )
    own = tuple(booking[name] for name in ("status", "sequence", "place", "ahead", "hold_until"))
    return (*own, *(tuple(session) if session else ()))
