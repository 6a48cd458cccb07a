"""Faults of the log and of what is kept of it: replayed, offsets moved, records deleted, poison appended."""

import asyncio
import random
import subprocess
import sys
import time

from aiokafka.errors import KafkaError
from youai_contracts import topics
from youai_stack import launch
from youai_stack.errors import StackError

from youai_proof.chaos import broker, lanes, parts
from youai_proof.chaos.on_processes import EVERYWHERE
from youai_proof.chaos.world import World

POISON = 10_000
SLOT_LOG = topics.SLOT_LOG.name


async def replay(world: World, _chance: random.Random) -> str:
    """Forget all that was decided in mid-rush, and decide the whole log again, to the same bytes."""
    began = time.monotonic()
    call = [sys.executable, "-P", "-m", "youai_stack", "matching", "rebuild", "--yes", "--home", str(world.home.path)]
    done = await asyncio.to_thread(subprocess.run, call, capture_output=True, check=False)
    if done.returncode:
        raise StackError(f"rebuild: {done.stderr.decode(errors='replace').strip()}")
    await world.struck(began, time.monotonic(), EVERYWHERE)
    return done.stdout.decode().strip().splitlines()[-1]


async def offsets(world: World, chance: random.Random) -> str:
    """The group's committed offsets are put back to the start, and far past the end: they count for nothing."""
    began = time.monotonic()
    await asyncio.to_thread(launch.scale, world.home, "matching", 0)
    places = {
        (topic.name, number): chance.choice((0, 1_000_000_000))
        for topic in (topics.SLOT_LOG, topics.OFFER, topics.DEMAND)
        for number in range(topic.partitions)
    }
    for group, topic in (("decider", SLOT_LOG), ("intake", topics.OFFER.name), ("demand-intake", topics.DEMAND.name)):
        await _committed(world, f"matching.{group}", {place: to for place, to in places.items() if place[0] == topic})
    await asyncio.to_thread(launch.scale, world.home, "matching", 2)
    await world.struck(began, time.monotonic(), EVERYWHERE)
    return "half to 0, half to a thousand million"


