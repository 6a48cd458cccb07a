"""The two drills, and clocks that are wrong: an older PostgreSQL, an older Kafka, and every process an hour off."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from youai_stack import launch
from youai_stack.errors import StackError
from youai_stack.postgres import Postgres
from youai_stack.services import SERVICES

from youai_proof.chaos import lanes, parts
from youai_proof.chaos.on_processes import EVERYWHERE
from youai_proof.chaos.world import World

CLOCKS = Path(__file__).with_name("clock")
HOUR_S = 3600
LOUD = ("truncated or made again", "does not hold the next offset", "made again", "records are missing")
"""How a lane says that the log is not what it was."""
BETWEEN_S = 8.0
"""How much of the rush an older store has not seen."""


async def backup_postgres(world: World, _chance: random.Random) -> str:
    """PostgreSQL is put back to a copy from before: what the topics say since then is caught up with by itself."""
    data = Postgres(world.home).data
    await _copied(world, "postgres", data)
    await asyncio.sleep(BETWEEN_S)
    began = time.monotonic()
    await _restored(world, "postgres", data)
    ended = time.monotonic()
    await world.struck(ended, ended)
    await world.whole()
    return f"{BETWEEN_S:.0f} s of a rush older; away {ended - began:.1f} s; counted from its return"


async def backup_kafka(world: World, _chance: random.Random) -> str:
    """Kafka is put back to a copy from before: progress is ahead of the log, so every lane stops and says so."""
    data = world.home.kafka / "data"
    await _copied(world, "kafka", data)
    await asyncio.sleep(BETWEEN_S)
    decided = (await world.databases.ask("matching", "SELECT count(*) AS n FROM decision"))[0]["n"]
    await _restored(world, "kafka", data)
    began = time.monotonic()
    names = {name for name in parts.named(world.home) if "-worker-" in name and "catalog" not in name}

    def told() -> dict[str, str]:
        said = {name: what for service in lanes.WITH_LANES for name, what in parts.unready(world.home, service).items()}
        return {name: what for name, what in said.items() if any(loud in what for loud in LOUD)}

    took = await parts.until(
        lambda: {"matching-worker-1", "matching-worker-2"} <= set(told()), "matching stops and says so"
    )
    await asyncio.sleep(3)
    world.blows.append(world.no_blow(time.monotonic() - began))
    more = (await world.databases.ask("matching", "SELECT count(*) AS n FROM decision"))[0]["n"] - decided
    said = told()
    some = said.get("matching-worker-1", "")[:160]
    return f"{len(said)} of {len(names)} readers stopped, matching after {took:.1f} s ({more} more decisions): {some}…"


async def _copied(world: World, name: str, data: Path) -> None:
    """As a snapshot of the disk: at one moment, of a store that runs."""
    with parts.paused(parts.pid_of(world.home, name)):
        await asyncio.to_thread(_copy, data, data.with_name("copy"))


async def _restored(world: World, name: str, data: Path) -> None:
    with parts.unsupervised(world.home):
        old = parts.pid_of(world.home, name)
        for pid in reversed(parts.tree(old)):
            parts.send(pid, signal.SIGKILL)
        await parts.until(lambda: parts.ended(old), f"{name} is gone")
        await asyncio.to_thread(shutil.rmtree, data)
        data.with_name("copy").rename(data)
    await parts.until(lambda: parts.born_again(world.home, name, old), f"{name} is back")


def _copy(data: Path, copy: Path) -> None:
    """With owners, links and holes as they are."""
    done = subprocess.run(["cp", "-a", "--sparse=always", str(data), str(copy)], capture_output=True, check=False)
    if done.returncode:
        raise StackError(f"the copy failed: {done.stderr.decode(errors='replace').strip()}")


def set_clocks(chance: random.Random) -> str:
    """What the next stack's processes get in their environment: each an hour ahead or behind. Returns it in words."""
    import json

    names = [f"{service.name}-api" for service in SERVICES]
    names += [f"{service.name}-worker-{number}" for service in SERVICES for number in range(1, 4)]
    clocks = {name: chance.choice((-HOUR_S, HOUR_S)) for name in names}
    # Whoever is left alone fires the timers, and is behind; the one beside it is ahead.
    clocks |= {"matching-worker-1": -HOUR_S, "matching-worker-2": HOUR_S}
    os.environ["YOUAI_CHAOS_CLOCKS"] = json.dumps(clocks)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(CLOCKS), os.environ.get("PYTHONPATH", ""))))
    return json.dumps(clocks)


def unset_clocks() -> None:
    """Processes started from now on have the right time."""
    os.environ.pop("YOUAI_CHAOS_CLOCKS", None)
    left = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and part != str(CLOCKS)]
    os.environ["PYTHONPATH"] = os.pathsep.join(left)
    if not left:
        del os.environ["PYTHONPATH"]


async def clock(world: World, _chance: random.Random) -> str:
    """Every process is an hour ahead or behind; then workers are added and taken away, so that leaders change."""
    for number in (1, 3, 2):
        await asyncio.sleep(3)
        began = time.monotonic()
        await asyncio.to_thread(launch.scale, world.home, "matching", number)
        await world.struck(began, time.monotonic(), EVERYWHERE)
    return "each process ± 1 h, by a sitecustomize of its own"
