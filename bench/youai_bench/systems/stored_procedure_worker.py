"""The process of stored_procedure.py: calls the function batch by batch, and publishes what comes back."""

import asyncio
import os
from collections import defaultdict
from typing import Any

import asyncpg
import uvloop

from youai_bench import gate
from youai_bench.systems import sql_peer
from youai_bench.systems.sql_peer import InOrder

AT_ONCE = 5_000
_CALL = "SELECT * FROM decide($1, $2, $3, $4, $5::bigint[], $6::text[], $7::text[], $8::text[])"


async def main() -> None:
    """Decide everything, then stay to be ended; exit code 1 with a traceback where anything fails."""
    work = sql_peer.given_work()
    lines: dict[int, list[tuple[int, str, str, str]]] = defaultdict(list)
    for number, ask in enumerate(work, 1):
        lines[ask.slot.partition].append((number, ask.slot.slot_id, ask.request_id, ask.venue_id))
    said = sql_peer.reasons("confirmed"), sql_peer.reasons(work.loser)
    connections = {partition: await asyncpg.connect(os.environ["BENCH_DATABASE"]) for partition in lines}
    events = InOrder.connect()
    await gate.wait_for_go()
    await asyncio.gather(*(_decide(connections[p], p, (work.loser, *said), line, events) for p, line in lines.items()))
    events.finish()
    await gate.done()


async def _decide(
    connection: "asyncpg.Connection[asyncpg.Record]",
    partition: int,
    words: tuple[str, ...],
    line: list[tuple[Any, ...]],
    events: InOrder,
) -> None:
    """A partition's requests in their order, a committed batch after the other."""
    for start in range(0, len(line), AT_ONCE):
        columns = [list(column) for column in zip(*line[start : start + AT_ONCE], strict=True)]
        for slot_id, sequence, outcome, data in await connection.fetch(_CALL, partition, *words, *columns):
            events.publish(slot_id, sequence, partition, outcome, data)


if __name__ == "__main__":
    uvloop.run(main())
