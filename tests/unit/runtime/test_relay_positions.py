"""Positions that a relay gives are given once, even where an older database was restored and knows less."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from youai_runtime.outbox import Relay


class Row(dict[str, Any]):
    pass


class Database:
    """The relay's row, and one unpublished row of the outbox a turn; also connection and pool."""

    def __init__(self) -> None:
        self.last = 0
        self.given: list[int] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Database"]:
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    async def fetchval(self, sql: str) -> int:
        assert sql == "SELECT last_position FROM relay"
        return self.last

    async def execute(self, sql: str, *values: int) -> None:
        if sql.startswith("UPDATE relay"):
            (self.last,) = values
        elif "FOR UPDATE" not in sql:
            self.last += 1

    async def fetch(self, _sql: str, *_: object) -> list[Row]:
        self.given.append(self.last)
        return [Row(position=self.last)]


async def test_no_position_is_given_again_after_an_older_database_was_restored() -> None:
    database = Database()
    relay = Relay(cast("Any", database), cast("Any", None), service="demand")
    for _ in range(3):
        await relay._number(cast("Any", database))
    database.last = 1
    await relay._number(cast("Any", database))
    assert database.given == [1, 2, 3, 4]
