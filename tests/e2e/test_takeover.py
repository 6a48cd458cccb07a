"""Two workers share the partitions: one dies and one is added in mid-rush, and one comes back from the dead."""

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio
from youai_contracts import codec, events, topics
from youai_runtime.kafka import partition_of

from tests.support import checks, kafka
from tests.support.client import Venue
from tests.support.load import Load, rush
from tests.support.market import Market, new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually, until

GROUP = "matching.decider"
PARTITIONS = topics.SLOT_PARTITIONS
MOST_TAKEOVER_S = 10.0
Shares = dict[str, set[int]]


@pytest_asyncio.fixture(scope="module")
async def everywhere(stack: Stack, market: Market, crowd: list[Venue]) -> dict[int, str]:
    """A slot in each partition of the log, known to the door."""
    slots: dict[int, str] = {}
    while len(slots) < PARTITIONS:
        slot = new_id("p")
        slots.setdefault(partition_of(slot.encode(), PARTITIONS), slot)
    await market.sessions([{"capacity": 5, "session_id": slot} for slot in slots.values()])
    for slot in slots.values():
        await crowd[0].read_back(f"/v1/slots/{slot}")
    return slots


async def shares(stack: Stack, good: Callable[[Shares], bool]) -> Shares:
    """Who has which partitions, once all of them are given out and `good`."""

    async def settled() -> Shares | None:
        found = await kafka.assignment(stack.bootstrap, GROUP)
        whole = sum(len(held) for held in found.values()) == PARTITIONS
        return found if whole and good(found) else None

    return await eventually(settled, 30, "the partitions are given out")


async def test_one_worker_killed_and_one_added_in_mid_rush(
    whole: Stack, crowd: list[Venue], everywhere: dict[int, str], tmp_path: Path
) -> None:
    before = await shares(whole, lambda found: len(found) == 2)
    victim = "matching-worker-1"
    lost = before[victim]
    assert 0 < len(lost) < PARTITIONS, "the two share the partitions"
    load, killed, ends = Load(), list[float](), await kafka.end_offsets(whole.bootstrap, checks.BOOKING)

    async def change() -> None:
        await until(lambda: load.sent >= 100, 30, "the rush runs")
        killed.append(time.time() * 1000)
        whole.kill(victim)
        await whole.scale("matching", 3, wait=False)

    slots = list(everywhere.values())
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(rush(whole, crowd, slots, number=1000, per_second=100, load=load))
            group.create_task(change())
        took = await eventually(lambda: first_decisions(whole, lost, killed[0], ends), 30, "all lost ones decide")
        worst = max(took.values())
        print(f"\ntime to take over {len(lost)} partitions: {min(took.values()):.1f} to {worst:.1f} s")
        after = await shares(whole, lambda found: len(found) == 3)
        assert all(after.values()), "the added worker has its share"
    finally:
        await whole.scale("matching", 2)
    assert not load.faults
    assert not load.refused
    assert len(load.accepted) == load.sent
    summary = await checks.verify(whole, tmp_path)
    assert summary["requests"] >= 1000
    assert worst < MOST_TAKEOVER_S


async def first_decisions(
    stack: Stack, partitions: set[int], since_ms: float, since: dict[int, int]
) -> dict[int, float] | None:
    """Seconds from `since_ms` to the first decision of each partition after it; None while one has none."""
    took: dict[int, float] = {}
    for record in await kafka.read_topic(stack.bootstrap, checks.BOOKING, since):
        if record.at >= since_ms and record.partition in partitions:
            took.setdefault(record.partition, (record.at - since_ms) / 1000)
    return took if set(took) == partitions else None


async def test_a_zombie_decides_nothing_twice(
    whole: Stack, market: Market, crowd: list[Venue], everywhere: dict[int, str], tmp_path: Path
) -> None:
    """A worker is stopped with records on their way to it; another takes over; then it wakes with the old batch."""
    before = await shares(whole, lambda found: len(found) == 2)
    zombie = "matching-worker-2"
    other = next(name for name in before if name != zombie)
    held = sorted(before[zombie])
    restarts = _restarts(whole, zombie)
    producer = kafka.producer(whole.bootstrap)
    await producer.start()
    try:
        requests = [(partition, *request(everywhere[partition])) for partition in held]
        elsewhere = next(iter(before[other]))
        _, (topic, key, value, headers) = request(everywhere[elsewhere])
        await producer.send_and_wait(topic, value, key, partition=elsewhere, headers=list(headers))  # to be connected
        with whole.paused(zombie):
            # Its fetch still waits at the broker: what is appended now is the answer that it finds when it wakes.
            await asyncio.gather(
                *(
                    producer.send_and_wait(topic, value, key, partition=partition, headers=list(headers))
                    for partition, _, (topic, key, value, headers) in requests
                )
            )
            await shares(whole, lambda found: found.get(other) == set(range(PARTITIONS)))
            wanted = [id for _, id, _ in requests]
            await eventually(lambda: decided(whole, wanted), 30, "the other worker decides what was appended")
    finally:
        await producer.stop()
    await shares(whole, lambda found: len(found) == 2)
    await whole.wait_ready()
    assert _restarts(whole, zombie) == restarts, "it woke and went on; it was not started again"
    summary = await checks.verify(whole, tmp_path)
    assert summary["duplicate_outcomes"] == 0
    fenced = whole.home.log(zombie).read_text(errors="replace").count('"fenced"')
    print(f"\nthe zombie was fenced {fenced} times")


def _restarts(stack: Stack, name: str) -> int:
    return next(int(process["restarts"]) for process in stack.processes("matching") if process["name"] == name)


async def decided(stack: Stack, record_ids: list[str]) -> bool:
    """Whether each of these records of the log has its receipt."""
    rows = await stack.ask("matching", "SELECT 1 FROM receipt WHERE record_id = ANY($1::text[])", record_ids)
    return len(rows) >= len(record_ids)


def request(slot_id: str) -> tuple[str, tuple[str, bytes, bytes, tuple[tuple[str, bytes], ...]]]:
    """A booking request as the door appends it: its id, and topic, key, value, headers of the record."""
    id, venue = new_id("booking"), new_id("v")
    now = datetime.now(UTC)
    event = events.BookingRequested(
        slot_id=slot_id,
        request_id=id,
        venue_id=venue,
        town="大新镇",
        party_size=1,
        requested_at=now,
        actor=events.Actor(subject="tester", organization_id=venue),
    )
    message = codec.encode(event, id=id, source=f"/test/{uuid.uuid4()}", at=now)
    return id, (message.topic, message.key, message.value, message.headers)
