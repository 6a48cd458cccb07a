"""Where the real code meets the outside: in a simulated world its clocks, chance, clients and connections are ours.

Everything is put in by name and taken out again, so the code that runs is the code that is shipped.
"""

import contextlib
import random
import secrets
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any, Protocol, cast

import asyncpg
import structlog
import youai_matching.__main__ as matching
from aiokafka import AIOKafkaConsumer
from youai_contracts import topics
from youai_matching import bookings, door, loops, streams
from youai_matching.decider import Decider
from youai_matching.rule_files import RuleBook
from youai_runtime import database, kafka, lane, leader, outbox

from youai_proof.sim.loop import PROCESS, SimLoop
from youai_proof.sim.postgres import client

BEGINNING = datetime(2026, 12, 1, 1, 0, 0, tzinfo=UTC)
"""The world's time zero: a Tuesday, nine in the morning in Zhangjiagang."""
BEGINNING_S = BEGINNING.timestamp()


class Outside(Protocol):
    """What a world offers to the code that runs in it."""

    loop: SimLoop
    chance: random.Random
    book: RuleBook

    async def pool(self, dsn: str, **options: Any) -> Any:
        """A pool, as database.connect_pool."""

    async def connection(self, dsn: str, **options: Any) -> Any:
        """A connection of its own, as asyncpg.connect."""

    async def point(self, name: str) -> None:
        """The running process comes to a point where it may be struck."""

    def said(self, logger: str, level: str, event: str, values: dict[str, Any]) -> None:
        """A line of the log that the code writes."""


_world: Outside | None = None


def _here() -> Outside:
    assert _world is not None, "no world is running"
    return _world


_real_time, _real_monotonic = time.time, time.monotonic


def _time() -> float:
    if _world is None:
        return _real_time()
    return BEGINNING_S + _world.loop._now + PROCESS.get().wall_offset_s


def _monotonic() -> float:
    return _real_monotonic() if _world is None else 1_000.0 + _world.loop._now


class _Datetime:
    """Stands for the class datetime in a module: `now` is the process's, all else the real one's."""

    @staticmethod
    def now(tz: tzinfo | None = None) -> datetime:
        if _world is None:
            return datetime.now(tz)
        return BEGINNING + timedelta(seconds=_world.loop._now + PROCESS.get().wall_offset_s)

    def __call__(self, *arguments: Any, **named: Any) -> datetime:
        return datetime(*arguments, **named)  # noqa: DTZ001

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)


class _Log:
    """Stands for structlog's loggers."""

    def __init__(self, logger: Any, processors: Any, context: Any) -> None:
        self._name = str(logger)

    def bind(self, **_: Any) -> "_Log":
        return self

    new = bind

    def _say(self, level: str, event: str, values: dict[str, Any]) -> None:
        if _world is not None:
            _world.said(self._name, level, event, values)

    def debug(self, event: str, **values: Any) -> None:
        self._say("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        self._say("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        self._say("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        self._say("error", event, values)

    exception = critical = error


def _struck_around(real: Any, before: str, after: str) -> Any:
    """A function of the real code, before and after which its process may be struck."""

    async def striking(*arguments: Any, **named: Any) -> Any:
        if before:
            await _here().point(before)
        done = await real(*arguments, **named)
        if after:
            await _here().point(after)
        return done

    return striking


def _struck_at_commit(real: Any) -> Any:
    async def striking(self: Any, *, begins: bool, stands: bool = True) -> None:
        if begins or not stands:
            await real(self, begins=begins, stands=stands)
            return
        await _here().point("commit")
        await real(self, begins=begins, stands=stands)
        await _here().point("committed")

    return striking


_RELAY_POLL_S = 0.2
_LEAST_POLL_MS = 1_000


def _patient(getmany: Any) -> Any:
    """A consumer that finds nothing looks around a little later than it was asked to."""

    def waiting(self: Any, *partitions: Any, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        return getmany(self, *partitions, timeout_ms=max(timeout_ms, _LEAST_POLL_MS), max_records=max_records)

    return waiting


def _replacements() -> list[tuple[Any, str, Any]]:
    clock = _Datetime()

    async def pool(dsn: str, **options: Any) -> Any:
        return await _here().pool(dsn, **options)

    async def connection(dsn: str, **options: Any) -> Any:
        return await _here().connection(dsn, **options)

    asking = SimpleNamespace(connect=connection, Connection=asyncpg.Connection)
    return [
        (time, "time", _time),
        (time, "monotonic", _monotonic),
        (time, "perf_counter", _monotonic),
        (uuid, "uuid4", lambda: uuid.UUID(int=_here().chance.getrandbits(128))),
        (secrets, "token_hex", lambda count=32: f"{_here().chance.getrandbits(count * 8):0{count * 2}x}"),
        *((module, "datetime", clock) for module in (bookings, door, loops, streams, outbox)),
        (database, "connect_pool", pool),
        (leader, "asyncpg", asking),
        (matching, "RuleBook", lambda _folder: _here().book),
        (loops.Timer.__init__, "__defaults__", (_monotonic,)),
        (kafka.Publisher, "publish", _struck_around(kafka.Publisher.publish, "publish", "published")),
        (client.Connection, "block", _struck_at_commit(client.Connection.block)),
        (lane.Lane, "_unfenced", _struck_around(lane.Lane._unfenced, "", "fenced")),
        (Decider, "after_commit", _struck_around(Decider.after_commit, "decided", "")),
        (streams.Intake, "apply", _struck_around(streams.Intake.apply, "effect", "")),
        # Nobody looks as often as in earnest for what comes by itself: what is idle shall cost nothing.
        (outbox.Relay.__init__, "__kwdefaults__", {"poll_s": _RELAY_POLL_S}),
        (AIOKafkaConsumer, "getmany", _patient(AIOKafkaConsumer.getmany)),
    ]


PARTITIONS = {topic.name: 3 for topic in (topics.SLOT_LOG, topics.BOOKING, topics.CLAIM)}
"""How many partitions these topics have in a world, and all others 2: few, so that each has much to do."""


@contextlib.contextmanager
def _few_partitions() -> Iterator[None]:
    before = [topic.partitions for topic in topics.TOPICS]
    for topic in topics.TOPICS:
        object.__setattr__(topic, "partitions", PARTITIONS.get(topic.name, min(topic.partitions, 2)))
    try:
        yield
    finally:
        for topic, number in zip(topics.TOPICS, before, strict=True):
            object.__setattr__(topic, "partitions", number)


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Put the simulator's own in place of the outside, and the outside back in the end."""
    before = []
    logging = structlog.get_config()
    for owner, name, new in _replacements():
        before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, new)
    structlog.configure(
        wrapper_class=cast(Any, _Log), logger_factory=lambda name="": name, cache_logger_on_first_use=True
    )
    try:
        with _few_partitions():
            yield
    finally:
        for owner, name, old in reversed(before):
            setattr(owner, name, old)
        structlog.configure(**logging)


@contextlib.contextmanager
def inside(world: Outside) -> Iterator[None]:
    """Run in this world: one at a time."""
    global _world
    assert _world is None, "another world is running"
    _world = world
    try:
        yield
    finally:
        _world = None
