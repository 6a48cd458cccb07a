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


async def write(connection: Connection, batches: Sequence[Batch]) -> None:
    """Write everything that some partitions' batches came to, in the transaction at hand: one statement a table."""
    await connection.copy_records_to_table(
        "receipt",
        columns=("partition", "log_offset", "slot_id", "record_id", "kind", "original", "why"),
        records=[
            (batch.partition, r.offset, r.slot_id, r.record_id, r.kind, r.original, r.why)
            for batch in batches
            for r in batch.receipts
        ],
    )
    decisions = [(batch.partition, row) for batch in batches for row in batch.decisions]
    if decisions:
        await _write_decisions(connection, decisions)
    moved = [(batch.partition, slot_id, r) for batch in batches for (slot_id, _), r in batch.moved.items()]
    if moved:
        await _write_bookings(connection, moved)
    touched = [(batch.partition, slot) for batch in batches for slot in batch.touched.values()]
    if touched:
        await _write_slots(connection, touched)
    retimed = [(batch.partition, slot) for batch in batches for slot in batch.retimed.values()]
    if retimed:
        await _write_timers(connection, retimed)


async def _write_decisions(connection: Connection, decisions: Sequence[tuple[int, DecisionRow]]) -> None:
    names = "partition log_offset index slot_id request_id type decided_at data traceparent"
    await connection.copy_records_to_table(
        "decision",
        columns=names.split(),
        records=[
            (
                partition,
                row.offset,
                row.index,
                row.slot_id,
                row.decided.event.request_id,
                row.decided.event.type,
                row.decided.event.decided_at,
                row.decided.data,
                row.traceparent,
            )
            for partition, row in decisions
        ],
    )


async def _write_bookings(connection: Connection, moved: Sequence[tuple[int, str, Request]]) -> None:
    rows = [
        (r.request_id, slot_id, partition, r.venue_id, r.party_size, r.offset, r.status, r.name)
        for partition, slot_id, r in moved
    ]
    await connection.execute(
        """
        INSERT INTO booking (request_id, slot_id, partition, venue_id, party_size, log_offset, status, name)
        SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::int[], $6::bigint[], $7::text[],
            $8::text[])
        ON CONFLICT (slot_id, request_id) DO UPDATE SET status = excluded.status
        """,
        *_columns(rows),
    )


async def _write_slots(connection: Connection, touched: Sequence[tuple[int, Slot]]) -> None:
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
        for partition, s in touched
    ]
    await connection.execute(_UPSERT_SLOTS, *_columns(rows))


async def _write_timers(connection: Connection, retimed: Sequence[tuple[int, Slot]]) -> None:
    pending = [(partition, s.slot_id, *timer) for partition, s in retimed for timer in sorted(s.timers)]
    columns = _columns(pending) if pending else [[], [], [], [], []]
    await connection.execute(
        """
        DELETE FROM timer WHERE slot_id = ANY($1::text[]) AND (slot_id, kind, subject, due_at)
            NOT IN (SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]))
        """,
        [slot.slot_id for _, slot in retimed],
        *columns[1:],
    )
    await connection.execute(
        """
        INSERT INTO timer (partition, slot_id, kind, subject, due_at)
        SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::bigint[]) ON CONFLICT DO NOTHING
        """,
        *columns,
    )


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


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


async def raise_watermarks(connection: Connection, published: dict[int, int]) -> None:
    """Note that everything decided up to an offset, by partition, is published.

    Losing this note costs a repeat, never a gap.
    """
    await connection.execute(
        """
        WITH unhurried AS (SELECT set_config('synchronous_commit', 'off', true))
        UPDATE lane_progress AS p SET published_offset = greatest(p.published_offset, m.log_offset)
        FROM unhurried, unnest($2::int[], $3::bigint[]) AS m (partition, log_offset)
        WHERE p.lane = $1 AND p.partition = m.partition
        """,
        DECIDER,
        list(published),
        list(published.values()),
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
