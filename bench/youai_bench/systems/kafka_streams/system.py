"""Kafka Streams under measure: exactly_once_v2, persistent stores (RocksDB) with changelogs, as its experts do it.

What it makes durable are the store's changelog, one row a request, and the output topic, one event a decision, in one
transaction with its offsets: it needs no database, so it writes none. Its events have the contract's fields; the two
hashes stand in them with their length but are not computed, and it applies none of the rules past capacity and queue,
which is in its favour. A repeat is answered with the stored first outcome by an event of its own type.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from youai_bench import reading
from youai_bench.cpu import Meter
from youai_bench.ground import Ground
from youai_bench.slot_log import Log
from youai_bench.system import Drained, Outcomes, Told
from youai_bench.systems.kafka_streams import program
from youai_bench.work import Work

SETTINGS = {
    "num.stream.threads": "2",
    "commit.interval.ms": "1000",
    "producer.linger.ms": "100",
    "producer.batch.size": "262144",
    "producer.buffer.memory": "134217728",
    "producer.compression.type": "lz4",
    "main.consumer.max.poll.records": "5000",
    "main.consumer.max.partition.fetch.bytes": "8388608",
    "buffered.records.per.partition": "10000",
}
"""Larger batches and rarer commits than the defaults, and a thread a core, as its users set it for throughput."""
_REPEATED = b"booking-repeated"


class _Row(msgspec.Struct):
    log_offset: int
    outcome: str
    request_id: str


class KafkaStreams:
    """One application on the ground's broker, new in every round, in a process that lives through all of them."""

    name = "kafka_streams"
    ordered_by: Literal["log", "arrival"] = "log"

    def __init__(self) -> None:
        self._program: program.Program | None = None
        self._rounds = 0

    async def prepare(self, ground: Ground) -> None:
        self._ground = ground
        classpath = await asyncio.to_thread(program.compiled)
        self._program = program.Program(classpath, ground.folder / "kafka-streams", ground.home.log("kafka-streams"))

    async def fill(self, work: Work) -> None:
        assert self._program is not None
        self._rounds += 1
        self._work = work
        self._log: Log = await self._ground.log(work)
        self._application = f"bench.{self.name}.{self._rounds}"
        self._output = f"{self._application}.decisions"
        await self._ground.make_topics([self._output], work.partitions)
        await self._program.ask(
            "start",
            application=self._application,
            bootstrap=self._ground.bootstrap,
            input=self._log.topic,
            output=self._output,
            partitions=work.partitions,
            state="state",
            settings=SETTINGS,
        )

    async def drain(self) -> Drained:
        assert self._program is not None
        meter = Meter({"broker": self._ground.pids["broker"], "streams": self._program.pid})
        answer = await self._program.ask("drain", records=sum(self._log.ends))
        return Drained(answer["seconds"], meter.stop())

    async def outcomes(self) -> Outcomes:
        return await asyncio.to_thread(self._outcomes)

    def _outcomes(self) -> Outcomes:
        rows = [
            Told(slot_id, row.request_id, row.outcome, row.log_offset)
            for slot_id, row in self._rows(f"{self._application}-requests-changelog")
        ]
        events: list[Told] = []
        answers: list[tuple[str, str]] = []
        event_of, row_of = msgspec.json.Decoder(reading.Event), msgspec.json.Decoder(_Row)
        for record in self._records(self._output):
            if dict(record.headers())["ce_type"] == _REPEATED:
                row = row_of.decode(record.value())
                answers.append((row.request_id, row.outcome))
            else:
                event = event_of.decode(record.value())
                events.append(Told(event.slot_id, event.request_id, event.outcome, event.log_offset))
        return Outcomes(rows, events, answers)

    def _rows(self, topic: str) -> Iterator[tuple[str, _Row]]:
        decoder = msgspec.json.Decoder(_Row)
        for record in self._records(topic):
            yield record.key().partition(b"\0")[0].decode(), decoder.decode(record.value())

    def _records(self, topic: str) -> Iterator[Any]:
        return reading.records(self._ground.bootstrap, topic, self._work.partitions)

    async def clear(self) -> None:
        assert self._program is not None
        await self._program.ask("stop")
        made = (f"{self._application}-{store}-changelog" for store in ("slots", "requests"))
        await self._ground.drop_topics([self._output, *made])

    async def close(self) -> None:
        if self._program is not None:
            await asyncio.to_thread(self._program.close)
