"""Work that one process of a service does at a time: whoever holds a session lock of the database."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg

from youai_runtime import logs
from youai_runtime.errors import is_transient

log = logs.get(__name__)


class Leader:
    """Runs `turn` every `every_s` seconds while this process holds the advisory lock `lock_id`.

    The lock only spares double work: what `turn` does must be harmless when two processes do it at once.
    """

    def __init__(
        self, name: str, dsn: str, lock_id: int, turn: Callable[[], Awaitable[None]], *, every_s: float
    ) -> None:
        self._name = name
        self._dsn = dsn
        self._lock_id = lock_id
        self._turn = turn
        self._every_s = every_s
        self._stopping = asyncio.Event()
        self.leading = False

    async def run(self) -> None:
        """Lead until `stop`; without the lock, ask for it again every second."""
        connection: asyncpg.Connection | None = None
        while not self._stopping.is_set():
            pause = 1.0
            try:
                if connection is None or connection.is_closed():
                    self.leading = False
                    connection = await asyncpg.connect(self._dsn, timeout=5, command_timeout=5)
                if not self.leading:
                    self.leading = await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._lock_id)
                    if self.leading:
                        log.info("leading", work=self._name)
                if self.leading:
                    await self._turn()
                    pause = self._every_s
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("leader-waits", work=self._name, error=repr(error))
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            except TimeoutError:
                pass
        if connection is not None and not connection.is_closed():
            connection.terminate()

    async def stop(self) -> None:
        """Ask `run` to end after the turn at hand."""
        self._stopping.set()
