"""All SQL of the door but reservations: commands kept before they go into the log, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from msgspec import Struct
from youai_runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Command:
    """A cancellation, an answer to a hold or an override, as one row before it is appended.

    `data` is the record's value; `booking_id` is the request that it is about, None for an override that makes one.
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
class Kept:
    """A command or booking whose row is there. `is_in_the_log`: the decider has met it; else nobody knows."""

    request_id: str
    kind: str
    slot_id: str
    partition: int
    body_hash: bytes
    data: bytes
    traceparent: str | None
    is_in_the_log: bool


class Facts(Struct, frozen=True, gc=False):
    """What the door's database knows about a booking that is asked for.

    `venue_kind` is None for a venue that is not known; `in_scope` is true if the venue is the organization or below
    it; `phase` is None for a slot whose opening was not read back; `body_hash` is that of the key's first use.
    """

    venue_kind: str | None
    in_scope: bool
    phase: str | None
    capacity: int
    opens_at: int
    closes_at: int
    body_hash: bytes | None


async def in_scope(connection: Connection, organization_id: str, target_id: str) -> bool:
    """True if `target_id` is the organization or below it."""
    if organization_id == target_id:
        return True
    found: bool = await connection.fetchval("SELECT is_within($1, $2)", organization_id, target_id)
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


async def kept(connection: Connection, request_ids: Sequence[str]) -> dict[str, Kept]:
    """Those of the commands and bookings that are kept, by id."""
    rows = await connection.fetch(
        """
        SELECT r.request_id, r.kind, r.slot_id, r.partition, r.body_hash, r.data, r.traceparent, r.settled OR EXISTS (
            SELECT FROM receipt WHERE receipt.slot_id = r.slot_id AND receipt.record_id = r.request_id) AS is_in_the_log
        FROM request AS r WHERE r.request_id = ANY($1::text[])
        """,
        list(request_ids),
    )
    return {row["request_id"]: Kept(**row) for row in rows}


async def booking(connection: Connection, request_id: str) -> asyncpg.Record | None:
    """A booking request with its state, its decisions, and its live place in the queue; None if unknown."""
    return await connection.fetchrow(
        """
        SELECT r.request_id, r.slot_id, r.venue_id, r.party_size, r.created_at, r.partition,
            coalesce(b.status, 'received') AS status, receipt.why AS refused, receipt.kind AS receipt,
            (SELECT due_at FROM timer AS t WHERE t.slot_id = r.slot_id AND t.kind = 'hold' AND t.subject = r.request_id)
                AS hold_until,
            b.log_offset, coalesce(b.lapses, 0) AS lapses, coalesce(b.passes, 0) AS passes,
            CASE WHEN b.second THEN (SELECT due_at FROM timer AS t WHERE t.slot_id = r.slot_id AND t.kind = 'class') END
                AS second_until,
            (SELECT array_agg(d.data ORDER BY d.log_offset, d.index) FROM decision AS d
                WHERE d.request_id = r.request_id) AS decisions,
            CASE WHEN b.status = 'waitlisted' THEN (
                SELECT ARRAY[count(*), coalesce(sum(q.party_size), 0)] FROM booking AS q
                WHERE q.slot_id = b.slot_id AND q.status = 'waitlisted' AND (q.second, q.rank) < (b.second, b.rank)
            ) END AS before
        FROM request AS r
        LEFT JOIN booking AS b ON b.slot_id = r.slot_id AND b.request_id = r.request_id
        LEFT JOIN receipt ON receipt.slot_id = r.slot_id AND receipt.record_id = r.request_id
            AND receipt.kind <> 'repeat'
        WHERE r.request_id = $1 AND (r.kind = 'booking' OR r.kind = 'override' AND r.booking_id IS NULL)
        """,
        request_id,
    )


async def is_decided(connection: Connection, slot_id: str, request_id: str) -> bool:
    """Whether a booking was answered at all: an outcome, or that it is in the draw."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM booking WHERE slot_id = $1 AND request_id = $2)", slot_id, request_id
    )
    return found


async def state_since(connection: Connection, request_id: str) -> int | None:
    """The sequence of the decision that gave a booking its present state; None if it is not decided."""
    found: int | None = await connection.fetchval(
        "SELECT b.since FROM request AS r JOIN booking AS b USING (slot_id, request_id) WHERE r.request_id = $1",
        request_id,
    )
    return found


async def slot(connection: Connection, slot_id: str) -> asyncpg.Record | None:
    """A slot's live state, with its seed once it was drawn; None if its opening was not read back."""
    return await connection.fetchrow(
        """
        SELECT s.*, CASE WHEN s.draw = 'drawn' THEN (SELECT seed FROM slot_rule AS c WHERE c.slot_id = s.slot_id) END
            AS seed
        FROM slot AS s WHERE s.slot_id = $1 AND s.kind = 'session'
        """,
        slot_id,
    )


async def override_facts(
    connection: Connection, organization_id: str, slot_id: str, venue_id: str, request_id: str | None
) -> asyncpg.Record:
    """What the door knows about an override: the venue, the slot, and the venue's request in it.

    `request_id` None means the live one, if any.
    """
    row = await connection.fetchrow(
        """
        SELECT v.kind AS venue_kind, coalesce(v.town, '') AS town, is_within($1, $3) AS in_scope,
            s.phase, s.capacity, s.taken, s.rule_version, b.request_id, b.status, b.party_size
        FROM (SELECT 1) AS one
        LEFT JOIN organization AS v ON v.organization_id = $3
        LEFT JOIN slot AS s ON s.slot_id = $2 AND s.kind = 'session'
        LEFT JOIN booking AS b ON b.slot_id = $2 AND b.venue_id = $3 AND CASE WHEN $4::text IS NULL
            THEN b.status IN ('entered', 'waitlisted', 'promoted', 'confirmed') ELSE b.request_id = $4 END
        LIMIT 1
        """,
        organization_id,
        slot_id,
        venue_id,
        request_id,
    )
    assert row is not None
    return row


async def add_commands(connection: Connection, commands: Sequence[Command]) -> list[Command]:
    """Store commands in the transaction at hand; returns those that are new."""
    return [command for command in commands if await insert(connection, command) is None]


async def awaited_draws(connection: Connection) -> list[asyncpg.Record]:
    """Slots whose window has ended and that were not drawn, with the seed that was stored for them, if there is one."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT s.slot_id, s.partition, s.seed_hash, c.seed FROM slot AS s LEFT JOIN slot_rule AS c USING (slot_id)
        WHERE s.draw = 'awaited' ORDER BY s.slot_id LIMIT 2000
        """
    )
    return rows


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


async def now_ms(connection: Connection) -> int:
    """What time it is by the database's clock, which all workers share, in ms."""
    found: int = await connection.fetchval("SELECT (extract(epoch FROM now()) * 1000)::bigint")
    return found


async def due_timers(connection: Connection, now_ms: int, again_after_s: float) -> list[asyncpg.Record]:
    """Timers that are due and were not appended of late, earliest first; closing before others of the same time."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT slot_id, kind, subject, due_at, partition FROM timer
        WHERE due_at <= $1 AND (appended_at IS NULL OR appended_at < now() - make_interval(secs => $2))
        ORDER BY due_at, kind <> 'closing' LIMIT 2000
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
