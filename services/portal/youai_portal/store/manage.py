"""What a provider and the guidance center see of a session: who has places, who waits, whom fewer places would hit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from youai_runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Hit:
    """Whom a number of places would take theirs from."""

    venues: int
    places: int


async def hit(connection: Connection, slot_id: str, capacity: int) -> Hit:
    """Whom so few places would displace: the newest holds first, then the newest confirmed, until the rest fits."""
    row = await connection.fetchrow(
        """
        WITH had AS (
            SELECT party_size, sum(party_size) OVER () - coalesce(sum(party_size) OVER (
                ORDER BY hold_until IS NOT NULL DESC, sequence DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0) AS left_before
            FROM booking WHERE slot_id = $1 AND status IN ('confirmed', 'promoted')
        )
        SELECT count(*) AS venues, coalesce(sum(party_size), 0) AS places FROM had WHERE left_before > $2
        """,
        slot_id,
        capacity,
    )
    assert row is not None
    return Hit(row["venues"], row["places"])


async def confirmed(
    connection: Connection, slot_id: str, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` confirmed bookings, the earliest first, each with how many came if that was recorded."""
    at, request_id = after or (None, None)
    rows = await connection.fetch(
        """
        SELECT b.request_id, b.venue_id, b.party_size, b.first_at, coalesce(o.name, b.venue_id) AS name, a.attended
        FROM booking AS b LEFT JOIN organization AS o ON o.organization_id = b.venue_id
        LEFT JOIN attendance AS a USING (request_id)
        WHERE b.slot_id = $1 AND b.status IN ('confirmed', 'promoted')
            AND ($2::timestamptz IS NULL OR (b.first_at, b.request_id) > ($2, $3))
        ORDER BY b.first_at, b.request_id LIMIT $4
        """,
        slot_id,
        at,
        request_id,
        limit,
    )
    return [dict(row) for row in rows]


async def venues_of(connection: Connection, slot_id: str, request_ids: list[str]) -> dict[str, str]:
    """The venues of confirmed bookings of the slot, by request."""
    rows = await connection.fetch(
        "SELECT request_id, venue_id FROM booking"
        " WHERE slot_id = $1 AND request_id = ANY($2) AND status IN ('confirmed', 'promoted')",
        slot_id,
        request_ids,
    )
    return {row["request_id"]: row["venue_id"] for row in rows}


async def waiting(connection: Connection, slot_id: str, limit: int) -> list[dict[str, Any]]:
    """At most `limit` requests that the center may give places to: in the queue in its order, then in the draw."""
    rows = await connection.fetch(
        """
        SELECT b.request_id, b.venue_id, b.party_size, b.status, coalesce(o.name, b.venue_id) AS name
        FROM booking AS b LEFT JOIN organization AS o ON o.organization_id = b.venue_id
        WHERE b.slot_id = $1 AND b.status IN ('promoted', 'waitlisted', 'entered')
        ORDER BY array_position(ARRAY['promoted', 'waitlisted', 'entered'], b.status), b.queued_at LIMIT $2
        """,
        slot_id,
        limit,
    )
    return [dict(row) for row in rows]


async def venue_name(connection: Connection, venue_id: str) -> str | None:
    """A venue's name; None if no venue has this id."""
    name: str | None = await connection.fetchval(
        "SELECT name FROM organization WHERE organization_id = $1 AND kind = 'venue'", venue_id
    )
    return name


async def overrides(connection: Connection, slot_id: str, limit: int) -> list[dict[str, Any]]:
    """At most `limit` overrides of the slot, the latest first, with the reasons that were given."""
    rows = await connection.fetch(
        """
        SELECT g.*, coalesce(o.name, g.venue_id) AS name
        FROM override_given AS g LEFT JOIN organization AS o ON o.organization_id = g.venue_id
        WHERE g.slot_id = $1 ORDER BY g.sequence DESC LIMIT $2
        """,
        slot_id,
        limit,
    )
    return [dict(row) for row in rows]
