"""All SQL of the decider: a partition's state out, a batch's decisions in."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
import msgspec
from youai_runtime.database import Connection

from youai_matching.domain.keys import Key, key_of
from youai_matching.domain.request import ENDED, Common, Request
from youai_matching.domain.state import Decided, Slot

DECIDER = "matching.decider"

_SLOT = {
    "slot_id": "text",
    "partition": "int",
    "kind": "text",
    "offer_id": "text",
    "session_id": "text",
    "phase": "text",
    "closed_for": "text",
    "capacity": "int",
    "opens_at": "bigint",
    "closes_at": "bigint",
    "starts_at": "bigint",
    "ends_at": "bigint",
    "waitlist": "bigint",
    "town_shares": "text",
    "draw": "text",
    "seed_hash": "text",
    "overrides": "int",
    "rule_version": "text",
    "time": "bigint",
    "sequence": "bigint",
    "previous_hash": "text",
    "taken": "int",
    "waiting": "int",
    "waiting_places": "bigint",
}
_NOT_OWN = {"partition", "town_shares", "waiting", "waiting_places"}
"""Columns that a slot's memory has elsewhere, or in another form."""
_COUNTS = ("slot_id", "time", "sequence", "previous_hash", "taken", "waiting", "waiting_places")
"""Of a slot what most of its records move alone."""
_BOOKING = {
    "request_id": "text",
    "slot_id": "text",
    "partition": "int",
    "venue_id": "text",
    "party_size": "int",
    "log_offset": "bigint",
    "name": "text",
    "town": "text",
    "points": "bigint",
    "working_from": "text",
    "working_until": "text",
    "drawn_in": "bool",
    "status": "text",
    "rank": "bigint",
    "second": "bool",
    "passes": "int",
    "lapses": "int",
    "since": "bigint",
}


def _upsert(table: str, columns: dict[str, str], key: tuple[str, ...], fixed: tuple[str, ...]) -> str:
    """An insert of whole columns, given as arrays; a row that is there takes over all that is neither key nor fixed."""
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(columns.values(), 1))
    moving = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in (*key, *fixed))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {moving}"
    )


_UPSERT_SLOTS = _upsert("slot", _SLOT, ("slot_id",), ("partition", "kind", "offer_id", "session_id", "waitlist"))
_UPSERT_BOOKINGS = _upsert(
    "booking",
    _BOOKING,
    ("slot_id", "request_id"),
    ("partition", "venue_id", "party_size", "log_offset", "name", "town", "points", "working_from", "working_until"),
)


_UPDATE_COUNTS = f"""
    UPDATE slot AS s SET {", ".join(f"{name} = c.{name}" for name in _COUNTS[1:])}
    FROM unnest({", ".join(f"${number}::{_SLOT[name]}[]" for number, name in enumerate(_COUNTS, 1))})
        AS c ({", ".join(_COUNTS)})
    WHERE s.slot_id = c.slot_id
    """


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What became of a record of the slot log; ids are None where the record had none that could be read."""

    offset: int
    slot_id: str | None
    record_id: str | None
    kind: str
    original: int | None
    why: str


class DecisionRow(msgspec.Struct, frozen=True, gc=False):
    """A decision with where it came from: its source record's offset, its number among that record's decisions."""

    offset: int
    index: int
    slot_id: str
    decided: Decided
    traceparent: str | None


@dataclass(slots=True)
class Batch:
    """What a batch of records of one partition came to.

    `touched` are its slots, `retold` those of them of which more changed than counts, `retimed` those whose timers did.
    `added` are the requests that came in it, `moved` those that were there before and changed.
    """

    partition: int
    receipts: list[Receipt] = field(default_factory=list)
    decisions: list[DecisionRow] = field(default_factory=list)
    touched: dict[str, Slot] = field(default_factory=dict)
    retold: dict[str, Slot] = field(default_factory=dict)
    retimed: dict[str, Slot] = field(default_factory=dict)
    added: dict[tuple[str, Key], Request] = field(default_factory=dict)
    moved: dict[tuple[str, Key], Request] = field(default_factory=dict)

    def change(self, slot_id: str, request: Request, offset: int) -> None:
        """Note that the record at `offset` made a request, or changed it."""
        key = slot_id, request.key
        if request.offset == offset:
            self.added[key] = request
        elif key not in self.added:
            self.moved[key] = request


async def published_offset(connection: Connection, partition: int) -> int:
    """Up to where the partition's decisions are on the broker; -1 if none is."""
    found: int | None = await connection.fetchval(
        "SELECT published_offset FROM lane_progress WHERE lane = $1 AND partition = $2", DECIDER, partition
    )
    return -1 if found is None else found


