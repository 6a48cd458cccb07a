"""An organization's messages, and resources with who asked for them."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from youai_runtime.database import Connection

from youai_portal.domain import bigrams
from youai_portal.store.people import escape, patterns
from youai_portal.store.places import CAPACITY


async def page(
    connection: Connection, recipient_id: str, *, unread: bool, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` messages, the latest first."""
    at, notification_id = after or (None, None)
    rows = await connection.fetch(
        """
        SELECT * FROM notification
        WHERE recipient_id = $1 AND (NOT $2 OR read_at IS NULL)
            AND ($3::timestamptz IS NULL OR (occurred_at, notification_id) < ($3, $4))
        ORDER BY occurred_at DESC, notification_id DESC LIMIT $5
        """,
        recipient_id,
        unread,
        at,
        notification_id,
        limit,
    )
    return [dict(row) for row in rows]


async def unread(connection: Connection, recipient_id: str) -> int:
    """How many messages are unread; those of a kind that was muted when they were sent do not count."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM notification WHERE recipient_id = $1 AND read_at IS NULL AND NOT muted",
        recipient_id,
    )
    return found


async def one(connection: Connection, recipient_id: str, notification_id: str) -> asyncpg.Record | None:
    """A message of this organization, or None."""
    return await connection.fetchrow(
        "SELECT * FROM notification WHERE recipient_id = $1 AND notification_id = $2", recipient_id, notification_id
    )


async def mark_read(connection: Connection, recipient_id: str, notification_id: str, read_at: datetime) -> None:
    """Note at once what notify has just noted, so that its reader does not meet it as new; the event comes later."""
    await connection.execute(
        "UPDATE notification SET read_at = coalesce(read_at, $3) WHERE recipient_id = $1 AND notification_id = $2",
        recipient_id,
        notification_id,
        read_at,
    )


async def any_unread(connection: Connection, recipient_id: str, until: datetime) -> bool:
    """Whether a message that had been sent by then is unread."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM notification WHERE recipient_id = $1 AND read_at IS NULL AND occurred_at <= $2)",
        recipient_id,
        until,
    )
    return found


async def resources(
    connection: Connection, text: str, category: str, town: str, kind: str, limit: int
) -> list[dict[str, Any]]:
    """Resources that fit, best first: all words of the search, else as many of its pairs of characters as they have."""
    pairs = [f"%{escape(pair)}%" for pair in bigrams(text)]
    rows = await connection.fetch(
        """
        WITH fit AS (
            SELECT *, array_to_string(skills, ' ') AS can FROM resource
            WHERE state = 'listed' AND ($2 = '' OR $2 = ANY(categories)) AND ($3 = '' OR town = $3)
                AND ($4 = '' OR kind = $4)
        ), scored AS (
            SELECT *, (SELECT count(*) FILTER (WHERE title ILIKE p) * 3 + count(*) FILTER (WHERE can ILIKE p) * 2
                + count(*) FILTER (WHERE concat_ws(' ', description, owner_name) ILIKE p) FROM unnest($5::text[]) AS p)
                AS score, concat_ws(' ', title, can, description, owner_name) ILIKE ALL($1::text[]) AS whole
            FROM fit
        )
        SELECT * FROM scored
        WHERE whole OR (score > 0 AND NOT EXISTS (SELECT FROM scored WHERE whole))
        ORDER BY score DESC, listed_at DESC, resource_id LIMIT $6
        """,
        patterns(text),
        category,
        town,
        kind,
        pairs,
        limit,
    )
    return [dict(row) | {"windows": msgspec.json.decode(row["windows"])} for row in rows]


async def resource(connection: Connection, resource_id: str) -> dict[str, Any] | None:
    """A resource, or None."""
    row = await connection.fetchrow("SELECT * FROM resource WHERE resource_id = $1", resource_id)
    return None if row is None else dict(row) | {"windows": msgspec.json.decode(row["windows"])}


async def asks(connection: Connection, resource_id: str, organization_id: str) -> list[asyncpg.Record]:
    """Who asked for a resource: all of them for its owner, else one's own."""
    return await connection.fetch(
        """
        SELECT a.*, r.owner_id = $2 AS mine FROM resource_ask AS a JOIN resource AS r USING (resource_id)
        WHERE a.resource_id = $1 AND (a.asker_id = $2 OR r.owner_id = $2) ORDER BY a.asked_at DESC LIMIT 50
        """,
        resource_id,
        organization_id,
    )


async def search(connection: Connection, text: str, each: int) -> dict[str, list[asyncpg.Record]]:
    """What has all the words of a search: demands, offers, sessions' places, organizations."""
    like = patterns(text)
    demands = await connection.fetch(
        "SELECT demand_id, title, venue_name, teams, category, state, posted_at FROM demand"
        " WHERE concat_ws(' ', title, venue_name, teams, description) ILIKE ALL($1::text[])"
        " ORDER BY posted_at DESC LIMIT $2",
        like,
        each,
    )
    offers = await connection.fetch(
        "SELECT offer_id, title, provider_name, category FROM offer WHERE state = 'published'"
        " AND concat_ws(' ', title, provider_name, description, audience) ILIKE ALL($1::text[])"
        " ORDER BY title, offer_id LIMIT $2",
        like,
        each,
    )
    places = await connection.fetch(
        "SELECT s.slot_id, s.starts_at, s.ends_at, s.venue_name, o.title,"
        f" greatest({CAPACITY} - coalesce(t.taken, 0), 0) AS free"
        " FROM session AS s JOIN offer AS o USING (offer_id) LEFT JOIN slot AS t USING (slot_id)"
        " WHERE s.state = 'open' AND s.starts_at > now() AND s.venue_name ILIKE ALL($1::text[])"
        " ORDER BY s.starts_at LIMIT $2",
        like,
        each,
    )
    return {"demands": demands, "offers": offers, "sessions": places}
