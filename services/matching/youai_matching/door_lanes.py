"""The door's own lanes: reservations follow what was decided, and late cancellations and no-shows are remembered."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from youai_contracts import codec, topics
from youai_contracts.events import Actor, AttendanceRecorded, Decision, HoldAccepted, HoldDeclined
from youai_runtime import outbox
from youai_runtime.database import Connection
from youai_runtime.kafka import Outgoing, Publisher
from youai_runtime.work import RUSH_BYTES, LaneBroken, Projection, Record, decode_all

from youai_matching import loops, points, requests, reservations
from youai_matching.domain.receipts import milliseconds
from youai_matching.domain.rules import Points
from youai_matching.requests import Command
from youai_matching.rule_files import RuleBook
from youai_matching.sources import SERVICE

CLEARED = ("waitlisted", "rejected", "lapsed", "released", "displaced")
_FOR_THE_VENUE = "auto-accept"
"""The subject of what the door answers in a venue's name."""


class Reservations(Projection):
    """Gives reservations back, answers holds for venues that asked for that, and notes late cancellations.

    An answer is kept as a row in the lane's transaction and appended after it: what a crash leaves out in between, the
    sweeper appends, as for any command of the door.
    """

    name = "matching.door"
    topic = topics.BOOKING
    pause_s = 0.05
    fetch_wait_ms = 100
    fetch_bytes = RUSH_BYTES

    def __init__(self, rules: RuleBook, publisher: Publisher) -> None:
        self._rules = rules
        self._numbers = reservations.Numbers(rules.by_version.values())
        self._publisher = publisher
        self._kept: list[Command] = []

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        """What a batch of decisions means for the door, in one transaction."""
        received, unreadable = decode_all(self.topic, records)
        decided: dict[str, tuple[int, bool]] = {}
        promoted: dict[str, int] = {}
        late: list[Decision] = []
        for _, item in received:
            event = item.event
            assert isinstance(event, Decision)
            promoted.pop(event.request_id, None)
            if event.outcome in CLEARED:
                decided[event.request_id] = (event.sequence, False)
            elif event.outcome == "confirmed" or (event.hold_until is msgspec.UNSET and event.outcome == "promoted"):
                decided[event.request_id] = (event.sequence, True)
            elif event.outcome == "promoted":
                promoted[event.request_id] = event.sequence
            if event.reason == "cancelled-late":
                late.append(event)
        await reservations.follow(connection, decided)
        await points.add(connection, [self._late(event) for event in late])
        self._kept = await self._answer_holds(connection, promoted) if promoted else []
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, unreadable)

    def _late(self, event: Decision) -> points.Point:
        numbers = _points(self._rules, event.rule_version)
        at = milliseconds(datetime.fromisoformat(event.decided_at))
        return points.Point(points.of_cancellation(event), event.venue_id, numbers.late_cancellation, at)

    async def _answer_holds(self, connection: Connection, promoted: dict[str, int]) -> list[Command]:
        wanted = await reservations.auto_accepts(connection, list(promoted))
        commands = []
        for answer in await reservations.again(connection, self._numbers, list(wanted)):
            if answer.verdict == "not-held":
                continue
            row = wanted[answer.request_id]
            actor = Actor(subject=_FOR_THE_VENUE, organization_id=row["organization_id"])
            accepted, held = answer.verdict == "taken", promoted[answer.request_id]
            event = (
                HoldAccepted(slot_id=row["slot_id"], request_id=answer.request_id, held=held, actor=actor)
                if accepted
                else HoldDeclined(
                    slot_id=row["slot_id"], request_id=answer.request_id, reason="limit", held=held, actor=actor
                )
            )
            commands.append(
                Command(
                    request_id=f"auto-{answer.request_id}-{held}",
                    kind="accept" if accepted else "decline",
                    slot_id=row["slot_id"],
                    partition=row["partition"],
                    booking_id=answer.request_id,
                    organization_id=row["organization_id"],
                    venue_id=row["venue_id"],
                    party_size=row["party_size"],
                    body_hash=b"",
                    data=codec.encode_data(event),
                    traceparent=row["traceparent"],
                )
            )
        return await requests.add_commands(connection, commands)

    async def after_commit(self, partitions: Sequence[int]) -> None:
        """Append what was answered for venues."""
        kept, self._kept = self._kept, []
        await self._publisher.publish(_outgoing(command) for command in kept)


class Attendance(Projection):
    """Remembers who did not come, as the provider says, and forgets it where the provider takes it back."""

    name = "matching.attendance"
    topic = topics.OFFER

    def __init__(self, rules: RuleBook) -> None:
        self._rules = rules

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        """The latest word on each booking counts; a no-show only where the venue had its places."""
        latest: dict[tuple[str, str], tuple[Record, AttendanceRecorded]] = {}
        received, unreadable = decode_all(self.topic, records)
        for record, item in received:
            if isinstance(item.event, AttendanceRecorded):
                latest[item.event.slot_id, item.event.request_id] = (record, item.event)
        absent = [key for key, (_, event) in latest.items() if event.attended == 0]
        came = [points.of_no_show(*key) for key, (_, event) in latest.items() if event.attended > 0]
        found = []
        for row in await points.confirmed(connection, absent) if absent else ():
            record, _ = latest[row["slot_id"], row["request_id"]]
            numbers = self._rules.by_version[row["rule_version"]].points
            if numbers is not None:
                source = points.of_no_show(row["slot_id"], row["request_id"])
                found.append(points.Point(source, row["venue_id"], numbers.no_show, record.timestamp))
        await points.add(connection, found)
        await points.remove(connection, came)
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, unreadable)


def _points(rules: RuleBook, version: str) -> Points:
    known = rules.by_version.get(version)
    if known is None or known.points is None:
        raise LaneBroken(f"a late cancellation under rule version {version}, which has no points here")
    return known.points


def _outgoing(command: Command) -> Outgoing:
    return loops.again(
        command.partition, command.slot_id, command.request_id, command.kind, command.data, command.traceparent
    )
