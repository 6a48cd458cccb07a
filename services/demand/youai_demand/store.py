"""All SQL on demands, claims, their story and organizations. Every function works in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from youai_contracts.codec import encode_data
from youai_contracts.events import Actor, DemandEvent, DemandFulfilled, DemandPosted, DemandWithdrawn
from youai_runtime import outbox
from youai_runtime.database import Connection

from youai_demand import SOURCE
from youai_demand.domain import Change, Claim, Demand

_POSTED = (
    "demand_id, venue_id, venue_name, town, category, title, description, residents, wanted_from, wanted_until,"
    " places_wanted, posted_by_role, on_behalf"
)
CLAIM = (
    "claim_id, demand_id, provider_id, provider_name, status, requested_at, requested_by_subject,"
    " requested_by_organization, decided_at, reason, reason_zh, reason_en, winner_id, winner_name, lease_until,"
    " scheduled_at, place, note, ending, ended_by_subject, ended_by_organization, explanation"
)


@dataclass(frozen=True, slots=True)
class Known:
    """A demand, its row locked, and what of it is the acting organization's: the demand itself, or claims of it."""

    demand: Demand
    own: bool
    own_claims: frozenset[str]


# Organizations


async def organization(connection: Connection, acting_for: str, organization_id: str) -> asyncpg.Record | None:
    """An organization's `kind`, `name`, `town`, and whether it is the acting one or below it (`own`); or None."""
    return await connection.fetchrow(
        "SELECT kind, name, town, acts_for($1, organization_id) AS own FROM organization WHERE organization_id = $2",
        acting_for,
        organization_id,
    )


async def acts_for(connection: Connection, acting_for: str, organization_id: str) -> bool:
    """True if the organization is the acting one or below it."""
    own: bool = await connection.fetchval("SELECT acts_for($1, $2)", acting_for, organization_id)
    return own


