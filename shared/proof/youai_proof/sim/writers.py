"""Catalog and demand, as a world's other services see them: what they tell, in order, now and then twice."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from youai_contracts import codec, topics
from youai_contracts.events import (
    Actor,
    AttendanceRecorded,
    DemandClaimEndRequested,
    DemandClaimRequested,
    DemandPosted,
    DemandWithdrawn,
    DrawRevealed,
    Event,
    OfferPublished,
    OrganizationRegistered,
    SessionCancelled,
    SessionOpened,
    SessionRevised,
    TimerFired,
)
from youai_matching import ids
from youai_runtime.kafka import partition_of

from youai_proof.sim.kafka import Kafka
from youai_proof.sim.plan import CENTER, PROVIDER, TOWN_OF, TOWNS, VENUES, Plan, Session, Word
from youai_proof.sim.seams import BEGINNING

_ACTOR = Actor(subject="somebody", organization_id=PROVIDER)


class Writers:
    """Appends straight to the log, as a producer that is never in trouble; the topics' readers still are."""

    def __init__(self, kafka: Kafka, plan: Plan) -> None:
        self._kafka = kafka
        self._plan = plan
        self._positions = {"catalog": 0, "demand": 0}
        self._told: list[tuple[str, str, Event]] = []
        self._untimely = 0
        self._sessions = {session.slot: session for session in plan.sessions}

    async def play(self) -> None:
        """Tell everything at its time."""
        for event in _organizations():
            self._tell("catalog", event)
        for offer in sorted({session.offer for session in self._plan.sessions}):
            self._tell("catalog", _offer(offer))
        coming: list[tuple[float, Session | Word]] = [
            *((session.at, session) for session in self._plan.sessions),
            *((word.at, word) for word in self._plan.words),
        ]
        for at, what in sorted(coming, key=lambda one: one[0]):
            await self._until(at)
            if isinstance(what, Session):
                self._tell("catalog", _opened(what))
            else:
                told = self._event(what)
                if told is not None:
                    self._tell("demand" if told.topic is topics.DEMAND else "catalog", told)

    async def _until(self, at: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < at or not self._kafka.up:
            await asyncio.sleep(max(at - loop.time(), 0.2))

    def _event(self, word: Word) -> Event | None:
        if word.kind == "move":
            return _organization(word.about, word.values["parent"], "venue", "station", word.values["town"])
        if word.kind in ("revise", "cancel", "attend"):
            session = self._sessions.get(word.about)
            return None if session is None else _of_session(word, session)
        return _of_demand(word)

    def _tell(self, writer: str, event: Event) -> None:
        self._positions[writer] += 1
        self._told.append((writer, f"{writer}-{self._positions[writer]}", event))
        self._append(*self._told[-1])

    def repeat(self, part: float) -> None:
        """Tell a part of it all again: as a relay does whose note on its progress was lost, or that wakes up late."""
        begin, end = int(len(self._told) * (1 - part)), len(self._told)
        if int(part * 1000) % 2:
            end = begin + (end - begin + 1) // 2
        for told in self._told[begin:end]:
            self._append(*told)
        self._repeat_commands(int(part * 10))
        self.untimely()

    def _repeat_commands(self, most: int) -> None:
        """Append the last records of the slot log once more, as a client does that was never told that it did."""
        for partition in self._kafka.topics[topics.SLOT_LOG.name]:
            for record in list(partition.records())[-most:] if most else ():
                append(self._kafka, partition.topic, partition.number, record.key, record.value, record.headers)

    def garbage(self, topic: str) -> None:
        """Append what nobody can read."""
        append(self._kafka, topic, 0, b"key", b"{", (("ce_id", b"nobody-1"), ("ce_type", b"slot-opened")))

    def untimely(self) -> None:
        """Into every slot a timer of a time that nobody set and a reveal of another seed: none may do anything."""
        now = moment(asyncio.get_running_loop().time())
        for slot in self._sessions:
            for event in (
                TimerFired(slot_id=slot, kind="closing", due_at=now, subject=""),
                TimerFired(slot_id=slot, kind="window", due_at=now, subject=""),
                DrawRevealed(slot_id=slot, seed="5b" * 32),
            ):
                self._untimely += 1
                self._append("matching", f"untimely-{self._untimely}", event)

    def _append(self, writer: str, id: str, event: Event) -> None:
        at = BEGINNING + timedelta(seconds=asyncio.get_running_loop().time())
        message = codec.encode(event, id=id, source=f"/youai/{writer}", at=at)
        number = partition_of(message.key, event.topic.partitions)
        append(self._kafka, message.topic, number, message.key, message.value, message.headers)


def append(
    kafka: Kafka, topic: str, number: int, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
) -> None:
    """Append one record to a partition's log."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    builder.append(0, 0, key, value, list(headers))
    partition = kafka.partition(topic, number)
    assert partition is not None
    partition.append(bytes(builder.build()), kafka.clock())
    kafka.appended(partition)


def moment(seconds: float) -> datetime:
    """A time of the plan."""
    return BEGINNING + timedelta(milliseconds=round(seconds * 1000))


def _organization(id: str, parent: str | None, kind: Any, level: Any, town: str) -> Event:
    return OrganizationRegistered(
        organization_id=id,
        parent_id=parent,
        kind=kind,
        level=level,
        name=id,
        town=town,
        categories=("健康服务",) if kind == "provider" else (),
        actor=_ACTOR,
    )


def _organizations() -> list[Event]:
    one = _organization
    towns = [one(f"t{number}", CENTER, "venue", "institute", town) for number, town in enumerate(TOWNS)]
    venues = [one(venue, f"t{TOWNS.index(TOWN_OF[venue])}", "venue", "station", TOWN_OF[venue]) for venue in VENUES]
    providers = [one(name, None, "provider", "department", "") for name in (PROVIDER, "p1", "p2", "p3")]
    return [one(CENTER, None, "venue", "center", ""), *towns, *venues, *providers]


def _offer(offer: str) -> Event:
    return OfferPublished(
        offer_id=offer, provider_id=PROVIDER, provider_name="单位", category="健康服务", title=offer, actor=_ACTOR
    )


def _opened(session: Session) -> Event:
    return SessionOpened(
        offer_id=session.offer,
        session_id=session.slot,
        slot_id=session.slot,
        capacity=session.capacity,
        opens_at=moment(session.opens),
        closes_at=moment(session.closes),
        starts_at=moment(session.starts),
        ends_at=moment(session.ends),
        mode="draw" if session.draw else "arrival",
        town_shares=dict(session.shares),
        waitlist=session.waitlist,
        venue_name="礼堂",
        actor=_ACTOR,
    )


def _of_session(word: Word, session: Session) -> Event:
    about: dict[str, Any] = {
        "offer_id": session.offer,
        "session_id": session.slot,
        "slot_id": session.slot,
        "actor": _ACTOR,
    }
    if word.kind == "cancel":
        return SessionCancelled(reason="停电", **about)
    if word.kind == "attend":
        venue = word.values["venue"]
        request_id = ids.command_id("booking", venue, "bookings", word.values["key"])
        return AttendanceRecorded(request_id=request_id, venue_id=venue, attended=0, **about)
    values = dict(word.values)
    times: dict[str, Any] = {
        f"{name}_at": moment(values.pop(name)) for name in ("closes", "starts", "ends") if name in values
    }
    return SessionRevised(reason="调整", **about, **values, **times)


def _of_demand(word: Word) -> Event:
    about: dict[str, Any] = {"demand_id": word.about, "venue_id": "v1", "actor": _ACTOR}
    values = word.values
    match word.kind:
        case "demand":
            return DemandPosted(
                venue_name="单位",
                town=TOWNS[0],
                category="健康服务",
                title=word.about,
                residents=20,
                wanted_from=moment(0),
                wanted_until=moment(3_000),
                places_wanted=values["places"],
                posted_by_role="collector",
                **about,
            )
        case "claim":
            provider = values["provider"]
            return DemandClaimRequested(claim_id=values["claim"], provider_id=provider, provider_name="部门", **about)
        case "end":
            return DemandClaimEndRequested(claim_id=values["claim"], provider_id="p1", reason=values["reason"], **about)
        case "withdraw":
            return DemandWithdrawn(reason="不需要了", **about)
    raise ValueError(word.kind)
