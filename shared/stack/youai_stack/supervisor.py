"""The supervisor: one process a home that starts everything, keeps it running, and stops it in order.

`python -m youai_stack.supervisor --home H`; SIGTERM stops the stack, SIGHUP makes it read run/desired.json again.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from youai_stack import files, probes, processes, provision
from youai_stack.child import Child, Spec
from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.parts import ServiceParts, Stores, embedded_kafka, embedded_postgres, migrate
from youai_stack.ports import HOST
from youai_stack.services import MAX_WORKERS, Service, installed

STORE_SECONDS = 120.0
"""How long Kafka or PostgreSQL may take to get ready at `up` (a busy machine starts a JVM in 20 s)."""
READY_SECONDS = 180.0
"""How long the processes of a service may take to get ready at `up`."""
FOREIGN_SECONDS = 30.0
"""How long a store that is not ours may take to answer."""
CRASHES_AT_UP = 5
"""A process that ends this often before it was ready once fails the `up`."""


class Supervisor:
    """The state of a running stack, and the order in which it comes up and goes down."""

    def __init__(self, home: Home, services: tuple[Service, ...], stack: str) -> None:
        self.home = home
        self.services = services
        self.stores = Stores.choose(home, stack)
        self.parts = ServiceParts(home, self.stores)
        self.children: dict[str, Child] = {}
        self.steps: dict[str, dict[str, Any]] = {}
        ports = home.ports(*(f"{service.name}-api" for service in services))
        self._urls = {s.name: f"http://{HOST}:{ports[f'{s.name}-api']}" for s in services}
        self.phase = "starting"
        self.error: str | None = None
        self._begun = time.monotonic()
        self._seconds: float | None = None
        self._stop = asyncio.Event()
        self._scaling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        for name in ("kafka", "postgres", "topics", "databases", "migrations", *(s.name for s in services)):
            self.steps[name] = {"state": "waiting", "detail": "", "seconds": None}

    # Life

    async def main(self) -> int:
        """Come up, stay until told to stop, go down. Returns the exit code: 0, or 1 where coming up failed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        loop.add_signal_handler(signal.SIGCHLD, self._on_child)
        self.write()
        rising = asyncio.create_task(self.rise())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait((rising, stopped), return_when=asyncio.FIRST_COMPLETED)
        if rising.done() and (error := rising.exception()) is not None:
            self.phase, self.error = "failed", _sentence(error)
            self.write()
        elif rising.done():
            self.phase, self._seconds = "ready", round(time.monotonic() - self._begun, 2)
            self.write()
            await stopped
        rising.cancel()
        stopped.cancel()
        await asyncio.gather(rising, stopped, *self._tasks, return_exceptions=True)
        await self.fall()
        return 1 if self.error else 0

    async def rise(self) -> None:
        """Kafka and PostgreSQL side by side, each with what it must hold, then the services."""
        if self.stores.containers is not None:
            await self._step("kafka", asyncio.to_thread(self.stores.containers.start))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._kafka())
                group.create_task(self._postgres())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        for service in self.services:
            self._start_api(service)
        for service in self.services:
            await self._set_workers(service, self._wanted(service))
        await asyncio.gather(*(self._step(service.name, self._ready(service)) for service in self.services))

    async def fall(self) -> None:
        """Services first, all at once; then Kafka; then PostgreSQL."""
        if not self.error:
            self.phase = "stopping"
        self.write()
        services = [child for child in self.children.values() if child.spec.role != "store"]
        await asyncio.gather(*(child.stop() for child in services))
        for name in ("kafka", "postgres"):
            if name in self.children:
                await self.children[name].stop()
        if self.stores.containers is not None:
            await asyncio.to_thread(self.stores.containers.stop)
        if not self.error:
            self.phase = "stopped"
        self.write()

    # The two stores

    async def _kafka(self) -> None:
        stores = self.stores
        if stores.own_kafka:
            await self._step("kafka", self._store(embedded_kafka(self.home)))
        else:
            await self._step("kafka", self._answers(lambda: probes.kafka(stores.bootstrap)))
        await self._step("topics", provision.topics(stores.bootstrap, 1 if stores.own_kafka else -1))

    async def _postgres(self) -> None:
        stores = self.stores
        if stores.own_postgres:
            await self._step("postgres", self._store(embedded_postgres(self.home)))
        else:
            await self._step("postgres", self._answers(lambda: probes.postgres(stores.admin_dsn)))
        passwords = {service.name: self.home.secret(service.name) for service in self.services}
        await self._step("databases", provision.databases(self.stores.admin_dsn, passwords))
        self.parts.dsns = provision.service_dsns(self.stores.admin_dsn, passwords)
        await self._step("migrations", self._migrate())

    async def _migrate(self) -> None:
        await asyncio.gather(*(migrate(self.parts, service) for service in self.services))

    async def _store(self, prepared: Awaitable[Spec]) -> None:
        child = self._add(await prepared)
        await self._until_ready([child], STORE_SECONDS)

    async def _answers(self, ask: Callable[[], Awaitable[str]]) -> None:
        """It is somebody else's: nothing to start, but it must answer. Raises StackError."""
        deadline = time.monotonic() + FOREIGN_SECONDS
        while missing := await ask():
            if time.monotonic() > deadline:
                raise StackError(f"The store that this stack was told to use does not answer: {missing}.")
            await asyncio.sleep(0.2)

    # Services

    def _start_api(self, service: Service) -> None:
        self._add(self.parts.api(service))

    def _wanted(self, service: Service) -> int:
        return max(0, min(self.home.desired_workers().get(service.name, service.workers), MAX_WORKERS))

    def _workers(self, service: Service) -> list[Child]:
        names = (f"{service.name}-worker-{number}" for number in range(1, MAX_WORKERS + 1))
        return [self.children[name] for name in names if name in self.children]

    async def _set_workers(self, service: Service, number: int) -> None:
        """Start the missing workers, stop those with the highest numbers."""
        async with self._scaling:
            for index in range(1, number + 1):
                if f"{service.name}-worker-{index}" not in self.children:
                    self._add(self.parts.worker(service, index))
            surplus = [child for child in self._workers(service) if int(child.spec.name.rpartition("-")[2]) > number]
            await asyncio.gather(*(child.stop() for child in surplus))
            for child in surplus:
                del self.children[child.spec.name]
            if surplus:
                self.write()

    async def _ready(self, service: Service) -> None:
        own = [child for child in self.children.values() if child.spec.service == service.name]
        await self._until_ready(own, READY_SECONDS)

    async def _until_ready(self, children: list[Child], seconds: float) -> None:
        """Raises StackError where one of them is not ready in time or keeps ending."""
        deadline = time.monotonic() + seconds
        for child in children:
            while not child.was_ready.is_set():
                if child.restarts >= CRASHES_AT_UP or time.monotonic() > deadline:
                    raise StackError(
                        f"{child.spec.name} does not come up ({child.detail or child.state}); {child.spec.log} says:"
                        f" {processes.complaint(child.spec.log)}"
                    )
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(child.was_ready.wait(), 0.2)

    def _add(self, spec: Spec) -> Child:
        child = Child(spec, changed=self.write)
        self.children[spec.name] = child
        child.start()
        return child

    # Signals

    def _on_child(self) -> None:
        for child in self.children.values():
            child.reap()

    def _on_hangup(self) -> None:
        if self.phase == "ready":
            task = asyncio.create_task(self._rescale())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _rescale(self) -> None:
        for service in self.services:
            await self._set_workers(service, self._wanted(service))

    # What others can read

    async def _step(self, name: str, work: Awaitable[object]) -> None:
        step = self.steps[name]
        begun = time.monotonic()
        step["state"] = "running"
        self.write()
        try:
            await work
        except BaseException:
            step["state"] = "failed"
            raise
        step |= {"state": "done", "seconds": round(time.monotonic() - begun, 2)}
        self.write()

    def write(self) -> None:
        """Write state.json, whole."""
        pid = os.getpid()
        state = {
            "supervisor": {"pid": pid, "started": processes.started_at(pid)},
            "phase": self.phase,
            "error": self.error,
            "seconds": self._seconds,
            "steps": self.steps,
            "kafka": {"bootstrap": self.stores.bootstrap},
            "postgres": {"dsn": self.stores.admin_dsn},
            "services": {
                service.name: {"url": self._urls[service.name], "workers": self._wanted(service)}
                for service in self.services
            },
            "processes": [child.public() for child in self.children.values()],
        }
        files.write_json(self.home.state_file, state)


