"""The server: databases, sessions, its clock, restarts, and what a crash may lose."""

import asyncio
import contextvars
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from youai_proof.sim.postgres.connections import cut
from youai_proof.sim.postgres.faults import Faults
from youai_proof.sim.postgres.plans import plans_of
from youai_proof.sim.postgres.schema import schema_of, scripts_of
from youai_proof.sim.postgres.sessions import Session
from youai_proof.sim.postgres.storage import Row, Table, Transaction, Values

UNSYNCED_S = 0.6
"""How old a commit without synchronous_commit is at most when it reaches the disk."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Change = tuple[Table, Row, Values | None, Values | None]


class Database:
    """One database's tables and advisory locks."""

    def __init__(self, name: str, scripts: tuple[str, ...]) -> None:
        self.name = name
        self.plans = plans_of(schema_of(scripts))
        schema = self.plans.schema
        self.tables = [Table(table, self.plans.checks[table.name]) for table in schema.tables.values()]
        self.advisory: dict[tuple[int, ...], Session] = {}

    def table(self, name: str) -> Table:
        return self.tables[self.plans.schema.number(name)]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A table's committed rows, in the order of their keys: for those who check a world from outside."""
        table = self.table(name)
        names = table.of.names
        found = [row.old for row in table.rows.values() if row.old is not None]
        return [dict(zip(names, values, strict=True)) for values in sorted(found, key=table.key)]


class Server:
    """A PostgreSQL with some databases.

    `random` and `faults` say what goes wrong. `clock` gives its wall clock in seconds since 1970. `process` names, when
    a connection is made, the process that makes it, for `kill`. All of the server's own work runs in the context in
    which it was made, whatever becomes of the clients' processes.
    """

    def __init__(
        self,
        random_: random.Random,
        faults: Faults | None = None,
        *,
        clock: Callable[[], float] | None = None,
        process: Callable[[], Any] = lambda: None,
    ) -> None:
        self.random = random_
        self.faults = faults or Faults(random_)
        self.loop = asyncio.get_running_loop()
        begun = self.loop.time()
        self.clock = clock or (lambda: 1_800_000_000.0 + self.loop.time() - begun)
        self.process = process
        self.context = contextvars.copy_context()
        self.databases: dict[str, Database] = {}
        self.sessions: dict[Session, None] = {}
        self.lasting: dict[Session, Transaction] = {}
        self.state = "up"
        self._unsynced: list[tuple[float, Sequence[Change]]] = []

    def create(self, name: str, *migrations: Path | str) -> Database:
        """A database made by migrations: folders, or texts."""
        scripts: tuple[str, ...] = ()
        for one in migrations:
            scripts += (one,) if isinstance(one, str) else scripts_of(one)
        database = self.databases[name] = Database(name, scripts)
        session = Session(self, database, {}, None)
        for plan in database.plans.defaults.values():
            session.start(session.run(plan, ()), lambda _result, error: _raise(error))
        return database

    # Time

    def later(self, delay: float, call: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        return self.loop.call_later(delay, call, *arguments, context=self.context)

    def soon(self, call: Callable[[], None]) -> None:
        self.loop.call_soon(call, context=self.context)

    def time_of(self, moment: float) -> datetime:
        """The wall clock at a moment of the loop's time, as it goes now."""
        seconds = self.clock() - (self.loop.time() - moment)
        return _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))

    def is_overdue(self, session: Session) -> bool:
        """Whether a session has been idle in its transaction for longer than it may be."""
        if not session.idle_s or not session.is_idle_in_transaction:
            return False
        return self.loop.time() >= session.idle_since + session.idle_s

    # Sessions

    def open(self, database: str, settings: dict[str, str]) -> Session:
        """A new session. Raises what a client is told that gets none."""
        if self.state == "down":
            raise ConnectionRefusedError(111, "Connect call failed")
        if self.state == "starting":
            raise asyncpg.CannotConnectNowError("the database system is starting up")
        if self.faults.refuses():
            raise self.random.choice(
                (
                    ConnectionRefusedError(111, "Connect call failed"),
                    ConnectionResetError(104, "Connection reset by peer"),
                )
            )
        session = Session(self, self.databases[database], settings, self.process())
        self.sessions[session] = None
        return session

    def kill(self, process: Any) -> None:
        """A client's process is gone: its sessions end once the server sees that."""
        for session in list(self.sessions):
            if session.process is process or (process is not None and session.process == process):
                self.later(self.faults.notice(), session.end, cut())

    def cut_all(self) -> None:
        """Cut every connection, as a broken network does; sessions end later, when that is seen."""
        self.faults.injected["database-cut-all"] += 1
        for session in list(self.sessions):
            self.cut(session)

    def cut(self, session: Session) -> None:
        """Cut one connection: its client knows at once, the server later."""
        if session.on_end is not None:
            session.on_end(cut())
            session.on_end = None
        self.later(self.faults.notice(), session.end, cut())

    def restart(self, down_s: float, starting_s: float = 0.3) -> None:
        """Stop at once, as a crash does, and be up again after a while."""
        self.faults.injected["database-restart"] += 1
        self.stop()
        self.later(down_s, self._starting, starting_s)

    def stop(self) -> None:
        """All sessions end, what was not committed is gone, and perhaps some that was not yet on the disk."""
        self.state = "down"
        for session in list(self.sessions):
            session.end(self._crashed())
        self._lose()

    def _crashed(self) -> Exception:
        return self.random.choice(
            (
                cut(),
                ConnectionResetError(104, "Connection reset by peer"),
                asyncpg.CrashShutdownError("terminating connection because of crash of another server process"),
                asyncpg.AdminShutdownError("terminating connection due to administrator command"),
            )
        )

    def _starting(self, seconds: float) -> None:
        self.state = "starting"
        self.later(seconds, self.start)

    def start(self) -> None:
        self.state = "up"

    # What is committed

    def committed(self, changes: Sequence[Change], *, unsynced: bool) -> None:
        """Note a commit: one that waits for the disk takes all before it there."""
        if not unsynced:
            self._unsynced.clear()
        else:
            self._unsynced.append((self.loop.time(), changes))

    def _lose(self) -> None:
        """A crash: the youngest unsynced commits are gone, some number of them."""
        oldest = self.loop.time() - UNSYNCED_S
        young = [changes for at, changes in self._unsynced if at > oldest]
        self._unsynced.clear()
        if not young or not self.faults.lose_unsynced:
            return
        kept = self.random.randint(0, len(young))
        for changes in reversed(young[kept:]):
            self.faults.injected["database-lost-unsynced"] += 1
            for _, row, was, _ in reversed(changes):
                assert was is not None, "an insert without synchronous_commit"
                assert row.old is not None
                row.old = was


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error
