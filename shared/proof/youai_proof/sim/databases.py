"""The databases of a world: matching's and notify's, on one fake server, with what may go wrong there."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import youai_matching
import youai_notify
from youai_runtime import database

from youai_proof.mutants import apply
from youai_proof.sim.loop import PROCESS
from youai_proof.sim.postgres import Faults, Server, client
from youai_proof.sim.seams import BEGINNING_S

MIGRATIONS = {
    name: (database.RUNTIME_MIGRATIONS, Path(str(package.__file__)).parent / "migrations")
    for name, package in (("matching", youai_matching), ("notify", youai_notify))
}
TABLES = {
    "matching": "lane_progress outbox relay organization slot booking request receipt decision timer slot_rule point",
    "notify": "lane_progress outbox relay inbox held",
}
"""What is looked at in the end."""
LOCKS = (
    ("matching", "SELECT 1 FROM relay FOR UPDATE"),
    ("matching", "SELECT 1 FROM lane_progress WHERE lane = 'matching.decider' FOR UPDATE"),
    ("matching", "SELECT 1 FROM lane_progress WHERE lane = 'matching.door' FOR UPDATE"),
    ("matching", "SELECT 1 FROM request FOR UPDATE"),
    ("matching", "SELECT 1 FROM slot FOR UPDATE"),
    ("notify", "SELECT 1 FROM lane_progress WHERE lane = 'notify.bookings' FOR UPDATE"),
)
"""What somebody else may hold for a while."""


@cache
def migrations(service: str) -> tuple[str, ...]:
    """The texts of a service's migrations in their order, as mutants have them."""
    files = [file for folder in MIGRATIONS[service] for file in sorted(folder.glob("*.sql"))]
    return tuple(apply.migration(file) for file in files)


class Databases:
    """The server and its two databases."""

    def __init__(self, source: random.Random) -> None:
        loop = asyncio.get_running_loop()
        self._before_s = 0.0
        self.faults = Faults(source, stall_s=(0.5, 4.0), linger=0.3)
        self.server = Server(
            source,
            self.faults,
            clock=lambda: BEGINNING_S + loop.time() + self._before_s,
            process=lambda: PROCESS.get().name,
        )
        self._databases = {name: self.server.create(name, *migrations(name)) for name in MIGRATIONS}

    async def pool(self, dsn: str, **options: Any) -> Any:
        """As database.connect_pool."""
        return client.Pool(self.server, _name(dsn), **{"wait_s": 5.0, "statement_s": 10.0, **options})

    async def connection(self, dsn: str, **options: Any) -> Any:
        """As asyncpg.connect."""
        async with asyncio.timeout(options.get("timeout", 60.0)):
            return await client.connected(self.server, _name(dsn), {}, options.get("command_timeout"))

    # What goes wrong
    def kill(self, process: str) -> None:
        """A process is gone: its transactions are undone once the server sees that."""
        self.server.kill(process)

    def cut(self, process: str | None) -> None:
        """Cut the connections of one process, or of all."""
        if process is None:
            self.server.cut_all()
            return
        self.faults.injected["database-cut"] += 1
        for session in list(self.server.sessions):
            if session.process == process:
                self.server.cut(session)

    def stop(self) -> None:
        """Crash the server."""
        self.faults.injected["database-stop"] += 1
        self.server.stop()

    def start(self) -> None:
        """The server is back, with its disk."""
        self.server.start()

    @contextlib.contextmanager
    def unknown_commits(self, chance: float) -> Iterator[None]:
        """Cut connections at COMMIT, before or after it was done."""
        self.faults.cut_commit, self.faults.cut = chance, chance / 5
        try:
            yield
        finally:
            self.faults.cut_commit = self.faults.cut = 0.0

    @contextlib.contextmanager
    def slow(self, chance: float) -> Iterator[None]:
        """Make everything slow, and some statements very slow."""
        self.faults.slow, self.faults.stall = 1 + chance * 100, chance / 10
        try:
            yield
        finally:
            self.faults.slow, self.faults.stall = 1.0, 0.0

    @contextlib.contextmanager
    def clock_before(self, seconds: float) -> Iterator[None]:
        """Let the server's clock be so many seconds before everybody's."""
        self._before_s = seconds
        try:
            yield
        finally:
            self._before_s = 0.0

    async def hold_locks(self, seconds: float, which: float) -> None:
        """Somebody else holds rows for a while."""
        service, statement = LOCKS[int(which * len(LOCKS))]
        with contextlib.suppress(Exception):
            connection = await self.connection(service)
            async with connection.transaction():
                await connection.execute(statement)
                await asyncio.sleep(seconds)
            await connection.close()

    def calm(self) -> None:
        """End all faults."""
        self.faults.calm()
        self.server.start()

    def injected(self) -> Counter[str]:
        """How many faults there were, by kind."""
        return self.faults.injected

    # What is there
    def rows(self, service: str, table: str) -> list[dict[str, Any]]:
        """A table's committed rows."""
        return self._databases[service].rows(table)

    def tables(self) -> Mapping[str, Mapping[str, list[dict[str, Any]]]]:
        """All that is looked at in the end."""
        return {
            service: {table: self.rows(service, table) for table in tables.split()}
            for service, tables in TABLES.items()
        }

    def progress(self) -> dict[tuple[str, int], int]:
        """How far each lane has come, by partition."""
        rows = [row for service in TABLES for row in self.rows(service, "lane_progress")]
        return {(row["lane"], row["partition"]): row["next_offset"] for row in rows}

    def pending(self, now_ms: int, notify: bool) -> str:
        """What is still to be done, if anything is."""
        for service in ("matching", "notify") if notify else ("matching",):
            (relay,) = self.rows(service, "relay")
            if relay["published_position"] < relay["last_position"]:
                return f"{service}'s relay"
            if any(row["position"] is None for row in self.rows(service, "outbox")):
                return f"{service}'s outbox"
        decided = {(row["slot_id"], row["record_id"]) for row in self.rows("matching", "receipt")}
        if any((row["slot_id"], row["request_id"]) not in decided for row in self.rows("matching", "request")):
            return "requests"
        if any(row["due_at"] <= now_ms for row in self.rows("matching", "timer")):
            return "timers"
        return "draws" if any(row["draw"] == "awaited" for row in self.rows("matching", "slot")) else ""


def _name(dsn: str) -> str:
    return dsn.rpartition("/")[2]
