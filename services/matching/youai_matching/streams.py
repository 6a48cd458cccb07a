"""Everything that matching consumes: the slot log (the decider), offers (the intake), organizations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from youai_contracts import codec, topics
from youai_contracts.codec import Received, Undecodable
from youai_contracts.events import (
    EVENTS,
    ClaimEndRequested,
    ClaimRequested,
    DemandClaimEndRequested,
    DemandClaimRequested,
    DemandEvent,
    DemandExpired,
    DemandPosted,
    DemandWithdrawn,
    Event,
    OrganizationRegistered,
    SessionCancelled,
    SessionOpened,
    SlotClosed,
    SlotOpened,
    SlotRecord,
    TimerFired,
    demand_slot,
)
from youai_runtime import outbox
from youai_runtime.database import Connection, Pool
from youai_runtime.kafka import Outgoing, Publisher, partition_of
from youai_runtime.lane import Projection, Record, Work

from youai_matching import store
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Slot, Verdict
from youai_matching.rule_files import RuleBook

SERVICE = "matching"
SOURCE = "/youai/matching"


@dataclass(slots=True)
class _Partition:
    slots: dict[str, Slot] = field(default_factory=dict)
    unpublished: store.Batch | None = None


class Decider(Work):
    """Decides the slot log: all that is at hand in one transaction, then the decisions published in order."""

    name = store.DECIDER
    topic = topics.SLOT_LOG
    deduplicates = False  # a repeat is known by its id within its slot, and gets a receipt

    def __init__(self, rules: RuleBook, publisher: Publisher, pool: Pool) -> None:
        self._rules = rules
        self._publisher = publisher
        self._pool = pool
        self._partitions: dict[int, _Partition] = {}

    async def load(self, connection: Connection, partition: int) -> None:
        self._partitions[partition] = _Partition(await store.load_slots(connection, partition))

    def forget(self, partition: int) -> None:
        self._partitions.pop(partition, None)

    async def recover(self, connection: Connection, partition: int) -> None:
        while rows := await store.unpublished(connection, partition):
            await self._publisher.publish(_decision(partition, *row) for row in rows)
            await store.raise_watermarks(connection, {partition: rows[-1][0]})

    async def apply_all(self, connection: Connection, batches: Mapping[int, Sequence[Record]]) -> None:
        """Decide everything at hand, partition by partition, and write it together."""
        decided: list[store.Batch] = []
        refused: list[tuple[Record, str]] = []
        for partition in sorted(batches):
            batch = store.Batch(partition)
            for record in batches[partition]:
                verdict = self._decide(partition, record, batch)
                if verdict.kind == "refused":
                    refused.append((record, verdict.why))
            decided.append(batch)
        await store.write(connection, decided)
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, refused)
        for batch in decided:
            self._partitions[batch.partition].unpublished = batch

    def _decide(self, partition: int, record: Record, batch: store.Batch) -> Verdict:
        slots = self._partitions[partition].slots
        try:
            received = codec.decode(self.topic, record.key, record.value, record.headers)
        except Undecodable as error:
            verdict = Verdict("refused", why=str(error))
            batch.receipts.append(store.Receipt(record.offset, None, None, "refused", None, verdict.why))
            return verdict
        event = received.event
        assert isinstance(event, SlotRecord)
        slot = slots.get(event.slot_id) or Slot(event.slot_id)
        at = At(partition, record.offset, record.timestamp, received.id)
        verdict = decide(slot, at, event, self._rules.by_version)
        if verdict.kind != "refused":
            slots[slot.slot_id] = batch.touched[slot.slot_id] = slot
        if isinstance(event, SlotOpened | SlotClosed | TimerFired):
            batch.retimed[slot.slot_id] = slot
        batch.receipts.append(
            store.Receipt(record.offset, slot.slot_id, received.id, verdict.kind, verdict.original, verdict.why)
        )
        for index, decided in enumerate(verdict.decisions):
            batch.decisions.append(store.DecisionRow(record.offset, index, slot.slot_id, decided, received.traceparent))
            request_id = decided.event.request_id
            batch.moved[slot.slot_id, request_id] = slot.requests[request_id]
        return verdict

    async def after_commit(self, partitions: Sequence[int]) -> None:
        """Publish from memory what was just decided, then raise the watermarks."""
        published: dict[int, int] = {}
        outgoing: list[Outgoing] = []
        for partition in partitions:
            state = self._partitions[partition]
            batch, state.unpublished = state.unpublished, None
            if batch is None or not batch.decisions:
                continue
            published[partition] = batch.decisions[-1].offset
            for row in batch.decisions:
                event = row.decided.event
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
        if not outgoing:
            return
        await self._publisher.publish(outgoing)
        async with self._pool.acquire() as connection:
            await store.raise_watermarks(connection, published)


class Intake(Work):
    """Puts what catalog says of sessions, or demand of demands and claims, into the slot log, where alone it counts."""

    def __init__(
        self, name: str, topic: topics.Topic, rules: RuleBook, rule_name: str, publisher: Publisher, pool: Pool
    ) -> None:
        self.name = name
        self.topic = topic
        chosen = rules.named(rule_name)
        if topic is topics.DEMAND and "claim-free" not in chosen.texts:
            raise ValueError(f"rule version {rule_name} has no words for claims: set YOUAI_RULES to a later one")
        self._rule_version = chosen.version
        self._publisher = publisher
        self._pool = pool

    async def effect(self, partition: int, records: Sequence[Record]) -> None:
        """Append to the slot log and await the acks; the decider knows what it meets again by the source's id."""
        received, _ = _decode_all(self.topic, records)
        opened = [slot_id for r in received if (slot_id := _opens(r.event))]
        chosen: dict[str, str] = {}
        if opened:
            async with self._pool.acquire() as connection:
                chosen = await store.pick_rules(connection, opened, self._rule_version)
        await self._publisher.publish(
            _slot_record(event, r.id, r.traceparent) for r in received if (event := _for_slot_log(r.event, chosen))
        )

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, _decode_all(self.topic, records)[1])


