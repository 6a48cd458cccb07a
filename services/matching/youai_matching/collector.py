"""Gathers bookings that arrive one by one while a statement runs: all of them go into the next one, then the log."""

import asyncio
import contextvars
from collections import defaultdict, deque
from collections.abc import Sequence

from youai_contracts.codec import Message
from youai_runtime import logs, problems
from youai_runtime.database import Pool
from youai_runtime.errors import is_database_transient, may_be_committed

from youai_matching import admission, door, reservations
from youai_matching.door import Appender
from youai_matching.reservations import Answer, Asked, Numbers

log = logs.get(__name__)

_Waiting = tuple[Asked, asyncio.Future[Answer]]
MOST_WAITING = 2_500
MOST_AT_ONCE = 250
"""Bookings in one statement: few enough that the first of them does not wait long for the last."""


class Collector:
    """Takes bookings in and appends them, many a statement, each with its own answer.

    There is no timer: what is there goes, and what comes meanwhile goes next.
    """

    def __init__(self, pool: Pool, numbers: Numbers, appender: Appender) -> None:
        self._pool = pool
        self._numbers = numbers
        self._appender = appender
        self._waiting: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None
        self._appending: set[asyncio.Task[None]] = set()

    async def take(self, asked: Asked) -> Answer:
        """What became of one booking; one that was taken is in the log.

        Raises 503 where nothing was written, 504 where that is not known or the log did not acknowledge in time.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise problems.unavailable(admission.soon())
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), context=contextvars.Context())  # no one caller's
        return await future

    async def take_all(self, asked: Sequence[Asked]) -> list[Answer]:
        """What became of many that came in one call, in their order, in a statement of their own; raises as `take`."""
        sent = False
        try:
            async with self._pool.acquire() as connection:
                sent = True
                return await reservations.take(connection, self._numbers, asked)
        except Exception as error:
            if not (sent and may_be_committed(error)):
                raise
            log.warning("rows-unknown", bookings=len(asked), error=repr(error))
            raise admission.unknown() from None

    async def _run(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
            if not await self._settle(batch):
                self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        """The database is away: who waits is told so at once, and not only after a wait of its own."""
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(problems.unavailable(admission.soon()))

    async def _settle(self, batch: Sequence[_Waiting]) -> bool:
        """Answer a batch; False if the database was away."""
        try:
            answers = await self.take_all([asked for asked, _ in batch])
        except Exception as error:
            away = isinstance(error, problems.Problem) or is_database_transient(error)
            if len(batch) > 1 and not away:  # one of them does not fit: the others shall not suffer for it
                return all([await self._settle([one]) for one in batch])
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return not away
        lines: dict[int, list[tuple[Message, Answer, asyncio.Future[Answer]]]] = defaultdict(list)
        whole = door.Wholes()
        for (asked, future), answer in zip(batch, answers, strict=True):
            if answer.data is not None:
                message = whole(asked.event, answer.data, asked.traceparent)
                lines[asked.partition].append((message, answer, future))
            elif not future.done():
                future.set_result(answer)
        for partition, line in lines.items():  # beside the next statement, and no partition waits for another
            task = asyncio.create_task(self._append(partition, line))
            self._appending.add(task)
            task.add_done_callback(self._appending.discard)
        return True

    async def _append(self, partition: int, line: Sequence[tuple[Message, Answer, asyncio.Future[Answer]]]) -> None:
        """Append what was taken in and answer those who wait for it."""
        try:
            acknowledged = await self._appender.append_line(partition, [message for message, _, _ in line])
        except Exception as error:
            for _, _, future in line:
                if not future.done():
                    future.set_exception(error)
            return
        for known, (_, answer, future) in zip(acknowledged, line, strict=True):
            if future.done():
                continue
            if known:
                future.set_result(answer)
            else:
                future.set_exception(admission.unknown())
