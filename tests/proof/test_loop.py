"""The simulator's loop: virtual time, one order a seed, processes that freeze and die."""

import asyncio
import random

import pytest
from youai_proof.sim.loop import PROCESS, Deadlock, Process, SimLoop


def steps_of(seed: int) -> list[tuple[float, str, int]]:
    """Who ran when, of three processes that do the same."""
    told: list[tuple[float, str, int]] = []

    async def work(loop: SimLoop) -> None:
        for number in range(4):
            await asyncio.sleep(0.1 * (number % 2))
            told.append((loop.time(), PROCESS.get().name, number))

    async def main(loop: SimLoop) -> None:
        for task in [loop.spawn(Process(name), work(loop)) for name in ("a", "b", "c")]:
            await task

    loop = SimLoop(random.Random(seed))
    loop.run_until_complete(main(loop))
    loop.close()
    return told


def test_one_seed_is_one_order_and_seeds_differ() -> None:
    orders = [steps_of(seed) for seed in range(20)]
    assert orders == [steps_of(seed) for seed in range(20)]
    assert len({tuple(order) for order in orders}) > 5


def test_a_process_runs_its_own_callbacks_in_their_order() -> None:
    for seed in range(20):
        for name in "abc":
            assert [number for _, who, number in steps_of(seed) if who == name] == [0, 1, 2, 3]


def test_time_jumps_and_timeouts_come_at_theirs() -> None:
    async def main(loop: SimLoop) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await asyncio.Event().wait()
        return loop.time()

    loop = SimLoop(random.Random(1))
    assert loop.run_until_complete(main(loop)) == pytest.approx(3_600)


def test_what_is_killed_ends_on_the_spot_without_its_finally_blocks() -> None:
    told: list[str] = []

    async def work() -> None:
        try:
            told.append("begun")
            await asyncio.sleep(1)
            told.append("went on")
        finally:
            told.append("cleaned up")

    async def main(loop: SimLoop) -> None:
        process = Process("victim")
        keep.append(loop.spawn(process, work()))
        await asyncio.sleep(0.5)
        loop.kill(process)
        await asyncio.sleep(5)

    keep: list[object] = []
    loop = SimLoop(random.Random(1))
    loop.run_until_complete(main(loop))
    assert told == ["begun"]


def test_what_is_frozen_goes_on_later_and_its_timers_are_due_at_once() -> None:
    told: list[float] = []

    async def work(loop: SimLoop) -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            told.append(loop.time())

    async def main(loop: SimLoop) -> None:
        process = Process("zombie")
        task = loop.spawn(process, work(loop))
        await asyncio.sleep(0.5)
        loop.freeze(process)
        await asyncio.sleep(9.5)
        loop.thaw(process)
        await task

    loop = SimLoop(random.Random(1))
    loop.run_until_complete(main(loop))
    assert told == pytest.approx([10, 11, 12])


def test_nothing_to_run_is_said() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        SimLoop(random.Random(1)).run_until_complete(main())
