"""The ground that all systems stand on: one broker and one PostgreSQL of a home of their own, and the filled logs."""

import asyncio
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from youai_contracts import topics
from youai_stack import jars, processes
from youai_stack.child import Spec
from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.parts import embedded_kafka, embedded_postgres
from youai_stack.postgres import Postgres

from youai_bench import slot_log
from youai_bench.work import PARTITIONS, Work

PREFIX = "bench."
"""How the names of the bench's own topics begin: what an earlier run left in a home is removed."""
_READY_S = 120.0
_TOPIC_S = 30.0
_EXISTS = 36


@dataclass
class Ground:
    """Where the stores are, and what is made in them for a round. Everything is durable as in production.

    acks=all and idempotence are the systems' to set; PostgreSQL runs with fsync and synchronous_commit on.
    """

    home: Home
    bootstrap: str = ""
    admin_dsn: str = ""
    tell: Callable[[str], None] = print
    _stores: dict[str, tuple[Spec, "subprocess.Popen[bytes]"]] = field(default_factory=dict)
    _logs: dict[str, "slot_log.Log"] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """For a system's own files; removed with the home."""
        return self.home.run

    @property
    def pids(self) -> dict[str, int]:
        """The processes of the stores, for a Meter: broker, database."""
        names = {"kafka": "broker", "postgres": "database"}
        return {names[name]: process.pid for name, (_, process) in self._stores.items()}

    async def open(self) -> None:
        """Start both stores. Raises StackError where one does not come up."""
        self.home.create()
        await asyncio.to_thread(jars.ensure)
        specs = await asyncio.gather(embedded_kafka(self.home), embedded_postgres(self.home))
        await asyncio.gather(*(self._start(spec) for spec in specs))
        self.admin_dsn = Postgres(self.home).dsn
        self.bootstrap = f"127.0.0.1:{self.home.ports('kafka')['kafka']}"
        await self.drop_topics([name for name in await self._topics() if name.startswith(PREFIX)])

    async def _start(self, spec: Spec) -> None:
        process = processes.spawn(
            spec.argv, log=spec.log, env=spec.env, cwd=spec.cwd, death_signal=spec.stop_signal, enter=spec.enter
        )
        self._stores[spec.name] = (spec, process)
        deadline = asyncio.get_running_loop().time() + _READY_S
        while missing := await spec.ask():
            if process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise StackError(f"{spec.name} did not come up ({missing}): see {spec.log}.")
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        """End both stores; their data stay until the home is removed."""
        for spec, process in self._stores.values():
            process.send_signal(spec.stop_signal)
        for spec, process in self._stores.values():
            try:
                await asyncio.to_thread(process.wait, spec.stop_seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()

    # Topics

    async def make_topics(self, names: Sequence[str], partitions: int = PARTITIONS) -> None:
        """Make topics as the contracts make a city's, each with so many partitions. Raises StackError."""
        settings = topics.config(topics.SLOT_LOG)
        wanted = [NewTopic(name, partitions, 1, topic_configs=settings) for name in names]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            await admin.start()
            answer = await admin.create_topics(wanted, timeout_ms=int(_TOPIC_S * 1000))
        except (KafkaError, OSError) as error:
            raise StackError(f"Topics cannot be made: {error!r}.") from error
        finally:
            await admin.close()
        if refused := [name for name, code, *_ in answer.topic_errors if code not in (0, _EXISTS)]:
            raise StackError(f"The broker refused to make {', '.join(refused)}.")

    async def _topics(self) -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            await admin.start()
            return list(await admin.list_topics())
        finally:
            await admin.close()

    async def drop_topics(self, names: Sequence[str]) -> None:
        """Remove topics."""
        if not names:
            return
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            await admin.start()
            await admin.delete_topics(list(names), timeout_ms=int(_TOPIC_S * 1000))
        finally:
            await admin.close()

    async def log(self, work: Work) -> "slot_log.Log":
        """The work as a slot log in the real format, all of it; filled at the first call, then read by everybody."""
        if work.key not in self._logs:
            topic = f"{PREFIX}slot-log.{len(self._logs)}"
            await self.make_topics([topic], work.partitions)
            self._logs[work.key] = await asyncio.to_thread(slot_log.fill, self.bootstrap, topic, work)
        return self._logs[work.key]

    # Databases

    def dsn(self, database: str) -> str:
        """The administrator's DSN of a database."""
        parts = urlsplit(self.admin_dsn)
        return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))

    async def make_database(self, name: str, template: str = "template1") -> str:
        """Make a database anew, as a copy of another one; its DSN."""
        await self.drop_database(name)
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            # By files: copied through the WAL, a template's blocks would be part of the round's first flush.
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        finally:
            await connection.close()
        return self.dsn(name)

    async def drop_database(self, name: str) -> None:
        """Remove a database, and whoever is still connected to it."""
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Let the database write out what earlier rounds left, so that each begins with the same debts: none."""
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()


class Ends:
    """Asks the broker for a topic's end, cheaply and often."""

    def __init__(self, bootstrap: str, topic: str, partitions: int = PARTITIONS, *, committed: bool = False) -> None:
        """`committed` leaves out what a transaction has not committed yet, and its markers count as records."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            isolation_level="read_committed" if committed else "read_uncommitted",
        )
        self._places = [TopicPartition(topic, number) for number in range(partitions)]

    async def start(self) -> None:
        """Connect."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def total(self) -> int:
        """The sum of all partitions' ends."""
        return sum((await self._consumer.end_offsets(self._places)).values())

    async def until(self, records: int, *, alive: Callable[[], None], every_s: float = 0.02) -> None:
        """Wait until there are so many records; `alive` raises where nobody is left who would write them."""
        while await self.total() < records:
            alive()
            await asyncio.sleep(every_s)
