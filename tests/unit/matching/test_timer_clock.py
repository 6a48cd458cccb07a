"""Which clock says that a timer is due: the database's, which all workers share, and no process's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from youai_matching import loops, requests

DATABASE_MS = 1_900_000_000_000


class Connection:
    async def fetchval(self, sql: str) -> int:
        assert "now()" in sql
        return DATABASE_MS

    async def fetch(self, *_: object) -> list[Any]:
        return []


class Pool:
    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        yield Connection()


async def test_a_timer_is_due_by_the_databases_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def due_timers(_connection: object, now_ms: int, _again_after_s: float) -> list[Any]:
        asked.append(now_ms)
        return []

    monkeypatch.setattr(requests, "due_timers", due_timers)
    await loops.Timer(cast("Any", Pool()), cast("Any", None)).turn()
    assert asked == [DATABASE_MS]
