"""Expressions into the text of Python expressions."""

from collections.abc import Sequence

from youai_proof.sim.postgres import values
from youai_proof.sim.postgres.schema import Schema
from youai_proof.sim.postgres.scopes import Fn, Scope
from youai_proof.sim.postgres.tokens import SqlError
from youai_proof.sim.postgres.tree import (
    And,
    Array,
    Bin,
    Case,
    Cast,
    Col,
    Const,
    Distinct,
    Exists,
    Expr,
    Func,
    InList,
    InSelect,
    IsNull,
    Item,
    Not,
    Or,
    Param,
    Quantified,
    RowOf,
    Scalar,
    Select,
)


class Meanings:
    """Part of the compiler."""

    schema: Schema

    def subselect(self, select: Select, scope: Scope, fn: Fn, mode: str) -> str:
        raise NotImplementedError

    # Expressions: Python text, and whether its value may be None

    def truth(self, e: Expr, scope: Scope, fn: Fn) -> str:
        """A condition of which only counts whether it is true."""
        match e:
            case And(parts):
                return "(" + " and ".join(self.truth(part, scope, fn) for part in parts) + ")"
            case Or(parts):
                return "(" + " or ".join(self.truth(part, scope, fn) for part in parts) + ")"
            case Const(True):
                return "True"
            case _:
                text, nullable = self.value(e, scope, fn)
                return f"({text} is True)" if nullable else text

    def value(self, e: Expr, scope: Scope, fn: Fn) -> tuple[str, bool]:
        """An expression's value."""
        match e:
            case Const(value):
                return repr(value), value is None
            case Param(number):
                return f"P[{number - 1}]", True
            case Col(table, name):
                return scope.column(table, name)
            case Bin():
                return self._bin(e, scope, fn)
            case And(parts) | Or(parts):
                return self._and_or(e, parts, scope, fn)
            case Not(value):
                text, nullable = self.value(value, scope, fn)
                return (f"not_({text})", True) if nullable else (f"(not {text})", False)
            case IsNull(value, negated):
                text, _ = self.value(value, scope, fn)
                return f"({text} is {'not ' if negated else ''}None)", False
            case Distinct(left, right, negated):
                a, b = self.value(left, scope, fn)[0], self.value(right, scope, fn)[0]
                return f"({a} {'==' if negated else '!='} {b})", False
            case RowOf(items) | Array(items):
                listed = ", ".join(self.value(item, scope, fn)[0] for item in items)
                return (f"({listed},)" if isinstance(e, RowOf) else f"[{listed}]"), False
            case Case(whens, otherwise):
                text = self.value(otherwise, scope, fn)[0] if otherwise else "None"
                for condition, result in reversed(whens):
                    text = f"({self.value(result, scope, fn)[0]} if {self.truth(condition, scope, fn)} else {text})"
                return text, True
            case Item(array, index):
                return f"item({self.value(array, scope, fn)[0]}, {self.value(index, scope, fn)[0]})", True
            case Cast(value, kind):
                return self._cast(value, kind, scope, fn)
            case _:
                return self._membership(e, scope, fn)

    def _cast(self, value: Expr, kind: str, scope: Scope, fn: Fn) -> tuple[str, bool]:
        text, nullable = self.value(value, scope, fn)
        if isinstance(value, Param):
            return text, nullable  # the client has sent it as that
        return f"cast({kind!r}, {text})", nullable

    def _membership(self, e: Expr, scope: Scope, fn: Fn) -> tuple[str, bool]:
        match e:
            case InList(value, items, negated):
                text, nullable = self.value(value, scope, fn)
                if not nullable and all(isinstance(item, Const) and item.value is not None for item in items):
                    among = "(" + "".join(f"{item.value!r}, " for item in items if isinstance(item, Const)) + ")"
                    return f"({text} {'not ' if negated else ''}in {among})", False
                among = "(" + "".join(f"{self.value(item, scope, fn)[0]}, " for item in items) + ")"
                found = f"in_({text}, {among})"
                return (f"not_({found})" if negated else found), True
            case InSelect(value, select, negated):
                text, _ = self.value(value, scope, fn)
                found = f"in_({text}, {self.keys_of(select, scope, fn, isinstance(value, RowOf))})"
                return (f"not_({found})" if negated else found), True
            case Quantified(value, op, every, array):
                text, _ = self.value(value, scope, fn)
                among, _ = self.value(array, scope, fn)
                return f"{'all_' if every else 'any_'}({values.OPERATORS[op]}, {text}, {among})", True
            case Exists(select):
                return f"{self.subselect(select, scope, fn, 'exists')}()", False
            case Scalar(select):
                return f"{self.subselect(select, scope, fn, 'scalar')}()", True
            case Func():
                return self._call(e, scope, fn)
        raise SqlError(f"not compiled: {e}")

    def _bin(self, e: Bin, scope: Scope, fn: Fn) -> tuple[str, bool]:
        a, a_null = self.value(e.left, scope, fn)
        b, b_null = self.value(e.right, scope, fn)
        nullable = a_null or b_null
        if e.op in values.OPERATORS:
            if isinstance(e.left, RowOf):
                return f"row_compare({values.OPERATORS[e.op]}, {a}, {b})", True
            if not nullable:
                return f"({a} {({'=': '==', '<>': '!='}).get(e.op, e.op)} {b})", False
            return f"{values.OPERATORS[e.op]}({a}, {b})", True
        if e.op not in values.ARITHMETIC:
            raise SqlError(f"operator {e.op}")
        return f"{values.ARITHMETIC[e.op]}({a}, {b})", nullable

    def _and_or(self, e: Expr, parts: Sequence[Expr], scope: Scope, fn: Fn) -> tuple[str, bool]:
        found = [self.value(part, scope, fn) for part in parts]
        if any(nullable for _, nullable in found):
            return ("and_(" if isinstance(e, And) else "or_(") + ", ".join(text for text, _ in found) + ")", True
        return "(" + (" and " if isinstance(e, And) else " or ").join(text for text, _ in found) + ")", False

    def _call(self, e: Func, scope: Scope, fn: Fn) -> tuple[str, bool]:
        name = e.name
        args = [self.value(arg, scope, fn)[0] for arg in e.args]
        args += [f"{key}={self.value(arg, scope, fn)[0]}" for key, arg in e.named]
        given = ", ".join(args)
        if name == "now":
            return "X.now()", False
        if name in ("set_config", "pg_advisory_xact_lock", "pg_advisory_lock", "pg_try_advisory_lock"):
            return f"X.{name}({given})", False
        if name in self.schema.functions:
            return f"F_{name}(X, {given})", True
        if name == "coalesce":
            return f"coalesce({given})", all(self.value(arg, scope, fn)[1] for arg in e.args)
        if name in values.FUNCTIONS:
            return f"{name}({given})", True
        raise SqlError(f"function {name}")

    def keys_of(self, select: Select, scope: Scope, fn: Fn, is_row: bool) -> str:
        """A dict whose keys are a query's rows, or their only values."""
        if select.lock:
            return self.hoisted(select, scope)
        name = self.subselect(select, scope, fn, "rows")
        return f"dict.fromkeys({name}())" if is_row else f"{{k[0]: None for k in {name}()}}"

    def hoisted(self, select: Select, scope: Scope) -> str:
        """A query that locks rows runs before the statement that it stands in."""
        raise SqlError("a query that locks rows, in a place where that is not known")
