"""SQL text into tokens, and a cursor over them that parsers share."""

import re
from dataclasses import dataclass


class SqlError(Exception):
    """Text that this fake does not understand. It never guesses: what is not known is added here."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: word, text (a string's value), number, param, op or end. Words are in lower case."""

    kind: str
    value: str
    at: int


_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
    | (?P<dollar>\$(?P<tag>\w*)\$(?P<body>.*?)\$(?P=tag)\$)
    | (?P<param>\$\d+)
    | (?P<number>\d+\.\d+|\d+)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<quoted>"[^"]+")
    | (?P<text>'(?:[^']|'')*')
    | (?P<op>::|:=|=>|<=|>=|<>|!=|\|\||->>|->|[-+*/%<>=().,;\[\]\#:])
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(sql: str) -> list[Token]:
    """All tokens of a text, with one of kind `end` after them. Raises SqlError at what is none."""
    found: list[Token] = []
    at = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None:
            raise SqlError(f"no token at {sql[at : at + 40]!r}")
        at = match.end()
        kind = match.lastgroup or ""
        if match["space"] is not None:
            continue
        if match["dollar"] is not None:
            found.append(Token("text", match["body"], match.start()))
        elif kind == "text":
            found.append(Token("text", match[0][1:-1].replace("''", "'"), match.start()))
        elif kind == "word":
            found.append(Token("word", match[0].lower(), match.start()))
        elif kind == "quoted":
            found.append(Token("word", match[0][1:-1], match.start()))
        elif kind == "param":
            found.append(Token("param", match[0][1:], match.start()))
        else:
            found.append(Token(kind, "<>" if match[0] == "!=" else match[0], match.start()))
    found.append(Token("end", "", len(sql)))
    return found


class Cursor:
    """Where a parser stands in the tokens of a text."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = tokens(sql)
        self.at = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def fail(self, why: str) -> SqlError:
        at = self.token.at
        return SqlError(f"{why} at {self.sql[at : at + 60]!r} in {' '.join(self.sql.split())[:200]!r}")

    def is_word(self, *words: str) -> bool:
        """Whether these words come next."""
        return all(self.peek(n).kind == "word" and self.peek(n).value == word for n, word in enumerate(words))

    def word(self, *words: str) -> bool:
        """Take these words if they come next."""
        if self.is_word(*words):
            self.at += len(words)
            return True
        return False

    def is_op(self, op: str) -> bool:
        return self.token.kind == "op" and self.token.value == op

    def op(self, op: str) -> bool:
        """Take this operator if it comes next."""
        if self.is_op(op):
            self.at += 1
            return True
        return False

    def need_word(self, *words: str) -> None:
        if not self.word(*words):
            raise self.fail(f"{' '.join(words)} expected")

    def need(self, op: str) -> None:
        if not self.op(op):
            raise self.fail(f"{op} expected")

    def name(self) -> str:
        if self.token.kind != "word":
            raise self.fail("a name expected")
        return self.next().value

    def names(self) -> list[str]:
        """Names in parentheses, with commas."""
        self.need("(")
        found = [self.name()]
        while self.op(","):
            found.append(self.name())
        self.need(")")
        return found
