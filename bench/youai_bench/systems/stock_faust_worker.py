"""The process of stock_faust.py."""

import asyncio
import os
import traceback
from typing import Any

import asyncpg
import faust
import uvloop
from youai_matching.domain.state import At

from youai_bench import gate
from youai_bench.deciding import Deciding, Event

AT_ONCE, WITHIN_S = 5_000, 0.1


def main() -> None:
    """Decide the log, then stay to be ended."""
    ends = [int(end) for end in os.environ["BENCH_ENDS"].split(",")]
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = faust.App(
        os.environ["BENCH_BOOKING"],  # the group: a new one each round
        broker=f"kafka://{os.environ['BENCH_KAFKA']}",
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_linger=0.005,
        producer_max_batch_size=256 * 1024,
        stream_buffer_maxsize=4 * AT_ONCE,
        broker_max_poll_records=AT_ONCE,
        loop=loop,
    )
    source = app.topic(os.environ["BENCH_SLOT_LOG"], key_serializer="raw", value_serializer="raw")
    target = app.topic(os.environ["BENCH_BOOKING"], key_serializer="raw", value_serializer="raw")

    @app.agent(source)  # type: ignore[untyped-decorator]
    async def decide(stream: Any) -> None:
        """What Faust calls."""
        try:
            await _decide(app, stream, target, ends)
        except Exception:
            traceback.print_exc()
            os._exit(1)  # Faust would begin the agent again, for ever

    worker = faust.Worker(app, loop=loop, redirect_stdouts=False, loglevel="WARNING", quiet=True)
    worker.spinner = None
    worker.execute_from_commandline()


async def _decide(app: Any, stream: Any, target: Any, ends: list[int]) -> None:
    """Decide, commit, publish and await every acknowledgement; then Faust commits the offsets."""
    connection = await asyncpg.connect(os.environ["BENCH_DATABASE"])
    deciding, left = Deciding(), sum(ends)
    while len(app.consumer.assignment()) < len(ends):
        await asyncio.sleep(0.05)
    await gate.wait_for_go()
    async for events in stream.take_events(AT_ONCE, within=WITHIN_S):
        for event in events:
            record = event.message
            at = At(record.partition, record.offset, int(record.timestamp * 1000), "")
            deciding.decide(at, record.key, record.value, record.headers)
        await _publish(target, await deciding.write(connection))
        left -= len(events)
        if not left:
            await gate.done()


async def _publish(topic: Any, events: list[Event]) -> None:
    sent = [
        await topic.send(key=event.key, value=event.value, partition=event.partition, headers=list(event.headers))
        for event in events
    ]
    await asyncio.gather(*sent)


if __name__ == "__main__":
    main()
