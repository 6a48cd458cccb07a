"""Who is signed in, the organizations that they pick from, and what was asked through this portal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
from youai_runtime.database import Connection, Pool

from youai_portal.domain import search_terms
from youai_portal.signin import Person


async def secret(pool: Pool) -> bytes:
    """The key that signs cookies and form tokens."""
    key: bytes = await pool.fetchval("SELECT key FROM secret")
    return key


async def begin(
    connection: Connection, id_hash: bytes, person: Person, token: str | None, expires_at: datetime
) -> None:
    """Keep a session."""
    await connection.execute(
        "INSERT INTO web_session (id_hash, subject, organization_id, roles, token, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        id_hash,
        person.subject,
        person.organization_id,
        list(person.roles),
        token,
        expires_at,
    )


async def end(connection: Connection, id_hash: bytes) -> None:
    """Forget a session."""
    await connection.execute("DELETE FROM web_session WHERE id_hash = $1", id_hash)


async def signed_in(connection: Connection, id_hash: bytes) -> tuple[Person, int] | None:
    """Who has this session, and the number of their unread messages that are not muted; None if nobody."""
    row = await connection.fetchrow(
        """
        SELECT s.subject, s.organization_id, s.roles, s.token, coalesce(o.name, s.organization_id) AS name,
            coalesce(o.kind, '') AS kind, coalesce(o.level, '') AS level, coalesce(o.town, '') AS town,
            (SELECT count(*) FROM notification AS n
             WHERE n.recipient_id = s.organization_id AND n.read_at IS NULL AND NOT n.muted) AS unread
        FROM web_session AS s LEFT JOIN organization AS o USING (organization_id)
        WHERE s.id_hash = $1 AND s.expires_at > now()
        """,
        id_hash,
    )
    if row is None:
        return None
    fields = {name: row[name] for name in ("subject", "organization_id", "token", "name", "kind", "level", "town")}
    return Person(roles=tuple(row["roles"]), **fields), row["unread"]


async def tidy(connection: Connection) -> None:
    """Forget sessions that have ended, and bookings sent through this portal a week ago."""
    await connection.execute("DELETE FROM web_session WHERE expires_at < now()")
    await connection.execute(
        "DELETE FROM asked WHERE request_id IN"
        " (SELECT request_id FROM asked WHERE asked_at < now() - interval '7 days' LIMIT 10000)"
    )


async def organization(connection: Connection, organization_id: str) -> asyncpg.Record | None:
    """An organization, or None."""
    return await connection.fetchrow("SELECT * FROM organization WHERE organization_id = $1", organization_id)


async def find_organizations(connection: Connection, text: str, limit: int) -> list[asyncpg.Record]:
    """Organizations whose names have all the words of a search; without one, the first by level."""
    return await connection.fetch(
        """
        SELECT organization_id, kind, level, name, town FROM organization
        WHERE name ILIKE ALL($1::text[]) OR organization_id = $3
        ORDER BY array_position(ARRAY['center', 'department', 'institute', 'station', 'team', 'point'], level), town,
            length(name), name
        LIMIT $2
        """,
        patterns(text),
        limit,
        text.strip(),
    )


async def below(connection: Connection, organization_id: str, limit: int = 500) -> list[asyncpg.Record]:
    """The venues that an organization may act for: itself and those below it, nearest first."""
    return await connection.fetch(
        """
        WITH RECURSIVE down (organization_id, depth) AS (
            SELECT $1::text, 0
            UNION ALL
            SELECT o.organization_id, down.depth + 1
            FROM organization AS o JOIN down ON o.parent_id = down.organization_id
            WHERE down.depth < 3
        )
        SELECT o.organization_id, o.name, o.kind FROM down JOIN organization AS o USING (organization_id)
        ORDER BY down.depth, o.name LIMIT $2
        """,
        organization_id,
        limit,
    )


async def note_asked(connection: Connection, request_id: str, slot_id: str, venue_id: str, party_size: int) -> None:
    """Remember a booking that was sent, until its decision is read."""
    await connection.execute(
        "INSERT INTO asked (request_id, slot_id, venue_id, party_size) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        request_id,
        slot_id,
        venue_id,
        party_size,
    )


def patterns(text: str) -> list[str]:
    """LIKE patterns of a search's words; what the pattern language means by % and _ is meant literally."""
    return [f"%{escape(word)}%" for word in search_terms(text)]


def escape(word: str) -> str:
    """A word as LIKE takes it literally."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("\x00", "")


def plain(rows: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    """Rows as dictionaries."""
    return [dict(row) for row in rows]


async def acts_for(connection: Connection, acting_id: str, target_id: str) -> bool:
    """True if the target is the acting organization or stands below it."""
    found: bool = await connection.fetchval(
        """
        WITH RECURSIVE up (id, parent_id, depth) AS (
            SELECT organization_id, parent_id, 1 FROM organization WHERE organization_id = $2
            UNION ALL
            SELECT o.organization_id, o.parent_id, up.depth + 1
            FROM organization AS o JOIN up ON o.organization_id = up.parent_id WHERE up.depth < 8
        )
        SELECT EXISTS (SELECT FROM up WHERE id = $1)
        """,
        acting_id,
        target_id,
    )
    return found
