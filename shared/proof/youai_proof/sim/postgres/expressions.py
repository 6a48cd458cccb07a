"""Parses expressions."""

from youai_proof.sim.postgres.tokens import Cursor
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
    Order,
    Param,
    Quantified,
    RowOf,
    Scalar,
    Select,
    Star,
)

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_RESERVED = frozenset(
    [
        "from",
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
        "as",
        "when",
        "then",
        "else",
        "end",
        "and",
        "or",
        "loop",
        "into",
        "values",
        "desc",
        "asc",
        "conflict",
        "do",
        "skip",
    ]
)


class Expressions(Cursor):
    """`select` is the parser of queries, which knows expressions itself."""

    def select(self) -> Select:
        raise NotImplementedError

    def expr(self) -> Expr:
        return self._or()

    def _or(self) -> Expr:
        parts = [self._and()]
        while self.word("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Expr:
        parts = [self._not()]
        while self.word("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Expr:
        if self.word("not"):
            return Not(self._not())
        return self._comparison()

    def _comparison(self) -> Expr:
        left = self._sum()
        while True:
            if self.token.kind == "op" and self.token.value in _COMPARISONS:
                op = self.next().value
                left = (
                    self._quantified(left, op)
                    if self.is_word("any") or self.is_word("all")
                    else (_compared(op, left, self._sum()))
                )
            elif self.word("is"):
                left = self._is(left)
            elif self.is_word("not", "in") or self.is_word("in"):
                negated = self.word("not")
                self.need_word("in")
                left = self._in(left, negated)
            elif self.is_word("not", "between") or self.is_word("between"):
                negated = self.word("not")
                self.need_word("between")
                low = self._sum()
                self.need_word("and")
                both = And((Bin(">=", left, low), Bin("<=", left, self._sum())))
                left = Not(both) if negated else both
            else:
                return left

    def _quantified(self, left: Expr, op: str) -> Expr:
        every = self.next().value == "all"
        self.need("(")
        array = self.expr()
        self.need(")")
        return Quantified(left, op, every, array)

    def _is(self, left: Expr) -> Expr:
        negated = self.word("not")
        if self.word("null"):
            return IsNull(left, negated)
        if self.word("distinct", "from"):
            return Distinct(left, self._sum(), negated)
        if self.is_word("true") or self.is_word("false"):
            wanted = self.next().value == "true"
            return Distinct(left, Const(wanted), not negated)
        raise self.fail("IS what")

    def _in(self, left: Expr, negated: bool) -> Expr:
        self.need("(")
        if self.is_word("select") or self.is_word("with"):
            select = self.select()
            self.need(")")
            return InSelect(left, select, negated)
        items = [self.expr()]
        while self.op(","):
            items.append(self.expr())
        self.need(")")
        return InList(left, tuple(items), negated)

    def _sum(self) -> Expr:
        left = self._product()
        while self.token.kind == "op" and self.token.value in ("+", "-", "||", "->>", "->"):
            left = Bin(self.next().value, left, self._product())
        return left

    def _product(self) -> Expr:
        left = self._unary()
        while self.token.kind == "op" and self.token.value in ("*", "/", "%"):
            left = Bin(self.next().value, left, self._unary())
        return left

    def _unary(self) -> Expr:
        if self.op("-"):
            value = self._unary()
            return Const(-value.value) if isinstance(value, Const) else Bin("-", Const(0), value)
        return self._postfix(self._primary())

    def _postfix(self, value: Expr) -> Expr:
        while True:
            if self.op("::"):
                value = Cast(value, self.type())
            elif self.op("["):
                value = Item(value, self.expr())
                self.need("]")
            elif self.word("at", "time", "zone"):
                value = Func("timezone", (self._primary(), value))
            else:
                return value

    def type(self) -> str:
        """A type's name, with `[]` for arrays."""
        name = {"int": "integer", "bool": "boolean", "int8": "bigint", "int4": "integer"}.get(
            self.token.value, self.token.value
        )
        self.next()
        if name == "double":
            self.need_word("precision")
            name = "float8"
        if self.op("["):
            self.need("]")
            name += "[]"
        return name

    def _primary(self) -> Expr:
        token = self.token
        if token.kind == "param":
            self.next()
            return Param(int(token.value))
        if token.kind == "number":
            self.next()
            return Const(float(token.value) if "." in token.value else int(token.value))
        if token.kind == "text":
            self.next()
            return Const(token.value)
        if self.op("("):
            return self._parenthesis()
        if self.op("*"):
            return Star(None)
        if token.kind == "word":
            return self._word()
        raise self.fail("an expression expected")

    def _parenthesis(self) -> Expr:
        if self.is_word("select") or self.is_word("with"):
            select = self.select()
            self.need(")")
            return Scalar(select)
        items = [self.expr()]
        while self.op(","):
            items.append(self.expr())
        self.need(")")
        return items[0] if len(items) == 1 else RowOf(tuple(items))

    def _word(self) -> Expr:
        if self.is_word("exists") and self.peek().value == "(":
            self.next()
            self.need("(")
            select = self.select()
            self.need(")")
            return Exists(select)
        if self.word("case"):
            return self._case()
        if self.is_word("array") and self.peek().value == "[":
            self.next()
            self.need("[")
            items = [self.expr()]
            while self.op(","):
                items.append(self.expr())
            self.need("]")
            return Array(tuple(items))
        if self.is_word("interval") and self.peek().kind == "text":
            self.next()
            return Func("interval", (Const(self.next().value),))
        for word, value in (("null", None), ("true", True), ("false", False)):
            if self.word(word):
                return Const(value)
        if self.token.value in _RESERVED:
            raise self.fail("an expression expected")
        name = self.name()
        if self.is_op("("):
            return self._call(name)
        if self.op("."):
            return Star(name) if self.op("*") else Col(name, self.name())
        return Col(None, name)

    def _case(self) -> Expr:
        whens = []
        while self.word("when"):
            condition = self.expr()
            self.need_word("then")
            whens.append((condition, self.expr()))
        otherwise = self.expr() if self.word("else") else None
        self.need_word("end")
        return Case(tuple(whens), otherwise)

    def _call(self, name: str) -> Expr:
        self.need("(")
        args: list[Expr] = []
        named: list[tuple[str, Expr]] = []
        order: tuple[Order, ...] = ()
        star = False
        if name == "extract":
            field = self.name()
            self.need_word("from")
            args = [Const(field), self.expr()]
        elif self.op("*"):
            star = True
        elif not self.is_op(")"):
            while True:
                if self.token.kind == "word" and self.peek().value == "=>":
                    key = self.name()
                    self.need("=>")
                    named.append((key, self.expr()))
                else:
                    args.append(self.expr())
                if not self.op(","):
                    break
        if self.word("order", "by"):
            order = self.order()
        self.need(")")
        over: tuple[Order, ...] | None = None
        if self.word("over"):
            self.need("(")
            self.need_word("order", "by")
            over = self.order()
            self.need(")")
        return Func(name, tuple(args), tuple(named), star, order, over)

    def order(self) -> tuple[Order, ...]:
        """The keys of an ORDER BY."""
        found = []
        while True:
            value = self.expr()
            descending = self.word("desc")
            if not descending:
                self.word("asc")
            found.append(Order(value, descending))
            if not self.op(","):
                return tuple(found)


def _compared(op: str, left: Expr, right: Expr) -> Expr:
    """A comparison; one of rows for equality is one of each of their columns."""
    if op == "=" and isinstance(left, RowOf) and isinstance(right, RowOf):
        return And(tuple(Bin("=", a, b) for a, b in zip(left.items, right.items, strict=True)))
    return Bin(op, left, right)
