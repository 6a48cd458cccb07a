"""All SQL of importing offers: their providers, what was imported before, many offers in one statement."""

from collections.abc import Collection, Sequence
from typing import Any

import asyncpg
import msgspec
from youai_runtime.database import Connection

_OFFER = "offer_id, provider_id, provider_name, category, title, description, towns, audience, mode"


async def lock_providers(
    connection: Connection, acting_for: str, provider_ids: Sequence[str]
) -> dict[str, asyncpg.Record]:
    """Name, kind, and whether it is the acting organization's (`own`), by id; imports for them wait until the end.

    `provider_ids` are sorted, so that two imports do not wait for each other.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('import ' || id, 0)) FROM unnest($1::text[]) AS given (id)",
        provider_ids,
    )
    rows = await connection.fetch(
        "SELECT organization_id, name, kind, acts_for($1, organization_id) AS own FROM organization"
        " WHERE organization_id = ANY($2::text[])",
        acting_for,
        provider_ids,
    )
    return {row["organization_id"]: row for row in rows}


async def imported(connection: Connection, ids: Sequence[str]) -> dict[str, bytes]:
    """What a file said of each of these that a file brought."""
    rows = await connection.fetch("SELECT id, said FROM imported WHERE id = ANY($1::text[])", ids)
    return {row["id"]: row["said"] for row in rows}


async def note_imported(connection: Connection, said: Sequence[tuple[str, bytes]]) -> None:
    """Keep what the file said, by id."""
    await connection.copy_records_to_table("imported", columns=("id", "said"), records=said)


async def lock_offers(connection: Connection, offer_ids: Sequence[str]) -> dict[str, str]:
    """States of offers; a withdrawal of them waits for this transaction's end."""
    rows = await connection.fetch(
        "SELECT offer_id, state FROM offer WHERE offer_id = ANY($1::text[]) ORDER BY offer_id FOR SHARE", offer_ids
    )
    return {row["offer_id"]: row["state"] for row in rows}


async def insert_offers(connection: Connection, offers: Sequence[dict[str, Any]]) -> Collection[str]:
    """Write new offers; returns the ids that are taken: then the caller must roll back."""
    rows = await connection.fetch(
        f"""
        INSERT INTO offer ({_OFFER}) SELECT {_OFFER} FROM jsonb_to_recordset($1::jsonb) AS wanted (
            offer_id text, provider_id text, provider_name text, category text, title text, description text,
            towns text[], audience text, mode text)
        ORDER BY offer_id ON CONFLICT (offer_id) DO NOTHING RETURNING offer_id
        """,
        msgspec.json.encode(offers).decode(),
    )
    return {offer["offer_id"] for offer in offers} - {row["offer_id"] for row in rows}
