"""The process of confluent_loop.py: reads to the log's end, then waits to be ended."""

import os
from typing import Any

import asyncpg
import uvloop

from youai_bench import gate
from youai_bench.deciding import Deciding, Event

AT_ONCE = 5_000
_ACKED_S = 60.0


async def main() -> None:
    """Decide the log and end; exit code 1 with a traceback where anything fails."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    bootstrap, source, target = (os.environ[name] for name in ("BENCH_KAFKA", "BENCH_SLOT_LOG", "BENCH_BOOKING"))
    ends = [int(end) for end in os.environ["BENCH_ENDS"].split(",")]
    connection = await asyncpg.connect(os.environ["BENCH_DATABASE"])
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "batch.size": 256 * 1024,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 512 * 1024,
        }
    )
    producer.list_topics(target)
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-confluent",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
        }
    )
    consumer.list_topics(source)
    await gate.wait_for_go()
    consumer.assign([TopicPartition(source, number, 0) for number in range(len(ends))])
    left, deciding = sum(ends), Deciding()
    while left:
        records = consumer.consume(AT_ONCE, 0.05)
        if not records:
            continue
        for record in records:
            if record.error() is not None:
                raise RuntimeError(record.error())
            deciding.take(record)
        left -= len(records)
        _publish(producer, target, await deciding.write(connection))
    if producer.flush(_ACKED_S):
        raise RuntimeError("not everything was acknowledged")
    consumer.close()
    await connection.close()
    await gate.done()


def _publish(producer: Any, topic: str, events: list[Event]) -> None:
    """Hand over; the client's own thread sends while the next batch is decided, in order and without loss."""
    for event in events:
        while True:
            try:
                producer.produce(
                    topic,
                    key=event.key,
                    value=event.value,
                    partition=event.partition,
                    headers=list(event.headers),
                    on_delivery=_delivered,
                )
                break
            except BufferError:
                producer.poll(0.05)
    producer.poll(0)


def _delivered(error: object, _record: object) -> None:
    if error is not None:
        raise RuntimeError(error)


if __name__ == "__main__":
    uvloop.run(main())
