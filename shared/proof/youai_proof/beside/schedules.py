"""The two schedules: a mistake in the body, and a worker that is frozen and comes back after its partitions moved."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from youai_runtime import database
from youai_stack import processes
from youai_stack.errors import StackError

from youai_proof.beside.body import TABLE
from youai_proof.beside.worker import Job

KINDS = ("faust", "ours")
FAULTS = {"exception": 1, "zombie": 2}
"""By name, with how many workers."""
PARTITIONS = 2
REQUESTS = 900
RATE = 150.0
"""Requests a second."""
VICTIM = 300
"""The request whose batch is struck."""
MOVED_S = 9.0
"""How long a frozen worker is left alone at least: its session is over after 6 s."""
QUIET_S = 4.0
"""How long nothing must be decided for a run to count as done, or as stuck."""
_READY_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True)
class Outcome:
    """What became of the requests of a run, all workers running again and nothing more being decided."""

    kind: str
    fault: str
    requests: int
    once: int
    lost: int
    twice: int
    """Decided more than once."""


@dataclass(frozen=True)
class Stores:
    """Where the broker and the database are, and a folder for logs."""

    bootstrap: str
    admin_dsn: str
    folder: Path


async def run(stores: Stores, kind: str, fault: str) -> Outcome:
    """Play a fault's schedule on workers of a kind, with a topic and a database of their own."""
    name = f"beside_{kind}_{fault}_{os.getpid()}"
    topic = f"youai.{name.replace('_', '-')}"
    async with _database(stores, name) as dsn, _topic(stores, topic):
        trap = stores.folder / f"{name}.trap"
        trap.touch()
        victim = _request(VICTIM)
        job = Job(kind, stores.bootstrap, dsn, topic, PARTITIONS, name, fault, victim, str(trap), str(stores.folder))
        workers = [_start(job, stores.folder / f"{name}.log") for _ in range(FAULTS[fault])]
        try:
            await _joined(stores.bootstrap, name, len(workers))
            await _fill(stores.bootstrap, topic)
            await _until(lambda: not trap.exists(), "no worker came to the request that is struck")
            await (_wait_out(dsn, workers) if fault == "zombie" else _begin_again(dsn, workers, job, stores))
            await _quiet(dsn)
        finally:
            await _stop(workers)
        return _counted(kind, fault, await _decided(dsn))


async def _begin_again(dsn: str, workers: list["subprocess.Popen[bytes]"], job: Job, stores: Stores) -> None:
    """Let the worker go on until it stands still, then start it again, as its operator would."""
    await _quiet(dsn)
    await _stop(workers)
    workers[:] = [_start(job, stores.folder / f"{job.group}.log")]
    await _joined(stores.bootstrap, job.group, 1)


async def _wait_out(dsn: str, workers: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Wait until the others have done what they will, then let the frozen worker go on."""
    await asyncio.sleep(MOVED_S)
    await _quiet(dsn)
    for worker in workers:
        worker.send_signal(signal.SIGCONT)


async def _quiet(dsn: str) -> None:
    """Wait until nothing was decided for QUIET_S."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        await asyncio.sleep(_POLL_S)
        if (now := sum((await _decided(dsn)).values())) != count:
            count, since = now, time.monotonic()


async def _decided(dsn: str) -> Counter[str]:
    """How often each request was decided."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT request_id, count(*) AS times FROM decided GROUP BY request_id")
    finally:
        await connection.close()
    return Counter({row["request_id"]: row["times"] for row in rows})


def _counted(kind: str, fault: str, decided: Counter[str]) -> Outcome:
    times = [decided[_request(number)] for number in range(REQUESTS)]
    return Outcome(kind, fault, REQUESTS, times.count(1), times.count(0), sum(time > 1 for time in times))


def _request(number: int) -> str:
    return f"request-{number}"


def _start(job: Job, log: Path) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-P", "-m", "youai_proof.beside.worker", json.dumps(asdict(job))]
    return processes.spawn(argv, log=log, env=os.environ, cwd=log.parent, death_signal=signal.SIGKILL)


async def _stop(workers: Sequence["subprocess.Popen[bytes]"]) -> None:
    """SIGTERM, and SIGKILL for whoever has not ended after ten seconds."""
    for worker in workers:
        worker.send_signal(signal.SIGCONT)
        worker.terminate()
    for worker in workers:
        try:
            await asyncio.to_thread(worker.wait, 10)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


async def _until(good: Any, otherwise: str) -> None:
    deadline = time.monotonic() + _READY_S
    while not good():
        if time.monotonic() > deadline:
            raise StackError(f"Not within {_READY_S:.0f} s: {otherwise}.")
        await asyncio.sleep(_POLL_S)


async def _joined(bootstrap: str, group: str, members: int) -> None:
    """Wait until so many workers share the partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    deadline = time.monotonic() + _READY_S
    try:
        while True:
            with contextlib.suppress(KafkaError):  # nobody has asked for the group yet
                (told,) = await admin.describe_consumer_groups([group])
                state, found = told.groups[0][2], told.groups[0][5]
                if state == "Stable" and len(found) == members:
                    return
            if time.monotonic() > deadline:
                raise StackError(f"Not within {_READY_S:.0f} s: {group} has {members} members that share the work.")
            await asyncio.sleep(_POLL_S)
    finally:
        await admin.close()


async def _fill(bootstrap: str, topic: str) -> None:
    """Append all requests at RATE, the partitions by turns."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    began = time.monotonic()
    try:
        for number in range(REQUESTS):
            await asyncio.sleep(max(began + number / RATE - time.monotonic(), 0.0))
            await producer.send(topic, _request(number).encode(), key=b"slot", partition=number % PARTITIONS)
        await producer.flush()
    finally:
        await producer.stop()


@asynccontextmanager
async def _topic(stores: Stores, topic: str) -> AsyncIterator[None]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stores.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        yield
        await admin.delete_topics([topic])
    finally:
        await admin.close()


@asynccontextmanager
async def _database(stores: Stores, name: str) -> AsyncIterator[str]:
    """A database with the table of decisions and that of lanes' progress; it is dropped in the end."""
    admin = await asyncpg.connect(stores.admin_dsn)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        dsn = f"{stores.admin_dsn.rpartition('/')[0]}/{name}"
        connection = await asyncpg.connect(dsn)
        try:
            for file in sorted(database.RUNTIME_MIGRATIONS.glob("*.sql")):
                await connection.execute(file.read_text(encoding="utf-8").partition("-- migrate: rollback")[0])
            await connection.execute(TABLE)
        finally:
            await connection.close()
        yield dsn
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()
