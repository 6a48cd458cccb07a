"""This project's engine: matching's real worker, with all rules, receipts, hash chains and events."""

import asyncio
import logging
import time
from pathlib import Path

import asyncpg
import youai_matching
from youai_contracts import topics
from youai_matching.store import DECIDER
from youai_runtime import database
from youai_stack import probes
from youai_stack.errors import StackError

from youai_bench import engine, reading
from youai_bench.cpu import Meter
from youai_bench.gate import Gated
from youai_bench.ground import PREFIX, Ends, Ground
from youai_bench.slot_log import Log
from youai_bench.system import Drained, Order, Outcomes, Told
from youai_bench.work import Work

TEMPLATE = "bench_matching"
"""The database that matching's migrations were run in; each round has a copy of it."""
_BESIDE = (topics.OFFER, topics.DEMAND, topics.ORGANIZATION, topics.CLAIM)
"""Topics that a worker wants to be there, and that nothing comes from here."""
_READY_S = 60.0


async def make_template(ground: Ground) -> None:
    """A database with matching's tables, made once."""
    connection = await asyncpg.connect(ground.admin_dsn)
    try:
        there = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE)
    finally:
        await connection.close()
    if not there:
        dsn = await ground.make_database(TEMPLATE)
        logging.getLogger("pogo_core").setLevel(logging.ERROR)  # which migrations there are is no news here
        await database.migrate(dsn, Path(youai_matching.__file__).parent / "migrations")


class Youai:
    """`workers` processes of matching on the stores."""

    ordered_by: Order = "log"

    def __init__(self, name: str = "youai", workers: int = 1) -> None:
        self.name = name
        self._workers = workers
        self._rounds = 0
        self._running: list[Gated] = []

    async def prepare(self, ground: Ground) -> None:
        self._ground = ground
        await make_template(ground)
        for topic in _BESIDE:
            await ground.make_topics([topic.name], topic.partitions)

    async def fill(self, work: Work) -> None:
        ground = self._ground
        self._rounds += 1
        self._work = work
        self._log: Log = await ground.log(work)
        self._booking = f"{PREFIX}{self.name}.{self._rounds}"
        await ground.make_topics([self._booking], work.partitions)
        self._database = f"bench_{self.name}"
        self._dsn = await ground.make_database(self._database, TEMPLATE)
        self._ends = Ends(ground.bootstrap, self._booking, work.partitions)
        await self._ends.start()
        self._running = [self._worker(number) for number in range(1, self._workers + 1)]
        await asyncio.gather(*(self._ready(number) for number in range(1, self._workers + 1)))

    def _port(self, number: int) -> int:
        name = f"{self.name}-worker-{number}"
        return self._ground.home.ports(name)[name]

    def _worker(self, number: int) -> Gated:
        name = f"{self.name}-worker-{number}"
        settings = {
            "YOUAI_KAFKA": self._ground.bootstrap,
            "YOUAI_DATABASE": self._dsn,
            "YOUAI_HTTP_PORT": str(self._port(number)),
            "YOUAI_INSTANCE": name,
            engine.SLOT_LOG: self._log.topic,
            engine.BOOKING: self._booking,
            engine.PARTITIONS: str(self._work.partitions),
        }
        return Gated("youai_bench.engine", self._ground.home.log(name), settings)

    async def _ready(self, number: int) -> None:
        deadline = time.monotonic() + _READY_S
        while missing := await probes.http(self._port(number)):
            self._alive()
            if time.monotonic() > deadline:
                raise StackError(f"A worker of matching did not get ready: {missing}.")
            await asyncio.sleep(0.05)

    def _alive(self) -> None:
        for worker in self._running:
            worker.alive()

    async def drain(self) -> Drained:
        meter = Meter(self._ground.pids | {f"worker {n}": w.pid for n, w in enumerate(self._running, 1)})
        begun = time.perf_counter()
        for worker in self._running:
            worker.go()
        await self._ends.until(self._work.requests, alive=self._alive)
        await self._until_progress()
        return Drained(time.perf_counter() - begun, meter.stop())

    async def _until_progress(self) -> None:
        """A last batch of repeats alone is published by nothing, but it is work."""
        connection = await asyncpg.connect(self._dsn)
        try:
            asked = "SELECT sum(next_offset) FROM lane_progress WHERE lane = $1"
            while await connection.fetchval(asked, DECIDER) < sum(self._log.ends):
                self._alive()
                await asyncio.sleep(0.02)
        finally:
            await connection.close()

    async def outcomes(self) -> Outcomes:
        connection = await asyncpg.connect(self._dsn)
        try:
            rows = await rows_of(connection)
            answers = await answers_of(connection)
        finally:
            await connection.close()
        events = await asyncio.to_thread(
            lambda: list(reading.events(self._ground.bootstrap, self._booking, self._work.partitions))
        )
        broken = _broken_chains(events)
        if broken:
            raise StackError(f"{self.name}: the chain of {broken[0]} is broken.")
        return Outcomes(rows, [Told(e.slot_id, e.request_id, e.outcome, e.log_offset) for e in events], answers)

    async def clear(self) -> None:
        await self._stop()
        await self._ends.stop()
        await self._ground.drop_topics([self._booking])
        await self._ground.drop_database(self._database)

    async def _stop(self) -> None:
        running, self._running = self._running, []
        await asyncio.gather(*(worker.stop() for worker in running))

    async def close(self) -> None:
        await self._stop()


async def rows_of(connection: "asyncpg.Connection[asyncpg.Record]", place: str = "log_offset") -> list[Told]:
    """The bookings in matching's tables; `place` is the column that orders them."""
    return [Told(*row) for row in await connection.fetch(f"SELECT slot_id, request_id, status, {place} FROM booking")]


async def answers_of(connection: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, str]]:
    """The receipts of repeats in matching's tables, each with the decision that it points to."""
    rows = await connection.fetch(
        """
        SELECT r.record_id, substr(d.type, length('booking-') + 1) FROM receipt AS r
        LEFT JOIN decision AS d ON d.partition = r.partition AND d.log_offset = r.original AND d.index = 0
        WHERE r.kind = 'repeat'
        """
    )
    return [(row[0], row[1]) for row in rows]


def _broken_chains(events: list[reading.Event]) -> list[str]:
    """Slots in whose chain a decision does not name the one before it."""
    last: dict[str, tuple[int, str]] = {}
    broken = []
    for event in events:
        sequence, before = last.get(event.slot_id, (0, "0" * 64))
        if (event.sequence, event.previous_hash) != (sequence + 1, before):
            broken.append(event.slot_id)
        last[event.slot_id] = (event.sequence, event.hash)
    return broken
