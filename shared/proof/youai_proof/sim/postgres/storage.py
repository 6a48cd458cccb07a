"""Rows with their committed and pending versions, tables with their indexes, and what a transaction has touched."""

from collections.abc import Callable
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import asyncpg

from youai_proof.sim.postgres.schema import TableOf

if TYPE_CHECKING:
    from youai_proof.sim.postgres.sessions import Session

Values = tuple[Any, ...]


class Row:
    """A row: `old` is committed, `new` is what the transaction `by` makes of it; None is no row.

    `by` alone, with `new` the same tuple as `old`, is a lock (FOR UPDATE); `shares` hold FOR SHARE. `births` counts
    deletions that were followed by an insert, for such a row is not the one that somebody waits for.
    """

    __slots__ = ("births", "by", "new", "old", "reborn", "shares")

    def __init__(self) -> None:
        self.old: Values | None = None
        self.new: Values | None = None
        self.by: Transaction | None = None
        self.shares: dict[Transaction, None] | None = None
        self.births = 0
        self.reborn = False

    def in_the_way(self, of: "Transaction", *, shared: bool = False) -> "Transaction | None":
        """A transaction that holds the row against `of`, if there is one."""
        if self.by is not None and self.by is not of:
            return self.by
        if self.shares and not shared:
            return next((one for one in self.shares if one is not of), None)
        return None


class Index:
    """Rows by the values of some columns, of any of their versions: whoever looks checks what it sees."""

    __slots__ = ("key", "rows")

    def __init__(self, key: Callable[[Values], Any]) -> None:
        self.key = key
        self.rows: dict[Any, dict[Row, None]] = {}

    def add(self, row: Row, values: Values) -> None:
        key = self.key(values)
        found = self.rows.get(key)
        if found is None:
            self.rows[key] = {row: None}
        else:
            found[row] = None

    def drop(self, row: Row, values: Values) -> None:
        key = self.key(values)
        found = self.rows.get(key)
        if found is not None:
            found.pop(row, None)
            if not found:
                del self.rows[key]


class Table:
    """A table's rows, by primary key, and by what else is looked for."""

    def __init__(self, of: TableOf, checks: dict[str, Callable[[Values], Any]]) -> None:
        self.of = of
        self.name = of.name
        self.key: Callable[[Values], Any] = itemgetter(*(of.at(name) for name in of.primary))
        self.rows: dict[Any, Row] = {}
        self.indexes: dict[tuple[str, ...], Index] = {}
        self.unique = [(name, columns, self.index(columns)) for name, columns in of.unique.items()]
        self.checks = checks
        self.required = [(n, column.name) for n, column in enumerate(of.columns) if column.not_null]
        self.next_id = 0

    def index(self, columns: tuple[str, ...]) -> Index:
        """The index by these columns; made when it is first asked for."""
        found = self.indexes.get(columns)
        if found is None:
            found = self.indexes[columns] = Index(itemgetter(*(self.of.at(name) for name in columns)))
            for row in self.rows.values():
                for values in (row.old, row.new):
                    if values is not None:
                        found.add(row, values)
        return found

    def conflict(self, by: "Transaction", values: Values) -> "tuple[str, Row] | Transaction | None":
        """What stands against an insert: the constraint and its row, or a transaction that must end first."""
        row = self.rows.get(self.key(values))
        if row is not None:
            other = row.by
            if other is not None and other is not by and row.new is not row.old:
                return other
            if (row.new if other is by else row.old) is not None:
                return f"{self.name}_pkey", row
        return self.unique_conflict(by, values, None)

    def unique_conflict(
        self, by: "Transaction", values: Values, own: Row | None
    ) -> "tuple[str, Row] | Transaction | None":
        """As `conflict`, of the unique constraints besides the primary key, for a row `own` that may be there."""
        for name, columns, index in self.unique:
            key = index.key(values)
            if key is None or (len(columns) > 1 and None in key):
                continue
            for row in index.rows.get(key, ()):
                if row is own:
                    continue
                other = row.by
                if other is not None and other is not by and row.new is not row.old:
                    return other
                seen = row.new if other is by else row.old
                if seen is not None and index.key(seen) == key:
                    return name, row
        return None

    def check(self, values: Values) -> None:
        """Raise what PostgreSQL would of a row that breaks NOT NULL or CHECK."""
        for number, name in self.required:
            if values[number] is None:
                raise asyncpg.NotNullViolationError(
                    f'null value in column "{name}" of relation "{self.name}" violates not-null constraint'
                )
        for name, check in self.checks.items():
            if check(values) is False:
                raise asyncpg.CheckViolationError(
                    f'new row for relation "{self.name}" violates check constraint "{name}"'
                )

    def insert(self, by: "Transaction", values: Values) -> Row:
        """Put a row in, where nothing stands against it."""
        key = self.key(values)
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = Row()
        elif row.by is by and row.old is not None:
            row.reborn = True
        self.write(by, row, values)
        return row

    def write(self, by: "Transaction", row: Row, values: Values | None) -> None:
        """Change a row that `by` has locked, or that is new."""
        if row.by is not by:
            row.by = by
            by.rows[row] = self
        row.new = values
        if values is not None:
            for index in self.indexes.values():
                index.add(row, values)

    def settle(self, row: Row, *, stands: bool) -> None:
        """End a row's pending version."""
        was, is_ = (row.old, row.new) if stands else (row.new, row.old)
        if was is not None and was is not is_:
            for index in self.indexes.values():
                if is_ is None or index.key(is_) != index.key(was):
                    index.drop(row, was)
        if row.reborn:
            row.births += stands
            row.reborn = False
        row.old, row.new, row.by = is_, None, None
        if is_ is None:
            gone = was if was is not None else None
            if gone is not None and self.rows.get(self.key(gone)) is row:
                del self.rows[self.key(gone)]


class Transaction:
    """A transaction of a session: what it wrote and locked. `waiters` are called when it has ended."""

    __slots__ = ("began", "failed", "is_block", "keys", "now", "rows", "session", "shared", "unsynced", "waiters")

    def __init__(self, session: "Session", began: float, *, is_block: bool) -> None:
        self.session = session
        self.began = began
        self.now: datetime | None = None
        self.is_block = is_block
        self.failed = False
        self.unsynced = False
        self.rows: dict[Row, Table] = {}
        self.shared: list[Row] = []
        self.keys: list[tuple[int, ...]] = []
        self.waiters: list[Callable[[], None]] = []

    def lock(self, table: Table, row: Row, *, shared: bool = False) -> None:
        """Take a row that nobody holds against this transaction."""
        if row.by is self:
            return
        if not shared:
            row.by, row.new = self, row.old
            self.rows[row] = table
        else:
            if row.shares is None:
                row.shares = {}
            if self not in row.shares:
                row.shares[self] = None
                self.shared.append(row)

    def end(self, *, stands: bool) -> list[tuple[Table, Row, Values | None, Values | None]]:
        """Commit or roll back and let go of all rows; returns what changed (from, to), for what may be lost yet."""
        changes = []
        for row, table in self.rows.items():
            if stands and row.new is not row.old:
                changes.append((table, row, row.old, row.new))
            table.settle(row, stands=stands)
        self.rows = {}
        for row in self.shared:
            if row.shares:
                row.shares.pop(self, None)
        self.shared = []
        waiters, self.waiters = self.waiters, []
        for wake in waiters:
            wake()
        return changes
