"""Faults of the stores: killed, stopped at once, full; and relays that die or freeze between ack and watermark."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.postgres import Postgres

from youai_proof.chaos import parts
from youai_proof.chaos.world import CENTER, World

GATE = 7_119_991
"""An advisory lock that holds back every raising of a watermark."""
TMPFS_MIB = {"postgres": 500, "kafka": 400}
FULL_S = 6.0
KILLS = 2


async def kill_kafka(world: World, chance: random.Random) -> str:
    """kill -9 the broker; the supervisor starts it again."""
    return await _down(world, chance, "kafka", signal.SIGKILL)


async def stop_postgres(world: World, chance: random.Random) -> str:
    """Stop PostgreSQL at once (SIGQUIT: nothing is flushed), and it is started again."""
    return await _down(world, chance, "postgres", signal.SIGQUIT)


async def _down(world: World, chance: random.Random, name: str, number: signal.Signals) -> str:
    away: list[float] = []
    for _ in range(KILLS):
        began = time.monotonic()
        old = parts.kill(world.home, name, number)
        away.append(await parts.until(lambda: parts.born_again(world.home, name, old), f"{name} is back"))  # noqa: B023
        ended = time.monotonic()
        await world.struck(ended, ended)  # from the restart: how long it was away is the machine's affair
        await world.whole()
        await asyncio.sleep(chance.uniform(0.5, 2))
        del began
    return f"{KILLS} times, away {max(away):.1f} s; counted from its return"


# Between ack and watermark


@contextlib.asynccontextmanager
async def gated(world: World, service: str, table: str, column: str) -> AsyncIterator[None]:
    """Hold back every raising of a watermark inside the block: what is published is not noted."""
    async with world.databases.connection(service) as connection:
        await connection.execute(
            f"CREATE OR REPLACE FUNCTION chaos_gate() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NEW; END $$;"
            f" CREATE OR REPLACE TRIGGER chaos_gate BEFORE UPDATE OF {column} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION chaos_gate(); SELECT pg_advisory_lock({GATE})"
        )
        try:
            yield
        finally:
            await connection.execute(
                f"SELECT pg_advisory_unlock({GATE}); DROP TRIGGER chaos_gate ON {table}; DROP FUNCTION chaos_gate()"
            )


async def relay_killed(world: World, _chance: random.Random) -> str:
    """Kill every worker of matching, then of notify, while what they published is not noted yet."""
    for service, table, column in (
        ("matching", "lane_progress", "published_offset"),
        ("notify", "relay", "published_position"),
    ):
        began = time.monotonic()
        async with gated(world, service, table, column):
            await _waits(world, service)
            names = parts.workers(world.home, service)
            old = {name: parts.kill(world.home, name) for name in names}
            # The server would finish for the dead: their sessions go with them.
            await world.databases.ask(
                service,
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND objid = $1",
                GATE,
            )
        ended = time.monotonic()
        for name, pid in old.items():
            await parts.until(lambda: parts.born_again(world.home, name, pid), f"{name} is started again")  # noqa: B023
        if service == "matching":
            await world.struck(began, ended)
    return "matching's and notify's workers"


async def _waits(world: World, service: str) -> None:
    sql = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1"
    deadline = time.monotonic() + 20
    while not await world.databases.ask(service, sql, GATE):
        if time.monotonic() > deadline:
            raise StackError(f"no watermark of {service} is being raised")
        await asyncio.sleep(0.05)


async def relay_paused(world: World, chance: random.Random) -> str:
    """Freeze catalog's and notify's relays in mid-publication while there is more to publish, and wake them."""
    names = ["catalog-worker-1", "notify-worker-1"]
    for name in names:
        began = time.monotonic()
        with parts.paused(parts.pid_of(world.home, name)):
            slot = next(str(told["slot_id"]) for told in world.tally.told if told["status"] == 202)
            body = {"capacity": 30, "reason": "场地调整"}
            await world.calls.must("catalog", "PATCH", f"/v1/sessions/{slot}", CENTER, key=f"{name}-{slot}", body=body)
            await asyncio.sleep(chance.uniform(7, 9))
        await world.struck(began, time.monotonic())
    return "catalog and notify, past their sessions"


# Full disks: each store on a small file system of its own


def mount(home: Home) -> None:
    """Put the folders of both stores on small file systems. Raises StackError where we may not."""
    for name, mib in TMPFS_MIB.items():
        place = store(home, name)
        place.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0755", "tmpfs", str(place)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"needs root: {done.stderr.decode(errors='replace').strip()}")
        if name == "postgres":
            Postgres(home).identity.own(place)


def unmount(home: Home) -> None:
    """Take them away again; the stack must be down."""
    for name in TMPFS_MIB:
        subprocess.run(["umount", "-l", str(store(home, name))], capture_output=True, check=False)


def store(home: Home, name: str) -> Path:
    """The folder in which a store keeps everything."""
    return Postgres(home).data.parent if name == "postgres" else home.kafka


async def disk_full(world: World, chance: random.Random) -> str:
    """No byte is left for PostgreSQL, then none for Kafka; then there is room again."""
    notes: list[str] = []
    for name in ("postgres", "kafka"):
        ballast = store(world.home, name) / "ballast"
        restarts = parts.named(world.home)[name]["restarts"]
        began = time.monotonic()
        await asyncio.to_thread(_fill, ballast)
        await asyncio.sleep(FULL_S + chance.uniform(0, 3))
        silent = time.monotonic() - max(world.watch.by_partition.values())
        ballast.unlink()
        freed = time.monotonic()
        await parts.until(lambda: parts.whole(world.home, {name}), f"{name} is back")  # noqa: B023
        ended = time.monotonic()
        await world.struck(ended, ended, what=name)
        await world.whole()
        again = parts.named(world.home)[name]["restarts"] - restarts
        times = f"silent for {silent:.1f} of {freed - began:.1f} s, back after {ended - freed:.1f} s"
        notes.append(f"{name}: {times}, {again} restarts")
    return "; ".join(notes)


def _fill(ballast: Path) -> None:
    """Write until nothing fits any more, to the last byte, and hold what is freed meanwhile."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    os.write(file.fileno(), b"\0" * size)
