"""What names mean while a statement is compiled, and the Python functions that it is compiled into."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from youai_proof.sim.postgres.tokens import SqlError
from youai_proof.sim.postgres.tree import And, Col, Expr, Star


@dataclass(slots=True)
class Source:
    """Something with columns: `variable` is the Python name of its row, a tuple. `required`: columns never null."""

    alias: str
    columns: Sequence[str]
    variable: str
    required: frozenset[str] = frozenset()
    table: str | None = None

    def at(self, name: str) -> int:
        return list(self.columns).index(name)


class Scope:
    """The sources of one query, inside those of the query around it."""

    def __init__(self, parent: "Scope | None" = None) -> None:
        self.parent = parent
        self.sources: list[Source] = []
        self.ctes: dict[str, tuple[str, Sequence[str]]] = parent.ctes.copy() if parent else {}
        self.variables: dict[str, tuple[str, ...] | None] = parent.variables if parent else {}
        """PL/pgSQL's variables; for records, their columns."""
        self.reaches_out = False

    def find(self, table: str | None, name: str) -> tuple[Source, int] | None:
        """The source and the column's number; notes in all scopes up to there that they reach out."""
        for source in self.sources:
            if table in (None, source.alias) and name in source.columns:
                return source, source.at(name)
        found = self.parent.find(table, name) if self.parent else None
        if found is not None:
            self.reaches_out = True
        return found

    def column(self, table: str | None, name: str) -> tuple[str, bool]:
        """The Python text of a column or variable, and whether it may be null. Raises SqlError."""
        found = self.find(table, name)
        if found is not None:
            source, at = found
            return f"{source.variable}[{at}]", name not in source.required
        if table is None and name in self.variables:
            return f"V[{name!r}]", True
        if table is not None and (columns := self.variables.get(table)):
            return f"V[{table!r}][{columns.index(name)}]", True
        whole = next((source for source in self.sources if table is None and source.alias == name), None)
        if whole is not None and len(whole.columns) == 1:
            return f"{whole.variable}[0]", True
        raise SqlError(f"no column {table or ''}.{name}")

    def cte(self, name: str) -> tuple[str, Sequence[str]] | None:
        """The Python name and the columns of a CTE."""
        found = self.ctes.get(name)
        if found is not None:
            scope: Scope | None = self
            while scope is not None:
                scope.reaches_out = True
                scope = scope.parent
        return found


@dataclass(slots=True)
class Fn:
    """A Python function that is being written. What is in `before` is defined before its body runs."""

    head: str
    before: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    depth: int = 0

    def emit(self, line: str) -> None:
        self.body.append("    " * self.depth + line)

    def lines(self) -> Iterator[str]:
        yield self.head
        for line in (*self.before, *self.body):
            yield "    " + line

    def text(self) -> str:
        return "\n".join(self.lines()) + "\n"


def conjuncts(where: Expr | None) -> list[Expr]:
    """The parts of a condition that must all hold."""
    if where is None:
        return []
    if isinstance(where, And):
        return [part for each in where.parts for part in conjuncts(each)]
    return [where]


def walk(node: Any) -> Iterator[Any]:
    """A tree's nodes, selects within included."""
    if isinstance(node, tuple):
        for one in node:
            yield from walk(one)
    elif dataclasses.is_dataclass(node):
        yield node
        for part in dataclasses.fields(node):
            yield from walk(getattr(node, part.name))


def mentions(node: Any, sources: Iterable[Source]) -> set[str]:
    """The aliases, among these sources, that a tree may refer to: rather one too many than one too few."""
    found = set()
    for one in walk(node):
        if isinstance(one, Col):
            for source in sources:
                if one.table == source.alias or (
                    one.table is None and (one.name in source.columns or one.name == source.alias)
                ):
                    found.add(source.alias)
        elif isinstance(one, Star):
            found.update(source.alias for source in sources)
    return found
