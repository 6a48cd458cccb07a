"""Runs plans as PostgreSQL runs statements under READ COMMITTED.

What a statement is about is found at once, as it is committed then; then each row is locked, waited for, read again and
checked again (EvalPlanQual), and changed. Other tables' rows stay as they were found.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from youai_proof.sim.postgres.plans import Plan
from youai_proof.sim.postgres.storage import Row, Table, Transaction, Values

if TYPE_CHECKING:
    from youai_proof.sim.postgres.sessions import Session

Rows = Sequence[Any]


class Context:
    """What a running statement works with: its transaction, parameters, variables, and rows that were made before."""

    __slots__ = ("P", "T", "V", "cte", "session", "tables", "wanted")

    def __init__(self, session: "Session", transaction: Transaction, parameters: Sequence[Any]) -> None:
        self.session = session
        self.T = transaction
        self.P = parameters
        self.V: dict[str, Any] = {}
        self.cte: dict[str, Any] = {}
        self.tables: list[Table] = session.database.tables
        self.wanted: list[tuple[tuple[int, ...], bool]] = []

    def within(self, variables: dict[str, Any]) -> "Context":
        """The context of a function that is called here."""
        inner = Context(self.session, self.T, ())
        inner.V = variables
        return inner

    # What compiled statements call

    def now(self) -> datetime:
        found = self.T.now
        if found is None:
            found = self.T.now = self.session.server.time_of(self.T.began)
        return found

    def next_id(self, table: int) -> int:
        """The next of a table's identities; one that is rolled back leaves a gap."""
        found = self.tables[table]
        found.next_id += 1
        return found.next_id

    def set_config(self, name: str, value: str, local: bool) -> str:
        if name == "synchronous_commit" and local:
            self.T.unsynced = value == "off"
        return value

    def pg_advisory_xact_lock(self, *key: int) -> str:
        self.wanted.append((key, True))
        return ""

    def pg_advisory_lock(self, *key: int) -> str:
        self.wanted.append((key, False))
        return ""

    def pg_try_advisory_lock(self, *key: int) -> bool:
        database = self.session.database
        holder = database.advisory.get(key)
        if holder is not None and holder is not self.session and self.session.server.is_overdue(holder):
            holder.end_idle()
            holder = database.advisory.get(key)
        if holder is None:
            database.advisory[key] = self.session
        return holder in (None, self.session)

    async def run(self, plan: Plan) -> tuple[Rows, int]:
        """Run a plan; returns its rows and how many rows it found or changed."""
        for name, before, kind in plan.before:
            rows, _ = await self.run(before)
            self.cte[name] = {row[0]: None for row in rows} if kind == "keys" else rows
        rows, count = await _RUN[plan.kind](self, plan)
        if self.wanted:
            await self._take_wanted()
        return rows, count

    async def _take_wanted(self) -> None:
        wanted, self.wanted = self.wanted, []
        for key, of_transaction in wanted:
            await self.session.take_advisory(key, self.T if of_transaction else None)

    async def wait(self, blocked: Callable[[], Transaction | None]) -> None:
        """Wait until nobody is in the way. Raises what a wait that is too long, or a deadlock, raises."""
        if blocked() is not None:
            await self.session.wait(blocked)

    async def hold(self, table: Table, row: Row, births: int, *, shared: bool = False) -> Values | None:
        """Lock a row that was found, waiting for whoever has it; returns it as it is then, None if it is gone."""
        if row.in_the_way(self.T, shared=shared):
            await self.session.wait(lambda: row.in_the_way(self.T, shared=shared))
        current = row.new if row.by is self.T else row.old
        if current is None or row.births != births:
            return None
        self.T.lock(table, row, shared=shared)
        return current

    async def unique(self, table: Table, row: Row | None, values: Values) -> None:
        """Raise UniqueViolationError where a changed row meets another."""
        while table.unique:
            found = table.unique_conflict(self.T, values, row)
            if found is None:
                return
            if isinstance(found, tuple):
                raise violation(found[0])
            await self.session.wait(lambda: _still(table.unique_conflict(self.T, values, row)))


def _still(found: tuple[str, Row] | Transaction | None) -> Transaction | None:
    return found if isinstance(found, Transaction) else None


def violation(constraint: str) -> asyncpg.UniqueViolationError:
    return asyncpg.UniqueViolationError(f'duplicate key value violates unique constraint "{constraint}"')


def _found(x: Context, plan: Plan) -> list[Any]:
    """What a plan is about; in any order, where nobody ordered it and the faults say so."""
    assert plan.main is not None
    found: list[Any] = plan.main(x)
    if plan.is_unordered and len(found) > 1 and x.session.server.faults.shuffle:
        found = list(found)
        x.session.server.random.shuffle(found)
    return found


async def _select(x: Context, plan: Plan) -> tuple[Rows, int]:
    rows = _found(x, plan)
    return rows, len(rows)


async def _call(x: Context, plan: Plan) -> tuple[Rows, int]:
    assert plan.main is not None
    assert plan.change is not None
    rows = await plan.change(x, *plan.main(x))
    return rows, len(rows)


