"""Tables, constraints, functions and triggers, as the migrations say."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from youai_proof.sim.postgres.functions import plpgsql
from youai_proof.sim.postgres.parser import Parser, parse
from youai_proof.sim.postgres.tokens import SqlError
from youai_proof.sim.postgres.tree import Col, Expr, Function, IsNull, Not, Select


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `identity` counts by itself."""

    name: str
    type: str
    not_null: bool
    default: Expr | None
    identity: bool


@dataclass(frozen=True, slots=True)
class Trigger:
    """AFTER UPDATE OF `columns` FOR EACH ROW WHEN `when`: call `function`."""

    name: str
    columns: tuple[str, ...]
    when: Expr
    function: str


@dataclass(slots=True)
class TableOf:
    """A table. `prefixes` are the columns that some index begins with, or is partial by."""

    name: str
    columns: list[Column] = field(default_factory=list)
    primary: tuple[str, ...] = ()
    unique: dict[str, tuple[str, ...]] = field(default_factory=dict)
    checks: dict[str, Expr] = field(default_factory=dict)
    prefixes: set[tuple[str, ...]] = field(default_factory=set)
    triggers: list[Trigger] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def at(self, name: str) -> int:
        """The number of a column. Raises ValueError."""
        return self.names.index(name)


class Schema:
    """What some migrations make of an empty database; `rows` are the tables that they give one row of defaults."""

    def __init__(self, scripts: Sequence[str]) -> None:
        self.tables: dict[str, TableOf] = {}
        self.functions: dict[str, Function] = {}
        self.rows: list[str] = []
        for script in scripts:
            _, apply, rest = script.partition("-- migrate: apply")
            assert apply, "no migration"
            Migration(rest.partition("-- migrate: rollback")[0], self).run()
        self.order = list(self.tables)
        self.plans: dict[str, object] = {}
        """Compiled statements by text; see plans.py."""

    def number(self, table: str) -> int:
        return self.order.index(table)


class Migration(Parser):
    """Runs a migration's DDL. Its DML is left out, for it moves rows that an empty database has not."""

    def __init__(self, sql: str, schema: Schema) -> None:
        super().__init__(sql)
        self.schema = schema

    def run(self) -> None:
        while self.token.kind != "end":
            if not self.op(";"):
                self._one()

    def _one(self) -> None:
        if self.word("create", "table"):
            self._create_table()
        elif self.word("create", "index"):
            self._create_index()
        elif self.word("create", "function"):
            self._create_function()
        elif self.word("create", "trigger"):
            self._create_trigger()
        elif self.word("alter", "table"):
            self._alter_table()
        elif self.is_word("insert", "into") and self.peek(3).value == "default":
            self.schema.rows.append(self.peek(2).value)
            self._skip()
        elif any(self.is_word(word) for word in ("comment", "drop", "update", "insert", "delete")):
            self._skip()
        else:
            raise self.fail("a migration's statement expected")

    def _skip(self) -> None:
        while not self.is_op(";"):
            self.next()

    def _create_table(self) -> None:
        table = TableOf(self.name())
        self.schema.tables[table.name] = table
        self.need("(")
        while True:
            self._table_part(table)
            if not self.op(","):
                break
        self.need(")")

    def _table_part(self, table: TableOf) -> None:
        if self.word("primary", "key"):
            self._primary_key(table, tuple(self.names()))
        elif self.word("unique"):
            columns = tuple(self.names())
            table.unique[f"{table.name}_{'_'.join(columns)}_key"] = columns
            table.prefixes.add(columns[:1])
        elif self.word("check"):
            table.checks[f"{table.name}_check"] = self._check()
        else:
            self._column(table)

    def _primary_key(self, table: TableOf, columns: tuple[str, ...]) -> None:
        table.primary = columns
        table.prefixes.add(columns[:1])
        table.columns = [replace(c, not_null=c.not_null or c.name in columns) for c in table.columns]

    def _check(self) -> Expr:
        self.need("(")
        found = self.expr()
        self.need(")")
        return found

    def _column(self, table: TableOf) -> None:
        name = self.name()
        kind = self.type()
        not_null = identity = False
        default: Expr | None = None
        primary = False
        while True:
            if self.word("not", "null"):
                not_null = True
            elif self.word("default"):
                default = self._sum()
            elif self.word("primary", "key"):
                primary = not_null = True
            elif self.word("unique"):
                table.unique[f"{table.name}_{name}_key"] = (name,)
                table.prefixes.add((name,))
            elif self.word("check"):
                table.checks[f"{table.name}_{name}_check"] = self._check()
            elif self.word("generated", "always", "as", "identity"):
                identity = not_null = True
            else:
                break
        table.columns.append(Column(name, kind, not_null, default, identity))
        if primary:
            self._primary_key(table, (name,))

    def _create_index(self) -> None:
        self.name()
        self.need_word("on")
        table = self.schema.tables[self.name()]
        columns = tuple(self.names())
        table.prefixes.add(columns[:1])
        if len(columns) > 1:
            table.prefixes.add(columns[:2])
        if self.word("include"):
            self.names()
        if self.word("where"):
            match self.expr():
                case IsNull(Col(_, name), False) | Not(Col(_, name)):
                    table.prefixes.add((name,))
                case _:
                    pass

    def _alter_table(self) -> None:
        table = self.schema.tables[self.name()]
        while True:
            if self.word("add", "column"):
                self._column(table)
            elif self.word("add", "constraint"):
                name = self.name()
                self.need_word("check")
                table.checks[name] = self._check()
            elif self.word("drop", "constraint"):
                del table.checks[self.name()]
            elif self.word("set"):
                self._check()  # how rows are stored, which no answer hangs on
            else:
                raise self.fail("ALTER TABLE what")
            if not self.op(","):
                return

    def _create_function(self) -> None:
        name = self.name()
        parameters: list[str] = []
        outputs: list[str] = []
        self.need("(")
        while not self.op(")"):
            parameters.append(self.name())
            self.type()
            self.op(",")
        self.need_word("returns")
        if self.word("table"):
            self.need("(")
            while not self.op(")"):
                outputs.append(self.name())
                self.type()
                self.op(",")
        else:
            self.type()
        self.need_word("language")
        language = self.name()
        self.word("stable")
        self.need_word("as")
        body = self.next().value
        made = Function(name, tuple(parameters), tuple(outputs))
        if language == "sql":
            query = parse(body)
            assert isinstance(query, Select)
            self.schema.functions[name] = replace(made, query=query)
        else:
            self.schema.functions[name] = plpgsql(made, body)

    def _create_trigger(self) -> None:
        name = self.name()
        self.need_word("after", "update", "of")
        columns = [self.name()]
        while self.op(","):
            columns.append(self.name())
        self.need_word("on")
        table = self.schema.tables[self.name()]
        self.need_word("for", "each", "row", "when")
        when = self._check()
        self.need_word("execute", "function")
        table.triggers.append(Trigger(name, tuple(columns), when, self.name()))
        self.need("(")
        self.need(")")


@functools.cache
def schema_of(scripts: tuple[str, ...]) -> Schema:
    """The schema of some migrations' texts: parsed once a process."""
    return Schema(scripts)


def scripts_of(*folders: Path) -> tuple[str, ...]:
    """The texts of all migrations in some folders, in order. Raises SqlError where there is none."""
    found = tuple(path.read_text() for folder in folders for path in sorted(folder.glob("*.sql")))
    if not found:
        raise SqlError(f"no migrations in {folders}")
    return found