def _sentence(error: BaseException) -> str:
    if isinstance(error, StackError):
        return str(error)
    return f"Starting failed: {type(error).__name__}: {error}"


def main() -> int:
    """Run the supervisor of one home; exit code 3 where another one has it."""
    parser = argparse.ArgumentParser(prog="python -m youai_stack.supervisor")
    parser.add_argument("--home", required=True)
    parser.add_argument("--services", help="names, with commas between them (default: all that are installed)")
    parser.add_argument("--stack", choices=("embedded", "containers"), default="embedded")
    parser.add_argument("--with-parent", action="store_true", help="stop when the process that started it dies")
    given = parser.parse_args()
    if given.with_parent:
        processes.die_with_parent(signal.SIGTERM)
    home = Home(given.home)
    home.create()
    if files.try_lock(home.lock_file, patience=2.0) is None:
        print("another supervisor runs in this home", file=sys.stderr)
        return 3
    home.end_stale()
    try:
        names = None if given.services is None else [name for name in given.services.split(",") if name]
        supervisor = Supervisor(home, installed(names), given.stack)
    except StackError as error:
        pid = os.getpid()
        own = {"pid": pid, "started": processes.started_at(pid)}
        files.write_json(home.state_file, {"supervisor": own, "phase": "failed", "error": str(error), "processes": []})
        return 1
    return asyncio.run(supervisor.main())


if __name__ == "__main__":
    raise SystemExit(main())
