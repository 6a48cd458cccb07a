"""The work as a slot log: the very records that the door and the intake append, in the order of the work."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from youai_contracts import codec
from youai_contracts.codec import Message
from youai_contracts.events import Actor, BookingRequested, SlotOpened
from youai_matching.rule_files import RuleBook
from youai_matching.settings import Settings
from youai_matching.sources import SOURCE
from youai_stack.errors import StackError

from youai_bench.work import Ask, Slot, Work

_ACTOR = Actor(subject="bench", organization_id="org-bench")
_FLUSH_S = 120.0


@dataclass(frozen=True)
class Log:
    """A filled topic. `ends` are the offsets after each partition's last record: first the slots', then the work's."""

    topic: str
    ends: tuple[int, ...]


def opened(slot: Slot, waitlist: bool, now: datetime) -> SlotOpened:
    """The slot as the intake opens it: booking is open already and stays so, by arrival."""
    starts = now + timedelta(days=30)
    return SlotOpened(
        slot_id=slot.slot_id,
        offer_id=f"offer-of-{slot.slot_id}",
        session_id=f"session-of-{slot.slot_id}",
        capacity=slot.capacity,
        opens_at=now - timedelta(days=1),
        closes_at=starts - timedelta(days=1),
        starts_at=starts,
        ends_at=starts + timedelta(hours=2),
        rule_version=RuleBook().named(Settings.model_fields["rules"].default).version,
        waitlist=None if waitlist else 0,
    )


def asked(ask: Ask, now: datetime) -> BookingRequested:
    """The request as the door appends it."""
    return BookingRequested(
        slot_id=ask.slot.slot_id,
        request_id=ask.request_id,
        venue_id=ask.venue_id,
        town="town-1",
        party_size=1,
        requested_at=now,
        actor=_ACTOR,
    )


def messages(work: Work, now: datetime) -> Iterator[tuple[int, Message]]:
    """All records of a work with their partitions: the slots first. A repeat is its first record again."""
    for number, slot in enumerate(work.slots):
        event = opened(slot, work.waitlist, now)
        yield slot.partition, codec.encode(event, id=f"catalog-{number}", source=SOURCE, at=now)
    for ask in work:
        yield ask.slot.partition, codec.encode(asked(ask, now), id=ask.request_id, source=SOURCE, at=now)


def fill(bootstrap: str, topic: str, work: Work) -> Log:
    """Append a work to a topic. Blocks; raises StackError where the broker does not take it."""
    from confluent_kafka import KafkaException, Producer

    ends = [0] * work.partitions
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 3,  # a broker that is just up lets the first request for a producer's id wait: no news
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 20,
            "batch.size": 256 * 1024,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 512 * 1024,
        }
    )
    failed: list[object] = []

    def delivered(error: object, _message: object) -> None:
        if error is not None:
            failed.append(error)

    try:
        for partition, message in messages(work, datetime.now(UTC)):
            while True:
                try:
                    producer.produce(
                        topic,
                        key=message.key,
                        value=message.value,
                        partition=partition,
                        headers=list(message.headers),
                        on_delivery=delivered,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            ends[partition] += 1
            if sum(ends) % 1_000 == 0:
                producer.poll(0)
        left = producer.flush(_FLUSH_S)
    except KafkaException as error:
        raise StackError(f"The log could not be filled: {error}.") from error
    if left or failed:
        raise StackError(f"The log could not be filled: {left or len(failed)} records were not taken.")
    return Log(topic, tuple(ends))
