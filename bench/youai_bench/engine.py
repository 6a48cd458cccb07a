"""Matching's own worker, whole, on the bench's topics: `python -m youai_bench.engine`, settings as any worker's.

Nothing of it is replaced. Its contracts are told other topic names and another number of partitions, and its decider's
consumer is held, with its partitions assigned and adopted, until the go: what it does after that is on the clock.
"""

import asyncio
import os
import sys
from typing import Any, ClassVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from youai_contracts import topics
from youai_runtime.lane import Lane

SLOT_LOG, BOOKING, PARTITIONS = "BENCH_SLOT_LOG", "BENCH_BOOKING", "BENCH_PARTITIONS"
"""Names of the variables that say what is read, what is written, and in how many partitions."""


class _Held(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer that fetches nothing before the go."""

    go = asyncio.Event()
    _waiting: ClassVar["set[_Held]"] = set()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        super().seek(partition, offset)
        if not self.go.is_set():
            self.pause(partition)
            self._waiting.add(self)

    @classmethod
    def let_go(cls) -> None:
        """Open the gate for all."""
        cls.go.set()
        for consumer in cls._waiting:
            consumer.resume(*consumer.assignment())


def rename_topics() -> None:
    """Tell the contracts of this process the bench's topics."""
    partitions = int(os.environ[PARTITIONS])
    for topic, variable in ((topics.SLOT_LOG, SLOT_LOG), (topics.BOOKING, BOOKING)):
        object.__setattr__(topic, "name", os.environ[variable])
        object.__setattr__(topic, "partitions", partitions)


def main() -> None:
    """Run the worker until SIGTERM."""
    rename_topics()
    defaults = Lane.__init__.__kwdefaults__
    assert defaults is not None
    defaults["consumer_factory"] = _consumer

    from youai_matching import __main__ as matching

    real = matching.hosted

    async def hosted(settings: Any) -> Any:
        made = await real(settings)
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _on_go)
        return made

    matching.hosted = hosted
    sys.argv = [sys.argv[0], "worker"]
    matching.main()


def _consumer(**options: Any) -> AIOKafkaConsumer:
    from youai_matching.store import DECIDER

    return (_Held if options["group_id"] == DECIDER else AIOKafkaConsumer)(**options)


def _on_go() -> None:
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    _Held.let_go()


if __name__ == "__main__":
    main()
