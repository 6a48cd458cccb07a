"""All SQL of what matching keeps beside the decisions: slots' rule versions and seeds, organizations."""

from collections.abc import Mapping, Sequence

from youai_runtime.database import Connection


async def pick_rules(
    connection: Connection, seeds: Mapping[str, str | None], rule_version: str
) -> dict[str, tuple[str, str | None]]:
    """Choose the rule version of new slots, and the seed of those that draw, once for each slot.

    `seeds`: by slot, 32 bytes in hex, None without a draw. Returns version and seed by slot: what was chosen before
    stands, and it is stored before anybody is told of it.
    """
    await connection.execute(
        """
        INSERT INTO slot_rule (slot_id, rule_version, seed)
        SELECT s, $3, d FROM unnest($1::text[], $2::text[]) AS n (s, d) ON CONFLICT DO NOTHING
        """,
        list(seeds),
        list(seeds.values()),
        rule_version,
    )
    rows = await connection.fetch(
        "SELECT slot_id, rule_version, seed FROM slot_rule WHERE slot_id = ANY($1::text[])", list(seeds)
    )
    return {row["slot_id"]: (row["rule_version"], row["seed"]) for row in rows}


async def put_organizations(connection: Connection, rows: Sequence[tuple[str, str | None, str, str, str, str]]) -> None:
    """Insert or replace organizations: id, parent, kind, level, name, town."""
    await connection.executemany(
        """
        INSERT INTO organization (organization_id, parent_id, kind, level, name, town) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (organization_id) DO UPDATE SET parent_id = excluded.parent_id, kind = excluded.kind,
            level = excluded.level, name = excluded.name, town = excluded.town
        """,
        rows,
    )