async def put_organizations(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert or replace organizations: id, parent, kind, level, name, town, categories."""
    await connection.executemany(
        """
        INSERT INTO organization (organization_id, parent_id, kind, level, name, town, categories)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (organization_id) DO UPDATE SET parent_id = excluded.parent_id, kind = excluded.kind,
            level = excluded.level, name = excluded.name, town = excluded.town, categories = excluded.categories
        """,
        rows,
    )


# Commands


async def insert_demand(connection: Connection, posted: DemandPosted, at: datetime, traceparent: str | None) -> bool:
    """Write a new demand and tell of it; False if its id is taken."""
    columns = _POSTED.split(", ")
    values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    done = await connection.fetchval(
        f"INSERT INTO demand ({_POSTED}, posted_at, changed_at) VALUES ({values}, ${len(columns) + 1},"
        f" ${len(columns) + 1}) ON CONFLICT (demand_id) DO NOTHING RETURNING true",
        *(getattr(posted, name) for name in columns),
        at,
    )
    if done is None:
        return False
    await _tell(connection, (posted,), at, traceparent)
    return True


async def lock(connection: Connection, demand_id: str, acting_for: str) -> Known | None:
    """Lock a demand's row, then read what its commands need; None if there is none."""
    found = await lock_all(connection, [demand_id])
    if not found:
        return None
    demand = found[demand_id]
    row = await connection.fetchrow(
        "SELECT acts_for($1, $2) AS own, array(SELECT claim_id FROM claim WHERE demand_id = $3"
        " AND status = 'confirmed' AND acts_for($1, provider_id)) AS claims",
        acting_for,
        demand.venue_id,
        demand_id,
    )
    assert row is not None
    return Known(demand, row["own"], frozenset(row["claims"]))


async def lock_all(connection: Connection, demand_ids: Sequence[str]) -> dict[str, Demand]:
    """Lock demands' rows, in the order of their ids, then read them with their live claims."""
    rows = await connection.fetch(
        "SELECT demand_id, venue_id, places_wanted, wanted_until, state, claimed_at FROM demand"
        " WHERE demand_id = ANY($1::text[]) ORDER BY demand_id FOR UPDATE",
        demand_ids,
    )
    # Statements of their own: they see what was committed while the locks were waited for.
    live = await connection.fetch(
        f"SELECT {CLAIM} FROM claim WHERE demand_id = ANY($1::text[]) AND status = 'confirmed'"
        " ORDER BY decided_at, claim_id",
        demand_ids,
    )
    undecided = await connection.fetch(
        "SELECT demand_id, count(*)::int AS n FROM claim WHERE demand_id = ANY($1::text[]) AND status = 'requested'"
        " GROUP BY demand_id",
        demand_ids,
    )
    waiting: dict[str, int] = {row["demand_id"]: row["n"] for row in undecided}
    return {
        row["demand_id"]: Demand(
            demand_id=row["demand_id"],
            venue_id=row["venue_id"],
            places_wanted=row["places_wanted"],
            wanted_until=row["wanted_until"],
            state=row["state"],
            live=tuple(claim_of(one) for one in live if one["demand_id"] == row["demand_id"]),
            undecided=waiting.get(row["demand_id"], 0),
            claimed_at=row["claimed_at"],
        )
        for row in rows
    }


async def claims_of(connection: Connection, claim_ids: Sequence[str]) -> dict[str, Claim]:
    """Claims by id; their demands' rows are locked."""
    rows = await connection.fetch(f"SELECT {CLAIM} FROM claim WHERE claim_id = ANY($1::text[])", claim_ids)
    return {row["claim_id"]: claim_of(row) for row in rows}


async def insert_claim(connection: Connection, claim: Claim, demand_id: str, at: datetime) -> None:
    """Write a claim that is asked for."""
    await connection.execute(
        "INSERT INTO claim (claim_id, demand_id, provider_id, provider_name, status, requested_at,"
        " requested_by_subject, requested_by_organization) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        claim.claim_id,
        demand_id,
        claim.provider_id,
        claim.provider_name,
        claim.status,
        at,
        claim.requested_by.subject,
        claim.requested_by.organization_id,
    )


async def write(connection: Connection, change: Change, at: datetime, traceparent: str | None) -> None:
    """Write what a command came to, and tell of it. Nothing changed, nothing is written."""
    if change.claim is not None and change.claim.status != "requested":
        await update_claims(connection, [change.claim])
    await tell(connection, change, at, traceparent)


async def tell(connection: Connection, change: Change, at: datetime, traceparent: str | None) -> None:
    """Write a change but for its claim, and its events."""
    if change.events:
        await _update_demand(connection, change, at)
        await _tell(connection, change.events, at, traceparent)


async def _update_demand(connection: Connection, change: Change, at: datetime) -> None:
    """Write a demand's state, and what the end of its life leaves."""
    closing = change.closing
    done = closing if isinstance(closing, DemandFulfilled) else None
    await connection.execute(
        """
        UPDATE demand SET state = $2, changed_at = $3, withdrawn_reason = coalesce($4, withdrawn_reason),
            rating = coalesce($5, rating), residents_served = coalesce($6, residents_served),
            comment = coalesce($7, comment), claimed_at = $8
        WHERE demand_id = $1
        """,
        change.demand.demand_id,
        change.demand.state,
        at,
        closing.reason if isinstance(closing, DemandWithdrawn) else None,
        done.rating if done else None,
        done.residents_served if done else None,
        done.comment if done else None,
        change.demand.claimed_at,
    )


async def update_claims(connection: Connection, claims: Sequence[Claim]) -> None:
    """Write claims as they are now."""
    await connection.executemany(
        """
        UPDATE claim SET status = $2, decided_at = $3, reason = $4, reason_zh = $5, reason_en = $6, winner_id = $7,
            winner_name = $8, lease_until = $9, scheduled_at = $10, place = $11, note = $12, ending = $13,
            ended_by_subject = $14, ended_by_organization = $15, explanation = $16
        WHERE claim_id = $1
        """,
        [
            (
                one.claim_id,
                one.status,
                one.decided_at,
                one.reason,
                one.reason_zh,
                one.reason_en,
                one.winner_id,
                one.winner_name,
                one.lease_until,
                one.scheduled_at,
                one.place,
                one.note,
                one.ending,
                one.ended_by.subject if one.ended_by else None,
                one.ended_by.organization_id if one.ended_by else None,
                one.explanation,
            )
            for one in claims
        ],
    )


async def _tell(connection: Connection, events: Sequence[DemandEvent], at: datetime, traceparent: str | None) -> None:
    if not events:
        return
    await outbox.add(connection, events, source=SOURCE, traceparent=traceparent)
    await connection.executemany(
        "INSERT INTO timeline (demand_id, at, type, organization_id, data) VALUES ($1, $2, $3, $4, $5)",
        [(one.demand_id, at, one.type, one.actor.organization_id, encode_data(one)) for one in events],
    )


async def overdue(connection: Connection, at: datetime) -> list[str]:
    """Some demands that nobody has, nor asks for, though their time has passed."""
    rows = await connection.fetch(
        "SELECT demand_id FROM demand AS d WHERE state = 'open' AND wanted_until <= $1 AND NOT EXISTS (SELECT FROM"
        " claim AS c WHERE c.demand_id = d.demand_id AND c.status IN ('requested', 'confirmed'))"
        " ORDER BY wanted_until LIMIT 200",
        at,
    )
    return [row["demand_id"] for row in rows]


def claim_of(row: asyncpg.Record) -> Claim:
    """A claim's row (CLAIM) as commands see it."""
    ended_by = row["ended_by_subject"]
    return Claim(
        claim_id=row["claim_id"],
        provider_id=row["provider_id"],
        provider_name=row["provider_name"],
        status=row["status"],
        requested_by=Actor(subject=row["requested_by_subject"], organization_id=row["requested_by_organization"]),
        decided_at=row["decided_at"],
        reason=row["reason"],
        reason_zh=row["reason_zh"],
        reason_en=row["reason_en"],
        winner_id=row["winner_id"],
        winner_name=row["winner_name"],
        lease_until=row["lease_until"],
        scheduled_at=row["scheduled_at"],
        place=row["place"],
        note=row["note"],
        ending=row["ending"],
        ended_by=Actor(subject=ended_by, organization_id=row["ended_by_organization"]) if ended_by else None,
        explanation=row["explanation"],
    )