async def load_slots(connection: Connection, slot_ids: Sequence[str]) -> dict[str, Slot]:
    """The slots of these ids, where there are such, with their requests, queues, seen records and pending timers."""
    slots: dict[str, Slot] = {}
    for row in await connection.fetch("SELECT * FROM slot WHERE slot_id = ANY($1::text[])", slot_ids):
        own = {
            name: row[name] for name in _SLOT if name not in ("partition", "town_shares", "waiting", "waiting_places")
        }
        slots[row["slot_id"]] = Slot(**own, town_shares=msgspec.json.decode(row["town_shares"]))
    if not slots:
        return slots
    found = list(slots)
    # Most records bear their request's id, and are found by it.
    others = """
        SELECT r.slot_id, r.record_id, r.log_offset FROM receipt AS r
        WHERE r.slot_id = ANY($1::text[]) AND r.kind IN ('decided', 'applied', 'ignored') AND NOT EXISTS (
            SELECT FROM booking AS b
            WHERE b.slot_id = r.slot_id AND b.request_id = r.record_id AND b.log_offset = r.log_offset)
        """
    other: dict[str, set[int]] = {slot_id: set() for slot_id in found}
    async for row in connection.cursor(others, found, prefetch=2_000):
        slots[row["slot_id"]].seen[key_of(row["record_id"])] = row["log_offset"]
        other[row["slot_id"]].add(row["log_offset"])
    ended = (
        "SELECT slot_id, request_id, log_offset FROM booking"
        " WHERE slot_id = ANY($1::text[]) AND status = ANY($2::text[]) AND NOT drawn_in"
    )
    async for row in connection.cursor(ended, found, sorted(ENDED), prefetch=2_000):
        offset = row["log_offset"]
        slots[row["slot_id"]].ended[key_of(row["request_id"])] = -1 if offset in other[row["slot_id"]] else offset
    requests: dict[str, list[Request]] = {slot_id: [] for slot_id in found}
    kept = (
        "SELECT * FROM booking WHERE slot_id = ANY($1::text[])"
        " AND NOT (status = ANY($2::text[]) AND NOT drawn_in) ORDER BY log_offset"
    )
    async for row in connection.cursor(kept, found, sorted(ENDED), prefetch=2_000):
        requests[row["slot_id"]].append(_request(row, own=row["log_offset"] not in other[row["slot_id"]]))
    for slot_id, slot in slots.items():
        slot.restore(requests[slot_id])
    timers = "SELECT slot_id, kind, subject, due_at FROM timer WHERE slot_id = ANY($1::text[])"
    async for row in connection.cursor(timers, found, prefetch=2_000):
        slots[row["slot_id"]].timers[row["kind"], row["subject"]] = row["due_at"]
    return slots


def _request(row: asyncpg.Record, *, own: bool) -> Request:
    hours = None if row["working_from"] is None else (row["working_from"], row["working_until"])
    common = Common(
        row["party_size"],
        status=row["status"],
        name=row["name"],
        town=row["town"],
        points=row["points"],
        working_hours=hours,
        drawn_in=row["drawn_in"],
        second=row["second"],
        passes=row["passes"],
        lapses=row["lapses"],
        own=own,
    )
    rank = row["rank"] if row["status"] == "waitlisted" else row["since"]
    return Request.of(key_of(row["request_id"]), row["venue_id"], row["log_offset"], common, rank)


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
    # Copied, since there can be no such row yet: an insert that minds conflicts costs twice as much.
    added = [_booking(batch.partition, key, r) for batch in batches for key, r in batch.added.items()]
    if added:
        await connection.copy_records_to_table("booking", columns=tuple(_BOOKING), records=added)
    moved = [_booking(batch.partition, key, r) for batch in batches for key, r in batch.moved.items()]
    if moved:
        await connection.execute(_UPSERT_BOOKINGS, *_columns(moved))
    retold = [(batch.partition, slot) for batch in batches for slot in batch.retold.values()]
    if retold:
        await _write_slots(connection, retold)
    counted = [s for batch in batches for slot_id, s in batch.touched.items() if slot_id not in batch.retold]
    if counted:
        await _write_counts(connection, counted)
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


def _booking(partition: int, key: tuple[str, Key], r: Request) -> tuple[object, ...]:
    common, rank = r.common, r.rank
    return (
        r.request_id,
        key[0],
        partition,
        r.venue_id,
        common.party_size,
        r.offset,
        common.name,
        common.town,
        common.points,
        *(common.working_hours or (None, None)),
        common.drawn_in,
        common.status,
        rank,
        common.second,
        common.passes,
        common.lapses,
        abs(rank),
    )


async def _write_slots(connection: Connection, retold: Sequence[tuple[int, Slot]]) -> None:
    rows = [
        (
            s.slot_id,
            partition,
            s.kind,
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
            msgspec.json.encode(s.town_shares).decode(),
            s.draw,
            s.seed_hash,
            s.overrides,
            s.rule_version,
            s.time,
            s.sequence,
            s.previous_hash,
            s.taken,
            len(s.queue),
            s.queue.places,
        )
        for partition, s in retold
    ]
    await connection.execute(_UPSERT_SLOTS, *_columns(rows))


async def _write_counts(connection: Connection, slots: Sequence[Slot]) -> None:
    rows = [(s.slot_id, s.time, s.sequence, s.previous_hash, s.taken, len(s.queue), s.queue.places) for s in slots]
    await connection.execute(_UPDATE_COUNTS, *_columns(rows))


async def _write_timers(connection: Connection, retimed: Sequence[tuple[int, Slot]]) -> None:
    pending = [
        (partition, s.slot_id, kind, subject, due)
        for partition, s in retimed
        for (kind, subject), due in sorted(s.timers.items())
    ]
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
