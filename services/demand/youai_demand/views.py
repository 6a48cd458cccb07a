"""What is shown of demands and claims: the SQL that reads it, and the answers made of it."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from youai_contracts.codec import rfc3339
from youai_runtime.database import Connection

from youai_demand import domain, store, words
from youai_demand.forms import DemandsQuery

MOST_SHOWN = 200
"""Claims, and entries of the timeline, that are shown with a demand."""

_ROW = (
    "d.demand_id, d.venue_id, d.venue_name, d.town, d.category, d.title, d.description, d.residents, d.wanted_from,"
    " d.wanted_until, d.places_wanted, d.state, d.posted_at, d.changed_at, d.rating, d.residents_served"
)
_TEAMS = """(
    SELECT coalesce(json_agg(json_build_object('claim_id', c.claim_id, 'provider_id', c.provider_id,
        'provider_name', c.provider_name, 'place', c.place, 'scheduled_at',
        to_char(c.scheduled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
        ORDER BY c.decided_at, c.claim_id), '[]')
    FROM claim AS c WHERE c.demand_id = d.demand_id AND c.status = 'confirmed') AS teams"""
_CLAIM = (
    "c.claim_id, c.demand_id, c.provider_id, c.provider_name, c.status, c.ending, c.requested_at, c.decided_at,"
    " c.reason, c.reason_zh, c.reason_en, c.winner_id, c.winner_name, c.lease_until, c.scheduled_at, c.place, c.note,"
    " c.explanation"
)
_FILTERS = {"category": "d.category", "town": "d.town", "state": "d.state", "venue_id": "d.venue_id"}


async def table(
    connection: Connection, query: DemandsQuery, after: tuple[datetime, str] | None, limit: int
) -> list[dict[str, Any]]:
    """At most `limit` demands, the latest first, after the given time of posting and id."""
    where, values = ["true"], list[Any]()

    def value(given: Any) -> str:
        values.append(given)
        return f"${len(values)}"

    for name, column in _FILTERS.items():
        if getattr(query, name) is not None:
            where.append(f"{column} = {value(getattr(query, name))}")
    if query.provider_id is not None:
        where.append(
            "d.demand_id IN (SELECT demand_id FROM claim WHERE status = 'confirmed'"
            f" AND provider_id = {value(query.provider_id)})"
        )
    if query.q is not None:
        like = value("%" + query.q.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%")
        where.append(
            f"(concat_ws(chr(10), d.title, d.description, d.venue_name) ILIKE {like} OR EXISTS (SELECT FROM claim AS c"
            f" WHERE c.demand_id = d.demand_id AND c.status = 'confirmed' AND c.provider_name ILIKE {like}))"
        )
    if after is not None:
        at, demand_id = value(after[0]), value(after[1])
        where.append(f"d.posted_at <= {at} AND (d.posted_at < {at} OR d.demand_id > {demand_id})")
    rows = await connection.fetch(
        f"SELECT {_ROW}, {_TEAMS} FROM demand AS d WHERE {' AND '.join(where)}"
        f" ORDER BY d.posted_at DESC, d.demand_id LIMIT {value(limit)}",
        *values,
    )
    return [_row(row) for row in rows]


async def whole(connection: Connection, demand_id: str, acting_for: str, at: datetime) -> dict[str, Any] | None:
    """A demand with its claims and its story, as the acting organization may see it; None if there is none."""
    row = await connection.fetchrow(
        f"SELECT {_ROW}, {_TEAMS}, d.posted_by_role, d.on_behalf, d.withdrawn_reason, d.comment,"
        " d.claimed_at, (SELECT count(*) FROM claim AS c WHERE c.demand_id = d.demand_id AND c.status = 'requested')"
        " AS undecided, acts_for($2, d.venue_id) AS own FROM demand AS d WHERE d.demand_id = $1",
        demand_id,
        acting_for,
    )
    if row is None:
        return None
    claims = await connection.fetch(
        f"SELECT {store.CLAIM}, acts_for($2, provider_id) AS own FROM claim WHERE demand_id = $1"
        f" ORDER BY status = 'confirmed' DESC, requested_at DESC, claim_id LIMIT {MOST_SHOWN}",
        demand_id,
        acting_for,
    )
    entries = await connection.fetch(
        "SELECT at, type, organization_id, data FROM timeline WHERE demand_id = $1"
        f" ORDER BY entry_id DESC LIMIT {MOST_SHOWN}",
        demand_id,
    )
    demand = domain.Demand(
        demand_id=demand_id,
        venue_id=row["venue_id"],
        places_wanted=row["places_wanted"],
        wanted_until=row["wanted_until"],
        state=row["state"],
        live=tuple(store.claim_of(one) for one in claims if one["status"] == "confirmed"),
        undecided=row["undecided"],
        claimed_at=row["claimed_at"],
    )
    own: bool = row["own"]
    return _row(row) | {
        "can": domain.can(demand, at),
        "claims": [_claim(one, private=own or one["own"]) for one in claims],
        "timeline": [_entry(one) for one in reversed(entries)],
        "posted_by_role": row["posted_by_role"],
        "on_behalf": row["on_behalf"] if own else None,
        "withdrawn_reason": row["withdrawn_reason"] if own else None,
        "comment": row["comment"] if own else None,
    }


async def claim(
    connection: Connection, demand_id: str, claim_id: str, acting_for: str
) -> tuple[dict[str, Any], bool] | None:
    """A claim, and whether it or its demand is the acting organization's; None if there is none."""
    row = await connection.fetchrow(
        f"SELECT {_CLAIM}, acts_for($3, c.provider_id) OR acts_for($3, d.venue_id) AS own FROM claim AS c"
        " JOIN demand AS d USING (demand_id) WHERE c.demand_id = $1 AND c.claim_id = $2",
        demand_id,
        claim_id,
        acting_for,
    )
    return None if row is None else (_claim(row, private=True), row["own"])


def _row(row: asyncpg.Record) -> dict[str, Any]:
    view = {name.removeprefix("d."): row[name.removeprefix("d.")] for name in _ROW.split(", ")}
    times = {name: rfc3339(view[name]) for name in ("wanted_from", "wanted_until", "posted_at", "changed_at")}
    return view | times | {"teams": msgspec.Raw(row["teams"].encode())}


def _claim(row: asyncpg.Record, *, private: bool) -> dict[str, Any]:
    view = {name.removeprefix("c."): row[name.removeprefix("c.")] for name in _CLAIM.split(", ")}
    for name in ("requested_at", "decided_at", "lease_until", "scheduled_at"):
        view[name] = view[name] and rfc3339(view[name])
    return view if private else view | {"note": None, "explanation": None}


def _entry(row: asyncpg.Record) -> dict[str, Any]:
    zh, en = words.of_event(row["type"], msgspec.json.decode(row["data"]))
    return {
        "at": rfc3339(row["at"]),
        "type": row["type"],
        "organization_id": row["organization_id"],
        "zh": zh,
        "en": en,
    }
