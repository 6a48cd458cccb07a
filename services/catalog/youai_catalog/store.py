"""All SQL on offers, sessions and attendance. Every function works in the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
from youai_contracts.codec import rfc3339
from youai_runtime.database import Connection

from youai_catalog.forms import OffersQuery, SessionForm
from youai_catalog.revisions import FIELDS
from youai_catalog.session_forms import AttendanceLine

_OFFER = "offer_id, provider_id, provider_name, category, title, description, towns, audience, mode, state, reason"
_SESSION = (
    "session_id, offer_id, capacity, opens_at, closes_at, starts_at, ends_at, town_shares, waitlist, venue_name, state,"
    " reason"
)
_TIMES = ("opens_at", "closes_at", "starts_at", "ends_at")


def session_view(row: asyncpg.Record) -> dict[str, Any]:
    """A session's row as it is answered."""
    view = dict(row) | {name: rfc3339(row[name]) for name in _TIMES}
    view["town_shares"] = msgspec.json.decode(row["town_shares"])
    return {"session_id": view.pop("session_id"), "slot_id": row["session_id"], **view}


# Offers and sessions


async def organization(connection: Connection, acting_for: str, organization_id: str) -> asyncpg.Record | None:
    """Its `name`, `kind`, and whether it is the acting organization or below it (`own`); None if there is none."""
    return await connection.fetchrow(
        "SELECT name, kind, acts_for($1, organization_id) AS own FROM organization WHERE organization_id = $2",
        acting_for,
        organization_id,
    )


async def insert_offer(connection: Connection, offer: dict[str, Any]) -> bool:
    """Write a new offer (a view); False if its id is taken."""
    columns = _OFFER.split(", ")
    values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    done = await connection.fetchval(
        f"INSERT INTO offer ({_OFFER}) VALUES ({values}) ON CONFLICT (offer_id) DO NOTHING RETURNING true",
        *(offer[name] for name in columns),
    )
    return done is not None


async def offer(connection: Connection, offer_id: str) -> dict[str, Any] | None:
    """An offer, or None."""
    row = await connection.fetchrow(f"SELECT {_OFFER} FROM offer WHERE offer_id = $1", offer_id)
    return None if row is None else dict(row)


async def lock_offer(
    connection: Connection, acting_for: str, offer_id: str, *, shared: bool = False
) -> asyncpg.Record | None:
    """Lock an offer's row and read what its commands need; None if there is none.

    `shared`: others may hold it so too (they open sessions side by side), but a withdrawal waits, and they for it.
    """
    return await connection.fetchrow(
        f"SELECT {_OFFER}, acts_for($1, provider_id) AS own, withdrawn_by_subject, withdrawn_by_organization,"
        f" sessions_settled FROM offer WHERE offer_id = $2 FOR {'SHARE' if shared else 'UPDATE'}",
        acting_for,
        offer_id,
    )


async def withdraw_offer(
    connection: Connection, offer_id: str, reason: str, subject: str, organization_id: str
) -> None:
    """Note an offer's withdrawal; its sessions are still to be cancelled."""
    await connection.execute(
        "UPDATE offer SET state = 'withdrawn', reason = $2, withdrawn_by_subject = $3,"
        " withdrawn_by_organization = $4, sessions_settled = false WHERE offer_id = $1",
        offer_id,
        reason,
        subject,
        organization_id,
    )


async def cancel_sessions(connection: Connection, offer_id: str, reason: str, most: int) -> list[str]:
    """Cancel at most `most` of an offer's open sessions; returns their ids. Fewer: they are all cancelled, noted so."""
    rows = await connection.fetch(
        "UPDATE session SET state = 'cancelled', reason = $2 WHERE session_id IN (SELECT session_id FROM session"
        " WHERE offer_id = $1 AND state = 'open' ORDER BY session_id LIMIT $3 FOR UPDATE) RETURNING session_id",
        offer_id,
        reason,
        most,
    )
    if len(rows) < most:
        await connection.execute("UPDATE offer SET sessions_settled = true WHERE offer_id = $1", offer_id)
    return sorted(row["session_id"] for row in rows)


async def unsettled_offers(connection: Connection) -> list[str]:
    """Ids of withdrawn offers whose sessions are not all cancelled."""
    rows = await connection.fetch("SELECT offer_id FROM offer WHERE NOT sessions_settled ORDER BY offer_id LIMIT 100")
    return [row["offer_id"] for row in rows]


