"""Forgets all that was decided, so that the workers decide the log again: `python -m youai_matching rebuild`.

For a database that was lost, or is doubted. The workers must be stopped before and started after; they decide every
record from the log's beginning, come to the same bytes, and publish nothing that is on the broker already. What the
door keeps (requests, rule versions and seeds of slots, organizations) stays.
"""

from collections.abc import Sequence

import asyncpg

from youai_matching.store import DECIDER


class WorkersRun(Exception):
    """Workers run: those that have nothing to do would not see that what they did is gone."""


async def rebuild(dsn: str, led: Sequence[int]) -> int:
    """Empty the decider's tables and set its progress to the beginning; returns how many partitions had any.

    `led`: the advisory locks that running workers hold. Raises WorkersRun, or asyncpg's errors; nothing is changed
    then.
    """
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        for lock in led:  # held until the end: a worker that starts meanwhile waits for them
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
                raise WorkersRun
        async with connection.transaction():
            # Whoever works a partition holds its row: wait for that batch, and be seen by the next.
            await connection.execute(
                "SELECT FROM lane_progress WHERE lane = $1 ORDER BY partition FOR UPDATE", DECIDER, timeout=30
            )
            await connection.execute("TRUNCATE slot, booking, decision, receipt, timer", timeout=30)
            moved = await connection.fetch(
                "UPDATE lane_progress SET next_offset = 0, last_id = NULL"
                " WHERE lane = $1 AND next_offset > 0 RETURNING partition",
                DECIDER,
            )
    finally:
        await connection.close()
    return len(moved)
