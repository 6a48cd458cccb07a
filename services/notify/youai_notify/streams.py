"""Everything that notify consumes: one lane a topic, each event turned into what it owes and what is to be known."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
from youai_contracts import topics
from youai_contracts.codec import Received
from youai_contracts.events import (
    EVENTS,
    Decision,
    DemandClaimRequested,
    DemandEvent,
    DemandPosted,
    Event,
    OfferPublished,
    OrganizationRegistered,
    ResourceEvent,
    ResourceListed,
    SessionOpened,
    SessionRevised,
)
from youai_runtime import outbox
from youai_runtime.database import Connection
from youai_runtime.work import RUSH_BYTES, Projection, Record, decode_all

from youai_notify import bookings, knowledge, store
from youai_notify.bookings import Revision
from youai_notify.domain.known import Claim, Known, Session, is_live
from youai_notify.domain.owed import Notice, Source, owed, subject_elsewhere
from youai_notify.knowledge import Held

SERVICE = "notify"
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Read:
    """An event as it was read, with its record."""

    event: Event
    source: Source
    record: Record


class Reading(Projection):
    """A lane that reads events; what cannot be read becomes a dead letter."""

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        received, unreadable = decode_all(self.topic, records)
        read = [Read(item.event, _source(self.topic, record, item), record) for record, item in received]
        if read:
            await self.on_read(connection, read)
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, unreadable)

    async def on_read(self, connection: Connection, read: Sequence[Read]) -> None:
        """The work on a batch of events, in order."""
        raise NotImplementedError


class Organizations(Reading):
    """Keeps organizations: who stands below whom, and which departments a category fits."""

    name = "notify.organizations"
    topic = topics.ORGANIZATION

    async def on_read(self, connection: Connection, read: Sequence[Read]) -> None:
        latest = {one.event.organization_id: one.event for one in read if isinstance(one.event, OrganizationRegistered)}
        await knowledge.put_organizations(connection, latest.values())


class Offers(Reading):
    """Keeps what sessions are called, when and where; tells what was held until they were known, and what changes."""

    name = "notify.offers"
    topic = topics.OFFER

    async def on_read(self, connection: Connection, read: Sequence[Read]) -> None:
        published = {one.event.offer_id: one.event.title for one in read if isinstance(one.event, OfferPublished)}
        opened = [one.event for one in read if isinstance(one.event, SessionOpened)]
        changed = [Revision(one.event, one.source) for one in read if isinstance(one.event, SessionRevised)]
        if published:
            await knowledge.put_offers(connection, published)
        if changed:
            changed = await bookings.revise(connection, changed)
        notices = await self._open(connection, opened, changed) if opened else []
        if changed:
            slots = sorted({one.event.slot_id for one in changed})
            known = Known(sessions=await knowledge.sessions(connection, slots))
            known.live = await bookings.live(connection, known.sessions)
            notices += [notice for one in changed for notice in owed(one.event, one.source, known)]
        await store.tell(connection, notices)

    async def _open(
        self, connection: Connection, opened: Sequence[SessionOpened], changed: Sequence[Revision]
    ) -> list[Notice]:
        """Keep sessions, as they are after this batch, and release what was held for them."""
        titles = await knowledge.offer_titles(connection, list({event.offer_id for event in opened}))
        sessions: dict[str, Session] = {}
        for event in opened:
            title = titles.get(event.offer_id, event.venue_name)
            sessions.setdefault(event.slot_id, Session(title, event.starts_at, event.venue_name, event.offer_id))
        for one in changed:
            if (session := sessions.get(one.event.slot_id)) is not None:
                sessions[one.event.slot_id] = replace(
                    session,
                    starts_at=one.event.starts_at or session.starts_at,
                    place=one.event.venue_name or session.place,
                )
        await knowledge.put_sessions(connection, sessions)
        held = await knowledge.release(connection, topics.BOOKING.name, list(sessions))
        return _owed_by_held(held, Known(sessions=sessions))


class Demands(Reading):
    """Tells departments and venues of demands, and what was held until a claim was known."""

    name = "notify.demands"
    topic = topics.DEMAND

    async def on_read(self, connection: Connection, read: Sequence[Read]) -> None:
        posted = [one.event for one in read if isinstance(one.event, DemandPosted)]
        requested = {
            one.event.claim_id: (one.event.demand_id, one.event.provider_name)
            for one in read
            if isinstance(one.event, DemandClaimRequested)
        }
        if posted:
            await knowledge.put_demands(connection, [(p.demand_id, p.venue_id, p.venue_name, p.title) for p in posted])
        if requested:
            await knowledge.put_claims(connection, requested)
        known = Known(demands=await knowledge.demands(connection, list({_demand_of(one.event) for one in read})))
        touched = set(requested)
        if posted:
            known.departments = await knowledge.departments(connection, list({event.category for event in posted}))
            # Claims that were read before their demand: only if that was lost once and appended again.
            touched.update(await knowledge.claims_of(connection, [event.demand_id for event in posted]))
        known.claims = await knowledge.claims(connection, list(touched)) if touched else {}
        held = await knowledge.release(connection, topics.CLAIM.name, list(known.claims)) if known.claims else []
        notices = [notice for one in read for notice in owed(one.event, one.source, known)]
        await store.tell(connection, [*notices, *_owed_by_held(held, known)])


class Resources(Reading):
    """Tells owners that they were asked, and whoever asked what the answer is."""

    name = "notify.resources"
    topic = topics.RESOURCE

    async def on_read(self, connection: Connection, read: Sequence[Read]) -> None:
        events = [one.event for one in read if isinstance(one.event, ResourceEvent)]
        titles = await knowledge.resources(connection, list({event.resource_id for event in events}))
        notices: list[Notice] = []
        listed: dict[str, str] = {}
        for one in read:
            if isinstance(one.event, ResourceListed):  # revised ones are of that class too
                listed[one.event.resource_id] = one.event.title
            notices += owed(one.event, one.source, Known(resources=titles | listed))
        if listed:
            await knowledge.put_resources(connection, listed)
        await store.tell(connection, notices)


class Decisions(Reading):
    """Tells what was decided, once it is known what it was decided of: until then it is held."""

    async def on_read(self, connection: Connection, read: Sequence[Read]) -> None:
        subjects = [subject_elsewhere(one.event) for one in read]
        found, known = await self._known(connection, list({subject for subject in subjects if subject is not None}))
        notices: list[Notice] = []
        held: list[Held] = []
        for one, subject in zip(read, subjects, strict=True):
            if subject is None:
                continue
            if subject in found:
                notices += owed(one.event, one.source, known)
            else:
                held.append(_held(one, subject))
        if held:
            await knowledge.hold(connection, held)
        notices += await self._besides(connection, read, known)
        await store.tell(connection, notices)

    async def _known(
        self, connection: Connection, subjects: list[str]
    ) -> tuple[Mapping[str, Session] | Mapping[str, Claim], Known]:
        raise NotImplementedError

    async def _besides(self, connection: Connection, read: Sequence[Read], known: Known) -> list[Notice]:
        """What else a batch makes known, and what is owed for that."""
        return []


class Bookings(Decisions):
    """Tells venues what became of their requests."""

    name = "notify.bookings"
    topic = topics.BOOKING
    fetch_bytes = RUSH_BYTES
    gives_way = True

    async def _known(self, connection: Connection, subjects: list[str]) -> tuple[Mapping[str, Session], Known]:
        found = await knowledge.sessions(connection, subjects)
        return found, Known(sessions=found)

    async def _besides(self, connection: Connection, read: Sequence[Read], known: Known) -> list[Notice]:
        """Who is live now; whoever was before a change that was read already is told of it."""
        decided = [(one.event, one.source) for one in read if isinstance(one.event, Decision)]
        await bookings.put(connection, [event for event, _ in decided])
        latest = {event.request_id: event for event, _ in decided}
        since: dict[str, datetime] = {}
        for event, source in decided:
            if is_live(event):
                since.setdefault(event.request_id, source.at)
        # A session may be changed whose opening could not be read: nothing is told of it before that is mended.
        live = [event for event in latest.values() if is_live(event) and event.slot_id in known.sessions]
        changed = await bookings.revisions(connection, {event.slot_id for event in live})
        return [
            notice
            for one in changed
            for event in live
            if event.slot_id == one.event.slot_id and since[event.request_id] <= one.source.at
            for notice in owed(one.event, one.source, Known(sessions=known.sessions, live=_only(event)))
        ]


class Claims(Decisions):
    """Tells venues and providers what became of claims."""

    name = "notify.claims"
    topic = topics.CLAIM

    async def _known(self, connection: Connection, subjects: list[str]) -> tuple[Mapping[str, Claim], Known]:
        found = await knowledge.claims(connection, subjects)
        return found, Known(claims=found)


def _source(topic: topics.Topic, record: Record, item: Received) -> Source:
    trace = item.traceparent if item.traceparent and _TRACE.fullmatch(item.traceparent) else None
    return Source(topic.name, item.id, datetime.fromtimestamp(record.timestamp / 1000, UTC), trace)


def _only(decision: Decision) -> Mapping[str, tuple[str, ...]]:
    return {decision.slot_id: (decision.venue_id,)}


def _demand_of(event: Event) -> str:
    assert isinstance(event, DemandEvent)
    return event.demand_id


def _held(one: Read, subject_id: str) -> Held:
    assert one.record.value is not None
    return Held(
        topic=one.source.topic,
        ce_id=one.source.id,
        partition=one.record.partition,
        log_offset=one.record.offset,
        subject_id=subject_id,
        type=one.event.type,
        value=one.record.value,
        at=one.source.at,
        traceparent=one.source.traceparent,
    )


def _owed_by_held(held: Sequence[Held], known: Known) -> list[Notice]:
    return [
        notice
        for one in held
        for notice in owed(
            msgspec.json.decode(one.value, type=EVENTS[one.type]),
            Source(one.topic, one.ce_id, one.at, one.traceparent),
            known,
        )
    ]
