"""Parses statements: queries and what writes."""

from youai_proof.sim.postgres.expressions import Expressions
from youai_proof.sim.postgres.tree import (
    Col,
    Conflict,
    Cte,
    Delete,
    Expr,
    From,
    Func,
    Insert,
    Order,
    Select,
    Statement,
    Truncate,
    Update,
)

_AFTER_A_TABLE = frozenset(
    [
        "where",
        "group",
        "order",
        "limit",
        "offset",
        "for",
        "union",
        "on",
        "using",
        "join",
        "left",
        "inner",
        "cross",
        "returning",
        "set",
        "loop",
        "values",
        "select",
        "into",
        "default",
    ]
)
Items = tuple[tuple[Expr, str | None], ...]


class Parser(Expressions):
    """A text of one or more statements."""

    def select(self) -> Select:
        """A query, with its CTEs."""
        ctes = self._ctes()
        return self._select(ctes)

    def statement(self) -> Statement:
        """One statement, whatever it does."""
        ctes = self._ctes()
        if self.is_word("select"):
            return self._select(ctes)
        if self.is_word("insert"):
            return self._insert(ctes)
        if self.is_word("update"):
            return self._update(ctes)
        if self.is_word("delete"):
            return self._delete(ctes)
        if self.word("truncate"):
            tables = [self.name()]
            while self.op(","):
                tables.append(self.name())
            return Truncate(tuple(tables))
        raise self.fail("a statement expected")

    def whole(self) -> Statement:
        """The text's only statement."""
        found = self.statement()
        self.op(";")
        if self.token.kind != "end":
            raise self.fail("the end expected")
        return found

    def _ctes(self) -> tuple[Cte, ...]:
        if not self.word("with"):
            return ()
        recursive = self.word("recursive")
        found = []
        while True:
            name = self.name()
            self.need_word("as")
            self.need("(")
            found.append(Cte(name, self.statement(), recursive))
            self.need(")")
            if not self.op(","):
                return tuple(found)

    def _select(self, ctes: tuple[Cte, ...]) -> Select:
        self.need_word("select")
        distinct = self.word("distinct")
        items: Items = ()
        if not (self.is_word("from") or self.is_op(")")):
            items = self._items()
        into: tuple[str, ...] = ()
        if self.word("into"):
            into = self._into()
        sources = self._from() if self.word("from") else ()
        where = self.expr() if self.word("where") else None
        group: list[Expr] = []
        if self.word("group", "by"):
            group.append(self.expr())
            while self.op(","):
                group.append(self.expr())
        union = None
        if self.word("union", "all"):
            union = self._select(())
        order: tuple[Order, ...] = self.order() if self.word("order", "by") else ()
        limit = offset = lock = None
        skips = False
        while True:
            if self.word("limit"):
                limit = self.expr()
            elif self.word("offset"):
                offset = self.expr()
            elif self.word("for", "update"):
                lock = "update"
                skips = self.word("skip", "locked")
            elif self.word("for", "share"):
                lock = "share"
                skips = self.word("skip", "locked")
            else:
                break
        return Select(
            items, sources, where, tuple(group), order, limit, offset, lock, skips, distinct, union, ctes, (), into
        )

    def _into(self) -> tuple[str, ...]:
        names = [self.name()]
        while self.op(","):
            names.append(self.name())
        return tuple(names)

    def _items(self) -> Items:
        found: list[tuple[Expr, str | None]] = []
        while True:
            value = self.expr()
            name: str | None = None
            if self.word("as"):
                name = self.name()
            elif isinstance(value, Col | Func):
                name = value.name
            found.append((value, name))
            if not self.op(","):
                return tuple(found)

    def _from(self) -> tuple[From, ...]:
        found = [self._source()]
        while True:
            if self.op(",") or self.word("cross", "join"):
                found.append(self._source())
            elif self.is_word("left", "join") or self.is_word("join") or self.is_word("inner", "join"):
                left = self.word("left")
                self.word("inner")
                self.need_word("join")
                found.append(self._source(left=left, joined=True))
            else:
                return tuple(found)

    def _source(self, *, left: bool = False, joined: bool = False) -> From:
        table: str | None = None
        select: Select | None = None
        functions: Func | None = None
        if self.op("("):
            select = self.select()
            self.need(")")
        else:
            table = self.name()
            if self.is_op("("):
                call = self._call(table)
                assert isinstance(call, Func)
                functions, table = call, None
        alias = table or (functions.name if functions else "")
        columns: tuple[str, ...] = ()
        if self.word("as") or (self.token.kind == "word" and self.token.value not in _AFTER_A_TABLE):
            alias = self.name()
            if self.is_op("("):
                columns = tuple(self.names())
            elif functions is not None and len(functions.args) == 1:
                columns = (alias,)
        on: Expr | None = None
        using: tuple[str, ...] = ()
        if joined and self.word("on"):
            on = self.expr()
        elif joined:
            self.need_word("using")
            using = tuple(self.names())
        return From(alias, table, select, functions, columns, left, on, using)

    def _insert(self, ctes: tuple[Cte, ...]) -> Insert:
        self.need_word("insert", "into")
        table = self.name()
        columns = tuple(self.names()) if self.is_op("(") else ()
        if self.word("default", "values"):
            source = Select(values=((),))
        elif self.word("values"):
            rows = [self._row()]
            while self.op(","):
                rows.append(self._row())
            source = Select(values=tuple(rows))
        else:
            source = self.select()
        conflict: Conflict | None = None
        if self.word("on", "conflict"):
            target = tuple(self.names()) if self.is_op("(") else ()
            self.need_word("do")
            if self.word("nothing"):
                conflict = Conflict(target, None, None)
            else:
                self.need_word("update", "set")
                sets = self._sets()
                conflict = Conflict(target, sets, self.expr() if self.word("where") else None)
        return Insert(table, columns, source, conflict, self._returning(), ctes)

    def _row(self) -> tuple[Expr | None, ...]:
        self.need("(")
        found: list[Expr | None] = []
        while True:
            found.append(None if self.word("default") else self.expr())
            if not self.op(","):
                break
        self.need(")")
        return tuple(found)

    def _sets(self) -> tuple[tuple[str, Expr], ...]:
        found = []
        while True:
            name = self.name()
            self.need("=")
            found.append((name, self.expr()))
            if not self.op(","):
                return tuple(found)

    def _returning(self) -> Items | None:
        return self._items() if self.word("returning") else None

    def _alias(self, table: str) -> str:
        return self.name() if self.word("as") else table

    def _update(self, ctes: tuple[Cte, ...]) -> Update:
        self.need_word("update")
        table = self.name()
        alias = self._alias(table)
        self.need_word("set")
        sets = self._sets()
        sources = self._from() if self.word("from") else ()
        where = self.expr() if self.word("where") else None
        return Update(table, alias, sets, sources, where, self._returning(), ctes)

    def _delete(self, ctes: tuple[Cte, ...]) -> Delete:
        self.need_word("delete", "from")
        table = self.name()
        alias = self._alias(table)
        sources = self._from() if self.word("using") else ()
        where = self.expr() if self.word("where") else None
        return Delete(table, alias, sources, where, self._returning(), ctes)


def parse(sql: str) -> Statement:
    """The one statement of a text. Raises SqlError for what is not understood."""
    return Parser(sql).whole()
