"""Registering organizations, one or a whole file: checked as a tree, written in short transactions."""

import asyncio
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from youai_contracts.events import Actor, OrganizationRegistered
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.problems import Problem

from youai_catalog import csv_rows, domain, organization_store, sheets, writes
from youai_catalog.domain import Known, Organization, Row, RowFault

CHUNK = 500
"""Organizations merged in one transaction."""


@dataclass
class Refused(Exception):
    """What is wrong with what was to be registered; nothing of it was written."""

    faults: list[RowFault]


async def register(pool: Pool, who: Principal, organization: Organization) -> bool:
    """Write one organization's whole state; True if it is new. Raises Refused."""
    rows = [Row(1, organization)]
    async with pool.acquire() as connection, connection.transaction():
        await organization_store.lock_tree(connection)
        known = await organization_store.known(connection, rows)
        faults = domain.tree_faults(rows, known, _scope(who, known))
        if faults:
            raise Refused(faults)
        await _write(connection, who, rows)
    return organization.organization_id not in known.organizations


async def import_file(pool: Pool, who: Principal, body: bytes, *, excel: bool = False) -> tuple[int, int]:
    """Register all organizations of a CSV file, or of an Excel one.

    Returns how many are new or changed, and how many were so already.

    All rows are checked before any is merged (raises Refused). Merging goes by chunks, parents first, so that no
    transaction lasts; a death in between leaves a tree, and importing again writes the rest.
    """
    parsed = await asyncio.to_thread(_parse_excel if excel else csv_rows.parse, body)
    rows = domain.in_merge_order(parsed.rows)
    import_id = uuid.uuid4()
    async with pool.acquire() as connection:
        async with connection.transaction():
            await organization_store.stage(connection, import_id, rows)
        known = await organization_store.known(connection, rows)
        scope = _scope(who, known)
        faults = parsed.faults + await asyncio.to_thread(domain.tree_faults, rows, known, scope, parsed.unread)
        if faults:
            await organization_store.unstage(connection, import_id)
            raise Refused(sorted(faults, key=lambda fault: fault.row))
    imported = 0
    for first in range(0, len(rows), CHUNK):
        end = min(first + CHUNK, len(rows))
        async with pool.acquire() as connection, connection.transaction():
            imported += await _merge(connection, who, scope, import_id, first, end)
    return imported, len(rows) - imported


def _parse_excel(body: bytes) -> csv_rows.Parsed:
    return csv_rows.parse_rows(sheets.rows(body))


async def _merge(
    connection: Connection, who: Principal, scope: str | None, import_id: uuid.UUID, first: int, end: int
) -> int:
    await organization_store.lock_tree(connection)
    rows = await organization_store.take_staged(connection, import_id, first, end)
    # Once more, under the lock: somebody else may have changed the tree since the whole file was checked.
    known = await organization_store.known(connection, rows)
    if len(rows) != end - first or domain.tree_faults(rows, known, scope):
        raise Problem(
            409,
            "tree-changed",
            "导入期间单位树被他人更改，请重新导入一次。",
            "Somebody changed the organizations while this was imported. Import the file again.",
        )
    return len(await _write(connection, who, rows))


def _scope(who: Principal, known: Known) -> str | None:
    """The organization below which the caller may write.

    None in an empty city: somebody has to register the first organization, the center, and no organization stands
    yet that a token could be of; hence role center or platform may, whatever its organization.
    """
    return None if known.root is None else who.organization_id


async def _write(connection: Connection, who: Principal, rows: Sequence[Row]) -> Collection[str]:
    changed = await organization_store.register(connection, [row.organization for row in rows])
    actor = writes.actor(who)
    events = [_event(row.organization, actor) for row in rows if row.organization.organization_id in changed]
    await writes.add(connection, events)
    return changed


def _event(one: Organization, actor: Actor) -> OrganizationRegistered:
    return OrganizationRegistered(
        organization_id=one.organization_id,
        parent_id=one.parent_id,
        kind=one.kind,
        level=one.level,
        name=one.name,
        town=one.town,
        categories=one.categories,
        actor=actor,
    )
