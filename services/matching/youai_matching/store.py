"""All SQL of the decider: a partition's state out, a batch's decisions in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from youai_runtime.database import Connection

from youai_matching.domain.state import Decided, Request, Slot

DECIDER = "matching.decider"

_SLOT_COLUMNS = (
    "slot_id, partition, offer_id, session_id, phase, closed_for, capacity, opens_at, closes_at, starts_at, ends_at,"
    " waitlist, rule_version, time, sequence, previous_hash, taken, waiting, waiting_places, kind"
)
_UPSERT_SLOTS = f"""
INSERT INTO slot ({_SLOT_COLUMNS})
SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[], $15::bigint[],
    $16::text[], $17::int[], $18::int[], $19::bigint[], $20::text[])
ON CONFLICT (slot_id) DO UPDATE SET phase = excluded.phase, closed_for = excluded.closed_for,
    capacity = excluded.capacity, time = excluded.time, sequence = excluded.sequence,
    previous_hash = excluded.previous_hash, taken = excluded.taken, waiting = excluded.waiting,
    waiting_places = excluded.waiting_places
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a record of the slot log; ids are None where the record had none that could be read."""

    offset: int
    slot_id: str | None
    record_id: str | None
    kind: str
    original: int | None
    why: str


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision with where it came from: its source record's offset, its number among that record's decisions."""

    offset: int
    index: int
    slot_id: str
    decided: Decided
    traceparent: str | None


@dataclass(slots=True)
class Batch:
    """What a batch of records of one partition came to. `retimed` are the slots whose timers may have changed."""

    partition: int
    receipts: list[Receipt] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    touched: dict[str, Slot] = field(default_factory=dict)
    retimed: dict[str, Slot] = field(default_factory=dict)
    moved: dict[tuple[str, str], Request] = field(default_factory=dict)


async def load_slots(connection: Connection, partition: int) -> dict[str, Slot]:
    """A partition's slots with their requests, queues, seen records and pending timers."""
    slots: dict[str, Slot] = {}
    async for row in connection.cursor(f"SELECT {_SLOT_COLUMNS} FROM slot WHERE partition = $1", partition):
        slots[row["slot_id"]] = Slot(
            slot_id=row["slot_id"],
            kind=row["kind"],
            phase=row["phase"],
            capacity=row["capacity"],
            opens_at=row["opens_at"],
            closes_at=row["closes_at"],
            starts_at=row["starts_at"],
            ends_at=row["ends_at"],
            offer_id=row["offer_id"],
            session_id=row["session_id"],
            waitlist=row["waitlist"],
            rule_version=row["rule_version"],
            closed_for=row["closed_for"],
            time=row["time"],
            sequence=row["sequence"],
            previous_hash=row["previous_hash"],
            taken=row["taken"],
        )
    requests = "SELECT * FROM booking WHERE partition = $1 ORDER BY log_offset"
    async for row in connection.cursor(requests, partition, prefetch=2_000):
        slots[row["slot_id"]].restore(
            Request(
                row["request_id"], row["venue_id"], row["party_size"], row["log_offset"], row["status"], row["name"]
            )
        )
    seen = (
        "SELECT slot_id, record_id, log_offset FROM receipt"
        " WHERE partition = $1 AND kind IN ('decided', 'applied', 'ignored')"
    )
    async for row in connection.cursor(seen, partition, prefetch=2_000):
        slots[row["slot_id"]].seen[row["record_id"]] = row["log_offset"]
    timers = "SELECT slot_id, kind, subject, due_at FROM timer WHERE partition = $1"
    async for row in connection.cursor(timers, partition, prefetch=2_000):
        slots[row["slot_id"]].timers.add((row["kind"], row["subject"], row["due_at"]))
    return slots


async def write(connection: Connection, batch: Batch) -> None:
    """Write everything that a batch came to, in the transaction at hand."""
    partition = batch.partition
    await connection.copy_records_to_table(
        "receipt",
        columns=("partition", "log_offset", "slot_id", "record_id", "kind", "original", "why"),
        records=[(partition, r.offset, r.slot_id, r.record_id, r.kind, r.original, r.why) for r in batch.receipts],
    )
    if batch.decisions:
        await connection.copy_records_to_table(
            "decision",
            columns=(
                "partition",
                "log_offset",
                "index",
                "slot_id",
                "request_id",
                "type",
                "decided_at",
                "data",
                "traceparent",
            ),
            records=[
                (
                    partition,
                    d.offset,
                    d.index,
                    d.slot_id,
                    d.decided.event.request_id,
                    d.decided.event.type,
                    d.decided.event.decided_at,
                    d.decided.data,
                    d.traceparent,
                )
                for d in batch.decisions
            ],
        )
    if batch.moved:
        await _write_bookings(connection, partition, batch.moved)
    if batch.touched:
        await _write_slots(connection, partition, list(batch.touched.values()))
    if batch.retimed:
        await _write_timers(connection, partition, list(batch.retimed.values()))


