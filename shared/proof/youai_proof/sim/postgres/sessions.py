"""A session at the server: one client's transactions, what it waits for, and how it ends."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from youai_proof.sim.postgres.execute import Context, insert_rows
from youai_proof.sim.postgres.plans import Plan
from youai_proof.sim.postgres.storage import Transaction

if TYPE_CHECKING:
    from youai_proof.sim.postgres.server import Database, Server

DEADLOCK_S = 1.0
Answer = Callable[[Any, BaseException | None], None]


class _Pause:
    """Given to whoever drives a statement: it goes on when its session is woken."""

    def __await__(self) -> Generator["_Pause", None, None]:
        yield self


class Session:
    """What the server knows of one connection."""

    def __init__(self, server: "Server", database: "Database", settings: dict[str, str], process: Any) -> None:
        self.server = server
        self.database = database
        self.process = process
        self.lock_s = _seconds(settings.get("lock_timeout"))
        self.statement_s = _seconds(settings.get("statement_timeout"))
        self.idle_s = _seconds(settings.get("idle_in_transaction_session_timeout"))
        self.transaction: Transaction | None = None
        self.ended: BaseException | None = None
        """Why the session is no more, as its client is told."""
        self.on_end: Callable[[BaseException], None] | None = None
        self.idle_since = 0.0
        self.arrived = 0.0
        self.waits_for: Transaction | None = None
        self._work: Coroutine[Any, Any, Any] | None = None
        self._answer: Answer | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_woken = False

    @property
    def is_idle_in_transaction(self) -> bool:
        return self.transaction is not None and self._work is None

    @property
    def is_busy(self) -> bool:
        return self._work is not None

    # Statements

    def start(self, work: Coroutine[Any, Any, Any], answer: Answer) -> None:
        """Run a statement; `answer` is called with its result or error, at once or later."""
        self.arrived = self.server.loop.time()
        self._work, self._answer = work, answer
        self._step(None)

    def _step(self, error: BaseException | None) -> None:
        assert self._work is not None
        self._is_woken = False
        result: Any = None
        failed: BaseException | None = None
        try:
            if error is None:
                self._work.send(None)
            else:
                self._work.throw(error)
        except StopIteration as end:
            result = end.value
        except Exception as caught:
            failed = caught
        else:
            return  # it waits
        answer, self._work, self._answer = self._answer, None, None
        self.idle_since = self.server.loop.time()
        if failed is not None:
            self.fail()
        assert answer is not None
        answer(result, failed)

    def fail(self) -> None:
        """A statement failed: a block lets go of all its locks at once, and then takes nothing but its end."""
        transaction = self.transaction
        self.roll_back()
        if transaction is not None and transaction.is_block:
            self.begin(is_block=True).failed = True

    def throw(self, error: BaseException) -> None:
        """End the statement that waits, if there is one, with an error."""
        if self._work is not None:
            self._cancel_timer()
            self.waits_for = None
            self._step(error)

    # Waiting

    async def wait(self, blocked: Callable[[], Transaction | None]) -> None:
        """Wait until `blocked` names nobody. Raises LockNotAvailable, DeadlockDetected, QueryCanceled."""
        loop = self.server.loop
        begun = loop.time()
        checked = False
        try:
            while (other := blocked()) is not None:
                if self.server.is_overdue(other.session):
                    other.session.end_idle()
                    continue
                now = loop.time()
                if not checked and now >= begun + DEADLOCK_S:
                    checked = True
                    if self._is_deadlock():
                        raise asyncpg.DeadlockDetectedError("deadlock detected")
                self._expire(now, begun)
                self.waits_for = other
                other.waiters.append(self._wake)
                self._wake_at(other, now, begun, checked)
                await _Pause()
                self._cancel_timer()
        finally:
            self.waits_for = None
            self._cancel_timer()

    def _expire(self, now: float, begun: float) -> None:
        if self.statement_s and now >= self.arrived + self.statement_s:
            raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")
        if self.lock_s and now >= begun + self.lock_s:
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout")

    def _wake_at(self, other: Transaction, now: float, begun: float, checked: bool) -> None:
        moments = [] if checked else [begun + DEADLOCK_S]
        if self.statement_s:
            moments.append(self.arrived + self.statement_s)
        if self.lock_s:
            moments.append(begun + self.lock_s)
        holder = other.session
        if holder.idle_s:
            since = holder.idle_since if holder.is_idle_in_transaction else now
            moments.append(max(since + holder.idle_s, now))
        if moments:
            delay = max(min(moments) - now, 0.0) + 1e-6
            self._timer = self.server.later(delay, self._wake)

    def _is_deadlock(self) -> bool:
        """Whether whoever this waits for waits, at the end, for this."""
        seen = set()
        at = self.waits_for
        while at is not None and at not in seen:
            seen.add(at)
            if at.session is self:
                return True
            at = at.session.waits_for
        return False

    def _wake(self) -> None:
        if self._work is not None and self.waits_for is not None and not self._is_woken:
            self._is_woken = True
            self.server.soon(self._go_on)

    def _go_on(self) -> None:
        if self._is_woken and self._work is not None:
            self._step(None)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _linger(self) -> None:
        """Be on the way to the disk: what was done is locked and seen by nobody else until it is there."""
        seconds = self.server.faults.lingers()
        if seconds:
            self._timer = self.server.later(seconds, self._resume)
            await _Pause()
            self._cancel_timer()

    def _resume(self) -> None:
        if self._work is not None:
            self._is_woken = True
            self.server.soon(self._go_on)

    async def take_advisory(self, key: tuple[int, ...], transaction: Transaction | None) -> None:
        """Take an advisory lock, for a transaction or for the session."""
        held = self.database.advisory

        def blocked() -> Transaction | None:
            holder = held.get(key)
            if holder is None or holder is self:
                return None
            return holder.transaction or holder.lasting()

        if blocked() is not None:
            await self.wait(blocked)
        if key not in held:
            held[key] = self
            if transaction is not None:
                transaction.keys.append(key)

    def lasting(self) -> Transaction:
        """Stands for a session that holds a lock outside of transactions: it ends with the session."""
        return self.server.lasting.setdefault(self, Transaction(self, 0.0, is_block=True))

    # Transactions

    def begin(self, *, is_block: bool) -> Transaction:
        self.transaction = Transaction(self, self.server.loop.time(), is_block=is_block)
        return self.transaction

    def commit(self) -> bool:
        """End the transaction; False if it had failed and is rolled back."""
        transaction = self.transaction
        if transaction is None:
            return False
        if transaction.failed:
            self.roll_back()
            return False
        self.transaction = None
        self._release(transaction)
        changes = transaction.end(stands=True)
        if changes:
            self.server.committed(changes, unsynced=transaction.unsynced)
        return True

    def roll_back(self) -> None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            self._release(transaction)
            transaction.end(stands=False)

    def _release(self, transaction: Transaction) -> None:
        for key in transaction.keys:
            self.database.advisory.pop(key, None)

    # What a client asks for

    async def run(self, plan: Plan, parameters: Sequence[Any]) -> tuple[Sequence[Any], int]:
        """A statement: its rows and their number."""
        x = Context(self, self._usable(), parameters)
        found = await x.run(plan)
        if not x.T.is_block:
            if x.T.rows:
                await self._linger()
            self.commit()
        return found

    async def run_many(self, plan: Plan, given: Sequence[Sequence[Any]]) -> tuple[Sequence[Any], int]:
        """A statement for each of some parameters, all or none."""
        transaction = self._usable()
        for parameters in given:
            await Context(self, transaction, parameters).run(plan)
        if not transaction.is_block:
            self.commit()
        return (), len(given)

    async def copy(self, plan: Plan, rows: Sequence[Sequence[Any]]) -> tuple[Sequence[Any], int]:
        """COPY of rows into a table."""
        x = Context(self, self._usable(), ())
        found = await insert_rows(x, plan, rows)
        if not x.T.is_block:
            self.commit()
        return found

    async def start_block(self) -> tuple[Sequence[Any], int]:
        assert self.transaction is None, "a transaction within another"
        self.begin(is_block=True)
        return (), 0

    async def end_block(self, *, stands: bool) -> tuple[Sequence[Any], int]:
        """COMMIT or ROLLBACK."""
        if stands:
            self.commit()
        else:
            self.roll_back()
        return (), 0

    def _usable(self) -> Transaction:
        transaction = self.transaction
        if transaction is None:
            return self.begin(is_block=False)
        if transaction.failed:
            raise asyncpg.InFailedSQLTransactionError(
                "current transaction is aborted, commands ignored until end of transaction block"
            )
        return transaction

    # The end

    def end_idle(self) -> None:
        self.end(
            asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction timeout")
        )

    def end(self, why: BaseException) -> None:
        """End the session, whatever it does; what was not committed is undone and its locks are free."""
        if self.ended is not None:
            return
        self.ended = why
        self._cancel_timer()
        work, self._work = self._work, None
        answer, self._answer = self._answer, None
        self.waits_for = None
        if work is not None:
            work.close()
        self.roll_back()
        for key in [key for key, holder in self.database.advisory.items() if holder is self]:
            del self.database.advisory[key]
        lasting = self.server.lasting.pop(self, None)
        if lasting is not None:
            lasting.end(stands=False)
        self.server.sessions.pop(self, None)
        if answer is not None:
            answer(None, why)
        if self.on_end is not None:
            self.on_end(why)


def _seconds(setting: str | None) -> float:
    """Seconds of a setting as `5s` or `200ms`; 0 for none."""
    if not setting:
        return 0.0
    return float(setting[:-2]) / 1000 if setting.endswith("ms") else float(setting.rstrip("s"))