class Organizations(Projection):
    """Keeps what the door must know of organizations: their place in the tree and their town."""

    name = "matching.organizations"
    topic = topics.ORGANIZATION

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        received, unreadable = _decode_all(self.topic, records)
        latest: dict[str, OrganizationRegistered] = {}
        for item in received:
            assert isinstance(item.event, OrganizationRegistered)
            latest[item.event.organization_id] = item.event
        await store.put_organizations(
            connection,
            [(o.organization_id, o.parent_id, o.kind, o.level, o.name, o.town) for o in latest.values()],
        )
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, unreadable)


def _opens(event: Event) -> str | None:
    """The slot that an event opens, if it opens one."""
    match event:
        case SessionOpened():
            return event.slot_id
        case DemandPosted():
            return demand_slot(event.demand_id)
    return None


def _for_slot_log(event: Event, chosen: dict[str, str]) -> SlotRecord | None:
    """What an event of catalog or demand means for its slot; None where it means nothing."""
    match event:
        case SessionOpened():
            return SlotOpened(
                slot_id=event.slot_id,
                offer_id=event.offer_id,
                session_id=event.session_id,
                capacity=event.capacity,
                opens_at=event.opens_at,
                closes_at=event.closes_at,
                starts_at=event.starts_at,
                ends_at=event.ends_at,
                mode=event.mode,
                rule_version=chosen[event.slot_id],
                town_shares=event.town_shares,
                waitlist=event.waitlist,
                invited=event.invited,
                invited_until=event.invited_until,
            )
        case SessionCancelled():
            return SlotClosed(slot_id=event.slot_id, reason="session-cancelled")
        case DemandEvent():
            return _of_demand(event, demand_slot(event.demand_id), chosen)
    return None


def _of_demand(event: DemandEvent, slot_id: str, chosen: dict[str, str]) -> SlotRecord | None:
    match event:
        case DemandPosted():
            return SlotOpened(
                slot_id=slot_id,
                kind="demand",
                offer_id=event.demand_id,
                session_id=event.demand_id,
                capacity=event.places_wanted,
                opens_at=event.wanted_from,
                closes_at=event.wanted_until,
                starts_at=event.wanted_from,
                ends_at=event.wanted_until,
                rule_version=chosen[slot_id],
                waitlist=0,
            )
        case DemandClaimRequested():
            return ClaimRequested(
                slot_id=slot_id,
                request_id=event.claim_id,
                demand_id=event.demand_id,
                provider_id=event.provider_id,
                provider_name=event.provider_name,
                actor=event.actor,
            )
        case DemandClaimEndRequested():
            return ClaimEndRequested(
                slot_id=slot_id,
                request_id=event.claim_id,
                demand_id=event.demand_id,
                reason=event.reason,
                actor=event.actor,
            )
        case DemandWithdrawn():
            return SlotClosed(slot_id=slot_id, reason="demand-withdrawn")
        case DemandExpired():
            return SlotClosed(slot_id=slot_id, reason="demand-expired")
    return None


def _slot_record(event: SlotRecord, id: str, traceparent: str | None) -> Outgoing:
    message = codec.encode(event, id=id, source=SOURCE, at=datetime.now(UTC), traceparent=traceparent)
    partition = partition_of(message.key, topics.SLOT_LOG.partitions)
    return Outgoing(message.topic, partition, message.key, message.value, message.headers)


def _decision(
    partition: int, offset: int, index: int, slot_id: str, type_: str, decided_at: str, data: bytes, trace: str | None
) -> Outgoing:
    headers = codec.headers(
        id=f"{partition}-{offset}-{index}", type=type_, source=SOURCE, time=decided_at, traceparent=trace
    )
    return Outgoing(EVENTS[type_].topic.name, partition, slot_id.encode(), data, headers)


def _decode_all(topic: topics.Topic, records: Sequence[Record]) -> tuple[list[Received], list[tuple[Record, str]]]:
    received: list[Received] = []
    unreadable: list[tuple[Record, str]] = []
    for record in records:
        try:
            received.append(codec.decode(topic, record.key, record.value, record.headers))
        except Undecodable as error:
            unreadable.append((record, str(error)))
    return received, unreadable
