"""Functions of SQL and PL/pgSQL into Python: those that wait for nobody are plain, the others coroutines."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from youai_proof.sim.postgres.scopes import Fn, Scope, walk
from youai_proof.sim.postgres.tokens import SqlError
from youai_proof.sim.postgres.tree import Assign, Expr, Func, Function, If, Loop, Pl, Return, Select, Sql, Statement

if TYPE_CHECKING:
    from youai_proof.sim.postgres.plans import Plan

Variables = dict[str, tuple[str, ...] | None]


class Procedures:
    """Part of the plans."""

    names: dict[str, Any]

    def fresh(self, name: str) -> str:
        raise NotImplementedError

    def define(self, fn: Fn) -> Callable[..., Any]:
        raise NotImplementedError

    def query(self, select: Select, scope: Scope, fn: Fn, mode: str) -> list[str]:
        raise NotImplementedError

    def truth(self, e: Expr, scope: Scope, fn: Fn) -> str:
        raise NotImplementedError

    def value(self, e: Expr, scope: Scope, fn: Fn) -> tuple[str, bool]:
        raise NotImplementedError

    def statement(self, statement: Statement, variables: dict[str, Any] | None = None) -> "Plan":
        raise NotImplementedError

    def _begin(self, name: str, parameters: Sequence[str], *, waits: bool = False) -> Fn:
        arguments = "".join(f", {one}" for one in parameters)
        fn = Fn(f"{'async ' if waits else ''}def {self.fresh(name)}(X{arguments}):")
        given = ", ".join(f"{one!r}: {one}" for one in parameters)
        fn.before += [
            f"X = X.within({{{given}}})",
            "T = X.T; P = (); V = X.V; C = X.cte; tables = X.tables",
        ]
        return fn

    def sql_function(self, function: Function) -> Callable[..., Any]:
        """A function in SQL of one value."""
        assert function.query is not None
        scope = Scope()
        scope.variables = dict.fromkeys(function.parameters)
        fn = self._begin(function.name, function.parameters)
        self.query(function.query, scope, fn, "scalar")
        return self.define(fn)

    def condition(self, when: Expr, columns: Variables) -> Callable[..., Any]:
        """A trigger's condition, of the old and the new row."""
        scope = Scope()
        scope.variables = columns
        fn = self._begin("when", ("new", "old"))
        fn.emit(f"return {self.truth(when, scope, fn)}")
        return self.define(fn)

    def procedure(self, function: Function, records: Variables) -> Callable[..., Any]:
        """A function in PL/pgSQL; `records` are a trigger's NEW and OLD, with their columns."""
        parameters = function.parameters or tuple(records)
        waits = bool(function.outputs or records)
        scope = Scope()
        scope.variables = dict.fromkeys((*parameters, *function.outputs, "found")) | records
        scope.variables |= {name: () if kind == "record" else None for name, kind, _ in function.variables}
        fn = self._begin(function.name, parameters, waits=waits)
        fn.emit("rows = []")
        for output in function.outputs:
            fn.emit(f"V[{output!r}] = None")
        fn.emit("V['found'] = False")
        kinds = {name: kind for name, kind, _ in function.variables}
        for name, kind, value in function.variables:
            fn.emit(f"V[{name!r}] = {self._typed(value, kind, scope, fn) if value else 'None'}")
        _Body(self, scope, fn, kinds, function.outputs, waits).block(function.body)
        fn.depth = 0
        fn.emit("return rows" if function.outputs else "return None")
        return self.define(fn)

    def _typed(self, value: Expr, kind: str, scope: Scope, fn: Fn) -> str:
        text = self.value(value, scope, fn)[0]
        return f"cast({kind!r}, {text})" if kind in ("bigint", "integer") else text


class _Body:
    """Writes the statements of one function."""

    def __init__(
        self, plans: Procedures, scope: Scope, fn: Fn, kinds: dict[str, str], outputs: Sequence[str], waits: bool
    ) -> None:
        self.plans = plans
        self.scope = scope
        self.fn = fn
        self.kinds = kinds
        self.outputs = outputs
        self.waits = waits

    def block(self, body: Sequence[Pl]) -> None:
        for one in body:
            self._one(one)

    def _one(self, one: Pl) -> None:
        fn = self.fn
        match one:
            case Assign(name, value):
                kind = self.kinds.get(name, "text")
                fn.emit(f"V[{name!r}] = {self.plans._typed(value, kind, self.scope, fn)}")
            case If():
                self._if(one)
            case Loop():
                self._loop(one)
            case Return(value, True):
                fn.emit("rows.append((" + "".join(f"V[{name!r}], " for name in self.outputs) + "))")
            case Return(value, False):
                fn.emit(f"return {self.plans.value(value, self.scope, fn)[0] if value else 'rows'}")
            case Sql():
                self._sql(one)

    def _indented(self, body: Sequence[Pl]) -> None:
        depth = self.fn.depth
        self.fn.depth = depth + 1
        self.block(body)
        if not body:
            self.fn.emit("pass")
        self.fn.depth = depth

    def _if(self, one: If) -> None:
        for number, (condition, body) in enumerate(one.branches):
            word = "if" if number == 0 else "elif"
            self.fn.emit(f"{word} {self.plans.truth(condition, self.scope, self.fn)}:")
            self._indented(body)
        if one.otherwise:
            self.fn.emit("else:")
            self._indented(one.otherwise)

    def _loop(self, one: Loop) -> None:
        if one.select is not None:
            plan = self._plan(one.select)
            assert plan.kind == "select", "a loop over what waits for nobody"
            self.scope.variables[one.name] = plan.record.names
            found = f"{self._name(plan)}.main(X)"
        else:
            assert one.array is not None
            found = self.plans.value(one.array, self.scope, self.fn)[0]
        variable = self.plans.fresh("each")
        self.fn.emit(f"for {variable} in {found}:")
        self.fn.depth += 1
        self.fn.emit(f"V[{one.name!r}] = {variable}")
        self.fn.depth -= 1
        self._indented(one.body)

    def _plan(self, statement: Statement) -> "Plan":
        return self.plans.statement(statement, self.scope.variables)

    def _name(self, plan: "Plan") -> str:
        name = self.plans.fresh("plan")
        self.plans.names[name] = plan
        return name

    def _sql(self, one: Sql) -> None:
        plan = self._plan(one.statement)
        name = self._name(plan)
        fn = self.fn
        is_plain = plan.kind == "select" and not plan.before and not _may_wait(one.statement)
        if is_plain:
            fn.emit(f"found = {name}.main(X)")
            fn.emit("V['found'] = bool(found)")
        elif self.waits:
            fn.emit(f"found, count = await X.run({name})")
            fn.emit("V['found'] = count > 0")
        else:
            raise SqlError("a function that is called in an expression, and waits")
        if not one.into:
            return
        if self.kinds.get(one.into[0]) == "record":
            columns = plan.record.names
            self.scope.variables[one.into[0]] = columns
            fn.emit(f"V[{one.into[0]!r}] = found[0] if found else {(None,) * len(columns)!r}")
            return
        for number, variable in enumerate(one.into):
            fn.emit(f"V[{variable!r}] = found[0][{number}] if found else None")


def _may_wait(statement: Statement) -> bool:
    return any(isinstance(node, Func) and node.name.startswith("pg_advisory") for node in walk(statement))
