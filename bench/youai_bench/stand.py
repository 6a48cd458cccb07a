"""Matching's own worker on topics and a database of its own: started, killed, started again."""

import asyncio
import time
from itertools import count

import asyncpg
from youai_contracts import topics
from youai_matching.store import DECIDER
from youai_stack import probes
from youai_stack.errors import StackError

from youai_bench import engine
from youai_bench.gate import Gated
from youai_bench.ground import PREFIX, Ends, Ground
from youai_bench.systems.youai import TEMPLATE, make_template
from youai_bench.work import PARTITIONS

_BESIDE = (topics.OFFER, topics.DEMAND, topics.ORGANIZATION, topics.CLAIM)
"""Topics that a worker wants to be there, and that nothing comes from here."""
_READY_S = 120.0
_NUMBERS = count(1)


class Stand:
    """One worker. `log` is a filled slot log's topic; without one the stand makes its own, empty."""

    def __init__(self, ground: Ground, name: str, *, partitions: int = PARTITIONS, log: str = "") -> None:
        self.name = name
        self.partitions = partitions
        number = next(_NUMBERS)  # a topic that was just removed may still be there: none has an earlier one's name
        self.booking = f"{PREFIX}{name}.{number}.booking"
        self.log = log or f"{PREFIX}{name}.{number}.slot-log"
        self._owns_log = not log
        self._ground = ground
        self._database = f"bench_{name.replace('-', '_')}"
        self._worker: Gated | None = None

    async def open(self) -> None:
        """Make topics and the database, empty."""
        ground = self._ground
        await make_template(ground)
        for topic in _BESIDE:
            await ground.make_topics([topic.name], topic.partitions)
        await ground.make_topics([self.booking, *([self.log] if self._owns_log else [])], self.partitions)
        self.dsn = await ground.make_database(self._database, TEMPLATE)
        self.ends = Ends(ground.bootstrap, self.booking, self.partitions)
        await self.ends.start()

    @property
    def worker(self) -> Gated:
        """The running worker."""
        assert self._worker is not None
        return self._worker

    @property
    def pids(self) -> dict[str, int]:
        """For a Meter: worker, broker, database."""
        return {"worker": self.worker.pid} | self._ground.pids

    async def start(self, *, go: bool = True) -> None:
        """Start the worker, and wait until it is ready; without `go` its decider waits for the gate."""
        name = f"{self.name}-worker"
        port = self._ground.home.ports(name)[name]
        settings = {
            "YOUAI_KAFKA": self._ground.bootstrap,
            "YOUAI_DATABASE": self.dsn,
            "YOUAI_HTTP_PORT": str(port),
            "YOUAI_INSTANCE": name,
            "YOUAI_LOG_LEVEL": "WARNING",
            engine.SLOT_LOG: self.log,
            engine.BOOKING: self.booking,
            engine.PARTITIONS: str(self.partitions),
        }
        self._worker = Gated("youai_bench.engine", self._ground.home.log(name), settings)
        if go:
            self._worker.go()
        deadline = time.monotonic() + _READY_S
        while missing := await probes.http(port):
            self._worker.alive()
            if time.monotonic() > deadline:
                raise StackError(f"A worker of matching did not get ready: {missing}.")
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End the worker as kill -9 does."""
        worker, self._worker = self.worker, None
        await worker.stop(at_once=True)

    async def stop(self) -> None:
        """End the worker as a deployment does."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    async def until_decided(self, records: int, *, every_s: float = 0.02) -> None:
        """Wait until progress stands at so many records of the log, over all partitions, and all is published."""
        connection = await asyncpg.connect(self.dsn)
        try:
            asked = "SELECT coalesce(sum(next_offset), 0) FROM lane_progress WHERE lane = $1"
            while await connection.fetchval(asked, DECIDER) < records:
                self.worker.alive()
                await asyncio.sleep(every_s)
            decisions = await connection.fetchval("SELECT count(*) FROM decision")
        finally:
            await connection.close()
        await self.ends.until(decisions, alive=self.worker.alive, every_s=every_s)

    async def close(self) -> None:
        """End the worker; remove topics and the database."""
        await self.stop()
        await self.ends.stop()
        await self._ground.drop_topics([self.booking, *([self.log] if self._owns_log else [])])
        await self._ground.drop_database(self._database)
