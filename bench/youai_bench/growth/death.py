"""A worker that is killed with kill -9 in a rush, and one that is started again: how fast they go on, and how soon."""

import asyncio
import time
from array import array
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from youai_contracts import codec
from youai_matching.sources import SOURCE

from youai_bench import slot_log
from youai_bench import work as works
from youai_bench.ground import Ground
from youai_bench.growth.cost import spread
from youai_bench.stand import Stand
from youai_bench.work import SLOTS, Ask, Work

_LOOK_S = 0.005


@dataclass(frozen=True)
class Lives:
    """Decisions a second before a kill and after it, and the seconds from the start of the new life to its first."""

    before: float
    after: float
    first_s: float


async def kill_halfway(ground: Ground, records: int) -> Lives:
    """Drain a backlog, kill the worker halfway, start another at once.

    Each life's rate is taken without the first tenth of the records, in which it warms and loads.
    """
    work = works.make("uniform", records)
    log = await ground.log(work)
    stand = Stand(ground, "death", log=log.topic)
    await stand.open()
    try:
        await stand.start(go=False)
        await ground.settle()
        stand.worker.go()
        warm, warm_at = await _reached(stand, work.requests // 10)
        half, half_at = await _reached(stand, work.requests // 2)
        await stand.kill()
        left = await stand.ends.total()
        begun = time.perf_counter()
        await stand.start()
        _, first_at = await _reached(stand, left + 1)
        again, again_at = await _reached(stand, left + work.requests // 10)
        # Whether or not the first life's last decisions were published twice, the second ends with the log's end.
        await stand.until_decided(sum(log.ends), every_s=_LOOK_S)
        end, end_at = await stand.ends.total(), time.perf_counter()
        return Lives((half - warm) / (half_at - warm_at), (end - again) / (end_at - again_at), first_at - begun)
    finally:
        await stand.close()


async def _reached(stand: Stand, number: int) -> tuple[int, float]:
    """Wait until so many decisions are published; how many are, and when that was seen."""
    while (found := await stand.ends.total()) < number:
        stand.worker.alive()
        await asyncio.sleep(_LOOK_S)
    return found, time.perf_counter()


async def first_decision(ground: Ground, history: int, restarts: int) -> list[float]:
    """Seconds from starting a stopped worker to its first decision, of a request that waits for it, restart by restart.

    It was stopped as a deployment stops it; after a kill both would wait alike for the group to notice.
    """
    work = spread(SLOTS, max(SLOTS, history), waitlist=True)
    if not history:
        work = replace(work, slot_of=array("L"), number_of=array("L"), repeats=array("B"))
    stand = Stand(ground, f"first-{history}")
    await stand.open()
    try:
        await asyncio.to_thread(slot_log.fill, ground.bootstrap, stand.log, work)
        await stand.start()
        await stand.until_decided(len(work.slots) + work.records)
        found = []
        for number in range(restarts):
            await stand.stop()
            before = await stand.ends.total()
            await asyncio.to_thread(_append, ground, stand, work, number)
            begun = time.perf_counter()
            await stand.start()
            await _reached(stand, before + 1)
            found.append(time.perf_counter() - begun)
        return found
    finally:
        await stand.close()


def _append(ground: Ground, stand: Stand, work: Work, number: int) -> None:
    """One request more, in a slot that this worker has not touched since its start."""
    from confluent_kafka import Producer

    now = datetime.now(UTC)
    asked = work.records + number
    ask = Ask(work.slots[number % len(work.slots)], asked, work.request_id(asked), f"venue-{asked:07d}", False)
    message = codec.encode(slot_log.asked(ask, now), id=ask.request_id, source=SOURCE, at=now)
    producer = Producer({"bootstrap.servers": ground.bootstrap, "acks": "all"})
    producer.produce(
        stand.log,
        key=message.key,
        value=message.value,
        partition=ask.slot.partition,
        headers=list(message.headers),
    )
    producer.flush(30)
