"""Parses the bodies of PL/pgSQL functions."""

from dataclasses import replace

from youai_proof.sim.postgres.parser import Parser
from youai_proof.sim.postgres.tree import Assign, Expr, Function, If, Loop, Pl, Return, Select, Sql


def plpgsql(function: Function, body: str) -> Function:
    """The function with its variables and statements. Raises SqlError."""
    return Body(body).function(function)


class Body(Parser):
    """A function's body."""

    def function(self, function: Function) -> Function:
        while self.op("#"):  # `#variable_conflict use_column`: columns are looked for first here in any case
            self.next()
            self.next()
        variables: list[tuple[str, str, Expr | None]] = []
        if self.word("declare"):
            while not self.is_word("begin"):
                name = self.name()
                kind = self.type()
                variables.append((name, kind, self.expr() if self.op(":=") else None))
                self.need(";")
        self.need_word("begin")
        return replace(function, variables=tuple(variables), body=self._block())

    def _block(self) -> tuple[Pl, ...]:
        """Statements up to one of END, ELSE, ELSIF; takes the END of a whole body alone."""
        found: list[Pl] = []
        while not (self.is_word("end") or self.is_word("else") or self.is_word("elsif")):
            found.append(self._one())
        return tuple(found)

    def _one(self) -> Pl:
        if self.word("if"):
            return self._if()
        if self.word("for"):
            name = self.name()
            self.need_word("in")
            return self._loop(name, self.select(), None)
        if self.word("foreach"):
            name = self.name()
            self.need_word("in", "array")
            return self._loop(name, None, self.expr())
        if self.word("return", "next"):
            self.need(";")
            return Return(None, True)
        if self.word("return"):
            value = None if self.is_op(";") else self.expr()
            self.need(";")
            return Return(value, False)
        if self.is_word("perform"):
            self.tokens[self.at] = replace(self.token, value="select")
            return self._sql()
        if self.peek().value == ":=":
            name = self.name()
            self.need(":=")
            value = self.expr()
            self.need(";")
            return Assign(name, value)
        return self._sql()

    def _sql(self) -> Sql:
        statement = self.statement()
        self.need(";")
        return Sql(statement, statement.into if isinstance(statement, Select) else ())

    def _if(self) -> If:
        branches = []
        otherwise: tuple[Pl, ...] = ()
        while True:
            condition = self.expr()
            self.need_word("then")
            branches.append((condition, self._block()))
            if self.word("elsif"):
                continue
            if self.word("else"):
                otherwise = self._block()
            self.need_word("end", "if")
            self.need(";")
            return If(tuple(branches), otherwise)

    def _loop(self, name: str, select: Select | None, array: Expr | None) -> Loop:
        self.need_word("loop")
        body = self._block()
        self.need_word("end", "loop")
        self.need(";")
        return Loop(name, select, array, body)
