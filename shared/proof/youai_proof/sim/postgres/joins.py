"""The loops of a query over its sources: which first, by which index, and what is checked when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from youai_proof.sim.postgres.schema import Schema
from youai_proof.sim.postgres.scopes import Fn, Scope, Source, conjuncts, mentions
from youai_proof.sim.postgres.tokens import SqlError
from youai_proof.sim.postgres.tree import (
    Bin,
    Col,
    Cte,
    Expr,
    From,
    Func,
    InSelect,
    IsNull,
    Not,
    Quantified,
    RowOf,
    Scalar,
    Select,
)


@dataclass(slots=True)
class _Path:
    """How a table's rows are found: `keys` are of `columns`; one of them may be many (`each`)."""

    cost: float
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    each: str | None = None
    unique: bool = False


class Joins:
    """Part of the compiler."""

    schema: Schema

    def fresh(self, name: str) -> str:
        raise NotImplementedError

    def truth(self, e: Expr, scope: Scope, fn: Fn) -> str:
        raise NotImplementedError

    def value(self, e: Expr, scope: Scope, fn: Fn) -> tuple[str, bool]:
        raise NotImplementedError

    def keys_of(self, select: Select, scope: Scope, fn: Fn, is_row: bool) -> str:
        raise NotImplementedError

    def query(self, select: Select, scope: Scope, fn: Fn, mode: str) -> list[str]:
        raise NotImplementedError

    def with_ctes(self, select: Select, scope: Scope, fn: Fn) -> None:
        """Work a query's CTEs out before its body, and let the scope know them."""
        for cte in select.ctes:
            self._cte(cte, scope, fn)

    def _cte(self, cte: Cte, scope: Scope, fn: Fn) -> None:
        statement = cte.statement
        if not isinstance(statement, Select):
            raise SqlError("a CTE that writes, below a query")
        name = self.fresh("cte")
        recursive = cte.recursive and statement.union is not None
        base = (
            Select(**{key: getattr(statement, key) for key in Select.__slots__} | {"union": None})
            if recursive
            else (statement)
        )
        made = Fn(f"def {name}_base():")
        columns = self.query(base, Scope(scope), made, "rows")
        fn.before += made.lines()
        fn.before.append(f"{name} = {name}_base()")
        scope.ctes[cte.name] = (name, columns)
        if recursive:
            assert statement.union is not None
            step = Fn(f"def {name}_step():")
            self.query(statement.union, Scope(scope), step, "rows")
            fn.before += step.lines()
            fn.before += [
                f"{name}_all = list({name})",
                f"while {name}:",
                f"    {name} = {name}_step()",
                f"    {name}_all += {name}",
                f"{name} = {name}_all",
            ]

    def loops(
        self, sources: Sequence[From], where: Expr | None, scope: Scope, fn: Fn, body: Callable[[], None]
    ) -> None:
        """Write the loops over all sources with what must hold, and `body` inside."""
        made = {source.alias: self._source(source, scope, fn) for source in sources}
        wanted = conjuncts(where)
        inner = [source for source in sources if not source.left]
        for source in inner:
            wanted += conjuncts(source.on) + self._using(source, sources, scope)
        own = [made[source.alias][0] for source in sources]
        present = list(scope.sources)  # what the caller has bound already
        scope.sources = present + own
        open_ = set(made)
        bound: set[str] = {one.alias for one in present}

        def check() -> None:
            for condition in list(wanted):
                if not mentions(condition, own) & open_:
                    wanted.remove(condition)
                    fn.emit(
                        f"if not {self.truth(condition, scope, fn)}: continue"
                        if fn.depth
                        else (
                            f"if not {self.truth(condition, scope, fn)}: return "
                            + ("False" if "exists" in fn.head else "[]")
                        )
                    )

        while inner:
            choices = []
            for n, source in enumerate(inner):
                path = self._path(source, made[source.alias][0], wanted, own, open_, scope, fn)
                if path is not None:
                    choices.append((path.cost, n, source, path))
            _, _, source, path = min(choices, key=lambda choice: choice[:2])
            inner.remove(source)
            self._loop(made[source.alias], path, fn)
            open_.discard(source.alias)
            bound.add(source.alias)
            check()
        for source in sources:
            if source.left:
                self._left(source, sources, made[source.alias], own, open_, scope, fn)
                open_.discard(source.alias)
                check()
        if not sources and wanted:
            fn.emit("for _ in (None,):")
            fn.depth += 1
            check()
        body()

    def _using(self, source: From, sources: Sequence[From], scope: Scope) -> list[Expr]:
        before = sources[list(sources).index(source) - 1].alias
        return [Bin("=", Col(before, name), Col(source.alias, name)) for name in source.using]

    def _source(self, source: From, scope: Scope, fn: Fn) -> tuple[Source, str]:
        """A source's columns and, unless it is a table, the text of its rows."""
        variable = self.fresh("r")
        if source.table is not None:
            cte = scope.cte(source.table)
            if cte is not None:
                return Source(source.alias, cte[1], variable), cte[0]
            table = self.schema.tables.get(source.table)
            if table is None:
                raise SqlError(f"no table {source.table}")
            required = frozenset(column.name for column in table.columns if column.not_null and not source.left)
            return Source(source.alias, table.names, variable, required, table.name), ""
        if source.select is not None:
            name = self.fresh("from")
            made = Fn(f"def {name}():")
            columns = self.query(source.select, Scope(scope), made, "rows")
            fn.before += made.lines()
            return Source(source.alias, columns, variable), f"{name}()"
        assert source.functions is not None
        call = source.functions
        if call.name != "unnest":
            raise SqlError(f"rows of {call.name}")
        rows = f"unnest({', '.join(self.value(arg, scope, fn)[0] for arg in call.args)})"
        columns = list(source.columns) + ["unnest"] * (len(call.args) - len(source.columns))
        return Source(source.alias, columns, variable), rows

    def _path(
        self,
        source: From,
        made: Source,
        wanted: Sequence[Expr],
        own: Sequence[Source],
        open_: set[str],
        scope: Scope,
        fn: Fn,
    ) -> _Path | None:
        if made.table is None:
            return _Path(2.0)
        table = self.schema.tables[made.table]
        equal: dict[str, Expr] = {}
        each: dict[str, Expr] = {}
        constant: dict[str, str] = {}
        for condition in wanted:
            self._keys_in(condition, made, own, open_, equal, each, constant)
        known = {*equal, *each, *constant}
        unique = [table.primary, *table.unique.values()]
        best: tuple[float, tuple[str, ...]] | None = None
        for columns in (*unique, *sorted(table.prefixes)):
            if not set(columns) <= known or sum(name not in equal and name in each for name in columns) > 1:
                continue
            many = any(name not in equal and name in each for name in columns)
            cost = (0.0 if columns == table.primary else 0.5 if columns in unique else 1.5 - len(columns) / 10) + many
            if best is None or cost < best[0]:
                best = (cost, columns)
        if best is None:
            return _Path(3.0)
        cost, columns = best
        keys, many_text = [], None
        for name in columns:
            if name in equal:
                keys.append(self.value(equal[name], scope, fn)[0])
            elif name in constant:
                keys.append(constant[name])
            else:
                one = each[name]
                many_text = (
                    self.keys_of(one.select, scope, fn, False)
                    if isinstance(one, InSelect)
                    else f"uniq({self.value(one, scope, fn)[0]})"
                )
                keys.append("key")
        return _Path(cost, columns, tuple(keys), many_text, columns == table.primary)

    def _keys_in(
        self,
        condition: Expr,
        made: Source,
        own: Sequence[Source],
        open_: set[str],
        equal: dict[str, Expr],
        each: dict[str, Expr],
        constant: dict[str, str],
    ) -> None:
        """Note what a condition says that a column of the source is equal to."""

        def own_column(e: Expr) -> str | None:
            if isinstance(e, Col) and e.name in made.columns and e.table in (None, made.alias):
                first = next((one.alias for one in own if e.name in one.columns), made.alias)
                if e.table is None and first != made.alias:
                    return None
                return e.name
            return None

        match condition:
            case Bin("=", left, right):
                for one, other in ((left, right), (right, left)):
                    name = own_column(one)
                    if name and not mentions(other, own) & open_ and not isinstance(other, RowOf):
                        equal.setdefault(name, other)
            case Quantified(value, "=", False, array):
                name = own_column(value)
                if name and not mentions(array, own) & open_:
                    each.setdefault(name, array)
            case InSelect(value, select, False):
                name = own_column(value)
                if name and not mentions(select, [one for one in own if one is not made and one.alias in open_]):
                    each.setdefault(name, condition)
            case IsNull(value, False):
                name = own_column(value)
                if name:
                    constant.setdefault(name, "None")
            case Not(value):
                name = own_column(value)
                if name:
                    constant.setdefault(name, "False")
            case Col():
                name = own_column(condition)
                if name:
                    constant.setdefault(name, "True")
            case _:
                pass

    def _loop(self, made: tuple[Source, str], path: _Path, fn: Fn) -> None:
        source, rows = made
        if source.table is None:
            fn.emit(f"for {source.variable} in {rows}:")
            fn.depth += 1
            return
        table = f"tables[{self.schema.number(source.table)}]"
        row = "R" + source.variable
        if path.each is not None:
            fn.emit(f"for key in {path.each}:")
            fn.depth += 1
        key = path.keys[0] if len(path.keys) == 1 else f"({', '.join(path.keys)})"
        if not path.columns:
            fn.emit(f"for {row} in {table}.rows.values():")
        elif path.unique:
            fn.emit(f"for {row} in ({table}.rows.get({key}),):")
        else:
            fn.emit(f"for {row} in {table}.index({path.columns!r}).rows.get({key}, ()):")
        fn.depth += 1
        if path.unique:
            fn.emit(f"if {row} is None: continue")
        fn.emit(f"{source.variable} = {row}.new if {row}.by is T else {row}.old")
        fn.emit(f"if {source.variable} is None: continue")

    def _left(
        self,
        source: From,
        sources: Sequence[From],
        made: tuple[Source, str],
        own: Sequence[Source],
        open_: set[str],
        scope: Scope,
        fn: Fn,
    ) -> None:
        conditions = conjuncts(source.on) + self._using(source, sources, scope)
        path = self._path(source, made[0], conditions, own, open_, scope, fn)
        assert path is not None
        depth = fn.depth
        matches = self.fresh("left")
        fn.emit(f"{matches} = []")
        self._loop(made, path, fn)
        for condition in conditions:
            fn.emit(f"if not {self.truth(condition, scope, fn)}: continue")
        fn.emit(f"{matches}.append({made[0].variable})")
        fn.depth = depth
        nothing = "(" + "None, " * len(made[0].columns) + ")"
        fn.emit(f"for {made[0].variable} in {matches} or ({nothing},):")
        fn.depth += 1


__all__ = ["Func", "Joins", "Scalar"]
