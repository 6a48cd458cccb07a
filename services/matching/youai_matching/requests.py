"""All SQL of the door: requests and cancellations kept before they go into the log, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from youai_runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Command:
    """A request or a cancellation, as one row before it is appended. `data` is the record's value.

    `booking_id` is the request that a cancellation cancels; None for a request.
    """

    request_id: str
    kind: str
    slot_id: str
    partition: int
    booking_id: str | None
    organization_id: str
    venue_id: str
    party_size: int
    body_hash: bytes
    data: bytes
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the door asks of its database about a booking, in one question.

    `venue_kind` is None for a venue that is not known; `in_scope` is true if the venue is the organization or below
    it; `phase` is None for a slot whose opening was not read back; `body_hash` is that of the key's first use.
    """

    venue_kind: str | None
    town: str
    in_scope: bool
    phase: str | None
    capacity: int
    opens_at: int
    closes_at: int
    body_hash: bytes | None


_ABOVE = """
WITH RECURSIVE above AS (
    SELECT organization_id, parent_id, 0 AS depth FROM organization WHERE organization_id = $1
    UNION ALL
    SELECT o.organization_id, o.parent_id, above.depth + 1
    FROM organization AS o JOIN above ON o.organization_id = above.parent_id WHERE above.depth < 16
)
"""


async def facts(connection: Connection, *, venue_id: str, organization_id: str, slot_id: str, request_id: str) -> Facts:
    """What is known of a venue, a slot and a request's id."""
    row = await connection.fetchrow(
        _ABOVE
        + """
        SELECT v.kind, coalesce(v.town, '') AS town, $1 = $2 OR EXISTS (SELECT FROM above WHERE organization_id = $2)
            AS in_scope, s.phase, s.capacity, s.opens_at, s.closes_at, r.body_hash
        FROM (SELECT 1) AS one
        LEFT JOIN organization AS v ON v.organization_id = $1
        LEFT JOIN slot AS s ON s.slot_id = $3 AND s.kind = 'session'
        LEFT JOIN request AS r ON r.request_id = $4
        """,
        venue_id,
        organization_id,
        slot_id,
        request_id,
    )
    assert row is not None
    return _facts(row)


def _facts(row: asyncpg.Record) -> Facts:
    return Facts(
        venue_kind=row["kind"],
        town=row["town"],
        in_scope=row["in_scope"],
        phase=row["phase"],
        capacity=row["capacity"] or 0,
        opens_at=row["opens_at"] or 0,
        closes_at=row["closes_at"] or 0,
        body_hash=row["body_hash"],
    )


async def many_facts(
    connection: Connection, organization_id: str, asked: Sequence[tuple[str, str, str]]
) -> list[Facts]:
    """The same for many at once: venue, slot and request ids; in their order."""
    rows = await connection.fetch(
        """
        WITH RECURSIVE below AS (
            SELECT organization_id FROM organization WHERE organization_id = $1
            UNION
            SELECT o.organization_id FROM organization AS o JOIN below ON o.parent_id = below.organization_id
        )
        SELECT v.kind, coalesce(v.town, '') AS town,
            a.venue_id = $1 OR a.venue_id IN (SELECT organization_id FROM below) AS in_scope,
            s.phase, s.capacity, s.opens_at, s.closes_at, r.body_hash
        FROM unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS a (venue_id, slot_id, request_id, number)
        LEFT JOIN organization AS v ON v.organization_id = a.venue_id
        LEFT JOIN slot AS s ON s.slot_id = a.slot_id AND s.kind = 'session'
        LEFT JOIN request AS r ON r.request_id = a.request_id
        ORDER BY a.number
        """,
        organization_id,
        *(list(column) for column in zip(*asked, strict=True)),
    )
    return [_facts(row) for row in rows]


async def in_scope(connection: Connection, organization_id: str, target_id: str) -> bool:
    """True if `target_id` is the organization or below it."""
    if organization_id == target_id:
        return True
    found: bool = await connection.fetchval(
        _ABOVE + "SELECT EXISTS (SELECT FROM above WHERE organization_id = $2)", target_id, organization_id
    )
    return found


async def insert(connection: Connection, command: Command) -> bytes | None:
    """Store a command. None if it is new, else the body hash of the one that has its id."""
    row = await connection.fetchval(
        """
        INSERT INTO request (request_id, kind, slot_id, partition, booking_id, organization_id, venue_id, party_size,
            body_hash, data, traceparent)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (request_id) DO NOTHING RETURNING true
        """,
        command.request_id,
        command.kind,
        command.slot_id,
        command.partition,
        command.booking_id,
        command.organization_id,
        command.venue_id,
        command.party_size,
        command.body_hash,
        command.data,
        command.traceparent,
    )
    if row:
        return None
    found: bytes = await connection.fetchval("SELECT body_hash FROM request WHERE request_id = $1", command.request_id)
    return found


