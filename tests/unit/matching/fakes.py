"""The decider without a broker and a database: its real code over tables in memory and a published list."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from youai_contracts import topics
from youai_matching import store
from youai_matching.decider import Decider
from youai_matching.domain.state import Slot
from youai_matching.rule_files import RuleBook
from youai_runtime.database import Connection, Pool
from youai_runtime.kafka import Outgoing, Publisher
from youai_stack import export

Row = dict[str, Any]
RULES = RuleBook()
RULE_VERSION = RULES.named("2026-12").version


@dataclass(frozen=True)
class LogRecord:
    """A record of the slot log as a lane sees it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Database:
    """The decider's tables, for the statements of its store and no others: a new one fails here and is to be added.

    Inserts and conflicts keep exactly the columns that the SQL names, so a column that is forgotten is lost here too.
    """

    def __init__(self) -> None:
        self.slot: dict[str, Row] = {}
        self.booking: dict[tuple[str, str], Row] = {}
        self.timer: set[tuple[int, str, str, str, int]] = set()  # partition, slot, kind, subject, due
        self.tables: dict[str, list[Row]] = defaultdict(list)
        self.dead_letters: list[tuple[Any, ...]] = []
        self.watermark = -1

    async def copy_records_to_table(self, table: str, *, columns: Sequence[str], records: Iterable[Any]) -> None:
        rows = [dict(zip(columns, record, strict=True)) for record in records]
        if table == "booking":
            added = {(row["slot_id"], row["request_id"]): row for row in rows}
            assert len(added) == len(rows), "a booking is added twice at once"
            assert not added.keys() & self.booking.keys(), "a booking is added that was there"
            self.booking |= added
        else:
            self.tables[table] += rows

    async def executemany(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        assert "INSERT INTO outbox" in sql
        self.dead_letters += rows

    async def execute(self, sql: str, *args: Any) -> None:
        statement = " ".join(sql.split())
        if statement.startswith("INSERT INTO slot "):
            for values in zip(*args, strict=True):
                row = dict(zip(_inserted(statement), values, strict=True))
                self._upsert(self.slot, row["slot_id"], row, statement)
        elif statement.startswith("UPDATE slot AS s SET "):
            [names] = re.findall(r"AS c \((.*?)\)", statement)
            for values in zip(*args, strict=True):
                row = dict(zip(names.split(", "), values, strict=True))
                self.slot[row["slot_id"]] |= {name: row[name] for name in re.findall(r"(\w+) = c\.\1", statement)}
        elif statement.startswith("INSERT INTO booking "):
            for values in zip(*args, strict=True):
                row = dict(zip(_inserted(statement), values, strict=True))
                self._upsert(self.booking, (row["slot_id"], row["request_id"]), row, statement)
        elif statement.startswith(
            "DELETE FROM timer WHERE slot_id = ANY($1::text[]) AND (slot_id, kind, subject, due_at) NOT IN"
        ):
            slot_ids, kept = set(args[0]), set(zip(*args[1:], strict=True))
            self.timer = {timer for timer in self.timer if timer[1] not in slot_ids or timer[1:] in kept}
        elif statement.startswith("INSERT INTO timer "):
            self.timer |= set(zip(*args, strict=True))
        elif "UPDATE lane_progress AS p SET published_offset" in statement:
            self.watermark = max(self.watermark, *args[2])
        else:
            assert statement.startswith("SET LOCAL"), statement

    @staticmethod
    def _upsert(table: dict[Any, Row], key: Any, row: Row, statement: str) -> None:
        if key not in table:
            table[key] = row
        else:
            table[key] |= {name: row[name] for name in re.findall(r"(\w+) = excluded\.", statement)}

    async def cursor(self, sql: str, slot_ids: Sequence[str], *args: Any, **_: Any) -> AsyncIterator[Row]:
        for row in self._of_slots(" ".join(sql.split()), slot_ids, *args):
            yield row

    def _of_slots(self, sql: str, slot_ids: Sequence[str], ended: Sequence[str] = ()) -> list[Row]:
        [table] = re.findall(r"FROM (\w+)(?: AS r)? WHERE (?:r\.)?slot_id = ANY", sql)
        rows: Iterable[Row]
        if table == "slot":
            rows = self.slot.values()
        elif table == "booking":
            kept = "NOT (status = ANY($2::text[]) AND NOT drawn_in) ORDER BY log_offset" in sql
            assert kept or sql.endswith("AND status = ANY($2::text[]) AND NOT drawn_in")
            rows = sorted(self.booking.values(), key=lambda row: row["log_offset"])
            rows = [row for row in rows if (row["status"] in ended and not row["drawn_in"]) is not kept]
        elif table == "receipt":
            kinds = re.findall(r"'(\w+)'", sql)
            assert "b.request_id = r.record_id AND b.log_offset = r.log_offset" in sql
            own = {(row["slot_id"], row["request_id"], row["log_offset"]) for row in self.booking.values()}
            of_kind = [row for row in self.tables["receipt"] if row["kind"] in kinds]
            rows = [row for row in of_kind if (row["slot_id"], row["record_id"], row["log_offset"]) not in own]
        else:
            names = ("partition", "slot_id", "kind", "subject", "due_at")
            rows = [dict(zip(names, timer, strict=True)) for timer in self.timer]
        return [row for row in rows if row["slot_id"] in slot_ids]

    async def fetchval(self, sql: str, _lane: str, _partition: int) -> int:
        assert "SELECT published_offset" in sql
        return self.watermark

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        if "FROM slot" in sql:
            return self._of_slots(sql, args[0])
        assert "FROM decision" in sql
        columns = ("log_offset", "index", "slot_id", "type", "decided_at", "data", "traceparent")
        rows = [r for r in self.tables["decision"] if r["partition"] == args[0] and r["log_offset"] > self.watermark]
        return [tuple(row[name] for name in columns) for row in rows]

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Database"]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


def _inserted(statement: str) -> list[str]:
    return re.findall(r"\w+", statement[statement.index("(") : statement.index(")")])


class Outbox(Publisher):
    """Keeps what is published, in order; nobody sends it."""

    def __init__(self) -> None:
        self.published: list[Outgoing] = []

    async def publish(self, records: Iterable[Outgoing]) -> None:
        self.published += records


class Partition:
    """One partition of the slot log with its decider. `crash` forgets the decider and starts another."""

    def __init__(self, number: int = 7) -> None:
        self.number = number
        self.log: list[LogRecord] = []
        self.database = Database()
        self.connection = cast(Connection, self.database)
        self.outbox = Outbox()
        self.decider = self._start()

    def _start(self) -> Decider:
        return Decider(RULES, self.outbox, cast(Pool, self.database))

    async def append(self, records: Sequence[LogRecord], *, publish: bool = True) -> None:
        """Work a batch as a lane does: apply in a transaction, then publish (unless the worker dies between)."""
        if not self.log:
            await self.decider.load(self.connection, self.number)
        self.log += records
        await self.decider.apply_all(self.connection, {self.number: records})
        if publish:
            await self.decider.after_commit([self.number])

    async def crash(self, *, watermark: int | None = None) -> None:
        """Start a new decider from the tables, as on an assignment; `watermark` is what was noted as published."""
        if watermark is not None:
            self.database.watermark = watermark
        self.decider = self._start()
        await self.decider.load(self.connection, self.number)
        await self.decider.recover(self.connection, self.number)

    def slots(self) -> dict[str, Slot]:
        """The decider's memory."""
        return self.decider._partitions[self.number].slots

    async def stored(self) -> dict[str, Slot]:
        """All slots as the tables have them."""
        return await store.load_slots(self.connection, list(self.database.slot))

    def export(self) -> dict[str, bytes]:
        """The slot log and the decisions as files of an export, by name."""
        log = [export.line(r.partition, r.offset, r.timestamp, r.key, r.headers, r.value) for r in self.log]
        files = {topics.SLOT_LOG.name: log}
        for topic in (topics.BOOKING, topics.CLAIM):
            published = [record for record in self.outbox.published if record.topic == topic.name]
            files[topic.name] = [
                export.line(r.partition, offset, 0, r.key, r.headers, r.value) for offset, r in enumerate(published)
            ]
        return {f"{name}.jsonl": b"".join(line + b"\n" for line in lines) for name, lines in files.items()}
