"""A world's processes: matching's workers and doors, notify's workers, each put together by its own `__main__`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import youai_matching.__main__ as matching
import youai_notify.__main__ as notify
from fastapi import FastAPI, Request
from youai_contracts import topics
from youai_matching import api, desk
from youai_matching.door import Appender
from youai_matching.settings import Settings
from youai_notify.settings import Settings as NotifySettings
from youai_runtime import database, kafka
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.live import Feed, Listeners
from youai_runtime.worker import Hosted

from youai_proof.sim.loop import PROCESS, Process, SimLoop
from youai_proof.sim.rules import RULES_NAME, book

DATABASES = {"matching": "postgresql://matching", "notify": "postgresql://notify"}


class Program:
    """One program of a world, started, killed and started again as its operator would.

    `bootstrap` is the broker's; `died` is told when it ends by itself, which none ever should.
    """

    def __init__(self, name: str, loop: SimLoop, bootstrap: str, died: Callable[[str, BaseException], None]) -> None:
        self.name = name
        self._bootstrap = bootstrap
        self._starts = 0
        self.process = Process(name)
        self.process.dead = True
        self.wanted = True
        self.desk: desk.Desk | None = None
        self.lanes: list[Any] = []
        self._loop = loop
        self._died = died
        self.is_stopping = False
        self._hosted: Hosted | None = None

    @property
    def is_door(self) -> bool:
        """Whether it serves HTTP."""
        return self.name.startswith("api")

    def start(self) -> None:
        """Begin anew, as a process of its own."""
        offset = self.process.wall_offset_s
        self._starts += 1
        self.process = Process(f"{self.name}.{self._starts}")
        self.process.wall_offset_s = offset
        self.desk, self._hosted, self.lanes, self.is_stopping = None, None, [], False
        self.run(self._main())

    def run(self, main: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something as (part of) its process."""
        return self._loop.spawn(self.process, main)

    async def stop(self) -> None:
        """Ask it to end, as SIGTERM does; returns when it has."""
        process, self.is_stopping = self.process, True
        if self._hosted is not None:
            hosted = self._hosted
            await self.run(self._drain(hosted))
        self._loop.kill(process)

    @staticmethod
    async def _drain(hosted: Hosted) -> None:
        for loop in hosted.loops:
            await loop.stop()
        if hosted.tasks:
            await asyncio.wait(hosted.tasks, timeout=8)
        await hosted.close()

    async def _main(self) -> None:
        try:
            if self.is_door:
                await self._door()
            else:
                await self._work(self._notify if self.name.startswith("notify") else self._matching)
        except Exception as error:
            if not self.is_stopping:
                self._died(self.name, error)

    async def _work(self, build: Callable[[], Awaitable[Hosted]]) -> None:
        hosted = self._hosted = await build()
        self.lanes = [loop for loop in hosted.loops if hasattr(loop, "work")]
        async with asyncio.TaskGroup() as group:
            for loop in hosted.loops:
                hosted.tasks.append(group.create_task(loop.run()))

    def _matching(self) -> Awaitable[Hosted]:
        return matching.hosted(self._settings(Settings, "matching"))

    def _notify(self) -> Awaitable[Hosted]:
        return notify.hosted(self._settings(NotifySettings, "notify"))

    async def _door(self) -> None:
        """As matching's `api`, without its server: the app is called as it stands."""
        settings = self._settings(Settings, "matching")
        pool = await database.connect_pool(
            settings.database, name=settings.instance, size=settings.pool_size, wait_s=2.0, statement_s=3.0
        )
        appender = Appender(kafka.make_producer(settings.broker, settings.instance, linger_ms=5))
        listeners = Listeners(most=500, most_of_one=200)
        feed = Feed(topics.BOOKING, listeners, broker=settings.broker, client_id=settings.instance)
        self.desk = _desk(pool=pool, appender=appender, rules=book(), listeners=listeners)
        PROCESS.get().desk = self.desk
        async with asyncio.TaskGroup() as group:
            group.create_task(appender.start())
            group.create_task(feed.run())

    def _settings(self, cls: Any, service: str) -> Any:
        return cls.model_construct(
            kafka=self._bootstrap,
            kafka_security_protocol="PLAINTEXT",
            kafka_sasl_mechanism=None,
            kafka_username=None,
            kafka_password=None,
            kafka_ca_file=None,
            database=DATABASES[service],
            instance=self.process.name,
            pool_size=10,
            rules=RULES_NAME,
            rules_folder=None,
        )


class _SharedDesk:
    """The desk of whichever process serves: building the app's routes costs more than a world may."""

    def __init__(self, **_: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(PROCESS.get().desk, name)


class _Rates:
    """Nobody is refused for asking too often."""

    def count(self, who: Principal, writes: int = 1) -> None:
        pass


class _Access(Authenticator):
    """Tokens are `organization role`: who may do what is not what a world tries."""

    def __init__(self) -> None:
        pass

    async def __call__(self, request: Request) -> Principal:
        """The caller of a request."""
        return await self.of(request.headers["authorization"])

    async def of(self, authorization: str) -> Principal:
        """The caller that a header names."""
        organization, role = authorization.removeprefix("Bearer ").split()
        return Principal("somebody", organization, frozenset((role,)))


@asynccontextmanager
async def _nothing(_app: FastAPI) -> Any:
    yield


async def _ready() -> dict[str, str]:
    return {}


def door_app() -> Any:
    """The door's app, for all doors of all worlds."""
    with _put(api, Desk=_SharedDesk):
        return _make(pool=None, appender=None, rules=book(), listeners=None)


def _desk(**outside: Any) -> desk.Desk:
    """A process's own desk, as `make_api` makes it; its routes are left out, for all processes share the app's."""
    made: list[desk.Desk] = []

    def keep(**values: Any) -> desk.Desk:
        made.append(desk.Desk(**values))
        return made[0]

    no_routes = SimpleNamespace(add=lambda *_: None, PATH="", MOST_BYTES=0)
    routes = dict.fromkeys(("batch", "bookings", "holds", "overrides", "slots"), no_routes)
    with _put(api, Desk=keep, create_app=lambda *_, **__: None, **routes):
        _make(**outside)
    return made[0]


def _make(**outside: Any) -> Any:
    return api.make_api(authenticate=_Access(), rates=cast(Any, _Rates()), ready=_ready, lifespan=_nothing, **outside)


@contextmanager
def _put(module: Any, **values: Any) -> Iterator[None]:
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)
