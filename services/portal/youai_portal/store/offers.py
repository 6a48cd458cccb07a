"""Offers with what is free of them, their sessions, and a slot's live state."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from youai_runtime.database import Connection

from youai_portal.store.people import patterns
from youai_portal.store.places import CAPACITY

_SESSION = f"""
    s.slot_id, s.session_id, s.offer_id, {CAPACITY} AS capacity, s.opens_at, s.closes_at, s.starts_at, s.ends_at,
    s.waitlist, s.venue_name, s.state, s.reason, s.mode, s.town_shares, s.revised_at, s.revised_reason,
    coalesce(t.taken, 0) AS taken, coalesce(t.waiting, 0) AS waiting,
    coalesce(t.waiting_places, 0) AS waiting_places, coalesce(t.sequence, 0) AS sequence,
    coalesce(t.entered, 0) AS entered, coalesce(t.overrides, 0) AS overrides
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
                o.mode,
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
    return [_shares(row) for row in rows]


async def slot(connection: Connection, slot_id: str) -> dict[str, Any] | None:
    """A session with its offer and its slot's sums, or None."""
    row = await connection.fetchrow(
        f"""
        SELECT {_SESSION}, o.title, o.provider_id, o.provider_name, o.category, o.audience, o.description
        FROM session AS s LEFT JOIN slot AS t USING (slot_id) LEFT JOIN offer AS o USING (offer_id)
        WHERE s.slot_id = $1
        """,
        slot_id,
    )
    return _shares(row) if row else None


def _shares(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row) | {"town_shares": msgspec.json.decode(row["town_shares"])}
