"""What a consumer group tells a lane, in numbers of partitions."""

from collections.abc import Iterable
from typing import Protocol

from aiokafka import ConsumerRebalanceListener, TopicPartition


class _Told(Protocol):
    async def revoked(self, partitions: Iterable[int]) -> None: ...
    async def assigned(self, partitions: Iterable[int]) -> None: ...


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes on what the group says, to a lane of a single topic."""

    def __init__(self, lane: _Told) -> None:
        self._lane = lane

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._lane.revoked([tp.partition for tp in revoked])

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._lane.assigned([tp.partition for tp in assigned])
