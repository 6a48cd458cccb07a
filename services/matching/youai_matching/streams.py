"""What matching consumes beside the slot log (decider.py): offers and demands (the intake), organizations."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from youai_contracts import codec, topics
from youai_contracts.events import (
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
    SessionRevised,
    SlotClosed,
    SlotOpened,
    SlotRecord,
    SlotRevised,
    demand_slot,
)
from youai_runtime import outbox
from youai_runtime.database import Connection, Pool
from youai_runtime.kafka import Outgoing, Publisher, partition_of
from youai_runtime.work import Projection, Record, Work, decode_all

from youai_matching import references
from youai_matching.rule_files import RuleBook
from youai_matching.sources import SERVICE, SOURCE

Chosen = dict[str, tuple[str, str | None]]
"""The rule version of a slot, and its seed if it is drawn."""


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
        received = [event for _, event in decode_all(self.topic, records)[0]]
        opened = {slot_id: _seed(r.event) for r in received if (slot_id := _opens(r.event))}
        chosen: Chosen = {}
        if opened:
            async with self._pool.acquire() as connection:
                chosen = await references.pick_rules(connection, opened, self._rule_version)
        await self._publisher.publish(
            _slot_record(event, r.id, r.traceparent) for r in received if (event := _for_slot_log(r.event, chosen))
        )

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, decode_all(self.topic, records)[1])


class Organizations(Projection):
    """Keeps what the door must know of organizations: their place in the tree and their town."""

    name = "matching.organizations"
    topic = topics.ORGANIZATION

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        received, unreadable = decode_all(self.topic, records)
        latest: dict[str, OrganizationRegistered] = {}
        for _, item in received:
            assert isinstance(item.event, OrganizationRegistered)
            latest[item.event.organization_id] = item.event
        await references.put_organizations(
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


def _seed(event: Event) -> str | None:
    """A new seed for a slot that is drawn: 32 bytes by chance, in hex."""
    return secrets.token_hex(32) if isinstance(event, SessionOpened) and event.mode == "draw" else None


def _seed_hash(seed: str | None) -> str | None:
    return None if seed is None else hashlib.sha256(bytes.fromhex(seed)).hexdigest()


def _for_slot_log(event: Event, chosen: Chosen) -> SlotRecord | None:
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
                rule_version=chosen[event.slot_id][0],
                seed_hash=_seed_hash(chosen[event.slot_id][1]),
                town_shares=event.town_shares,
                waitlist=event.waitlist,
                invited=event.invited,
                invited_until=event.invited_until,
            )
        case SessionRevised():
            return SlotRevised(
                slot_id=event.slot_id,
                capacity=event.capacity,
                opens_at=event.opens_at,
                closes_at=event.closes_at,
                starts_at=event.starts_at,
                ends_at=event.ends_at,
            )
        case SessionCancelled():
            return SlotClosed(slot_id=event.slot_id, reason="session-cancelled")
        case DemandEvent():
            return _of_demand(event, demand_slot(event.demand_id), chosen)
    return None


def _of_demand(event: DemandEvent, slot_id: str, chosen: Chosen) -> SlotRecord | None:
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
                rule_version=chosen[slot_id][0],
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
