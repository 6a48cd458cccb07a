"""What the peers in SQL share: matching's tables filled with slots, the events, and their publishing in order."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec
from youai_matching.rule_files import RuleBook
from youai_matching.settings import Settings

from youai_bench import work as works
from youai_bench.systems.loops import OneLoop
from youai_bench.work import Ask, Work

DECIDED_AT = "2027-01-01T00:00:00.000Z"
VERSION = RuleBook().named(Settings.model_fields["rules"].default).version
REASONS = {
    "confirmed": ("place-free", "有空余名额，预约成功。", "Places were free: you have them."),
    "waitlisted": ("full", "名额已满，已进入候补队列。", "All places are taken: you wait in the queue."),
    "rejected": ("waitlist-full", "名额已满，候补队列也已满。", "All places are taken, and nobody more may wait."),
}
"""By outcome: the reason's code, and what the venue is told."""
_ACKED_S = 60.0


class SqlPeer(OneLoop):
    """A peer that has no log: its process is given the requests in their order, and nothing is read on the clock."""

    async def _settings(self, work: Work) -> dict[str, str]:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.copy_records_to_table("slot", columns=_SLOT_COLUMNS, records=list(_slots(work)))
            await connection.execute("ANALYZE slot")
        finally:
            await connection.close()
        wanted = {"name": work.name, "records": work.records, "waitlist": work.waitlist, "seed": work.seed}
        return {"BENCH_WORK": msgspec.json.encode(wanted).decode()}


_SLOT_COLUMNS = tuple(
    "slot_id partition offer_id session_id phase closed_for capacity opens_at closes_at starts_at ends_at waitlist"  # noqa: SIM905
    " rule_version time sequence previous_hash taken waiting waiting_places".split()
)


def _slots(work: Work) -> Iterator[tuple[Any, ...]]:
    for slot in work.slots:
        waitlist = None if work.waitlist else 0
        yield (
            *(slot.slot_id, slot.partition, "offer", "session", "open", "", slot.capacity),
            *(0, 2**60, 2**60, 2**60, waitlist, VERSION, 0, 0, "", 0, 0, 0),
        )


def given_work() -> Work:
    """In the peer's process: the work that it was given."""
    return works.make(**msgspec.json.decode(os.environ["BENCH_WORK"]))


def reasons(outcome: str) -> str:
    """The reason's fields of an event's data, as JSON without the braces."""
    code, zh, en = REASONS[outcome]
    return msgspec.json.encode({"reason": code, "reason_en": en, "reason_zh": zh}).decode()[1:-1]


_SAID = {outcome: reasons(outcome) for outcome in REASONS}


def data(
    ask: Ask, outcome: str, offset: int, sequence: int, taken: int, place: int | None = None, ahead: int | None = None
) -> bytes:
    """A decision's data with the contract's fields, but the hashes: these peers have no chain."""
    slot = ask.slot
    where = "null" if place is None else place
    before = "null" if ahead is None else ahead
    return (
        f'{{"ahead":{before},"capacity":{slot.capacity},"decided_at":"{DECIDED_AT}","log_offset":{offset},'
        f'"log_partition":{slot.partition},"outcome":"{outcome}","party_size":1,"place":{where},{_SAID[outcome]},'
        f'"request_id":"{ask.request_id}","rule_version":"{VERSION}","sequence":{sequence},'
        f'"slot_id":"{slot.slot_id}","taken":{taken},"venue_id":"{ask.venue_id}"}}'
    ).encode()


@dataclass
class InOrder:
    """Publishes decisions; a slot's in the order of their sequence, whoever commits first says so first or not."""

    topic: str
    producer: Any
    _next: dict[str, int] = field(default_factory=dict)
    _early: dict[tuple[str, int], tuple[int, str, bytes]] = field(default_factory=dict)

    @classmethod
    def connect(cls) -> "InOrder":
        """To the topic that the process was given."""
        from confluent_kafka import Producer

        settings = {
            "bootstrap.servers": os.environ["BENCH_KAFKA"],
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "batch.size": 256 * 1024,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1024 * 1024,
        }
        made = cls(os.environ["BENCH_BOOKING"], Producer(settings))
        made.producer.list_topics(made.topic)
        return made

    def publish(self, slot_id: str, sequence: int, partition: int, outcome: str, value: bytes) -> None:
        """Hand over a committed decision; it goes out when all before it have."""
        self._early[slot_id, sequence] = (partition, outcome, value)
        following = self._next.get(slot_id, 1)
        while (ready := self._early.pop((slot_id, following), None)) is not None:
            self._send(slot_id, following, *ready)
            following += 1
        self._next[slot_id] = following

    def _send(self, slot_id: str, sequence: int, partition: int, outcome: str, value: bytes) -> None:
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"{slot_id}-{sequence}".encode()),
            ("ce_type", f"booking-{outcome}".encode()),
            ("ce_source", b"/bench"),
            ("ce_time", DECIDED_AT.encode()),
            ("content-type", b"application/json"),
        ]
        self.producer.produce(self.topic, key=slot_id.encode(), value=value, partition=partition, headers=headers)

    def finish(self) -> None:
        """Wait until all is acknowledged. Raises RuntimeError where it is not."""
        if self.producer.flush(_ACKED_S) or self._early:
            raise RuntimeError("not everything was acknowledged")
