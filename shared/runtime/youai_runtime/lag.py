"""How far a lane is: behind its topic, as a metric and as Kafka's offsets for operators; and whether the row agrees."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from youai_runtime import logs, metrics
from youai_runtime.database import Pool
from youai_runtime.work import Work

log = logs.get(__name__)


async def report(
    consumer: Any,
    work: Work,
    following: Mapping[int, int],
    worked_ms: Mapping[int, int],
    owned: Callable[[], set[int]],
) -> None:
    """Say every second, until cancelled, how far `work` is: `following` is the next offset of each partition.

    `worked_ms` is the broker's time of the record before it. What was committed decides nothing: a lane's progress is
    its own row.
    """
    reported: dict[int, int] = {}
    told: set[int] = set()
    while True:
        await asyncio.sleep(1.0)
        mine = owned()
        metrics.no_lag(work.name, told - mine)
        told &= mine
        moved = {p: n for p, n in following.items() if p in mine and reported.get(p) != n}
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            if end is not None and tp.partition in following and tp.partition in mine:
                told.add(tp.partition)
                left = end - following[tp.partition]
                metrics.lane_lag(work.name, tp.partition, left, worked_ms.get(tp.partition, 0))
        if not moved:
            continue
        try:
            await consumer.commit({TopicPartition(work.topic.name, p): n for p, n in moved.items()})
            reported |= moved
        except KafkaError as error:
            log.debug("commit-skipped", lane=work.name, error=repr(error))


async def moved(pool: Pool, lane: str, following: Mapping[int, int]) -> set[int]:
    """The partitions whose progress row does not say `following`: an older database was restored, or others worked."""
    async with pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT partition, next_offset FROM lane_progress WHERE lane = $1 AND partition = ANY($2::int[])",
            lane,
            sorted(following),
        )
    found = {row["partition"]: row["next_offset"] for row in rows}
    return {partition for partition, offset in following.items() if found.get(partition, 0) != offset}
