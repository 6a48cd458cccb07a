"""Peers that are one process on matching's tables: what they share."""

import asyncio
import time

import asyncpg

from youai_bench import reading
from youai_bench.cpu import Meter
from youai_bench.gate import DONE, Gated
from youai_bench.ground import PREFIX, Ground
from youai_bench.system import Drained, Order, Outcomes
from youai_bench.systems import youai
from youai_bench.work import Work


class OneLoop:
    """A process of `module` that decides the work, writes matching's tables and publishes decisions."""

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
        self._target = f"{PREFIX}{self.name}.{self._rounds}"
        self._database = f"bench_{self.name}"
        self._dsn = await ground.make_database(self._database, youai.TEMPLATE)
        await ground.make_topics([self._target], work.partitions)
        own = await self._settings(work)
        settings = {"BENCH_KAFKA": ground.bootstrap, "BENCH_DATABASE": self._dsn, "BENCH_BOOKING": self._target} | own
        self._process = Gated(self.module, ground.home.log(self.name), settings)
        await self._process.ready()

    async def _settings(self, work: Work) -> dict[str, str]:
        """What its process is told of the work: where the log is."""
        log = await self._ground.log(work)
        return {"BENCH_SLOT_LOG": log.topic, "BENCH_ENDS": ",".join(map(str, log.ends))}

    async def drain(self) -> Drained:
        assert self._process is not None
        meter = Meter(self._ground.pids | {"worker": self._process.pid})
        begun = time.perf_counter()
        self._process.go()
        await self._process.said(DONE)
        return Drained(time.perf_counter() - begun, meter.stop())

    async def outcomes(self) -> Outcomes:
        by_sequence = self.ordered_by == "arrival"
        connection = await asyncpg.connect(self._dsn)
        try:
            rows = await youai.rows_of(connection, "rank" if by_sequence else "log_offset")
            answers = await youai.answers_of(connection)
        finally:
            await connection.close()
        events = await asyncio.to_thread(
            reading.told, self._ground.bootstrap, self._target, self._work.partitions, by_sequence=by_sequence
        )
        return Outcomes(rows, events, answers)

    async def clear(self) -> None:
        await self.close()
        await self._ground.drop_topics([self._target])
        await self._ground.drop_database(self._database)

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.stop(at_once=True)
