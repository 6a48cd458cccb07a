"""Workers that chaos runs itself, beside the supervisor's: behind a wall, or of another version."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from youai_stack import launch, processes, provision
from youai_stack.errors import StackError
from youai_stack.parts import ServiceParts, Stores
from youai_stack.services import SERVICES

from youai_proof.chaos.gate import Gate, Wall
from youai_proof.chaos.world import World

FIRST = 31
"""Their numbers begin where the supervisor's do not reach."""
LONGEST_STOP_S = 20.0
MATCHING = next(service for service in SERVICES if service.name == "matching")


@dataclass
class Outsider:
    """A worker of matching that is ours to start and to end."""

    world: World
    name: str
    process: subprocess.Popen[bytes]

    async def deciding(self) -> set[int]:
        """The partitions that it has, once it has any and everything is given out."""
        found = await self.world.shares(lambda shares: bool(shares.get(self.name)), f"{self.name} has some")
        return found[self.name]

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """End it: its exit code, and how many seconds it took. One that does not end is killed: code -9."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        while self.process.poll() is None and time.monotonic() < begun + LONGEST_STOP_S:
            await asyncio.sleep(0.02)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.world.memory.others.pop(self.name, None)
        return int(self.process.returncode), time.monotonic() - begun


def start(
    world: World, number: int = FIRST, *, module: str = "youai_matching", enter: Callable[[], None] | None = None
) -> Outsider:
    """Start a worker with the settings that the supervisor would give it."""
    parts = ServiceParts(world.home, Stores.choose(world.home, "embedded"))
    password = {MATCHING.name: world.home.secret(MATCHING.name)}
    parts.dsns = provision.service_dsns(parts.stores.admin_dsn, password)
    spec = parts.worker(MATCHING, number)
    argv = [module if word == MATCHING.module else word for word in spec.argv]
    process = processes.spawn(argv, log=spec.log, env=spec.env, cwd=spec.cwd, death_signal=signal.SIGKILL, enter=enter)
    world.memory.others[spec.name] = process.pid
    return Outsider(world, spec.name, process)


@dataclass
class Walled:
    """A worker behind a wall, with the gates through which it reaches broker and database."""

    worker: Outsider
    wall: Wall
    kafka: Gate
    postgres: Gate


@contextlib.asynccontextmanager
async def walled(world: World, *, alone: bool = False) -> AsyncIterator[Walled]:
    """A walled worker that shares the partitions with one of the supervisor's, or has them alone."""
    wall = Wall()
    kafka = Gate(int(world.bootstrap.rpartition(":")[2]))
    postgres = Gate(world.home.ports("postgres")["postgres"])
    for gate in (kafka, postgres):
        await gate.start(wall)
    worker = start(world, enter=wall.enter)
    try:
        await asyncio.to_thread(launch.scale, world.home, MATCHING.name, 0 if alone else 1)
        await worker.deciding()
        yield Walled(worker, wall, kafka, postgres)
        if worker.process.poll() is not None:
            raise StackError(f"{worker.name} ended by itself with code {worker.process.returncode}")
    finally:
        wall.link(up=True)
        for gate in (kafka, postgres):
            gate.release()
        code, took = await worker.stop()
        if code:
            world.accidents.append(f"{worker.name} ended with code {code} after {took:.1f} s")
        for gate in (kafka, postgres):
            await gate.stop()
        wall.close()
        await asyncio.to_thread(launch.scale, world.home, MATCHING.name, MATCHING.workers)
