"""On whose behalf a demand was posted: kept apart, shown to the posting venue and the center alone, every look logged.

Nothing personal is ever in a log line, an error, an event or a list: `reference` alone names a resident there.
"""

import secrets
from dataclasses import dataclass

from youai_runtime import logs, problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.problems import Problem

from youai_demand.forms import ResidentForm, ResidentView

log = logs.get(__name__)


def new_reference() -> str:
    """An opaque id that says nothing about anybody."""
    return f"resident-{secrets.token_hex(16)}"


async def keep(connection: Connection, reference: str, key_hash: bytes, resident: ResidentForm) -> None:
    """Write a resident, in the transaction that posts the demand."""
    await connection.execute(
        "INSERT INTO resident (reference, key_hash, name, phone, address, note) VALUES ($1, $2, $3, $4, $5, $6)",
        reference,
        key_hash,
        resident.name,
        resident.phone,
        resident.address,
        resident.note,
    )


@dataclass(frozen=True)
class _Reference:
    reference: str
    erased: bool
    allowed: bool


async def look_up(pool: Pool, who: Principal, demand_id: str) -> ResidentView:
    """The resident of a demand. The look is written down before anything is shown; so is one that is refused."""
    async with pool.acquire() as connection:
        found = await _find(connection, who, demand_id)
        outcome = "refused" if not found.allowed else "gone" if found.erased else "shown"
        await _note(connection, who, demand_id, found.reference, outcome)
        if not found.allowed:
            raise _not_yours()
        row = await connection.fetchrow(
            "SELECT name, phone, address, note FROM resident WHERE reference = $1 AND erased_at IS NULL",
            found.reference,
        )
    if row is None:
        raise Problem(410, "erased", "居民信息已删除。", "The resident's data were erased.")
    return ResidentView(on_behalf=found.reference, **row)


async def erase(pool: Pool, who: Principal, demand_id: str) -> None:
    """Erase the resident of a demand; the reference stays. Erased already: nothing happens."""
    async with pool.acquire() as connection, connection.transaction():
        found = await _find(connection, who, demand_id)
        if found.allowed:
            # What the call's key remembers of its body would tell whether a guess at the person is right.
            await connection.execute(
                "UPDATE idempotency SET body_hash = '' WHERE key_hash = (SELECT key_hash FROM resident"
                " WHERE reference = $1)",
                found.reference,
            )
            await connection.execute(
                "UPDATE resident SET name = NULL, phone = NULL, address = NULL, note = NULL, erased_at = now()"
                " WHERE reference = $1 AND erased_at IS NULL",
                found.reference,
            )
        await _note(connection, who, demand_id, found.reference, "erased" if found.allowed else "refused")
    if not found.allowed:
        raise _not_yours()


async def _find(connection: Connection, who: Principal, demand_id: str) -> _Reference:
    row = await connection.fetchrow(
        "SELECT d.venue_id, d.on_behalf, r.erased_at IS NOT NULL AS erased, acts_for($2, d.venue_id) AS above"
        " FROM demand AS d LEFT JOIN resident AS r ON r.reference = d.on_behalf WHERE d.demand_id = $1",
        demand_id,
        who.organization_id,
    )
    if row is None:
        raise problems.not_found("需求", "demand")
    if row["on_behalf"] is None:
        raise problems.not_found("居民", "resident: the demand was not posted on anybody's behalf")
    own = row["venue_id"] == who.organization_id and bool(who.roles & {"collector", "venue-staff"})
    return _Reference(row["on_behalf"], row["erased"], own or (row["above"] and "center" in who.roles))


async def _note(connection: Connection, who: Principal, demand_id: str, reference: str, outcome: str) -> None:
    await connection.execute(
        "INSERT INTO resident_access (demand_id, reference, subject, organization_id, outcome)"
        " VALUES ($1, $2, $3, $4, $5)",
        demand_id,
        reference,
        who.subject,
        who.organization_id,
        outcome,
    )
    log.info(
        "resident-access",
        demand_id=demand_id,
        reference=reference,
        subject=who.subject,
        organization_id=who.organization_id,
        outcome=outcome,
    )


def _not_yours() -> Problem:
    return problems.forbidden(
        "只有发布单位和指导中心可以查看或删除居民信息；本次尝试已记录。",
        "The posting venue and the guidance center alone may do this; the attempt was logged.",
    )
