"""The public table of demands, one demand with its timeline, and a provider's claims."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from youai_runtime.database import Connection

from youai_portal.store.people import patterns

_ROW = (
    "demand_id, venue_id, venue_name, town, category, title, description, residents, wanted_from, wanted_until,"
    " places_wanted, for_resident, state, claims, teams, rating, residents_served, posted_at, changed_at"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which demands: empty texts mean all."""

    category: str = ""
    town: str = ""
    state: str = ""
    q: str = ""
    venue_id: str = ""


async def table(
    connection: Connection, wanted: Filter, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` demands, the latest first, after the given time of posting and id."""
    at, demand_id = after or (None, None)
    rows = await connection.fetch(
        f"""
        SELECT {_ROW} FROM demand
        WHERE ($1 = '' OR category = $1) AND ($2 = '' OR town = $2) AND ($3 = '' OR state = $3)
            AND concat_ws(' ', title, venue_name, teams, description) ILIKE ALL($4::text[])
            AND ($5 = '' OR venue_id = $5)
            AND ($6::timestamptz IS NULL OR (posted_at, demand_id) < ($6, $7))
        ORDER BY posted_at DESC, demand_id DESC LIMIT $8
        """,
        wanted.category,
        wanted.town,
        wanted.state,
        patterns(wanted.q),
        wanted.venue_id,
        at,
        demand_id,
        limit,
    )
    return [_view(row) for row in rows]


async def states(connection: Connection, wanted: Filter) -> dict[str, int]:
    """How many demands are in each state, whatever state the filter names."""
    rows = await connection.fetch(
        """
        SELECT state, count(*) AS n FROM demand
        WHERE ($1 = '' OR category = $1) AND ($2 = '' OR town = $2)
            AND concat_ws(' ', title, venue_name, teams, description) ILIKE ALL($3::text[])
            AND ($4 = '' OR venue_id = $4)
        GROUP BY state
        """,
        wanted.category,
        wanted.town,
        patterns(wanted.q),
        wanted.venue_id,
    )
    return {row["state"]: row["n"] for row in rows}


async def one(connection: Connection, demand_id: str) -> dict[str, Any] | None:
    """A demand, or None."""
    row = await connection.fetchrow(f"SELECT {_ROW} FROM demand WHERE demand_id = $1", demand_id)
    return None if row is None else _view(row)


async def timeline(connection: Connection, demand_id: str) -> list[dict[str, Any]]:
    """What happened to a demand, in order, with the name of the organization that acted; 300 lines at most."""
    rows = await connection.fetch(
        """
        SELECT e.type, e.at, e.organization_id, e.details, coalesce(o.name, e.organization_id) AS actor
        FROM demand_event AS e LEFT JOIN organization AS o USING (organization_id)
        WHERE e.demand_id = $1 ORDER BY e.log_offset LIMIT 300
        """,
        demand_id,
    )
    return [dict(row) | {"details": msgspec.json.decode(row["details"])} for row in rows]


_CLAIMS = """
    SELECT r.claim_id, r.demand_id, r.provider_id, r.provider_name, r.asked_at,
        coalesce(c.status, 'requested') AS status, c.reason, c.reason_zh, c.reason_en, c.winner_name, c.decided_at
    FROM claim_request AS r LEFT JOIN claim AS c USING (claim_id)
"""


async def claims_of(connection: Connection, demand_id: str) -> list[asyncpg.Record]:
    """Who asked for a demand, and what became of it, in order; 200 at most."""
    return await connection.fetch(
        _CLAIMS + " WHERE r.demand_id = $1 ORDER BY r.asked_at, r.claim_id LIMIT 200", demand_id
    )


async def claims_by(
    connection: Connection, provider_id: str, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` claims of a provider with their demands, the latest first."""
    at, claim_id = after or (None, None)
    rows = await connection.fetch(
        f"""
        SELECT mine.*, d.title, d.venue_name, d.town, d.category, d.state AS demand_state, d.wanted_from,
            d.wanted_until, d.residents, d.claims
        FROM ({_CLAIMS} WHERE r.provider_id = $1 AND ($2::timestamptz IS NULL OR (r.asked_at, r.claim_id) < ($2, $3))
              ORDER BY r.asked_at DESC, r.claim_id DESC LIMIT $4) AS mine
        LEFT JOIN demand AS d USING (demand_id)
        ORDER BY mine.asked_at DESC, mine.claim_id DESC
        """,
        provider_id,
        at,
        claim_id,
        limit,
    )
    return [_claim_view(row) for row in rows]


def _claim_view(row: asyncpg.Record) -> dict[str, Any]:
    live = msgspec.json.decode(row["claims"] or b"[]")
    return dict(row) | {"live": next((one for one in live if one["claim_id"] == row["claim_id"]), None)}


def _view(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row) | {"claims": msgspec.json.decode(row["claims"])}


async def towns(connection: Connection) -> list[str]:
    """The towns that venues stand in."""
    rows = await connection.fetch(
        "SELECT DISTINCT town FROM organization WHERE kind = 'venue' AND level <> 'center' AND town <> '' ORDER BY town"
    )
    return [row["town"] for row in rows]
