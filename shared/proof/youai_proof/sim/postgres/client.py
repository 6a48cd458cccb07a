"""What our code sees of asyncpg: the pool, and how connections are made."""

import asyncio
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from youai_proof.sim.postgres.connections import SETTINGS, Connection, connected
from youai_proof.sim.postgres.records import Record

if TYPE_CHECKING:
    from youai_proof.sim.postgres.server import Server


class _Acquiring:
    """`async with pool.acquire() as connection`, or `await pool.acquire()`."""

    def __init__(self, pool: "Pool", timeout: float) -> None:
        self._pool = pool
        self._timeout = timeout
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._pool.take(self._timeout).__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take(self._timeout)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        assert self._connection is not None
        connection, self._connection = self._connection, None
        await self._pool.release(connection)


class Pool:
    """A bounded pool, as youai_runtime.database makes one: nobody waits for ever."""

    def __init__(
        self, server: "Server", database: str, *, name: str, size: int, wait_s: float, statement_s: float
    ) -> None:
        self._server = server
        self._database = database
        self._wait_s = wait_s
        self._statement_s = statement_s
        self._settings = SETTINGS | {"application_name": name}
        self._free = size
        self._idle: list[Connection] = []
        self._all: dict[Connection, None] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_closing = False

    def acquire(self, *, timeout: float | None = None) -> _Acquiring:
        return _Acquiring(self, self._wait_s if timeout is None else timeout)

    async def take(self, timeout: float) -> Connection:
        """A connection. Raises TimeoutError when none is free in time, else what connecting raises."""
        if self._is_closing:
            raise asyncpg.InterfaceError("pool is closing")
        if self._free and self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                self._free -= 1
                return connection
            self._idle.append(connection)
        async with asyncio.timeout(timeout):
            await self._place()
            try:
                while self._idle:
                    connection = self._idle.pop()
                    if not connection.is_closed():
                        return connection
                    self._all.pop(connection, None)
                connection = await connected(self._server, self._database, self._settings, self._statement_s)
            except BaseException:
                self._give_place()
                raise
        self._all[connection] = None
        return connection

    async def _place(self) -> None:
        """Wait for one of the places; whoever gives one hands it on."""
        if self._free:
            self._free -= 1
            return
        waiter: asyncio.Future[None] = self._server.loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self._give_place()
            else:
                self._waiters.remove(waiter)
            raise

    def _give_place(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    async def release(self, connection: Connection) -> None:
        if connection.is_busy():
            try:
                async with asyncio.timeout(self._wait_s):
                    await connection.quiet()
            except BaseException:
                connection.terminate()
                self._all.pop(connection, None)
                self._give_place()
                raise
        if connection.is_left_open():
            connection.terminate()
        if connection.is_closed():
            self._all.pop(connection, None)
        else:
            self._idle.append(connection)
        self._give_place()

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Record]:
        async with self.acquire() as connection:
            return await connection.fetch(query, *args, timeout=timeout)

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Record | None:
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args, timeout=timeout)

    async def fetchval(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args, timeout=timeout)

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        async with self.acquire() as connection:
            return await connection.execute(query, *args, timeout=timeout)

    async def executemany(self, query: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None) -> None:
        async with self.acquire() as connection:
            await connection.executemany(query, args, timeout=timeout)

    def terminate(self) -> None:
        """Drop all connections at once."""
        self._is_closing = True
        for connection in self._all:
            connection.terminate()

    async def close(self) -> None:
        self.terminate()


async def connect_pool(
    server: "Server", database: str, *, name: str, size: int, wait_s: float = 5.0, statement_s: float = 10.0
) -> Pool:
    """What youai_runtime.database.connect_pool gives."""
    return Pool(server, database, name=name, size=size, wait_s=wait_s, statement_s=statement_s)


async def connect(
    server: "Server", database: str, *, timeout: float = 60.0, command_timeout: float | None = None
) -> Connection:
    """What asyncpg.connect gives. Raises TimeoutError, and what a server says that is away."""
    async with asyncio.timeout(timeout):
        return await connected(server, database, {}, command_timeout)


__all__ = ["Connection", "Pool", "connect", "connect_pool", "connected"]
