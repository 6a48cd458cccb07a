"""Expressions and queries into the text of Python functions."""

from collections.abc import Sequence

from youai_proof.sim.postgres import values
from youai_proof.sim.postgres.joins import Joins
from youai_proof.sim.postgres.meanings import Meanings
from youai_proof.sim.postgres.schema import Schema
from youai_proof.sim.postgres.scopes import Fn, Scope, walk
from youai_proof.sim.postgres.tokens import SqlError
from youai_proof.sim.postgres.tree import (
    Array,
    Bin,
    Cast,
    Col,
    Const,
    Expr,
    Func,
    Order,
    Select,
    Star,
)

Items = Sequence[tuple[Expr, str | None]]


class Compiler(Meanings, Joins):
    """Compiles what belongs to one schema. Every query becomes a function that returns its rows."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._count = 0

    def fresh(self, name: str) -> str:
        self._count += 1
        return f"{name}_{self._count}"

    # Queries

    def subselect(self, select: Select, scope: Scope, fn: Fn, mode: str) -> str:
        """Define a query's function before the body of `fn`; returns its name. Asked once if it reaches nothing out."""
        name = self.fresh("sub")
        inner = Scope(scope)
        made = Fn(f"def {name}():")
        self.query(select, inner, made, mode)
        fn.before += made.lines()
        if inner.reaches_out:
            return name
        once = self.fresh("once")
        fn.before += [
            f"{once}_is = []",
            f"def {once}():",
            f"    if not {once}_is: {once}_is.append({name}())",
            f"    return {once}_is[0]",
        ]
        return once

    def columns(self, items: Items, scope: Scope) -> list[str]:
        """The names of a query's columns."""
        found: list[str] = []
        for value, name in items:
            if isinstance(value, Star):
                for source in scope.sources:
                    if value.table in (None, source.alias):
                        found += source.columns
            elif name is not None:
                found.append(name)
            else:
                while isinstance(value, Cast):
                    value = value.value
                found.append(value.name if isinstance(value, Col | Func) else "?column?")
        return found

    def project(self, items: Items, scope: Scope, fn: Fn) -> str:
        """The text of a row of a query."""
        parts = []
        for value, _ in items:
            if isinstance(value, Star):
                for source in scope.sources:
                    if value.table in (None, source.alias):
                        parts += [f"{source.variable}[{n}]" for n in range(len(source.columns))]
            else:
                parts.append(self.value(value, scope, fn)[0])
        return "(" + "".join(f"{part}, " for part in parts) + ")"

    def query(self, select: Select, scope: Scope, fn: Fn, mode: str) -> list[str]:
        """Write a query into `fn`, which returns its rows, or whether there are any, or the first value.

        Returns its columns' names.
        """
        if select.lock:
            raise SqlError("FOR UPDATE or FOR SHARE in a query within another")
        self.with_ctes(select, scope, fn)
        plain = not (select.order or select.distinct or select.limit or select.offset or select.union)
        is_aggregate = bool(select.group) or any(_aggregates(value) for value, _ in select.items)
        if mode == "exists" and plain and not is_aggregate:
            self.loops(select.sources, select.where, scope, fn, lambda: fn.emit("return True"))
            fn.depth = 0
            fn.emit("return False")
            return []
        fn.before.append("out = []")
        names = self._aggregate(select, scope, fn) if is_aggregate else self._plain(select, scope, fn, mode)
        fn.depth = 0
        if select.union is not None:
            other = self.subselect(select.union, scope, fn, "rows")
            fn.emit(f"out += {other}()")
        self._cut(select, scope, fn)
        fn.emit(
            {
                "rows": "return out",
                "exists": "return bool(out)",
                "scalar": "return one_value(out)",
            }[mode]
        )
        return names

    def _plain(self, select: Select, scope: Scope, fn: Fn, mode: str) -> list[str]:
        window = next((value for value, _ in select.items if isinstance(value, Func) and value.over is not None), None)
        names: list[str] = []

        def body() -> None:
            names.extend(self.columns(select.items, scope))
            order = self._output_order(select) if window is None else window.over or ()
            items = [(Const(None) if value is window else value, name) for value, name in select.items]
            row = self.project(items, scope, fn)
            keys = self._keys(order, scope, fn)
            fn.emit(f"out.append(({keys}, {row}))" if order else f"out.append({row})")
            early = {"rows": "return out", "exists": "return True", "scalar": "return one_value(out)"}
            if select.limit is not None and not (order or select.distinct or select.offset):
                limit = self.value(select.limit, scope, fn)[0]
                fn.emit(f"if len(out) >= {limit}: {early[mode]}")

        self.loops(select.sources, select.where, scope, fn, body)
        fn.depth = 0
        order = self._output_order(select) if window is None else window.over or ()
        if order:
            self.sort(order, fn)
            fn.emit("out = [row for _, row in out]")
        if window is not None:
            at = [value for value, _ in select.items].index(window)
            fn.emit(f"out = [(*row[:{at}], n, *row[{at + 1}:]) for n, row in enumerate(out, 1)]")
        if select.distinct:
            fn.emit("out = list(dict.fromkeys(out))")
        return names

    def _aggregate(self, select: Select, scope: Scope, fn: Fn) -> list[str]:
        variables: list[str] = []

        def body() -> None:
            variables.extend(source.variable for source in scope.sources)
            row = "(" + "".join(f"{name}, " for name in variables) + ")"
            if select.group:
                keys = "".join(f"{self.value(self._named(key, select), scope, fn)[0]}, " for key in select.group)
                fn.emit(f"groups.setdefault(({keys}), []).append({row})")
            else:
                fn.emit(f"groups[()].append({row})")

        fn.before.append("groups = {}" if select.group else "groups = {(): []}")
        self.loops(select.sources, select.where, scope, fn, body)
        fn.depth = 0
        fn.emit("for group in groups.values():")
        fn.depth = 1
        binding = "(" + "".join(f"{name}, " for name in variables) + ")"
        if select.group and variables:
            fn.emit(f"{binding} = group[0]")
        parts = [self.aggregated(value, binding, scope, fn) for value, _ in select.items]
        row = "(" + "".join(f"{part}, " for part in parts) + ")"
        order = self._output_order(select)
        keys = self._keys(order, scope, fn)
        fn.emit(f"out.append(({keys}, {row}))" if order else f"out.append({row})")
        fn.depth = 0
        if order:
            self.sort(order, fn)
            fn.emit("out = [row for _, row in out]")
        return self.columns(select.items, scope)

    def aggregated(self, e: Expr, binding: str, scope: Scope, fn: Fn) -> str:
        """An expression over a group's rows."""
        match e:
            case Func(name=name) if name in values.AGGREGATES:
                if e.star or not e.args:
                    return "len(group)"
                args = [self.value(arg, scope, fn)[0] for arg in e.args]
                text = args[0] if len(args) == 1 else f"({', '.join(args)})"
                group = "group"
                if e.order:
                    group = "sorted(group, key=lambda b: key_of(b))".replace(
                        "key_of(b)", self._key_function(e.order, binding, scope, fn)
                    )
                made = f"[{text} for {binding} in {group}]"
                if name == "count":
                    return f"sum(value is not None for value in {made})"
                return f"{values.AGGREGATES[name]}({made})"
            case Func(name=name) if any(_aggregates(arg) for arg in e.args):
                args = [self.aggregated(arg, binding, scope, fn) for arg in e.args]
                return f"{name}({', '.join(args)})"
            case Bin(op, left, right):
                text = (values.OPERATORS | values.ARITHMETIC)[op]
                return (
                    f"{text}({self.aggregated(left, binding, scope, fn)}, {self.aggregated(right, binding, scope, fn)})"
                )
            case Cast(value, kind):
                return f"cast({kind!r}, {self.aggregated(value, binding, scope, fn)})"
            case Array(items):
                return "[" + ", ".join(self.aggregated(item, binding, scope, fn) for item in items) + "]"
            case _:
                return self.value(e, scope, fn)[0]

    def _key_function(self, order: Sequence[Order], binding: str, scope: Scope, fn: Fn) -> str:
        name = self.fresh("key")
        assert not any(one.descending for one in order), "an aggregate in descending order"
        variables = binding.strip("()").rstrip(", ")
        fn.before += [f"def {name}({variables},):", f"    return {self._keys(order, scope, fn)}"]
        return f"{name}(*b)"

    def _named(self, value: Expr, select: Select) -> Expr:
        """A bare name in GROUP BY or ORDER BY may be that of a column that comes out."""
        if isinstance(value, Col) and value.table is None:
            for found, name in select.items:
                if name == value.name and not isinstance(found, Star):
                    return found
        return value

    def _output_order(self, select: Select) -> tuple[Order, ...]:
        return tuple(Order(self._named(one.value, select), one.descending) for one in select.order)

    def _keys(self, order: Sequence[Order], scope: Scope, fn: Fn) -> str:
        parts = []
        for one in order:
            text, nullable = self.value(one.value, scope, fn)
            parts.append(f"(({text}) is None, {text})" if nullable else text)
        return "(" + "".join(f"{part}, " for part in parts) + ")"

    def sort(self, order: Sequence[Order], fn: Fn) -> None:
        """Sort `out`, whose items begin with their keys."""
        if len({one.descending for one in order}) == 1:
            fn.emit(f"out.sort(key=first{', reverse=True' if order[0].descending else ''})")
            return
        for n, one in reversed(list(enumerate(order))):
            fn.emit(f"out.sort(key=lambda pair: pair[0][{n}]{', reverse=True' if one.descending else ''})")

    def _cut(self, select: Select, scope: Scope, fn: Fn) -> None:
        if select.offset is not None:
            fn.emit(f"out = out[{self.value(select.offset, scope, fn)[0]} or 0:]")
        if select.limit is not None:
            fn.emit(f"out = out[:{self.value(select.limit, scope, fn)[0]}]")


def _aggregates(value: Expr) -> bool:
    """Whether an expression has an aggregate of its own query."""
    if isinstance(value, Func) and value.name in values.AGGREGATES and value.over is None:
        return True
    if isinstance(value, Func | Bin | Cast | Array):
        return any(_aggregates(part) for part in _parts(value))
    return False


def _parts(value: Func | Bin | Cast | Array) -> Sequence[Expr]:
    match value:
        case Func():
            return value.args
        case Bin():
            return (value.left, value.right)
        case Cast():
            return (value.value,)
        case Array():
            return value.items


__all__ = ["Compiler", "Items", "walk"]
