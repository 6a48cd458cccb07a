"""What SQL is parsed into."""

from dataclasses import dataclass, field
from typing import Any


class Expr:
    """An expression."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Const(Expr):
    value: Any


@dataclass(frozen=True, slots=True)
class Param(Expr):
    number: int


@dataclass(frozen=True, slots=True)
class Col(Expr):
    table: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Star(Expr):
    """`*` or `t.*` among a select's items."""

    table: str | None


@dataclass(frozen=True, slots=True)
class Func(Expr):
    """A call. `star` for count(*); `order` inside an aggregate; `over` of a window function; `named` arguments."""

    name: str
    args: tuple[Expr, ...] = ()
    named: tuple[tuple[str, Expr], ...] = ()
    star: bool = False
    order: tuple["Order", ...] = ()
    over: tuple["Order", ...] | None = None


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    value: Expr
    type: str


@dataclass(frozen=True, slots=True)
class Bin(Expr):
    """`=`, `<>`, `<`, `<=`, `>`, `>=`, `+`, `-`, `*`, `/`, `||`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Not(Expr):
    value: Expr


@dataclass(frozen=True, slots=True)
class And(Expr):
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or(Expr):
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class IsNull(Expr):
    value: Expr
    negated: bool


@dataclass(frozen=True, slots=True)
class Distinct(Expr):
    """`a IS [NOT] DISTINCT FROM b`."""

    left: Expr
    right: Expr
    negated: bool


@dataclass(frozen=True, slots=True)
class InList(Expr):
    value: Expr
    items: tuple[Expr, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class InSelect(Expr):
    value: Expr
    select: "Select"
    negated: bool


@dataclass(frozen=True, slots=True)
class Quantified(Expr):
    """`value op ANY (array)` or `value op ALL (array)`."""

    value: Expr
    op: str
    every: bool
    array: Expr


@dataclass(frozen=True, slots=True)
class Exists(Expr):
    select: "Select"


@dataclass(frozen=True, slots=True)
class Scalar(Expr):
    select: "Select"


@dataclass(frozen=True, slots=True)
class Array(Expr):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class RowOf(Expr):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Case(Expr):
    whens: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None


@dataclass(frozen=True, slots=True)
class Item(Expr):
    """`array[index]`."""

    array: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Order:
    value: Expr
    descending: bool


@dataclass(frozen=True, slots=True)
class From:
    """A source of rows: a table or CTE by name, a select, or a function's rows, and how it is joined."""

    alias: str
    table: str | None = None
    select: "Select | None" = None
    functions: Func | None = None
    columns: tuple[str, ...] = ()
    left: bool = False
    on: Expr | None = None
    using: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """A query. `lock` is update, share or None; `items` with their names; `values` are the rows of VALUES."""

    items: tuple[tuple[Expr, str | None], ...] = ()
    sources: tuple[From, ...] = ()
    where: Expr | None = None
    group: tuple[Expr, ...] = ()
    order: tuple[Order, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None
    lock: str | None = None
    skips_locked: bool = False
    distinct: bool = False
    union: "Select | None" = None
    ctes: tuple["Cte", ...] = ()
    values: tuple[tuple[Expr | None, ...], ...] = ()
    into: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """`columns` empty: any unique constraint. `sets` None: do nothing."""

    columns: tuple[str, ...]
    sets: tuple[tuple[str, Expr], ...] | None
    where: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Insert:
    """`columns` empty: all. A None among the values is DEFAULT."""

    table: str
    columns: tuple[str, ...]
    source: Select
    conflict: Conflict | None
    returning: tuple[tuple[Expr, str | None], ...] | None
    ctes: tuple["Cte", ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    table: str
    alias: str
    sets: tuple[tuple[str, Expr], ...]
    sources: tuple[From, ...]
    where: Expr | None
    returning: tuple[tuple[Expr, str | None], ...] | None
    ctes: tuple["Cte", ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Delete:
    table: str
    alias: str
    sources: tuple[From, ...]
    where: Expr | None
    returning: tuple[tuple[Expr, str | None], ...] | None
    ctes: tuple["Cte", ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Truncate:
    tables: tuple[str, ...]


Statement = Select | Insert | Update | Delete | Truncate


@dataclass(frozen=True, slots=True, eq=False)
class Cte:
    name: str
    statement: Statement
    recursive: bool = False


# PL/pgSQL


@dataclass(frozen=True, slots=True, eq=False)
class Assign:
    name: str
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class If:
    branches: tuple[tuple[Expr, tuple["Pl", ...]], ...]
    otherwise: tuple["Pl", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """`FOR name IN select` or `FOREACH name IN ARRAY array`."""

    name: str
    select: Select | None
    array: Expr | None
    body: tuple["Pl", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sql:
    """A statement; `into` names what a select's first row goes into."""

    statement: Statement
    into: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    """RETURN value, or RETURN NEXT."""

    value: Expr | None
    next: bool


Pl = Assign | If | Loop | Sql | Return


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """`language` is sql (`query`) or plpgsql (`body`); `outputs` are the columns of RETURNS TABLE."""

    name: str
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    query: Select | None = None
    variables: tuple[tuple[str, str, Expr | None], ...] = ()
    body: tuple[Pl, ...] = field(default=())
