"""The decider: the lane on the slot log that decides every record and publishes what it decided, in order."""

import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from youai_contracts import codec, topics
from youai_contracts.codec import Received, Undecodable
from youai_contracts.events import EVENTS, SlotRecord
from youai_runtime import metrics, outbox
from youai_runtime.database import Connection, Pool
from youai_runtime.kafka import Outgoing, Publisher
from youai_runtime.work import Record, Work

from youai_matching import store
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Slot
from youai_matching.rule_files import RuleBook
from youai_matching.rush import DECISIONS, RUSH
from youai_matching.sources import SERVICE, SOURCE

_Read = tuple[Record, Received | str]
"""A record with what it says, or why it cannot be read."""

MOST_REMEMBERED = 3_000_000
"""How many requests and seen ids a worker remembers; past that, the slots that were touched longest ago are let go.

A booking that waits is some 270 bytes, one that has ended 120: a bound below what is busy at once would load it again
for each batch.
"""


@dataclass(slots=True)
class _Partition:
    """What is remembered of a partition: slots, and the watermark."""

    published: int
    slots: dict[str, Slot] = field(default_factory=dict)
    unpublished: store.Batch | None = None


class Decider(Work):
    """Decides the slot log: all that is at hand in one transaction, then the decisions published in order.

    A slot's memory is loaded when its first record comes, so that a start costs the same after any history.
    """

    name = store.DECIDER
    topic = topics.SLOT_LOG
    gather_s = 0.02
    tops_up = True
    deduplicates = False  # a repeat is known by its id within its slot, and gets a receipt

    def __init__(self, rules: RuleBook, publisher: Publisher, pool: Pool) -> None:
        self._rules = rules
        self._publisher = publisher
        self._pool = pool
        self._partitions: dict[int, _Partition] = {}
        self._touched: OrderedDict[str, int] = OrderedDict()  # slots in the order of their last record: partition
        self._remembered = 0

    async def load(self, connection: Connection, partition: int) -> None:
        self.forget(partition)
        self._partitions[partition] = _Partition(await store.published_offset(connection, partition))

    def forget(self, partition: int) -> None:
        gone = self._partitions.pop(partition, None)
        for slot_id, slot in gone.slots.items() if gone else ():
            self._touched.pop(slot_id, None)
            self._remembered -= slot.size

    async def recover(self, connection: Connection, partition: int) -> None:
        while rows := await store.unpublished(connection, partition):
            await self._publisher.publish(_decision(partition, *row) for row in rows)
            await store.raise_watermarks(connection, {partition: rows[-1][0]})
            self._partitions[partition].published = rows[-1][0]

    async def apply_all(self, connection: Connection, batches: Mapping[int, Sequence[Record]]) -> None:
        """Decide everything at hand, partition by partition, and write it together."""
        with metrics.stage(self.name, "read"):
            read = {partition: [_read(record) for record in batches[partition]] for partition in sorted(batches)}
        await self._remember(connection, read)
        decided: list[store.Batch] = []
        refused: list[tuple[Record, str]] = []
        with metrics.stage(self.name, "decide"):
            for partition, records in read.items():
                batch = store.Batch(partition)
                for record, received in records:
                    why = self._decide(partition, record, received, batch)
                    if why:
                        refused.append((record, why))
                decided.append(batch)
        with metrics.stage(self.name, "write"):
            await store.write(connection, decided)
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, refused)
        for batch in decided:
            self._partitions[batch.partition].unpublished = batch

    async def _remember(self, connection: Connection, read: Mapping[int, Sequence[_Read]]) -> None:
        """Load the slots at hand that are not in memory, in one go for all partitions."""
        wanted: dict[str, int] = {}
        for partition, records in read.items():
            slots = self._partitions[partition].slots
            for _, received in records:
                if isinstance(received, Received):
                    slot_id = _slot_id(received)
                    if slot_id not in slots:
                        wanted[slot_id] = partition
        if wanted:
            for slot_id, slot in (await store.load_slots(connection, list(wanted))).items():
                self._partitions[wanted[slot_id]].slots[slot_id] = slot
                self._touched[slot_id] = wanted[slot_id]
                self._remembered += slot.size

    def _decide(self, partition: int, record: Record, received: Received | str, batch: store.Batch) -> str:
        """Decide one record into the batch; says why if it is refused."""
        if isinstance(received, str):
            batch.receipts.append(store.Receipt(record.offset, None, None, "refused", None, received))
            return received
        event = received.event
        assert isinstance(event, SlotRecord)
        slots = self._partitions[partition].slots
        slot = slots.get(event.slot_id) or Slot(event.slot_id)
        at = At(partition, record.offset, record.timestamp, received.id)
        size = slot.size
        verdict = decide(slot, at, event, self._rules.by_version)
        if verdict.kind != "refused":
            slots[slot.slot_id] = batch.touched[slot.slot_id] = slot
            self._touched[slot.slot_id] = partition
            self._touched.move_to_end(slot.slot_id)
            self._remembered += slot.size - size
        if verdict.retold:
            batch.retold[slot.slot_id] = slot
        if verdict.retimed:
            batch.retimed[slot.slot_id] = slot
        batch.receipts.append(
            store.Receipt(record.offset, slot.slot_id, received.id, verdict.kind, verdict.original, verdict.why)
        )
        for index, decided in enumerate(verdict.decisions):
            batch.decisions.append(store.DecisionRow(record.offset, index, slot.slot_id, decided, received.traceparent))
        for request in verdict.changed:
            batch.change(slot.slot_id, request, record.offset)
        return verdict.why if verdict.kind == "refused" else ""

    def _let_go(self) -> None:
        while self._remembered > MOST_REMEMBERED and len(self._touched) > 1:
            slot_id, partition = self._touched.popitem(last=False)
            self._remembered -= self._partitions[partition].slots.pop(slot_id).size

    async def after_commit(self, partitions: Sequence[int]) -> None:
        """Publish from memory what was just decided, then raise the watermarks."""
        published: dict[int, int] = {}
        outgoing: list[Outgoing] = []
        outcomes: Counter[str] = Counter()
        for partition in partitions:
            state = self._partitions[partition]
            batch, state.unpublished = state.unpublished, None
            # What a rebuild decides again is on the broker already.
            rows = [row for row in batch.decisions if row.offset > state.published] if batch else []
            if not rows:
                continue
            published[partition] = rows[-1].offset
            RUSH.note((row.slot_id for row in rows), time.monotonic())
            for row in rows:
                event = row.decided.event
                outcomes[event.type] += 1
                outgoing.append(
                    _decision(
                        partition,
                        row.offset,
                        row.index,
                        row.slot_id,
                        event.type,
                        event.decided_at,
                        row.decided.data,
                        row.traceparent,
                    )
                )
        self._let_go()
        if not outgoing:
            return
        await self._publisher.publish(outgoing)
        async with self._pool.acquire() as connection:
            await store.raise_watermarks(connection, published)
        for type_, number in outcomes.items():
            DECISIONS.labels(type_).inc(number)
        for partition, offset in published.items():
            self._partitions[partition].published = offset


def _read(record: Record) -> _Read:
    try:
        return record, codec.decode(topics.SLOT_LOG, record.key, record.value, record.headers)
    except Undecodable as error:
        return record, str(error)


def _slot_id(received: Received) -> str:
    assert isinstance(received.event, SlotRecord)
    return received.event.slot_id


def _decision(
    partition: int, offset: int, index: int, slot_id: str, type_: str, decided_at: str, data: bytes, trace: str | None
) -> Outgoing:
    headers = codec.headers(
        id=f"{partition}-{offset}-{index}", type=type_, source=SOURCE, time=decided_at, traceparent=trace
    )
    return Outgoing(EVENTS[type_].topic.name, partition, slot_id.encode(), data, headers)
