"""A loop that decides nothing: `python -m youai_bench.latency.idle`. It reads as a lane reads and publishes as the
decider does, an event of a decision's size a record; between the two it does nothing, and it keeps nothing.
"""

import os

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from youai_contracts import codec
from youai_matching.decider import Decider
from youai_matching.sources import SOURCE
from youai_runtime import kafka
from youai_runtime.kafka import Broker, Outgoing, Publisher
from youai_runtime.lane import MOST_RECORDS

from youai_bench import engine
from youai_bench.gate import wait_for_go

_TYPE, _AT = "booking-rejected", "2026-12-01T01:00:00.022Z"
_VALUE = b'{"request_id":"%b","filler":"' + b"-" * 820 + b'"}'
"""As long as a decision."""


async def main() -> None:
    """Answer every request of the log, from the go until SIGTERM."""
    broker = Broker(os.environ["YOUAI_KAFKA"])
    source, target = os.environ[engine.SLOT_LOG], os.environ[engine.BOOKING]
    consumer = AIOKafkaConsumer(
        **broker.options(),
        enable_auto_commit=False,
        fetch_max_wait_ms=Decider.fetch_wait_ms,
        fetch_min_bytes=Decider.fetch_bytes,
        max_poll_records=MOST_RECORDS,
    )
    consumer.assign([TopicPartition(source, number) for number in range(int(os.environ[engine.PARTITIONS]))])
    producer = kafka.make_producer(broker, "bench-idle")
    await kafka.start(consumer)
    await kafka.start(producer)
    for place in consumer.assignment():
        consumer.seek(place, 0)
    publisher = Publisher(producer)
    await wait_for_go()
    while True:
        batches = await consumer.getmany(timeout_ms=200, max_records=MOST_RECORDS)
        await publisher.publish(
            Outgoing(
                target,
                record.partition,
                record.key,
                _VALUE % dict(record.headers)["ce_id"],
                codec.headers(id=f"{record.partition}-{record.offset}-0", type=_TYPE, source=SOURCE, time=_AT),
            )
            for records in batches.values()
            for record in records
            if b'"request_id"' in record.value
        )


if __name__ == "__main__":
    uvloop.run(main())
