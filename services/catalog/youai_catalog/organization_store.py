"""All SQL on organizations. Every function works in the caller's transaction."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg
from youai_runtime.database import Connection

from youai_catalog.domain import DEPTH, Known, Organization, Row
from youai_catalog.forms import OrganizationsQuery

_TREE_LOCK = 7_119_201
_COLUMNS = "organization_id, parent_id, kind, level, name, town, categories"


def _organization(row: asyncpg.Record) -> Organization:
    return Organization(
        organization_id=row["organization_id"],
        parent_id=row["parent_id"],
        kind=row["kind"],
        level=row["level"],
        name=row["name"],
        town=row["town"],
        categories=tuple(row["categories"]),
    )


async def lock_tree(connection: Connection) -> None:
    """Let one transaction at a time write organizations: the rules of a tree span its rows. Held until it ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _TREE_LOCK)


async def known(connection: Connection, rows: Sequence[Row]) -> Known:
    """What stands already of what `rows` touch: themselves, their parents, and everything above."""
    ids = {row.organization.organization_id for row in rows}
    touched = ids | {row.organization.parent_id for row in rows if row.organization.parent_id}
    found = await connection.fetch(
        f"""
        WITH RECURSIVE up (id, depth) AS (
            SELECT id, 1 FROM unnest($1::text[]) AS touched (id)
            UNION
            SELECT o.parent_id, up.depth + 1 FROM organization AS o JOIN up ON o.organization_id = up.id
            WHERE o.parent_id IS NOT NULL AND up.depth < {DEPTH}
        )
        SELECT {_COLUMNS} FROM organization WHERE organization_id IN (SELECT id FROM up)
        """,
        list(touched),
    )
    parents = await connection.fetch(
        "SELECT DISTINCT parent_id FROM organization WHERE parent_id = ANY($1::text[])", list(ids)
    )
    root = await connection.fetchval("SELECT organization_id FROM organization WHERE parent_id IS NULL")
    return Known(
        {row["organization_id"]: _organization(row) for row in found},
        frozenset(row["parent_id"] for row in parents),
        root,
    )


async def register(connection: Connection, organizations: Sequence[Organization]) -> set[str]:
    """Write whole states, parents first; returns the ids of those that are new or changed."""
    changed = await connection.fetch(
        f"""
        INSERT INTO organization AS o ({_COLUMNS})
        SELECT id, parent_id, kind, level, name, town, string_to_array(categories, ';')
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
            AS wanted (id, parent_id, kind, level, name, town, categories)
        ON CONFLICT (organization_id) DO UPDATE
        SET parent_id = excluded.parent_id, kind = excluded.kind, level = excluded.level, name = excluded.name,
            town = excluded.town, categories = excluded.categories, updated_at = now()
        WHERE (o.parent_id, o.kind, o.level, o.name, o.town, o.categories) IS DISTINCT FROM
            (excluded.parent_id, excluded.kind, excluded.level, excluded.name, excluded.town, excluded.categories)
        RETURNING organization_id
        """,
        [one.organization_id for one in organizations],
        [one.parent_id for one in organizations],
        [one.kind for one in organizations],
        [one.level for one in organizations],
        [one.name for one in organizations],
        [one.town for one in organizations],
        [";".join(one.categories) for one in organizations],
    )
    return {row["organization_id"] for row in changed}


async def stage(connection: Connection, import_id: UUID, rows: Sequence[Row]) -> None:
    """Keep a file's rows, in their order of merging; what imports left that died over an hour ago goes."""
    await connection.execute("DELETE FROM organization_staging WHERE created_at < now() - interval '1 hour'")
    await connection.copy_records_to_table(
        "organization_staging",
        columns=["import_id", "position", "line", *_COLUMNS.split(", ")],
        records=[
            (
                import_id,
                position,
                row.number,
                row.organization.organization_id,
                row.organization.parent_id,
                row.organization.kind,
                row.organization.level,
                row.organization.name,
                row.organization.town,
                list(row.organization.categories),
            )
            for position, row in enumerate(rows)
        ],
    )


async def take_staged(connection: Connection, import_id: UUID, first: int, end: int) -> list[Row]:
    """Take the rows at positions `first` to `end` (excluded) out of the staging, in order."""
    rows = await connection.fetch(
        "DELETE FROM organization_staging WHERE import_id = $1 AND position >= $2 AND position < $3"
        f" RETURNING position, line, {_COLUMNS}",
        import_id,
        first,
        end,
    )
    rows.sort(key=lambda row: cast(int, row["position"]))
    return [Row(row["line"], _organization(row)) for row in rows]


async def unstage(connection: Connection, import_id: UUID) -> None:
    """Drop what is left of an import."""
    await connection.execute("DELETE FROM organization_staging WHERE import_id = $1", import_id)


async def one(connection: Connection, organization_id: str) -> dict[str, Any] | None:
    """An organization, or None."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM organization WHERE organization_id = $1", organization_id)
    return None if row is None else dict(row)


async def listed(connection: Connection, query: OrganizationsQuery, after: str, limit: int) -> list[dict[str, Any]]:
    """At most `limit` organizations with ids after `after`."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM organization
        WHERE organization_id > $1 AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR level = $3)
            AND ($4::text IS NULL OR town = $4) AND ($5::text IS NULL OR parent_id = $5)
        ORDER BY organization_id LIMIT $6
        """,
        after,
        query.kind,
        query.level,
        query.town,
        query.parent,
        limit,
    )
    return [dict(row) for row in rows]
