"""All SQL of what notify knows of that which notifications are about, and of what waits to be known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from youai_contracts.events import OrganizationRegistered
from youai_runtime.database import Connection

from youai_notify.domain.known import Claim, Demand, Session


@dataclass(frozen=True, slots=True)
class Held:
    """A decision that owes a notification and whose subject was not read yet, as it stood in its log."""

    topic: str
    ce_id: str
    partition: int
    log_offset: int
    subject_id: str
    type: str
    value: bytes
    at: datetime
    traceparent: str | None


async def put_organizations(connection: Connection, organizations: Iterable[OrganizationRegistered]) -> None:
    """Write organizations' states."""
    await connection.executemany(
        """
        INSERT INTO organization (organization_id, parent_id, level, name, categories) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (organization_id) DO UPDATE SET parent_id = excluded.parent_id, level = excluded.level,
            name = excluded.name, categories = excluded.categories
        """,
        [(o.organization_id, o.parent_id, o.level, o.name, list(o.categories)) for o in organizations],
    )


async def departments(connection: Connection, categories: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The departments of each category, as known now."""
    rows = await connection.fetch(
        "SELECT c AS category, array_agg(organization_id ORDER BY organization_id) AS ids"
        " FROM unnest($1::text[]) AS c JOIN organization AS o ON o.level = 'department' AND c = ANY (o.categories)"
        " GROUP BY c",
        list(categories),
    )
    return {row["category"]: tuple(row["ids"]) for row in rows}


async def put_offers(connection: Connection, titles: Mapping[str, str]) -> None:
    """Write offers' titles."""
    await connection.execute(
        "INSERT INTO offer (offer_id, title) SELECT * FROM unnest($1::text[], $2::text[])"
        " ON CONFLICT (offer_id) DO UPDATE SET title = excluded.title",
        list(titles),
        list(titles.values()),
    )


async def offer_titles(connection: Connection, offer_ids: Sequence[str]) -> dict[str, str]:
    """Offers' titles by id."""
    rows = await connection.fetch("SELECT offer_id, title FROM offer WHERE offer_id = ANY ($1::text[])", offer_ids)
    return {row["offer_id"]: row["title"] for row in rows}


async def put_sessions(connection: Connection, sessions: Mapping[str, Session]) -> None:
    """Write sessions by slot; the first that was said of a slot stands, as it does for matching."""
    await connection.execute(
        """
        INSERT INTO session (slot_id, title, starts_at, place, offer_id)
        SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[]) AS s (id) ORDER BY id
        ON CONFLICT (slot_id) DO UPDATE SET title = excluded.title, starts_at = excluded.starts_at,
            place = excluded.place, offer_id = excluded.offer_id WHERE session.title IS NULL
        """,
        list(sessions),
        [s.title for s in sessions.values()],
        [s.starts_at for s in sessions.values()],
        [s.place for s in sessions.values()],
        [s.offer_id for s in sessions.values()],
    )


async def sessions(connection: Connection, slot_ids: Sequence[str]) -> dict[str, Session]:
    """The sessions of slots. Whoever tells of one that is not known, or changes one, waits until this transaction ends.

    Known ones are locked before those that are not: whoever opens and changes sessions does so too.
    """
    found = _sessions(
        await connection.fetch(
            "SELECT * FROM session WHERE slot_id = ANY ($1::text[]) AND title IS NOT NULL ORDER BY slot_id FOR SHARE",
            slot_ids,
        )
    )
    if missing := [slot_id for slot_id in slot_ids if slot_id not in found]:
        # Locked, it is either told of already, or will be told of only after what is held for it stands here.
        rows = await connection.fetch(
            "INSERT INTO session (slot_id) SELECT id FROM unnest($1::text[]) AS id ORDER BY id"
            " ON CONFLICT (slot_id) DO UPDATE SET slot_id = excluded.slot_id RETURNING *",
            missing,
        )
        found |= _sessions(row for row in rows if row["title"] is not None)
    return found


def _sessions(rows: Iterable[Any]) -> dict[str, Session]:
    return {
        row["slot_id"]: Session(row["title"], row["starts_at"], row["place"], row["offer_id"] or "") for row in rows
    }


async def put_demands(connection: Connection, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Write demands: id, venue, its name, title."""
    await connection.execute(
        "INSERT INTO demand SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])"
        " ON CONFLICT (demand_id) DO NOTHING",
        *([row[n] for row in rows] for n in range(4)),
    )


async def demands(connection: Connection, demand_ids: Sequence[str]) -> dict[str, Demand]:
    """Demands by id."""
    rows = await connection.fetch(
        "SELECT demand_id, venue_name, title FROM demand WHERE demand_id = ANY ($1::text[])", demand_ids
    )
    return {row["demand_id"]: Demand(row["venue_name"], row["title"]) for row in rows}


async def put_claims(connection: Connection, claims: Mapping[str, tuple[str, str]]) -> None:
    """Write claims by id: their demand and their provider's name."""
    await connection.execute(
        """
        INSERT INTO claim (claim_id, demand_id, provider_name)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS c (id) ORDER BY id
        ON CONFLICT (claim_id) DO UPDATE SET demand_id = excluded.demand_id, provider_name = excluded.provider_name
            WHERE claim.demand_id IS NULL
        """,
        list(claims),
        [demand_id for demand_id, _ in claims.values()],
        [name for _, name in claims.values()],
    )


async def claims_of(connection: Connection, demand_ids: Sequence[str]) -> list[str]:
    """The ids of the claims that were made on demands."""
    rows = await connection.fetch("SELECT claim_id FROM claim WHERE demand_id = ANY ($1::text[])", demand_ids)
    return [row["claim_id"] for row in rows]


async def claims(connection: Connection, claim_ids: Sequence[str]) -> dict[str, Claim]:
    """Claims with their demands. Whoever tells of one that is not known waits until this transaction has ended."""
    found = await _claims(connection, claim_ids)
    if missing := [claim_id for claim_id in claim_ids if claim_id not in found]:
        await connection.execute(
            "INSERT INTO claim (claim_id) SELECT id FROM unnest($1::text[]) AS id ORDER BY id"
            " ON CONFLICT (claim_id) DO UPDATE SET claim_id = excluded.claim_id",
            missing,
        )
        found |= await _claims(connection, missing)
    return found


async def _claims(connection: Connection, claim_ids: Sequence[str]) -> dict[str, Claim]:
    rows = await connection.fetch(
        "SELECT claim_id, venue_id, venue_name, title, provider_name FROM claim JOIN demand USING (demand_id)"
        " WHERE claim_id = ANY ($1::text[])",
        claim_ids,
    )
    return {id_: Claim(*rest) for id_, *rest in rows}


async def put_resources(connection: Connection, titles: Mapping[str, str]) -> None:
    """Write resources' titles."""
    await connection.execute(
        "INSERT INTO resource (resource_id, title) SELECT * FROM unnest($1::text[], $2::text[])"
        " ON CONFLICT (resource_id) DO UPDATE SET title = excluded.title",
        list(titles),
        list(titles.values()),
    )


async def resources(connection: Connection, resource_ids: Sequence[str]) -> dict[str, str]:
    """Resources' titles by id."""
    rows = await connection.fetch(
        "SELECT resource_id, title FROM resource WHERE resource_id = ANY ($1::text[])", resource_ids
    )
    return {row["resource_id"]: row["title"] for row in rows}


async def hold(connection: Connection, held: Sequence[Held]) -> None:
    """Keep decisions until their subject is known."""
    await connection.executemany(
        "INSERT INTO held (topic, ce_id, partition, log_offset, subject_id, type, value, at, traceparent)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (topic, ce_id) DO NOTHING",
        [
            (h.topic, h.ce_id, h.partition, h.log_offset, h.subject_id, h.type, h.value, h.at, h.traceparent)
            for h in held
        ],
    )


async def release(connection: Connection, topic: str, subject_ids: Sequence[str]) -> list[Held]:
    """Take out what was held for these subjects, in the log's order."""
    rows = await connection.fetch(
        "DELETE FROM held WHERE topic = $1 AND subject_id = ANY ($2::text[])"
        " RETURNING topic, ce_id, partition, log_offset, subject_id, type, value, at, traceparent",
        topic,
        subject_ids,
    )
    return sorted((Held(*row) for row in rows), key=lambda held: (held.partition, held.log_offset))


async def waiting(connection: Connection) -> tuple[int, float]:
    """How many decisions are held, and for how many seconds the oldest has been."""
    row = await connection.fetchrow(
        "SELECT count(*) AS n, coalesce(extract(epoch FROM now() - min(held_at)), 0)::float8 AS age FROM held"
    )
    assert row is not None
    return row["n"], row["age"]
