"""Everything that portal consumes: one lane a topic, each batch folded into the projections in a few statements."""

from collections.abc import Sequence
from datetime import UTC, datetime

from youai_contracts import topics
from youai_contracts.codec import rfc3339
from youai_contracts.events import (
    AttendanceRecorded,
    ClaimDecision,
    Decision,
    DemandEvent,
    Event,
    NotificationRead,
    NotificationSent,
    OfferPublished,
    OfferWithdrawn,
    OrganizationRegistered,
    ResourceAnswered,
    ResourceAsked,
    ResourceListed,
    ResourceRetired,
    SessionCancelled,
    SessionOpened,
    SessionRevised,
)
from youai_runtime import outbox
from youai_runtime.database import Connection
from youai_runtime.work import RUSH_BYTES, Projection, Record, decode_all

from youai_portal import domain
from youai_portal.store import projections as store
from youai_portal.store.projections import Row

SERVICE = "portal"

Read = tuple[Event, int, datetime]
"""An event, its offset, and the broker's time of it."""


class Folding(Projection):
    """A lane that folds a topic into tables; records that cannot be read go to the dead letters."""

    def __init__(self, topic: topics.Topic) -> None:
        self.topic = topic
        self.name = f"portal.{topic.name.split('.')[1]}"
        if topic in (topics.BOOKING, topics.NOTIFICATION):
            self.fetch_bytes = RUSH_BYTES
            self.gives_way = True

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        """Write what the events, in their order, make of the tables."""
        raise NotImplementedError

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        received, unreadable = decode_all(self.topic, records)
        events: list[Read] = [
            (item.event, record.offset, datetime.fromtimestamp(record.timestamp / 1000, UTC))
            for record, item in received
        ]
        if events:
            await self.project(connection, events)
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, unreadable)


class Organizations(Folding):
    """Names, towns and the tree."""

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        latest: dict[str, Row] = {}
        for event, _, _ in events:
            assert isinstance(event, OrganizationRegistered)
            latest[event.organization_id] = store.row(event)
        await store.put_organizations(connection, list(latest.values()))


class Offers(Folding):
    """Offers and their sessions, as they are now."""

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        offers: dict[str, Row] = {}
        sessions: dict[str, Row] = {}
        withdrawn: dict[str, Row] = {}
        revised: dict[str, Row] = {}
        cancelled: dict[str, Row] = {}
        attended: dict[str, Row] = {}
        for event, _, at in events:
            match event:
                case OfferPublished():
                    offers[event.offer_id] = store.row(event) | {"published_at": rfc3339(at)}
                case OfferWithdrawn():
                    withdrawn[event.offer_id] = {"offer_id": event.offer_id, "reason": event.reason}
                case SessionOpened():
                    sessions[event.slot_id] = store.row(event)
                case SessionRevised():
                    told = {name: value for name, value in store.row(event).items() if value is not None}
                    revised[event.slot_id] = revised.get(event.slot_id, {}) | told | {"revised_at": rfc3339(at)}
                case SessionCancelled():
                    cancelled[event.slot_id] = {"slot_id": event.slot_id, "reason": event.reason}
                case AttendanceRecorded():
                    came = {"slot_id": event.slot_id, "attended": event.attended, "recorded_at": rfc3339(at)}
                    attended[event.request_id] = {"request_id": event.request_id} | came
        await store.put_offers(connection, list(offers.values()), list(withdrawn.values()))
        changes = [list(rows.values()) for rows in (sessions, revised, cancelled)]
        await store.put_sessions(connection, *changes)
        await store.put_attendance(connection, list(attended.values()))


class Bookings(Folding):
    """Each booking's latest state, and each slot's sums."""

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        booked = domain.latest_decisions([event for event, _, _ in events if isinstance(event, Decision)])
        await store.put_bookings(connection, booked.bookings)
        await store.put_overrides(connection, booked.overrides)
        await store.put_slots(connection, booked.slots)


class Demands(Folding):
    """Demands as they are now, their timelines, and who asked for them."""

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        told = [(event, offset, at) for event, offset, at in events if isinstance(event, DemandEvent)]
        known = await store.demands(connection, sorted({event.demand_id for event, _, _ in told}))
        folded = domain.fold_demands(known, told)
        await store.put_demands(connection, list(folded.demands.values()))
        await store.put_demand_events(connection, folded.lines)
        await store.put_claim_requests(connection, folded.requests)


class Claims(Folding):
    """What became of each claim."""

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        latest: dict[str, Row] = {}
        for event, _, _ in events:
            assert isinstance(event, ClaimDecision)
            latest[event.request_id] = {
                "claim_id": event.request_id,
                "demand_id": event.demand_id,
                "provider_id": event.provider_id,
                "status": event.outcome,
                "reason": event.reason,
                "reason_zh": event.reason_zh,
                "reason_en": event.reason_en,
                "winner_name": event.winner_name,
                "sequence": event.sequence,
                "decided_at": event.decided_at,
            }
        await store.put_claims(connection, list(latest.values()))


class Notifications(Folding):
    """Inboxes."""

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        sent: dict[str, Row] = {}
        read: dict[str, Row] = {}
        for event, _, at in events:
            match event:
                case NotificationSent():
                    sent.setdefault(event.notification_id, store.row(event))
                case NotificationRead():
                    one = {"notification_id": event.notification_id, "recipient_id": event.recipient_id}
                    read.setdefault(event.notification_id, one | {"read_at": rfc3339(at)})
        await store.put_notifications(connection, list(sent.values()), list(read.values()))


class Resources(Folding):
    """The pool, who asked for what, and the answers."""

    async def project(self, connection: Connection, events: Sequence[Read]) -> None:
        resources: dict[str, Row] = {}
        asks: dict[str, Row] = {}
        answers: dict[str, Row] = {}
        retired: list[str] = []
        for event, _, at in events:
            match event:
                case ResourceListed():  # revised ones are of this class too
                    resources[event.resource_id] = store.row(event) | {"listed_at": rfc3339(at)}
                case ResourceRetired():
                    retired.append(event.resource_id)
                case ResourceAsked():
                    asks[event.ask_id] = store.row(event) | {"asked_at": rfc3339(at)}
                case ResourceAnswered():
                    answers[event.ask_id] = store.row(event) | {"answered_at": rfc3339(at)}
        await store.put_resources(connection, list(resources.values()), sorted(set(retired)))
        await store.put_asks(connection, list(asks.values()), list(answers.values()))


def projections() -> tuple[Projection, ...]:
    """All lanes of portal."""
    return (
        Organizations(topics.ORGANIZATION),
        Offers(topics.OFFER),
        Bookings(topics.BOOKING),
        Demands(topics.DEMAND),
        Claims(topics.CLAIM),
        Notifications(topics.NOTIFICATION),
        Resources(topics.RESOURCE),
    )
