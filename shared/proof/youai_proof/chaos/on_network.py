"""Faults of the network, at a worker behind a wall: cut in a COMMIT, parted from broker or database, slow."""

import asyncio
import random
import time
from collections.abc import Callable

from youai_proof.chaos.gate import Direction, Gate
from youai_proof.chaos.outsiders import Walled, walled
from youai_proof.chaos.world import World

CUTS = 6
WAYS = 4
"""How many of the ways to be parted one run takes, by its seed."""
PARTED_S = 7.0
"""Longer than a consumer's session."""
SLOW_S = 12.0


async def commit_cut(world: World, chance: random.Random) -> str:
    """The connection is reset when a COMMIT was sent: before the database has it, or before its answer is read."""
    async with walled(world) as one:
        for number in range(CUTS):
            partitions = await one.worker.deciding()
            one.postgres.cut_before = bool(number % 2)
            cut = one.postgres.commits_cut
            one.postgres.commits_to_cut = chance.randint(1, 3)
            while one.postgres.commits_to_cut:
                await asyncio.sleep(0.02)
            now = time.monotonic()
            await world.struck(now, now, partitions)
            del cut
        return f"{one.postgres.commits_cut} cuts, half of them before the database had it"


async def partition(world: World, chance: random.Random) -> str:
    """Parted from the broker, from the database, in one direction, in both, by a link that is down, and delayed."""
    ways: list[tuple[str, Callable[[Walled], None]]] = [
        ("broker", lambda one: one.kafka.hold("up", "down")),
        ("broker, one way", lambda one: one.kafka.hold(_either(chance))),
        ("database", lambda one: one.postgres.hold("up", "down")),
        ("database, one way", lambda one: one.postgres.hold(_either(chance))),
        ("link down", lambda one: one.wall.link(up=False)),
        ("reset and refused", lambda one: _refuse(one.kafka, one.postgres)),
        ("delayed", lambda one: _delay(0.2, one.kafka, one.postgres)),
    ]
    ways = chance.sample(ways, WAYS)
    async with walled(world) as one:
        for name, part in ways:
            partitions = await one.worker.deciding()
            part(one)
            await asyncio.sleep(PARTED_S + chance.uniform(-2, 2))
            one.wall.link(up=True)
            for gate in (one.kafka, one.postgres):
                gate.release()
            healed = time.monotonic()
            await world.struck(healed, healed, partitions, name)
    return f"{len(ways)} ways: {', '.join(name for name, _ in ways)}; counted from the healing"


def _either(chance: random.Random) -> Direction:
    return "up" if chance.random() < 0.5 else "down"


def _refuse(*gates: Gate) -> None:
    for gate in gates:
        gate.refuses = True
        gate.cut()


def _delay(seconds: float, *gates: Gate) -> None:
    for gate in gates:
        gate.delay_s["up"] = gate.delay_s["down"] = seconds


async def slow(world: World, _chance: random.Random) -> str:
    """One worker alone, its database slow, then its broker: it falls behind, and its memory stays bounded."""
    async with walled(world, alone=True) as one:
        for gate, seconds in ((one.postgres, 0.1), (one.kafka, 0.3)):
            _delay(seconds, gate)
            await asyncio.sleep(SLOW_S)
            gate.release()
            now = time.monotonic()
            await world.struck(now, now, range(64))
    return "100 ms a packet to the database and back, then 300 ms to the broker"