async def _write_bookings(connection: Connection, partition: int, moved: dict[tuple[str, str], Request]) -> None:
    await connection.execute(
        """
        INSERT INTO booking (request_id, slot_id, partition, venue_id, party_size, log_offset, status, name)
        SELECT request_id, slot_id, $1, venue_id, party_size, log_offset, status, name
        FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::text[])
            AS moved (request_id, slot_id, venue_id, party_size, log_offset, status, name)
        ON CONFLICT (slot_id, request_id) DO UPDATE SET status = excluded.status
        """,
        partition,
        [request.request_id for request in moved.values()],
        [slot_id for slot_id, _ in moved],
        [request.venue_id for request in moved.values()],
        [request.party_size for request in moved.values()],
        [request.offset for request in moved.values()],
        [request.status for request in moved.values()],
        [request.name for request in moved.values()],
    )


async def _write_slots(connection: Connection, partition: int, slots: Sequence[Slot]) -> None:
    rows = [
        (
            s.slot_id,
            partition,
            s.offer_id,
            s.session_id,
            s.phase,
            s.closed_for,
            s.capacity,
            s.opens_at,
            s.closes_at,
            s.starts_at,
            s.ends_at,
            s.waitlist,
            s.rule_version,
            s.time,
            s.sequence,
            s.previous_hash,
            s.taken,
            len(s.queue),
            s.waiting_places,
            s.kind,
        )
        for s in slots
    ]
    await connection.execute(_UPSERT_SLOTS, *(list(column) for column in zip(*rows, strict=True)))


async def _write_timers(connection: Connection, partition: int, slots: Sequence[Slot]) -> None:
    pending = [(slot.slot_id, *timer) for slot in slots for timer in sorted(slot.timers)]
    columns: list[list[object]] = [list(column) for column in zip(*pending, strict=True)] if pending else [[]] * 4
    await connection.execute(
        """
        DELETE FROM timer WHERE slot_id = ANY($1::text[]) AND (slot_id, kind, subject, due_at)
            NOT IN (SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]))
        """,
        [slot.slot_id for slot in slots],
        *columns,
    )
    await connection.execute(
        """
        INSERT INTO timer (partition, slot_id, kind, subject, due_at)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) ON CONFLICT DO NOTHING
        """,
        partition,
        *columns,
    )


async def unpublished(
    connection: Connection, partition: int
) -> list[tuple[int, int, str, str, str, bytes, str | None]]:
    """Decisions past the partition's watermark, in order, of whole records, some thousands at a time.

    Each is offset, index, slot, type, time, data, trace.
    """
    rows = await connection.fetch(
        """
        WITH past AS (
            SELECT log_offset FROM decision
            WHERE partition = $1 AND log_offset > (
                SELECT published_offset FROM lane_progress WHERE lane = $2 AND partition = $1)
            ORDER BY log_offset LIMIT 2000)
        SELECT log_offset, index, slot_id, type, decided_at, data, traceparent FROM decision
        WHERE partition = $1 AND log_offset BETWEEN (SELECT min(log_offset) FROM past)
            AND (SELECT max(log_offset) FROM past)
        ORDER BY log_offset, index
        """,
        partition,
        DECIDER,
    )
    return [tuple(row) for row in rows]


async def raise_watermark(connection: Connection, partition: int, offset: int) -> None:
    """Note that everything decided up to `offset` is published. Losing this note costs a repeat, never a gap."""
    await connection.execute(
        """
        WITH unhurried AS (SELECT set_config('synchronous_commit', 'off', true))
        UPDATE lane_progress SET published_offset = greatest(published_offset, $3) FROM unhurried
        WHERE lane = $1 AND partition = $2
        """,
        DECIDER,
        partition,
        offset,
    )


async def pick_rules(connection: Connection, slot_ids: Iterable[str], rule_version: str) -> dict[str, str]:
    """Choose the rule version of new slots, once for each: what was chosen before stands."""
    ids = list(slot_ids)
    await connection.execute(
        "INSERT INTO slot_rule (slot_id, rule_version) SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING",
        ids,
        rule_version,
    )
    rows = await connection.fetch("SELECT slot_id, rule_version FROM slot_rule WHERE slot_id = ANY($1::text[])", ids)
    return {row["slot_id"]: row["rule_version"] for row in rows}


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
