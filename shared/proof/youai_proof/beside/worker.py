"""A worker process: `python -m youai_proof.beside.worker` with a job as JSON, until SIGTERM.

`kind` is `faust`: an agent with stock `take`, as Faust's guide writes it; or `ours`: the same body in a lane.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faust
from youai_contracts.topics import Topic
from youai_runtime import database, kafka, lane
from youai_runtime.database import Connection, Pool
from youai_runtime.lane import Lane
from youai_runtime.work import Record, Work

from youai_proof.beside.body import Trap, decide

TAKES, WITHIN_S = 100, 0.2
"""What `take` gathers at most, and for how long."""


@dataclass(frozen=True)
class Job:
    """What a worker is to do: `fault` is zombie or exception; the trap lies in `trap` and waits for `victim`."""

    kind: str
    bootstrap: str
    dsn: str
    topic: str
    partitions: int
    group: str
    fault: str
    victim: str
    trap: str
    folder: str

    @property
    def traps(self) -> Mapping[str, Trap]:
        """The trap, by the fault that it is."""
        return {self.fault: Trap(Path(self.trap), self.victim)}


def stock(job: Job) -> None:
    """An agent of stock Faust. Its session is as long as that of our lanes; all else is as Faust has it."""
    app = faust.App(
        job.group,
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        datadir=job.folder,
        web_enabled=False,
        autodiscover=False,
        topic_disable_leader=True,
        broker_session_timeout=lane.SESSION_TIMEOUT_MS / 1000,
        broker_heartbeat_interval=lane.SESSION_TIMEOUT_MS / 4000,
        broker_request_timeout=lane.SESSION_TIMEOUT_MS / 1000 + 4,
    )
    topic = app.topic(job.topic, partitions=job.partitions, value_serializer="raw", value_type=bytes)
    pools: list[Pool] = []

    @app.agent(topic)  # type: ignore[untyped-decorator]
    async def decider(stream: Any) -> None:
        async for batch in stream.take(TAKES, within=WITHIN_S):
            if not pools:
                pools.append(await database.connect_pool(job.dsn, name="faust", size=4))
            request_ids = [value.decode() for value in batch]
            if freezing := job.traps.get("zombie"):
                freezing.freeze(request_ids)
            async with pools[0].acquire() as connection, connection.transaction():
                await decide(connection, request_ids, job.traps.get("exception"))

    faust.Worker(app, redirect_stdouts=False, loglevel="info", quiet=True).execute_from_commandline()


class _Deciding(Work):
    """The same in a lane: frozen before its transaction, failing in it."""

    deduplicates = False

    def __init__(self, job: Job) -> None:
        self.name = job.group
        self.topic = Topic(job.topic, "slot_id", "matching", ("matching",), job.partitions)
        self._traps = job.traps

    async def effect(self, partition: int, records: Sequence[Record]) -> None:
        if freezing := self._traps.get("zombie"):
            freezing.freeze(_ids(records))

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        await decide(connection, _ids(records), self._traps.get("exception"))


def _ids(records: Sequence[Record]) -> list[str]:
    return [(record.value or b"").decode() for record in records]


async def ours(job: Job) -> None:
    """A lane, as every worker of ours hosts them."""
    pool = await database.connect_pool(job.dsn, name="ours", size=4)
    broker = kafka.Broker(job.bootstrap)
    running = Lane(_Deciding(job), pool=pool, broker=broker, client_id="ours")
    stop = lambda: asyncio.ensure_future(running.stop())  # noqa: E731
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    await running.run()
    pool.terminate()


def main() -> None:
    """Run the job."""
    job = Job(**json.loads(sys.argv.pop()))
    if job.kind == "faust":
        stock(job)
    else:
        asyncio.run(ours(job))


if __name__ == "__main__":
    main()
