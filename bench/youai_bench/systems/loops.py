"""Peers that are one process around our decide and our SQL: what they share."""

import asyncio
import time

import asyncpg

from youai_bench import reading
from youai_bench.cpu import Meter
from youai_bench.gate import Gated
from youai_bench.ground import PREFIX, Ends, Ground
from youai_bench.system import Drained, Order, Outcomes
from youai_bench.systems import youai
from youai_bench.work import Work


class OneLoop:
    """A process of `module` that reads the slot log, writes matching's tables and publishes decisions."""

    ordered_by: Order = "log"
    name: str
    module: str

    _process: Gated | None = None
    _rounds = 0

    async def prepare(self, ground: Ground) -> None:
        self._ground = ground
        await youai.make_template(ground)

    async def fill(self, work: Work) -> None:
        ground = self._ground
        self._rounds += 1
        self._work = work
        self._log = await ground.log(work)
        self._target = f"{PREFIX}{self.name}.{self._rounds}"
        self._database = f"bench_{self.name}"
        self._dsn = await ground.make_database(self._database, youai.TEMPLATE)
        await ground.make_topics([self._target], work.partitions)
        self._ends = Ends(ground.bootstrap, self._target, work.partitions)
        await self._ends.start()
        settings = {
            "BENCH_KAFKA": ground.bootstrap,
            "BENCH_DATABASE": self._dsn,
            "BENCH_SLOT_LOG": self._log.topic,
            "BENCH_BOOKING": self._target,
            "BENCH_ENDS": ",".join(map(str, self._log.ends)),
            "BENCH_FOLDER": str(ground.folder),
        }
        self._process = Gated(self.module, ground.home.log(self.name), settings)
        await self._process.ready()

    async def drain(self) -> Drained:
        assert self._process is not None
        meter = Meter(self._ground.pids | {"worker": self._process.pid})
        begun = time.perf_counter()
        self._process.go()
        await self._ends.until(self._work.requests, alive=self._process.alive)
        await self._until_progress()
        return Drained(time.perf_counter() - begun, meter.stop())

    async def _until_progress(self) -> None:
        assert self._process is not None
        connection = await asyncpg.connect(self._dsn)
        try:
            while await connection.fetchval("SELECT sum(next_offset) FROM lane_progress") < sum(self._log.ends):
                self._process.alive()
                await asyncio.sleep(0.02)
        finally:
            await connection.close()

    async def outcomes(self) -> Outcomes:
        connection = await asyncpg.connect(self._dsn)
        try:
            rows, answers = await youai.rows_of(connection), await youai.answers_of(connection)
        finally:
            await connection.close()
        bootstrap, topic = self._ground.bootstrap, self._target
        events = await asyncio.to_thread(reading.told, bootstrap, topic, self._work.partitions)
        return Outcomes(rows, events, answers)

    async def clear(self) -> None:
        await self.close()
        await self._ends.stop()
        await self._ground.drop_topics([self._target])
        await self._ground.drop_database(self._database)

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.stop()