async def _lock(x: Context, plan: Plan) -> tuple[Rows, int]:
    assert plan.check is not None
    assert plan.returning is not None
    table = x.tables[plan.table]
    limit = plan.limit(x) if plan.limit is not None else None
    found: list[Values] = []
    for row, births, seen in _found(x, plan):
        if limit is not None and len(found) >= limit:
            break
        if plan.skips_locked and row.in_the_way(x.T, shared=plan.shared):
            continue
        current = await x.hold(table, row, births, shared=plan.shared)
        if current is None or (current is not seen and not plan.check(x, current)):
            continue
        found.append(plan.returning(x, current))
    return found, len(found)


async def _update(x: Context, plan: Plan) -> tuple[Rows, int]:
    assert plan.check is not None
    table = x.tables[plan.table]
    done: set[Row] = set()
    rows = []
    fired = []
    for row, births, seen, *rest in _found(x, plan):
        if row in done:
            continue
        done.add(row)
        current = await x.hold(table, row, births)
        if current is None or (current is not seen and not plan.check(x, current, *rest)):
            continue
        new: Values | None = None
        if plan.change is not None:
            changed: Values = plan.change(x, current, *rest)
            await put(x, table, row, current, changed)
            new = changed
            fired += [(run, new, current) for when, run in plan.triggers if when(x, new, current)]
        else:
            table.write(x.T, row, None)
        rows.append(plan.returning(x, new or current, *rest) if plan.returning else ())
    await _fire(x, fired)
    return rows, len(rows)


async def put(x: Context, table: Table, row: Row, current: Values, changed: Values) -> None:
    """Change a row that is locked, if its constraints allow it."""
    if table.key(changed) != table.key(current):
        raise NotImplementedError(f"a primary key of {table.name} that changes")
    table.check(changed)
    await x.unique(table, row, changed)
    table.write(x.T, row, changed)


async def _fire(x: Context, fired: Sequence[tuple[Any, Values, Values]]) -> None:
    for run, new, old in fired:
        await run(x, new, old)


async def _insert(x: Context, plan: Plan) -> tuple[Rows, int]:
    assert plan.main is not None
    return await insert_rows(x, plan, plan.main(x))


async def insert_rows(x: Context, plan: Plan, given: Rows) -> tuple[Rows, int]:
    """Insert rows that were made, each as the plan says for one that is there."""
    assert plan.check is not None
    table = x.tables[plan.table]
    rows = []
    own: set[Row] = set()
    fired: list[tuple[Any, Values, Values]] = []
    for one in given:
        values = plan.check(x, one)
        table.check(values)
        stored: Values | None = None
        while stored is None:
            found = table.conflict(x.T, values)
            if found is None:
                own.add(table.insert(x.T, values))
                stored = values
            elif isinstance(found, Transaction):
                await x.session.wait(lambda v=values: _still(table.conflict(x.T, v)))  # type: ignore[misc]
            else:
                name, row = found
                if not plan.conflict or not _is_arbiter(table, plan, name):
                    raise violation(name)
                if plan.conflict == "nothing":
                    break
                if row in own:
                    raise asyncpg.CardinalityViolationError(
                        "ON CONFLICT DO UPDATE command cannot affect row a second time"
                    )
                if row.in_the_way(x.T):
                    await x.session.wait(lambda r=row: r.in_the_way(x.T))  # type: ignore[misc]
                    continue
                own.add(row)
                stored = await _update_there(x, plan, table, row, values, fired)
                if stored is None:
                    break
        if stored is not None:
            rows.append(plan.returning(x, stored) if plan.returning else ())
    await _fire(x, fired)
    return rows, len(rows)


def _is_arbiter(table: Table, plan: Plan, constraint: str) -> bool:
    if not plan.arbiter:
        return True
    return plan.arbiter == (table.of.primary if constraint == f"{table.name}_pkey" else table.of.unique[constraint])


async def _update_there(
    x: Context, plan: Plan, table: Table, row: Row, values: Values, fired: list[tuple[Any, Values, Values]]
) -> Values | None:
    """ON CONFLICT DO UPDATE of a row that nobody holds; None where the plan's condition does not hold."""
    assert plan.change is not None
    current = row.new if row.by is x.T else row.old
    assert current is not None
    x.T.lock(table, row)
    if plan.limit is not None and not plan.limit(x, current, values):
        return None
    changed: Values = plan.change(x, current, values)
    await put(x, table, row, current, changed)
    fired += [(run, changed, current) for when, run in plan.triggers if when(x, changed, current)]
    return changed


async def _truncate(x: Context, plan: Plan) -> tuple[Rows, int]:
    """As if every row were deleted. The lock of whole tables is not here: who truncates has stopped all others."""
    for number in plan.tables:
        table = x.tables[number]
        for row in list(table.rows.values()):
            if await x.hold(table, row, row.births) is not None:
                table.write(x.T, row, None)
    return (), 0


_RUN: dict[str, Callable[[Context, Plan], Any]] = {
    "select": _select,
    "call": _call,
    "lock": _lock,
    "update": _update,
    "delete": _update,
    "insert": _insert,
    "truncate": _truncate,
}