async def insert_many(connection: Connection, commands: Sequence[Command]) -> set[str]:
    """Store commands, all or none; returns the ids of those that are new."""
    rows = [
        (
            c.request_id,
            c.kind,
            c.slot_id,
            c.partition,
            c.booking_id,
            c.organization_id,
            c.venue_id,
            c.party_size,
            c.body_hash,
            c.data,
            c.traceparent,
        )
        for c in commands
    ]
    found = await connection.fetch(
        """
        INSERT INTO request (request_id, kind, slot_id, partition, booking_id, organization_id, venue_id, party_size,
            body_hash, data, traceparent)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
            $8::int[], $9::bytea[], $10::bytea[], $11::text[])
        ON CONFLICT (request_id) DO NOTHING RETURNING request_id
        """,
        *(list(column) for column in zip(*rows, strict=True)),
    )
    return {row["request_id"] for row in found}


async def booking(connection: Connection, request_id: str) -> asyncpg.Record | None:
    """A booking request with its state, its last decision, and its live place in the queue; None if unknown."""
    return await connection.fetchrow(
        """
        SELECT r.request_id, r.slot_id, r.venue_id, r.party_size, r.created_at, r.partition,
            coalesce(b.status, 'received') AS status, receipt.why AS refused, receipt.kind AS receipt,
            (SELECT array_agg(d.data ORDER BY d.log_offset, d.index) FROM decision AS d
                WHERE d.request_id = r.request_id) AS decisions,
            CASE WHEN b.status = 'waitlisted' THEN (
                SELECT ARRAY[count(*), coalesce(sum(q.party_size), 0)] FROM booking AS q
                WHERE q.slot_id = b.slot_id AND q.status = 'waitlisted'
                    AND (q.second, q.rank, q.log_offset) < (b.second, b.rank, b.log_offset)
            ) END AS before
        FROM request AS r
        LEFT JOIN booking AS b ON b.slot_id = r.slot_id AND b.request_id = r.request_id
        LEFT JOIN receipt ON receipt.slot_id = r.slot_id AND receipt.record_id = r.request_id
            AND receipt.kind <> 'repeat'
        WHERE r.request_id = $1 AND r.kind = 'booking'
        """,
        request_id,
    )


async def slot(connection: Connection, slot_id: str) -> asyncpg.Record | None:
    """A slot's live state; None if its opening was not read back."""
    return await connection.fetchrow("SELECT * FROM slot WHERE slot_id = $1 AND kind = 'session'", slot_id)


async def settle(connection: Connection) -> None:
    """Mark requests that have a receipt, so that the sweeper need not look at them again."""
    await connection.execute(
        """
        UPDATE request SET settled = true WHERE request_id IN (
            SELECT r.request_id FROM request AS r JOIN receipt USING (slot_id)
            WHERE receipt.record_id = r.request_id AND NOT r.settled LIMIT 5000)
        """
    )


async def undecided(connection: Connection, older_than_s: float, partitions: Sequence[int]) -> list[asyncpg.Record]:
    """Requests of `partitions` appended longer ago than that and without a receipt, oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT r.request_id, r.kind, r.slot_id, r.partition, r.data, r.traceparent FROM request AS r
        WHERE NOT r.settled AND r.appended_at < now() - make_interval(secs => $1) AND r.partition = ANY($2::int[])
            AND NOT EXISTS (SELECT FROM receipt WHERE receipt.slot_id = r.slot_id AND receipt.record_id = r.request_id)
        ORDER BY r.appended_at LIMIT 2000
        """,
        older_than_s,
        list(partitions),
    )
    return rows


async def appended(connection: Connection, request_ids: Sequence[str]) -> None:
    """Note that requests were appended just now."""
    await connection.execute(
        "UPDATE request SET appended_at = now() WHERE request_id = ANY($1::text[])", list(request_ids)
    )


async def next_offsets(connection: Connection, lane: str) -> dict[int, int]:
    """How far a lane has come, by partition."""
    rows = await connection.fetch("SELECT partition, next_offset FROM lane_progress WHERE lane = $1", lane)
    return {row["partition"]: row["next_offset"] for row in rows}


async def due_timers(connection: Connection, now_ms: int, again_after_s: float) -> list[asyncpg.Record]:
    """Timers that are due and were not appended of late, earliest first."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT slot_id, kind, subject, due_at, partition FROM timer
        WHERE due_at <= $1 AND (appended_at IS NULL OR appended_at < now() - make_interval(secs => $2))
        ORDER BY due_at LIMIT 2000
        """,
        now_ms,
        again_after_s,
    )
    return rows


async def timers_appended(connection: Connection, timers: Sequence[asyncpg.Record]) -> None:
    """Note that timers were appended just now."""
    await connection.executemany(
        "UPDATE timer SET appended_at = now() WHERE slot_id = $1 AND kind = $2 AND subject = $3 AND due_at = $4",
        [(t["slot_id"], t["kind"], t["subject"], t["due_at"]) for t in timers],
    )
