"""Our decide and our SQL for peers that are loops of another kind: the same rows and events, without our lane."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from youai_contracts import codec, topics
from youai_contracts.codec import Headers
from youai_contracts.events import EVENTS, SlotRecord
from youai_matching import store
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Slot
from youai_matching.rule_files import RuleBook
from youai_matching.sources import SOURCE
from youai_runtime.database import Connection

_MOVE_PROGRESS = """
INSERT INTO lane_progress (lane, partition, next_offset) SELECT $1, * FROM unnest($2::int[], $3::bigint[])
ON CONFLICT (lane, partition) DO UPDATE SET next_offset = excluded.next_offset
"""


@dataclass(frozen=True, slots=True)
class Event:
    """A decision as a record to be published."""

    partition: int
    key: bytes
    value: bytes
    headers: Headers


@dataclass
class Deciding:
    """The slots in memory, and what the records at hand come to."""

    rules: RuleBook = field(default_factory=RuleBook)
    _slots: dict[str, Slot] = field(default_factory=dict)
    _batches: dict[int, store.Batch] = field(default_factory=dict)
    _following: dict[int, int] = field(default_factory=dict)

    def take(self, record: Any) -> None:
        """Decide a record of the C client. Raises codec.Undecodable on what is none; the bench's logs have no such."""
        self.decide(
            At(record.partition(), record.offset(), record.timestamp()[1], ""),
            record.key(),
            record.value(),
            record.headers(),
        )

    def decide(self, at: At, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Decide a record of any client; its id is in its headers."""
        received = codec.decode(topics.SLOT_LOG, key, value, headers)
        event = received.event
        assert isinstance(event, SlotRecord)
        slot = self._slots.get(event.slot_id)
        if slot is None:
            slot = self._slots[event.slot_id] = Slot(event.slot_id)
        batch = self._batches.get(at.partition)
        if batch is None:
            batch = self._batches[at.partition] = store.Batch(at.partition)
        at = At(at.partition, at.offset, at.timestamp, received.id)
        verdict = decide(slot, at, event, self.rules.by_version)
        batch.touched[slot.slot_id] = slot
        if verdict.retold:
            batch.retold[slot.slot_id] = slot
        if verdict.retimed:
            batch.retimed[slot.slot_id] = slot
        batch.receipts.append(
            store.Receipt(at.offset, slot.slot_id, received.id, verdict.kind, verdict.original, verdict.why)
        )
        for index, decided in enumerate(verdict.decisions):
            batch.decisions.append(store.DecisionRow(at.offset, index, slot.slot_id, decided, received.traceparent))
        for request in verdict.changed:
            batch.change(slot.slot_id, request, at.offset)
        self._following[at.partition] = at.offset + 1

    def take_out(self) -> list[store.Batch]:
        """All that was decided since the last time, to be written."""
        batches, self._batches = list(self._batches.values()), {}
        return batches

    async def write(self, connection: Connection) -> list[Event]:
        """Commit all that was taken since the last time, with how far the log was read; the events to be published."""
        batches = self.take_out()
        async with connection.transaction():
            await store.write(connection, batches)
            await connection.execute(
                _MOVE_PROGRESS,
                store.DECIDER,
                list(self._following),
                list(self._following.values()),
            )
        return list(events(batches))


def events(batches: Sequence[store.Batch]) -> Iterator[Event]:
    """The decisions of batches, in their order, as records to be published."""
    for batch in batches:
        for row in batch.decisions:
            event = row.decided.event
            headers = codec.headers(
                id=f"{batch.partition}-{row.offset}-{row.index}",
                type=event.type,
                source=SOURCE,
                time=event.decided_at,
                traceparent=row.traceparent,
            )
            assert EVENTS[event.type].topic is topics.BOOKING
            yield Event(batch.partition, row.slot_id.encode(), row.decided.data, headers)
