"""Statements compiled once a process into plans, and the schema's functions, checks and triggers into Python."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import asyncpg

from youai_proof.sim.postgres import values
from youai_proof.sim.postgres.compiler import Compiler, Items
from youai_proof.sim.postgres.parser import parse
from youai_proof.sim.postgres.procedures import Procedures, Variables
from youai_proof.sim.postgres.records import Record, record_class
from youai_proof.sim.postgres.schema import Schema
from youai_proof.sim.postgres.scopes import Fn, Scope, Source
from youai_proof.sim.postgres.tokens import SqlError
from youai_proof.sim.postgres.tree import (
    Cte,
    Delete,
    Expr,
    From,
    Func,
    Insert,
    RowOf,
    Select,
    Star,
    Statement,
    Truncate,
    Update,
)

Function = Callable[..., Any]
ROOT = ("T = X.T", "P = X.P", "V = X.V", "C = X.cte", "tables = X.tables")


@dataclass(slots=True)
class Plan:
    """How a statement is run. Which parts there are depends on `kind`: see execute.py."""

    kind: str
    sql: str = ""
    table: int = -1
    record: type[Record] = Record
    main: Function | None = None
    check: Function | None = None
    change: Function | None = None
    returning: Function | None = None
    limit: Function | None = None
    shared: bool = False
    skips_locked: bool = False
    is_unordered: bool = False
    """Whether its rows may come in any order: they are of tables, and no ORDER BY says how."""
    conflict: str = ""
    """For an insert: empty (raise), nothing or update."""
    arbiter: tuple[str, ...] = ()
    before: list[tuple[str, "Plan", str]] = field(default_factory=list)
    """What runs first: the name of its rows, the plan, and whether these are kept as rows, keys or tuples."""
    triggers: list[tuple[Function, Function]] = field(default_factory=list)
    tables: tuple[int, ...] = ()
    into: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        return {"lock": "SELECT", "call": "SELECT"}.get(self.kind, self.kind.upper())


def one_value(rows: Sequence[Sequence[Any]]) -> Any:
    """The value of a scalar query."""
    if len(rows) > 1:
        raise asyncpg.CardinalityViolationError("more than one row returned by a subquery used as an expression")
    return rows[0][0] if rows else None


class Plans(Compiler, Procedures):
    """All plans of a schema, by text."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self.names: dict[str, Any] = {name: getattr(values, name) for name in dir(values) if not name.startswith("__")}
        self.names |= {"one_value": one_value, "first": itemgetter(0)}
        self._by_sql: dict[str, Plan] = {}
        self._hoisted: list[tuple[str, Plan, str]] = []
        self.triggers: dict[str, list[tuple[tuple[str, ...], Function, Function]]] = {}
        for name, function in schema.functions.items():
            if function.query is not None:
                self.names[f"F_{name}"] = self.sql_function(function)
        for name, function in schema.functions.items():
            if function.query is None and (function.parameters or function.outputs):
                self.names[f"F_{name}"] = self.procedure(function, {})
        for table in schema.tables.values():
            for trigger in table.triggers:
                columns: Variables = {"new": tuple(table.names), "old": tuple(table.names)}
                run = self.procedure(schema.functions[trigger.function], columns)
                when = self.condition(trigger.when, columns)
                self.triggers.setdefault(table.name, []).append((trigger.columns, when, run))
        self.checks = {table.name: self._checks(table.name) for table in schema.tables.values()}
        self.defaults = {name: self.insert(Insert(name, (), Select(values=((),)), None, None)) for name in schema.rows}

    def plan(self, sql: str) -> Plan:
        """The plan of a statement. Raises SqlError for what this fake does not know."""
        found = self._by_sql.get(sql)
        if found is None:
            try:
                found = self.statement(parse(sql))
            except (SqlError, AssertionError, ValueError) as error:
                raise SqlError(f"the fake PostgreSQL does not know {' '.join(sql.split())!r}: {error}") from error
            found.sql = sql
            self._by_sql[sql] = found
        return found

    # Python

    def define(self, fn: Fn) -> Function:
        """The Python function of a text."""
        name = fn.head.partition("def ")[2].partition("(")[0]
        text = fn.text()
        exec(compile(text, f"<{name}>", "exec"), self.names)
        made: Function = self.names[name]
        return made

    def root(self, name: str, arguments: str = "") -> Fn:
        """A function of a context, to be written."""
        return Fn(f"def {self.fresh(name)}(X{arguments}):", before=list(ROOT))

    def one(self, name: str, scope: Scope, result: Callable[[Fn], str]) -> Function:
        """A function of a context and the rows of a scope's sources."""
        fn = self.root(name, "".join(f", {source.variable}" for source in scope.sources))
        fn.emit(f"return {result(fn)}")
        return self.define(fn)

    def _checks(self, table: str) -> dict[str, Callable[[Any], Any]]:
        found = {}
        for name, check in self.schema.tables[table].checks.items():
            scope = Scope()
            scope.sources = [Source(table, self.schema.tables[table].names, "r")]
            fn = Fn(f"def {self.fresh('check')}(r):")
            fn.emit(f"return {self.value(check, scope, fn)[0]}")
            found[name] = self.define(fn)
        return found

    # Statements

    def statement(self, statement: Statement, variables: dict[str, Any] | None = None) -> Plan:
        """The plan of a parsed statement, where PL/pgSQL's variables are as given."""
        scope = Scope()
        scope.variables = variables or {}
        outside, self._hoisted = self._hoisted, []
        if isinstance(statement, Select):
            plan = self.select(statement, scope)
        elif isinstance(statement, Truncate):
            plan = Plan("truncate", tables=tuple(self.schema.number(name) for name in statement.tables))
        else:
            before = self._ctes_of(statement.ctes, scope)
            if isinstance(statement, Insert):
                plan = self.insert(statement, scope)
            elif isinstance(statement, Update):
                plan = self.update(statement, scope)
            else:
                plan = self.delete(statement, scope)
            plan.before = before
        plan.before += self._hoisted
        self._hoisted = outside
        return plan

    def _ctes_of(self, ctes: Sequence[Cte], scope: Scope) -> list[tuple[str, Plan, str]]:
        before = []
        for cte in ctes:
            inner = Scope(scope)
            statement = cte.statement
            if isinstance(statement, Select):
                plan = self.select(statement, inner)
            elif isinstance(statement, Update):
                plan = self.update(statement, inner)
            else:
                raise SqlError(f"a CTE of {type(statement).__name__}")
            before.append((cte.name, plan, "rows"))
            scope.ctes[cte.name] = (f"C[{cte.name!r}]", plan.record.names)
        return before

    def hoisted(self, select: Select, scope: Scope) -> str:
        name = self.fresh("hoisted")
        outer = Scope()
        outer.variables, outer.ctes = scope.variables, scope.ctes
        self._hoisted.append((name, self.select(select, outer), "keys"))
        return f"C[{name!r}]"

    def select(self, select: Select, scope: Scope) -> Plan:
        call = select.sources[0].functions if len(select.sources) == 1 else None
        if call is not None and call.name in self.schema.functions:
            return self._called(select, call, scope)
        if select.lock:
            return self._locking(select, scope)
        fn = self.root("select")
        names = self.query(select, scope, fn, "rows")
        return Plan(
            "select",
            main=self.define(fn),
            record=record_class(names),
            into=select.into,
            is_unordered=not select.order and any(source.table in self.schema.tables for source in select.sources),
        )

    def _called(self, select: Select, call: Func, scope: Scope) -> Plan:
        assert select.items == ((Star(None), None),), "all columns of a function"
        arguments = self.one("arguments", scope, lambda fn: self.value(RowOf(call.args), scope, fn)[0])
        outputs = self.schema.functions[call.name].outputs
        return Plan("call", main=arguments, change=self.names[f"F_{call.name}"], record=record_class(outputs))

    def _locking(self, select: Select, scope: Scope) -> Plan:
        assert len(select.sources) == 1, "FOR UPDATE of one table"
        source = select.sources[0]
        assert source.table is not None, "FOR UPDATE of a table"
        fn = self._candidates("candidates", [source], select.where, scope, select)
        plan = Plan(
            "lock",
            table=self.schema.number(source.table),
            main=fn,
            check=self.one("holds", scope, lambda fn: self._all(select.where, scope, fn)),
            returning=self.one("row", scope, lambda fn: self.project(select.items, scope, fn)),
            record=record_class(self.columns(select.items, scope)),
            shared=select.lock == "share",
            skips_locked=select.skips_locked,
            is_unordered=not select.order,
        )
        if select.limit is not None:
            limit, outer = select.limit, Scope()
            outer.variables = scope.variables
            plan.limit = self.one("limit", outer, lambda fn: self.value(limit, outer, fn)[0])
        return plan

    def _all(self, where: Expr | None, scope: Scope, fn: Fn) -> str:
        return self.truth(where, scope, fn) if where is not None else "True"

    def _candidates(
        self, name: str, sources: Sequence[From], where: Expr | None, scope: Scope, select: Select | None = None
    ) -> Function:
        """A function that finds what a statement is about: row, its births, and the values of all sources."""
        fn = self.root(name)
        fn.before.append("out = []")
        order = select.order if select else ()

        def body() -> None:
            target = scope.sources[0].variable
            rest = ", ".join(source.variable for source in scope.sources)
            found = f"(R{target}, R{target}.births, {rest},)"
            fn.emit(f"out.append(({self._keys(order, scope, fn)}, {found}))" if order else f"out.append({found})")

        self.loops(sources, where, scope, fn, body)
        fn.depth = 0
        if order:
            self.sort(order, fn)
            fn.emit("out = [found for _, found in out]")
        fn.emit("return out")
        return self.define(fn)

    def _returning(self, items: Items | None, scope: Scope) -> tuple[Function | None, type[Record]]:
        if items is None:
            return None, Record
        row = self.one("returning", scope, lambda fn: self.project(items, scope, fn))
        return row, record_class(self.columns(items, scope))

    def update(self, update: Update, scope: Scope) -> Plan:
        target = From(update.alias, update.table)
        main = self._candidates("targets", [target, *update.sources], update.where, scope)
        check = self.one("holds", scope, lambda fn: self._all(update.where, scope, fn))
        change = self._change(update.table, update.sets, scope)
        returning, record = self._returning(update.returning, scope)
        return Plan(
            "update",
            table=self.schema.number(update.table),
            main=main,
            check=check,
            change=change,
            returning=returning,
            record=record,
            triggers=self._fired(update.table, [name for name, _ in update.sets]),
            is_unordered=True,
        )

    def _change(self, table: str, sets: Sequence[tuple[str, Expr]], scope: Scope) -> Function:
        """A function that makes the new values of the scope's first source."""
        columns = self.schema.tables[table].names
        given = dict(sets)
        if unknown := set(given) - set(columns):
            raise SqlError(f"no columns {unknown} of {table}")
        old = scope.sources[0].variable

        def row(fn: Fn) -> str:
            parts = [
                self.value(given[name], scope, fn)[0] if name in given else f"{old}[{n}]"
                for n, name in enumerate(columns)
            ]
            return "(" + "".join(f"{part}, " for part in parts) + ")"

        return self.one("changed", scope, row)

    def _fired(self, table: str, sets: Sequence[str]) -> list[tuple[Function, Function]]:
        return [(when, run) for columns, when, run in self.triggers.get(table, ()) if set(columns) & set(sets)]

    def delete(self, delete: Delete, scope: Scope) -> Plan:
        target = From(delete.alias, delete.table)
        main = self._candidates("targets", [target, *delete.sources], delete.where, scope)
        check = self.one("holds", scope, lambda fn: self._all(delete.where, scope, fn))
        returning, record = self._returning(delete.returning, scope)
        number = self.schema.number(delete.table)
        return Plan(
            "delete", table=number, main=main, check=check, returning=returning, record=record, is_unordered=True
        )

    def insert(self, insert: Insert, scope: Scope | None = None) -> Plan:
        scope = scope or Scope()
        table = self.schema.tables[insert.table]
        columns = insert.columns or (() if insert.source.values == ((),) else tuple(table.names))
        plan = Plan("insert", table=self.schema.number(insert.table))
        plan.main = self._rows(insert.source, scope)
        plan.check = self._filled(insert.table, columns)
        own = Scope()
        own.variables = scope.variables
        there = Source(insert.table, table.names, "there")
        if insert.conflict is not None:
            plan.conflict = "nothing" if insert.conflict.sets is None else "update"
            plan.arbiter = insert.conflict.columns
            if plan.arbiter and plan.arbiter not in (table.primary, *table.unique.values()):
                raise SqlError(f"no unique constraint of {table.name} on {plan.arbiter}")
        if insert.conflict is not None and insert.conflict.sets is not None:
            own.sources = [there, Source("excluded", table.names, "excluded")]
            plan.change = self._change(insert.table, insert.conflict.sets, own)
            where = insert.conflict.where
            if where is not None:
                plan.limit = self.one("holds", own, lambda fn: self.truth(where, own, fn))
            plan.triggers = self._fired(insert.table, [name for name, _ in insert.conflict.sets])
        own.sources = [there]
        plan.returning, plan.record = self._returning(insert.returning, own)
        return plan

    def _rows(self, source: Select, scope: Scope) -> Function:
        if not source.values:
            fn = self.root("rows")
            self.query(source, scope, fn, "rows")
            return self.define(fn)
        fn = self.root("rows")
        rows = []
        for row in source.values:
            parts = ["None" if value is None else self.value(value, scope, fn)[0] for value in row]
            rows.append("(" + "".join(f"{part}, " for part in parts) + ")")
        fn.emit(f"return [{', '.join(rows)}]")
        return self.define(fn)

    def _filled(self, table: str, columns: Sequence[str]) -> Function:
        """A function that makes a whole row of the columns that are given."""
        fn = self.root("filled", ", s")
        parts = []
        for column in self.schema.tables[table].columns:
            if column.name in columns:
                parts.append(f"s[{list(columns).index(column.name)}]")
            elif column.identity:
                parts.append(f"X.next_id({self.schema.number(table)})")
            elif column.default is not None:
                text = self.value(column.default, Scope(), fn)[0]
                parts.append(f"cast({column.type!r}, {text})" if column.type.endswith("[]") else text)
            else:
                parts.append("None")
        if set(columns) - {column.name for column in self.schema.tables[table].columns}:
            raise SqlError(f"columns {columns} of {table}")
        fn.emit("return (" + "".join(f"{part}, " for part in parts) + ")")
        return self.define(fn)

    @functools.cache  # noqa: B019 - plans live as long as the process
    def copying(self, table: str, columns: tuple[str, ...]) -> Plan:
        """The plan of COPY: whole rows of these columns."""
        if table not in self.schema.tables:
            raise asyncpg.UndefinedTableError(f'relation "{table}" does not exist')
        return Plan("insert", table=self.schema.number(table), check=self._filled(table, columns))


@functools.cache
def plans_of(schema: Schema) -> Plans:
    """The plans of a schema, made once a process."""
    return Plans(schema)
