"""What a worker says of its readiness, and in which order it lets go of what its loops share."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from youai_runtime import database
from youai_runtime.worker import Hosted


class Pool:
    """A database that answers, refuses, or never answers."""

    def __init__(self, answer: Any = 1) -> None:
        self.answer = answer
        self.did: list[str] = []

    async def fetchval(self, _statement: str) -> Any:
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def terminate(self) -> None:
        self.did.append("pool")


def hosted(pool: Pool, *clients: Any) -> Hosted:
    return Hosted(loops=(), pool=cast(Any, pool), clients=clients)


async def test_a_worker_with_its_database_is_ready() -> None:
    assert await hosted(Pool()).waiting() == {}


async def test_a_worker_without_its_database_is_not() -> None:
    assert await hosted(Pool(ConnectionRefusedError("refused"))).waiting() == {
        "database": "ConnectionRefusedError('refused')"
    }


async def test_a_database_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PROBE_S", 0.0)
    async with asyncio.timeout(5):
        assert await hosted(Pool(None)).waiting() == {"database": "TimeoutError()"}


async def test_clients_are_stopped_in_order_before_the_pool_is_dropped() -> None:
    pool = Pool()

    def client(name: str) -> Any:
        async def stop() -> None:
            pool.did.append(name)

        return SimpleNamespace(stop=stop)

    await hosted(pool, client("producer"), client("reader")).close()
    assert pool.did == ["producer", "reader", "pool"]
