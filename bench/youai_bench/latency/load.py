"""An open loop as a process of its own: `python -m youai_bench.latency.load`, told by BENCH_* variables.

Requests are appended at times that were fixed before, whatever comes back; each is stamped with the time at which it
was to be sent, so that a stall is felt by all that were due in it. A second thread reads the decisions.
"""

import asyncio
import os
import threading
import time
from array import array
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from youai_contracts import codec
from youai_contracts.codec import Message
from youai_matching.sources import SOURCE

from youai_bench import slot_log
from youai_bench import work as works
from youai_bench.gate import wait_for_go

PLAN = "BENCH_PLAN"
_LINGER_MS = 5
"""As long as the door's producer lets a rush gather."""
_PATIENCE_S = 60.0
_TICK_S = 0.0005
_MARK = b'"request_id":"'


class Plan(msgspec.Struct, frozen=True):
    """What to send: `phases` are requests a second and for how many seconds. Results go to `file`."""

    bootstrap: str
    log: str
    booking: str
    partitions: int
    phases: tuple[tuple[float, float], ...]
    file: str
    seed: int = 1

    def due(self) -> "array[float]":
        """When each request is to be sent, in seconds after the go."""
        found = array("d")
        begun = 0.0
        for rate, seconds in self.phases:
            found.extend(begun + number / rate for number in range(int(rate * seconds)))
            begun += seconds
        return found


class Result(msgspec.Struct):
    """By request: when it was to be sent, when it was, and when its decision was read, in seconds after the go."""

    due: list[float]
    sent: list[float]
    read: list[float]


class Load:
    """The requests, encoded before the go; the slots are opened first."""

    def __init__(self, plan: Plan) -> None:
        from confluent_kafka import Producer

        self._plan = plan
        self._due = plan.due()
        count = len(self._due)
        work = works.make("uniform", count + count // 10 + 1_000, seed=plan.seed, partitions=plan.partitions)
        now = datetime.now(UTC)
        self._opened = [
            (slot.partition, codec.encode(slot_log.opened(slot, False, now), id=f"catalog-{n}", source=SOURCE, at=now))
            for n, slot in enumerate(work.slots)
        ]
        asks = islice((ask for ask in work if not ask.repeat), count)
        self._asked = [
            (ask.slot.partition, codec.encode(slot_log.asked(ask, now), id=ask.request_id, source=SOURCE, at=now))
            for ask in asks
        ]
        self._number = {dict(m.headers)["ce_id"]: number for number, (_, m) in enumerate(self._asked)}
        self._sent, self._read = array("d", bytes(8 * count)), array("d", bytes(8 * count))
        self._unread = count
        self._producer = Producer(
            {
                "bootstrap.servers": plan.bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": _LINGER_MS,
                "queue.buffering.max.messages": 1_000_000,
                "queue.buffering.max.kbytes": 1024 * 1024,
            }
        )
        self._failed: list[object] = []
        self._begun = 0.0
        self._positioned = threading.Event()

    def open_slots(self) -> None:
        """Append the slots, and wait until they are there."""
        for partition, message in self._opened:
            self._append(partition, message)
        self._producer.flush(_PATIENCE_S)

    def run(self) -> Result:
        """Send everything on time; returns when all is decided. Raises RuntimeError where something is lost."""
        reader = threading.Thread(target=self._read_all, daemon=True)
        reader.start()
        self._positioned.wait()
        self._begun = time.perf_counter()
        number, count = 0, len(self._due)
        while number < count:
            now = time.perf_counter() - self._begun
            while number < count and self._due[number] <= now:
                self._sent[number] = time.perf_counter() - self._begun
                self._append(*self._asked[number])
                number += 1
            self._producer.poll(0)
            time.sleep(_TICK_S)
        left = self._producer.flush(_PATIENCE_S)
        reader.join(_PATIENCE_S)
        if left or self._failed or self._unread:
            raise RuntimeError(
                f"{left + len(self._failed)} requests were not appended, {self._unread} of {count} not decided"
            )
        return Result(list(self._due), list(self._sent), list(self._read))

    def _append(self, partition: int, message: Message) -> None:
        self._producer.produce(
            self._plan.log,
            key=message.key,
            value=message.value,
            partition=partition,
            headers=list(message.headers),
            on_delivery=self._delivered,
        )

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self._failed.append(error)

    def _read_all(self) -> None:
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer(
            {
                "bootstrap.servers": self._plan.bootstrap,
                "group.id": "bench-latency",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 100,
            }
        )
        # From the beginning, where nothing is yet: an offset "at the end" is asked for only when it is first read from.
        consumer.assign([TopicPartition(self._plan.booking, number, 0) for number in range(self._plan.partitions)])
        consumer.poll(1.0)
        self._positioned.set()
        while self._unread:
            record: Any = consumer.poll(1.0)
            if record is None or record.error() is not None:
                continue
            now = time.perf_counter() - self._begun
            value = record.value()
            start = value.index(_MARK) + len(_MARK)
            self._read[self._number[value[start : value.index(b'"', start)]]] = now
            self._unread -= 1
        consumer.close()


def main() -> None:
    """Prepare, wait for the go, run, and write the result."""
    plan = msgspec.json.decode(os.environ[PLAN], type=Plan)
    load = Load(plan)
    load.open_slots()
    asyncio.run(wait_for_go())
    found = load.run()
    Path(plan.file).write_bytes(msgspec.msgpack.encode(found))


if __name__ == "__main__":
    main()
