"""`youai matching`: what an operator does with the decider."""

import os
import subprocess
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from youai_stack import launch
from youai_stack.errors import StackError
from youai_stack.home import Home

REBUILT_S = 3_600.0


def rebuild(home: Home) -> None:
    """Stop matching's workers, forget what was decided, start them, and show how far they are until all is decided."""
    state = home.require_running()
    number = sum(1 for process in home.status()["services"]["matching"]["processes"] if process["role"] == "worker")
    dsn = str(state["postgres"]["dsn"]).rpartition("/")[0] + "/matching"
    launch.scale(home, "matching", 0)
    try:
        call = [sys.executable, "-P", "-m", "youai_matching", "rebuild"]
        env = os.environ | {"YOUAI_DATABASE": dsn, "YOUAI_KAFKA": state["kafka"]["bootstrap"]}
        done = subprocess.run(call, env=env, capture_output=True, check=False)
        if done.returncode:
            raise StackError(f"Nothing was forgotten: {done.stderr.decode(errors='replace').strip()[-300:]}")
    finally:
        launch.scale(home, "matching", max(number, 1))
    _show(state["kafka"]["bootstrap"], dsn)


def _show(bootstrap: str, dsn: str) -> None:
    import asyncio

    begun = time.monotonic()
    total = asyncio.run(_progress(bootstrap, dsn))
    Console().print(f"{total:,} records decided again in {time.monotonic() - begun:.1f} s.")


async def _progress(bootstrap: str, dsn: str) -> int:
    import asyncio

    import asyncpg
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from youai_contracts import topics

    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        places = [TopicPartition(topics.SLOT_LOG.name, number) for number in range(topics.SLOT_LOG.partitions)]
        total = sum((await consumer.end_offsets(places)).values())
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns) as progress:
            bar = progress.add_task("decided again", total=total)
            deadline = time.monotonic() + REBUILT_S
            while time.monotonic() < deadline:
                passed = await connection.fetchval(
                    "SELECT coalesce(sum(next_offset), 0) FROM lane_progress WHERE lane = 'matching.decider'",
                    timeout=10,
                )
                progress.update(bar, completed=int(passed))
                if passed >= total:
                    return int(total)
                await asyncio.sleep(0.2)
    finally:
        await connection.close()
        await consumer.stop()
    raise StackError(f"Not all was decided again within {REBUILT_S / 60:.0f} minutes: it goes on, see `youai status`.")
