"""Faults of processes: killed, frozen past their session, scaled, a raise in a batch, told to stop at a bad time."""

import asyncio
import os
import random
import signal
import time

from youai_contracts import topics
from youai_runtime.kafka import partition_of
from youai_stack import launch

from youai_proof.chaos import outsiders, parts
from youai_proof.chaos.world import World

KILLS = 3
SESSION_TIMEOUT_S = 6.0
EVERYWHERE = range(topics.SLOT_PARTITIONS)
STOPS_WITHIN_S = 15.0


async def kill_worker(world: World, chance: random.Random) -> str:
    """kill -9 a worker that decides, and again when the stack is whole."""
    for _ in range(KILLS):
        shares = await world.shares(lambda found: len(found) > 1, "two workers share them")
        victim = chance.choice(sorted(shares))
        began = time.monotonic()
        old = parts.kill(world.home, victim)
        await world.struck(began, began, shares[victim])
        await parts.until(lambda: parts.born_again(world.home, victim, old), f"{victim} is started again")  # noqa: B023
        await asyncio.sleep(chance.uniform(0.2, 1.5))
    return f"{KILLS} kills"


async def raise_in_batch(world: World, chance: random.Random) -> str:
    """A batch raises for one slot: its partition alone stops, and says so; mended and restarted, it goes on."""
    slot = chance.choice([slot for slot in _slots(world) if "-draw-" not in slot])
    partition = partition_of(slot.encode(), topics.SLOT_PARTITIONS)
    began = time.monotonic()
    async with world.databases.connection("matching") as connection:
        await connection.execute(
            "CREATE OR REPLACE FUNCTION chaos_raise() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'chaos'; END $$;"
            " CREATE OR REPLACE TRIGGER chaos_raise BEFORE INSERT ON decision FOR EACH ROW"
            f" WHEN (NEW.slot_id = '{slot}') EXECUTE FUNCTION chaos_raise()"
        )

    def stopped() -> list[str]:
        return [one for one in parts.waiting(world.home) if f"partition {partition}:" in one]

    await parts.until(lambda: bool(stopped()), f"/readyz tells that partition {partition} stopped")
    said = stopped()[0]
    await world.struck(time.monotonic(), time.monotonic(), set(EVERYWHERE) - {partition})
    async with world.databases.connection("matching") as connection:
        await connection.execute("DROP TRIGGER chaos_raise ON decision; DROP FUNCTION chaos_raise()")
    for name in {one.partition(":")[0] for one in stopped()}:
        old = parts.kill(world.home, name, signal.SIGTERM)
        await parts.until(lambda: parts.born_again(world.home, name, old), f"{name} is started again")  # noqa: B023
    await world.struck(began, time.monotonic(), {partition})
    return f"partition {partition} stopped alone: {said[-60:]}"


def _slots(world: World) -> list[str]:
    return list(dict.fromkeys(str(told["slot_id"]) for told in world.tally.told if told["status"] == 202))


async def zombie(world: World, chance: random.Random) -> str:
    """SIGSTOP a worker past its session's timeout: another takes over; then it wakes with its old batch in hand."""
    for _ in range(2):
        shares = await world.shares(lambda found: len(found) > 1, "two workers share them")
        victim = chance.choice(sorted(shares))
        began = time.monotonic()
        with parts.paused(parts.pid_of(world.home, victim)):
            await world.struck(began, began, shares[victim])
            left = began + SESSION_TIMEOUT_S + chance.uniform(0.5, 3) - time.monotonic()
            await asyncio.sleep(max(left, 0.0))
        woke = time.monotonic()
        await world.struck(woke, woke, shares[victim])
    return "2 zombies, asleep and awake"


async def scale(world: World, chance: random.Random) -> str:
    """1, 3, 1, 3 workers, and back to two."""
    for number in (1, 3, 1, 3, 2):
        began = time.monotonic()
        await asyncio.to_thread(launch.scale, world.home, "matching", number)
        await world.struck(began, time.monotonic(), EVERYWHERE)
        await asyncio.sleep(chance.uniform(0, 0.5))
    return "2 → 1 → 3 → 1 → 3 → 2"


async def stop_cleanly(world: World, chance: random.Random) -> str:
    """SIGTERM in mid-batch while PostgreSQL hangs, and while it is gone: the end must come in bounded time."""
    took: list[str] = []
    for gone in (False, True):
        await world.whole()
        names = ["matching-worker-1", "matching-worker-2", "notify-worker-1", *(["matching-api"] * gone)]
        pids = {name: parts.pid_of(world.home, name) for name in names}
        database = parts.pid_of(world.home, "postgres")
        with parts.unsupervised(world.home):
            if gone:
                await _gone(database)
                await _stop(world, pids, took)
            else:
                with parts.paused(database):
                    await asyncio.sleep(chance.uniform(0.1, 0.5))
                    await _stop(world, pids, took)
        await world.whole()
        back = time.monotonic()
        await world.struck(back, back, EVERYWHERE, "gone" if gone else "hangs")
    return "counted from their return; slowest end: " + ", ".join(took)


async def _gone(database: int) -> None:
    os.kill(database, signal.SIGQUIT)
    await parts.until(lambda: parts.ended(database), "PostgreSQL is gone")


async def _stop(world: World, pids: dict[str, int], took: list[str]) -> None:
    begun = time.monotonic()
    for pid in pids.values():
        os.kill(pid, signal.SIGTERM)
    alive, ends = dict(pids), dict[str, float]()
    while alive and time.monotonic() < begun + STOPS_WITHIN_S:
        for name, pid in list(alive.items()):
            if parts.ended(pid):
                ends[name] = time.monotonic() - begun
                del alive[name]
        await asyncio.sleep(0.02)
    for name, pid in alive.items():
        world.accidents.append(f"{name} did not end within {STOPS_WITHIN_S:.0f} s of SIGTERM")
        os.kill(pid, signal.SIGKILL)
    if ends:
        slowest = max(ends, key=lambda name: ends[name])
        took.append(f"{slowest} {ends[slowest]:.1f} s")


async def upgrade(world: World, _chance: random.Random) -> str:
    """A next version beside the old one, then alone, then the old one back: each in mid-rush."""
    new = outsiders.start(world, module="youai_proof.chaos.next_matching")
    began = time.monotonic()
    await new.deciding()
    await world.struck(began, time.monotonic(), EVERYWHERE)  # beside
    began = time.monotonic()
    await asyncio.to_thread(launch.scale, world.home, "matching", 0)
    await world.struck(began, time.monotonic(), EVERYWHERE)  # alone
    began = time.monotonic()
    await asyncio.to_thread(launch.scale, world.home, "matching", 2)
    code, _ = await new.stop()
    await world.struck(began, time.monotonic(), EVERYWHERE)  # and back
    if code:
        world.accidents.append(f"the next version ended with code {code}")
    return "beside, alone, and back"