async def offers(connection: Connection, query: OffersQuery, after: str, limit: int) -> list[dict[str, Any]]:
    """At most `limit` published offers with ids after `after`."""
    rows = await connection.fetch(
        f"""
        SELECT {_OFFER} FROM offer
        WHERE state = 'published' AND offer_id > $1 AND ($2::text IS NULL OR category = $2)
            AND ($3::text IS NULL OR towns = '{{}}' OR $3 = ANY(towns)) AND ($4::text IS NULL OR provider_id = $4)
        ORDER BY offer_id LIMIT $5
        """,
        after,
        query.category,
        query.town,
        query.provider_id,
        limit,
    )
    return [dict(row) for row in rows]


async def insert_sessions(
    connection: Connection, offer_id: str, sessions: Sequence[tuple[str, SessionForm]]
) -> Collection[str]:
    """Write new sessions (id and form) of an offer; returns the ids that are taken: then the caller must roll back."""
    ids = [session_id for session_id, _ in sessions]
    forms = [form for _, form in sessions]
    # In the order of ids, so that two lists with common ids cannot wait for each other.
    written = await connection.fetch(
        """
        INSERT INTO session
            (session_id, offer_id, capacity, opens_at, closes_at, starts_at, ends_at, waitlist, venue_name, town_shares)
        SELECT id, $1, capacity, opens_at, closes_at, starts_at, ends_at, waitlist, venue_name, town_shares
        FROM unnest($2::text[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
            $8::bigint[], $9::text[], $10::jsonb[])
            AS wanted (id, capacity, opens_at, closes_at, starts_at, ends_at, waitlist, venue_name, town_shares)
        ORDER BY id
        ON CONFLICT (session_id) DO NOTHING RETURNING session_id
        """,
        offer_id,
        ids,
        [form.capacity for form in forms],
        [form.opens_at for form in forms],
        [form.closes_at for form in forms],
        [form.starts_at for form in forms],
        [form.ends_at for form in forms],
        [form.waitlist for form in forms],
        [form.venue_name for form in forms],
        [msgspec.json.encode(form.town_shares).decode() for form in forms],
    )
    return set(ids) - {row["session_id"] for row in written}


async def session(connection: Connection, session_id: str) -> dict[str, Any] | None:
    """A session, or None."""
    row = await connection.fetchrow(f"SELECT {_SESSION} FROM session WHERE session_id = $1", session_id)
    return None if row is None else session_view(row)


async def sessions(
    connection: Connection, offer_id: str, after: tuple[str, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` sessions of an offer by start and id, after the given start (RFC 3339) and id."""
    started, session_id = after or ("-infinity", "")
    rows = await connection.fetch(
        f"SELECT {_SESSION} FROM session WHERE offer_id = $1 AND (starts_at, session_id) > ($2::text::timestamptz, $3)"
        " ORDER BY starts_at, session_id LIMIT $4",
        offer_id,
        started,
        session_id,
        limit,
    )
    return [session_view(row) for row in rows]


async def lock_session(connection: Connection, acting_for: str, session_id: str) -> asyncpg.Record | None:
    """Lock a session's row and read it, and whether it is the acting organization's (`own`); None if there is none."""
    return await connection.fetchrow(
        "SELECT s.*, acts_for($1, o.provider_id) AS own"
        " FROM session AS s JOIN offer AS o USING (offer_id) WHERE s.session_id = $2 FOR UPDATE OF s",
        acting_for,
        session_id,
    )


async def cancel_session(connection: Connection, session_id: str, reason: str) -> None:
    """Note that a session is cancelled."""
    await connection.execute(
        "UPDATE session SET state = 'cancelled', reason = $2 WHERE session_id = $1", session_id, reason
    )


async def revise_session(connection: Connection, session_id: str, changes: Mapping[str, Any]) -> None:
    """Write what changes of a session, by name."""
    await connection.execute(
        "UPDATE session SET capacity = coalesce($2, capacity), opens_at = coalesce($3, opens_at),"
        " closes_at = coalesce($4, closes_at), starts_at = coalesce($5, starts_at), ends_at = coalesce($6, ends_at),"
        " venue_name = coalesce($7, venue_name) WHERE session_id = $1",
        session_id,
        *(changes.get(name) for name in FIELDS),
    )


async def put_attendance(connection: Connection, session_id: str, lines: Sequence[AttendanceLine]) -> set[str]:
    """Write who came, the latest word; returns the request ids of which something else was said before, or nothing."""
    rows = await connection.fetch(
        """
        INSERT INTO attendance AS a (session_id, request_id, venue_id, attended)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int[])
        ON CONFLICT (session_id, request_id) DO UPDATE SET venue_id = excluded.venue_id, attended = excluded.attended,
            recorded_at = now() WHERE (a.venue_id, a.attended) <> (excluded.venue_id, excluded.attended)
        RETURNING request_id
        """,
        session_id,
        [line.request_id for line in lines],
        [line.venue_id for line in lines],
        [line.attended for line in lines],
    )
    return {row["request_id"] for row in rows}
