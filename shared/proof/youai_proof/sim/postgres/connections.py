"""What our code sees of asyncpg: connections, transactions and cursors."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import asyncpg

from youai_proof.sim.postgres.records import Record

if TYPE_CHECKING:
    from youai_proof.sim.postgres.server import Server

Result = tuple[Sequence[Any], int]
SETTINGS = {"lock_timeout": "5s", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s"}


def cut() -> asyncpg.ConnectionDoesNotExistError:
    """What a client is told whose connection ended while it asked."""
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class _Request:
    """A statement on its way. `future` gets its result and error as a pair; `quiet` is told when it is over."""

    __slots__ = ("deadline", "future", "has_arrived", "is_answered", "is_done", "quiet")

    def __init__(self, future: "asyncio.Future[tuple[Any, BaseException | None]]", deadline: float) -> None:
        self.future = future
        self.deadline = deadline
        self.has_arrived = False
        self.is_answered = False
        self.is_done = False
        self.quiet: asyncio.Future[None] | None = None


async def connected(
    server: "Server", database: str, settings: dict[str, str], statement_s: float | None
) -> "Connection":
    """A new connection. Raises what a server says that is away, or starts."""
    await asyncio.sleep(server.faults.delay() * 3)
    return Connection(server, database, settings, statement_s)


class Connection:
    """A connection, as asyncpg.Connection."""

    def __init__(self, server: "Server", database: str, settings: dict[str, str], statement_s: float | None) -> None:
        self._server = server
        self._session = server.open(database, settings)
        self._session.on_end = self._lost
        self._plans = self._session.database.plans
        self._statement_s = statement_s
        self._context = contextvars.copy_context()
        self._is_closed = False
        self._is_lost_unseen: BaseException | None = None
        self._pending: _Request | None = None
        self._in_block = False

    # Statements

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Record]:
        plan = self._plans.plan(query)
        rows, _ = await self._ask(lambda: self._session.run(plan, args), timeout, plan.kind != "select")
        return list(map(plan.record, rows))

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Record | None:
        plan = self._plans.plan(query)
        rows, _ = await self._ask(lambda: self._session.run(plan, args), timeout, plan.kind != "select")
        return plan.record(rows[0]) if rows else None

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:
        plan = self._plans.plan(query)
        rows, _ = await self._ask(lambda: self._session.run(plan, args), timeout, plan.kind != "select")
        return rows[0][column] if rows else None

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        plan = self._plans.plan(query)
        _, count = await self._ask(lambda: self._session.run(plan, args), timeout, plan.kind != "select")
        return plan.tag + (" TABLE" if plan.kind == "truncate" else f"{' 0' * (plan.kind == 'insert')} {count}")

    async def executemany(self, query: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None) -> None:
        plan = self._plans.plan(query)
        given = [tuple(one) for one in args]
        await self._ask(lambda: self._session.run_many(plan, given), timeout, True)

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[Any]], columns: Sequence[str], timeout: float | None = None
    ) -> str:
        plan = self._plans.copying(table_name, tuple(columns))
        given = [tuple(one) for one in records]
        if any(len(one) != len(columns) for one in given):
            raise ValueError(f"records of {table_name} do not have the columns {columns}")
        _, count = await self._ask(lambda: self._session.copy(plan, given), timeout, True)
        return f"COPY {count}"

    def cursor(self, query: str, *args: Any, prefetch: int | None = None, timeout: float | None = None) -> "Cursor":
        return Cursor(self, query, args, prefetch or 50, timeout)

    def transaction(self) -> "Transaction":
        return Transaction(self)

    # The connection itself

    def is_in_transaction(self) -> bool:
        return self._in_block

    def is_left_open(self) -> bool:
        """Whether the server has a transaction open here, whatever its client believes (a ROLLBACK that was late)."""
        return self._in_block or self._session.transaction is not None

    def is_closed(self) -> bool:
        return self._is_closed

    def is_busy(self) -> bool:
        """Whether a statement that was given up may run yet."""
        return self._pending is not None

    async def close(self, *, timeout: float | None = None) -> None:
        self.terminate()

    def terminate(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._session.on_end = None
            self._server.later(self._server.faults.delay(), self._session.end, cut())

    def _lost(self, why: BaseException) -> None:
        """The server ended this connection: nobody is told before the next statement."""
        self._is_closed = True
        if isinstance(why, asyncpg.PostgresError):
            self._is_lost_unseen = why

    async def quiet(self) -> None:
        """Wait until a statement that was given up is over."""
        pending = self._pending
        if pending is not None and not pending.is_done:
            pending.quiet = self._server.loop.create_future()
            await pending.quiet
        self._pending = None

    async def block(self, *, begins: bool, stands: bool = True) -> None:
        """BEGIN, or COMMIT or ROLLBACK."""
        if begins:
            await self._ask(self._session.start_block, None, False)
            self._in_block = True
        else:
            self._in_block = False
            await self._ask(lambda: self._session.end_block(stands=stands), None, stands)

    async def _ask(
        self, work: Callable[[], Coroutine[Any, Any, Result]], timeout: float | None, writes: bool
    ) -> Result:
        """Have the server do something, and wait for its answer. Raises what it says, or that it is away.

        What `writes` outside of a block is committed with it: its answer takes longer, so that much may happen between.
        """
        if self._pending is not None:
            await self.quiet()
        server = self._server
        if self._is_closed:
            raise self._closed()
        commits = writes and not self._in_block
        limit = self._statement_s if timeout is None else timeout
        loop = server.loop
        delay = server.faults.delay()
        request = self._pending = _Request(loop.create_future(), loop.time() + limit if limit else 0.0)
        server.later(delay, self._arrive, request, work, server.faults.fate(commits=commits), commits)
        if limit and delay >= limit:
            loop.call_later(limit, self._time_out, request)
        try:
            result, error = await request.future
        except asyncio.CancelledError:
            self._give_up(request)
            raise
        if request.is_done:
            self._pending = None
        if error is not None:
            self._is_lost_unseen = None
            raise error
        found: Result = result
        return found

    def _closed(self) -> BaseException:
        unseen, self._is_lost_unseen = self._is_lost_unseen, None
        if unseen is not None and self._server.random.random() < 0.5:
            return unseen  # sent before the client had read that the server is gone
        return asyncpg.InterfaceError("connection is closed")

    def _arrive(
        self, request: _Request, work: Callable[[], Coroutine[Any, Any, Result]], fate: str, commits: bool
    ) -> None:
        """A statement reaches the server; runs as a part of the server."""
        server, session = self._server, self._session
        if request.is_done:
            return  # cancelled before
        request.has_arrived = True
        if server.is_overdue(session):
            session.end_idle()
        if session.ended is not None:
            self._deliver(request, None, self._closed())
        elif fate == "before":
            server.cut(session)
            self._deliver(request, None, cut())
        else:
            session.start(work(), lambda result, error: self._answer(request, fate, commits, result, error))
            if request.deadline and not request.is_answered:
                left = max(request.deadline - server.loop.time(), 0.0)
                server.loop.call_later(left, self._time_out, request, context=self._context)

    def _answer(self, request: _Request, fate: str, commits: bool, result: Any, error: BaseException | None) -> None:
        server = self._server
        request.is_answered = True
        if fate == "after":
            server.cut(self._session)
            result, error = None, cut()
        if commits and not request.is_done:
            server.later(server.faults.latency_s[0], self._deliver, request, result, error)
        else:
            self._deliver(request, result, error)

    def _deliver(self, request: _Request, result: Any, error: BaseException | None) -> None:
        request.is_done = True
        if not request.future.done():
            request.future.set_result((result, error))
        if request.quiet is not None and not request.quiet.done():
            request.quiet.set_result(None)

    def _time_out(self, request: _Request) -> None:
        if not request.is_done and not request.future.done():
            self._give_up(request)
            request.future.set_result((None, TimeoutError()))

    def _give_up(self, request: _Request) -> None:
        """Ask the server to cancel a statement, which may be too late."""
        if not request.is_done:
            self._server.later(self._server.faults.latency_s[1], self._cancel, request)

    def _cancel(self, request: _Request) -> None:
        if request.is_done or self._pending is not request:
            return
        error = asyncpg.QueryCanceledError("canceling statement due to user request")
        if self._session.is_busy:
            self._session.throw(error)
        elif not request.has_arrived and self._server.random.random() < 0.7:
            # The server was slow with it, and lets go of it; else it was the way there that was slow.
            self._session.fail()
            self._deliver(request, None, error)


class Transaction:
    """A transaction, as asyncpg's: `async with connection.transaction()`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        if self._connection.is_in_transaction():
            raise NotImplementedError("a transaction within another")
        await self._connection.block(begins=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.block(begins=False, stands=kind is None)


class Cursor:
    """A query's rows, fetched some at a time; as they were when it began."""

    def __init__(
        self, connection: Connection, query: str, args: Sequence[Any], prefetch: int, timeout: float | None
    ) -> None:
        self._connection, self._query, self._args = connection, query, args
        self._prefetch, self._timeout = prefetch, timeout

    async def __aiter__(self) -> AsyncIterator[Record]:
        if not self._connection.is_in_transaction():
            raise asyncpg.NoActiveSQLTransactionError("cursor cannot be created outside of a transaction")
        rows = await self._connection.fetch(self._query, *self._args, timeout=self._timeout)
        for number, row in enumerate(rows, 1):
            yield row
            if number % self._prefetch == 0:
                await self._connection.fetchval("SELECT 1")  # the next part is a way to the server and back
