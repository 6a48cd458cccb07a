"""How far a lane is behind its topic: as a metric, and as the offsets that Kafka keeps for operators to look at."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from youai_runtime import logs, metrics
from youai_runtime.work import Work

log = logs.get(__name__)


async def report(consumer: Any, work: Work, following: Mapping[int, int], owned: Callable[[], set[int]]) -> None:
    """Say every second, until cancelled, how far `work` is: `following` is the next offset of each partition.

    What was committed decides nothing: a lane's progress is its own row.
    """
    reported: dict[int, int] = {}
    while True:
        await asyncio.sleep(1.0)
        mine = owned()
        moved = {p: n for p, n in following.items() if p in mine and reported.get(p) != n}
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            if end is not None and tp.partition in following:
                metrics.lane_lag(work.name, tp.partition, end - following[tp.partition])
        if not moved:
            continue
        try:
            await consumer.commit({TopicPartition(work.topic.name, p): n for p, n in moved.items()})
            reported |= moved
        except KafkaError as error:
            log.debug("commit-skipped", lane=work.name, error=repr(error))
