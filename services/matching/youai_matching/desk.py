"""What all routes of the door share: their stores, and how a command is kept, then appended."""

import time
from dataclasses import dataclass
from functools import lru_cache

import asyncpg
from youai_contracts import topics
from youai_contracts.codec import Message
from youai_contracts.events import Actor, SlotRecord
from youai_runtime import logs, problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.errors import may_be_committed
from youai_runtime.kafka import partition_of
from youai_runtime.live import Listener, Listeners
from youai_runtime.observed import current_traceparent

from youai_matching import admission, door, requests, reservations
from youai_matching.collector import Collector
from youai_matching.domain.receipts import instant
from youai_matching.requests import Command, Kept
from youai_matching.reservations import Numbers
from youai_matching.rule_files import RuleBook
from youai_matching.sources import SOURCE
from youai_matching.why import Stories

log = logs.get(__name__)


@dataclass(frozen=True)
class Desk:
    """The door's stores and streams, as its routes use them."""

    pool: Pool
    appender: door.Appender
    rules: RuleBook
    numbers: Numbers
    collector: Collector
    listeners: Listeners
    stories: Stories

    async def own_booking(self, who: Principal, request_id: str) -> asyncpg.Record:
        """A booking of the caller's organization or one below; raises 404 or 403."""
        async with self.pool.acquire() as connection:
            row = await requests.booking(connection, request_id)
            if row is None:
                raise problems.not_found("点单", "booking")
            if not await requests.in_scope(connection, who.organization_id, row["venue_id"]):
                raise problems.forbidden("这是其他单位的点单。", "This booking is another organization's.")
        return row

    def listen(self, slot_id: str) -> Listener:
        """A listener for a slot; 503 where there are as many as may be."""
        listener = self.listeners.join(slot_id)
        if listener is None:
            raise problems.unavailable(4 + admission.soon())
        return listener

    def is_open(self, slot_id: str) -> tuple[int, bool]:
        """The slot's partition, and whether its log takes appends now."""
        partition = _partition(slot_id, topics.SLOT_LOG.partitions)
        return partition, self.appender.open_for(partition)

    async def is_taken(self, command_id: str, digest: bytes) -> bool:
        """Whether a command of this id was taken before; 409 where it was another.

        One that may not be in the log yet is appended again first; 504 where that is not acknowledged.
        """
        async with self.pool.acquire() as connection:
            first = (await requests.kept(connection, [command_id])).get(command_id)
        if first is None:
            return False
        admission.same_body(first.body_hash, digest)
        if not first.is_in_the_log:
            await self._append_again(first)
        return True

    async def _append_again(self, kept: Kept) -> None:
        """What a crash or a silent broker left out; where it was not left out, the decider knows the repeat."""
        if not self.appender.open_for(kept.partition):
            raise admission.unknown()
        await self._append(
            door.again(kept.slot_id, kept.request_id, kept.kind, kept.data, kept.traceparent), kept.partition
        )

    async def _append(self, message: Message, partition: int) -> None:
        try:
            await self.appender.append(message, partition)
        except door.Unknown:
            raise admission.unknown() from None

    async def take(
        self,
        command_id: str,
        kind: str,
        event: SlotRecord,
        about: asyncpg.Record,
        digest: bytes,
        *,
        reserve: int | None = None,
    ) -> None:
        """Keep a command about a booking, then append it.

        With `reserve`, reserve the booking again in one with it, for the hold that the decision of that sequence gave.

        503 only before it is kept; after that, 504 says that the outcome is open. 409 where nothing is held, or a limit
        or another session stands in the way.
        """
        await self.take_for(
            command_id,
            kind,
            event,
            about["request_id"],
            about["venue_id"],
            about["party_size"],
            digest,
            reserve=reserve,
        )

    async def take_for(
        self,
        command_id: str,
        kind: str,
        event: SlotRecord,
        booking_id: str | None,
        venue_id: str,
        party_size: int,
        digest: bytes,
        *,
        reserve: int | None = None,
    ) -> None:
        """The same, about a booking that need not be there yet."""
        partition, is_open = self.is_open(event.slot_id)
        if not is_open:
            raise problems.unavailable(admission.soon())
        message = door.record(event, id=command_id, source=SOURCE, traceparent=current_traceparent())
        actor: Actor = event.actor  # type: ignore[attr-defined]
        command = Command(
            request_id=command_id,
            kind=kind,
            slot_id=event.slot_id,
            partition=partition,
            booking_id=booking_id,
            organization_id=actor.organization_id,
            venue_id=venue_id,
            party_size=party_size,
            body_hash=digest,
            data=message.value,
            traceparent=current_traceparent(),
        )
        if await self._keep(command, reserve):
            await self._append(message, partition)
        else:
            await self.is_taken(command_id, digest)

    async def _keep(self, command: Command, reserve: int | None) -> bool:
        """Whether the command is new; False for one that came a moment ago, in another tab."""
        sent = False
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                sent = True
                first = await requests.insert(connection, command)
                if first is None and reserve is not None:
                    assert command.booking_id is not None
                    await self._reserve_again(connection, command.booking_id, reserve)
        except Exception as error:
            if not (sent and may_be_committed(error)):
                raise
            log.warning("row-unknown", request_id=command.request_id, error=repr(error))
            raise admission.unknown() from None
        if first is not None:
            admission.same_body(first, command.body_hash)
        return first is None

    async def _reserve_again(self, connection: Connection, request_id: str, held: int) -> None:
        (answer,) = await reservations.again(connection, self.numbers, [request_id])
        # A hold that has come since is another's: what is reserved for it would be reserved with no answer to it.
        if answer.verdict == "not-held" or await requests.state_since(connection, request_id) != held:
            raise admission.not_held()
        if answer.obstacle is not None:
            raise admission.in_the_way(answer.obstacle)


@lru_cache(maxsize=20_000)
def _partition(slot_id: str, partitions: int) -> int:
    """A city asks for the same slots again and again, and the hash is reckoned a byte at a time."""
    return partition_of(slot_id.encode(), partitions)


def actor(who: Principal) -> Actor:
    """Who gave a command, for its event."""
    return Actor(subject=who.subject, organization_id=who.organization_id)


def server_time() -> str:
    """Now, by this process's clock, to the millisecond: pages count down by it."""
    return instant(int(time.time() * 1000))
