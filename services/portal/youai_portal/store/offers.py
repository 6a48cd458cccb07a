"""Offers with what is free of them, their sessions, a slot's live state, and a venue's bookings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from youai_runtime.database import Connection

from youai_portal.domain import LIVE
from youai_portal.store.people import patterns
from youai_portal.store.places import CAPACITY

_SHOWN_LIVE = ", ".join(f"'{status}'" for status in (*LIVE, "received"))

_SESSION = f"""
    s.slot_id, s.session_id, s.offer_id, {CAPACITY} AS capacity, s.opens_at, s.closes_at, s.starts_at, s.ends_at,
    s.waitlist, s.venue_name, s.state, s.reason, s.mode, s.revised_at, s.revised_reason,
    coalesce(t.taken, 0) AS taken, coalesce(t.waiting, 0) AS waiting,
    coalesce(t.waiting_places, 0) AS waiting_places, coalesce(t.sequence, 0) AS sequence,
    coalesce(t.entered, 0) AS entered
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which offers: empty texts mean all; `town`: held there; `free`: with places that can be booked."""

    category: str = ""
    town: str = ""
    q: str = ""
    free: bool = False


async def table(
    connection: Connection, wanted: Filter, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` published offers by their next session (those without one last), with what is free of them."""
    at, offer_id = after or (None, None)
    rows = await connection.fetch(
        f"""
        WITH coming AS (
            SELECT s.offer_id, min(s.starts_at) AS next_at, count(*) AS sessions, sum({CAPACITY}) AS places,
                sum(coalesce(t.taken, 0)) AS taken, sum(coalesce(t.waiting, 0)) AS waiting,
                sum(greatest({CAPACITY} - coalesce(t.taken, 0), 0)) FILTER (WHERE s.closes_at > now()) AS free
            FROM session AS s LEFT JOIN slot AS t USING (slot_id)
            WHERE s.state = 'open' AND s.starts_at > now() AND ($2 = '' OR starts_with(s.venue_name, $2))
            GROUP BY s.offer_id
        ), listed AS (
            SELECT o.offer_id, o.provider_id, o.provider_name, o.category, o.title, o.description, o.audience, o.towns,
                coalesce(c.next_at, '2999-01-01') AS next_at, coalesce(c.sessions, 0) AS sessions,
                coalesce(c.places, 0) AS places, coalesce(c.taken, 0) AS taken, coalesce(c.waiting, 0) AS waiting,
                coalesce(c.free, 0) AS free
            FROM offer AS o LEFT JOIN coming AS c USING (offer_id)
            WHERE o.state = 'published' AND ($1 = '' OR o.category = $1)
                AND ($2 = '' OR c.offer_id IS NOT NULL)
                AND concat_ws(' ', o.title, o.provider_name, o.description, o.audience) ILIKE ALL($3::text[])
        )
        SELECT * FROM listed
        WHERE (NOT $4 OR free > 0) AND ($5::timestamptz IS NULL OR (next_at, offer_id) > ($5, $6))
        ORDER BY next_at, offer_id LIMIT $7
        """,
        wanted.category,
        wanted.town,
        patterns(wanted.q),
        wanted.free,
        at,
        offer_id,
        limit,
    )
    return [dict(row) for row in rows]


async def one(connection: Connection, offer_id: str) -> asyncpg.Record | None:
    """An offer, withdrawn ones too, or None."""
    return await connection.fetchrow("SELECT * FROM offer WHERE offer_id = $1", offer_id)


async def sessions(
    connection: Connection, offer_id: str, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` sessions of an offer, those to come first, by start."""
    at, slot_id = after or (None, None)
    rows = await connection.fetch(
        f"""
        SELECT {_SESSION} FROM session AS s LEFT JOIN slot AS t USING (slot_id)
        WHERE s.offer_id = $1 AND ($2::timestamptz IS NULL OR (s.starts_at, s.slot_id) > ($2, $3))
        ORDER BY s.starts_at, s.slot_id LIMIT $4
        """,
        offer_id,
        at,
        slot_id,
        limit,
    )
    return [dict(row) for row in rows]


async def slot(connection: Connection, slot_id: str) -> asyncpg.Record | None:
    """A session with its offer and its slot's sums, or None."""
    return await connection.fetchrow(
        f"""
        SELECT {_SESSION}, o.title, o.provider_name, o.category, o.audience, o.description
        FROM session AS s LEFT JOIN slot AS t USING (slot_id) LEFT JOIN offer AS o USING (offer_id)
        WHERE s.slot_id = $1
        """,
        slot_id,
    )


_OWN = """
    SELECT b.request_id, b.slot_id, b.venue_id, b.party_size, b.status, b.reason, b.reason_zh, b.reason_en,
        b.first_at AS asked_at, b.decided_at, b.queued_at, b.hold_until
    FROM booking AS b WHERE {booking}
    UNION ALL
    SELECT a.request_id, a.slot_id, a.venue_id, a.party_size, 'received', '', '', '', a.asked_at, NULL, NULL, NULL
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


async def booking(connection: Connection, request_id: str) -> asyncpg.Record | None:
    """A booking's slot and venue, decided or not; None if it was never heard of here."""
    return await connection.fetchrow(
        "SELECT slot_id, venue_id FROM booking WHERE request_id = $1"
        " UNION ALL SELECT slot_id, venue_id FROM asked WHERE request_id = $1 LIMIT 1",
        request_id,
    )