async def _committed(world: World, group: str, places: dict[tuple[str, int], int]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            return await broker.commit(world.bootstrap, group, places)
        except KafkaError as error:  # the group still has its dead members
            if time.monotonic() > deadline:
                raise StackError(f"the offsets of {group} cannot be committed: {error!r}") from error
            await asyncio.sleep(0.3)


async def deleted(world: World, chance: random.Random) -> str:
    """Records are deleted that nobody has read: their partitions stop loudly, and an operator can go on."""
    await asyncio.to_thread(launch.scale, world.home, "matching", 0)
    victims = chance.sample(list(EVERYWHERE), 5)
    passed = await lanes.next_offsets(world.databases, lanes.DECIDER)
    ends: dict[int, int] = {}
    deadline = time.monotonic() + 30
    while not all(ends.get(p, 0) > passed.get(p, 0) + 1 for p in victims) and time.monotonic() < deadline:
        ends = (await broker.ends(world.bootstrap, [topics.SLOT_LOG]))[SLOT_LOG]
        await asyncio.sleep(0.2)
    gone = {p: passed.get(p, 0) + (ends[p] - passed.get(p, 0) + 1) // 2 for p in victims}
    await broker.delete_before(world.bootstrap, SLOT_LOG, gone)
    launch.scale(world.home, "matching", 2, wait=False)

    def told() -> set[int]:
        said = " ".join(parts.unready(world.home, "matching").values())
        return {p for p in victims if f"partition {p}: " in said}

    await parts.until(lambda: told() == set(victims), "/readyz tells of each partition whose records are gone")
    said = max(parts.unready(world.home, "matching").values())
    began = time.monotonic()
    await world.struck(began, began, set(EVERYWHERE) - set(victims))
    stuck = await lanes.next_offsets(world.databases, lanes.DECIDER)
    if any(stuck.get(p, 0) != passed.get(p, 0) for p in victims):
        world.accidents.append("a partition went on over what was deleted")
    await _go_on(world, gone)
    await world.struck(time.monotonic(), time.monotonic(), victims)
    return f"stopped: {said[:200]}…; the operator moves progress to what is left, and the sweeper brings the rest"


async def _go_on(world: World, gone: dict[int, int]) -> None:
    """What an operator does: say in the database that the gap is accepted, and read the sources again."""
    await asyncio.to_thread(launch.scale, world.home, "matching", 0)
    async with world.databases.connection("matching") as connection, connection.transaction():
        for partition, first in gone.items():
            await connection.execute(
                "UPDATE lane_progress SET next_offset = $3, last_id = NULL WHERE lane = $1 AND partition = $2",
                lanes.DECIDER,
                partition,
                first,
            )
        # Slots that were opened in the gap: what catalog and demand said is put into the log again, under the same ids.
        await connection.execute(
            "UPDATE lane_progress SET next_offset = 0, last_id = NULL, high_water = NULL"
            " WHERE lane IN ('matching.intake', 'matching.demand-intake')"
        )
    await asyncio.to_thread(launch.scale, world.home, "matching", 2)


async def poison(world: World, chance: random.Random) -> str:
    """Ten thousand records that nobody can read, in a row, and some in every other topic, in mid-rush."""
    letters = topics.dead_letter("matching")
    before = sum((await broker.ends(world.bootstrap, [letters]))[letters.name].values())
    producer = broker.producer(world.bootstrap, linger_ms=5)
    await producer.start()
    began = time.monotonic()
    try:
        target = chance.choice(list(EVERYWHERE))
        sent = [
            await producer.send(SLOT_LOG, value, key=key, partition=target, headers=headers)
            for key, value, headers in (_bad(chance) for _ in range(POISON))
        ]
        for topic in (topics.OFFER, topics.DEMAND, topics.BOOKING, topics.CLAIM, topics.RESOURCE):
            for key, value, headers in (_bad(chance) for _ in range(20)):
                number = chance.randrange(topic.partitions)
                if topic not in (topics.BOOKING, topics.CLAIM):  # decisions have one writer, and the verifier says so
                    sent.append(await producer.send(topic.name, value, key=key, partition=number, headers=headers))
        large = await producer.send(SLOT_LOG, b"x" * 1_040_000, key=b"large", partition=target)
        await asyncio.gather(*sent, large)
    finally:
        await producer.stop()
    await world.struck(began, time.monotonic(), EVERYWHERE)
    wanted = before + POISON + 1 + 40
    letters_there = 0
    deadline = time.monotonic() + 60
    while letters_there < wanted and time.monotonic() < deadline:
        letters_there = sum((await broker.ends(world.bootstrap, [letters]))[letters.name].values())
        await asyncio.sleep(0.3)
    if letters_there < wanted:
        world.accidents.append(f"{letters_there - before} dead letters, not {wanted - before}")
    return f"{letters_there - before} dead letters of matching's"


def _bad(chance: random.Random) -> tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """One record that cannot be read, of some kind."""
    good = [("ce_id", b"poison"), ("ce_type", b"booking-requested"), ("ce_source", b"/chaos")]
    good += [("ce_specversion", b"1.0"), ("ce_time", b"2027-01-01T00:00:00Z")]
    return chance.choice(
        [
            (b"k", b"{", good),
            (b"k", b"[" * 5_000, good),
            (b"k", b'{"slot_id": 7, "request_id": []}', good),
            (None, b"{}", good),
            (b"k", None, good),
            (b"\xff\xfe", b"{}", good),
            (b"k", b"{}", []),
            (b"k", b"{}", [("ce_id", b"\xff"), *good[1:]]),
            (b"k", b"{}", [*good[:1], ("ce_type", b"slot-exploded"), *good[2:]]),
            (b"k", b'{"slot_id": "' + b"x" * 20_000 + b'"}', good),
        ]
    )
