"""The one oracle: an export of the topics, and the verifier's word on it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from youai_stack.demo.verdict import broken_promises
from youai_stack.export import export

from tests.support import kafka
from tests.support.stack import Stack
from tests.support.waiting import eventually

VERIFIER = Path(__file__).resolve().parents[2] / "verifier" / "verify.py"
SLOT_LOG, BOOKING = "youai.slot-log.v1", "youai.booking.v1"


async def settled(stack: Stack, timeout: float = 60.0) -> None:
    """Wait until the log is decided to its end, everything decided is published, and no request waits."""
    last: list[Any] = []

    async def done() -> bool:
        try:
            rows = await stack.ask(
                "matching",
                "SELECT partition, next_offset, published_offset, (SELECT max(log_offset) FROM decision AS d"
                " WHERE d.partition = p.partition) AS decided FROM lane_progress AS p WHERE lane = 'matching.decider'",
            )
            open_ = await stack.ask(
                "matching",
                "SELECT request_id FROM request AS r"
                " WHERE NOT EXISTS (SELECT FROM receipt WHERE receipt.record_id = r.request_id) LIMIT 5",
            )
            ends = await kafka.end_offsets(stack.bootstrap, SLOT_LOG)
        except Exception as error:  # the stores may just come back
            last[:] = [error]
            return False
        progress = {row["partition"]: row for row in rows}
        behind = {p: end for p, end in ends.items() if end and (p not in progress or progress[p]["next_offset"] < end)}
        unsaid = [p for p, row in progress.items() if (row["decided"] or -1) > row["published_offset"]]
        last[:] = [behind, unsaid, [row["request_id"] for row in open_]]
        return not behind and not unsaid and not open_

    await eventually(done, timeout, lambda: f"the log is decided and published: {last}")


async def export_to(stack: Stack, folder: Path) -> Path:
    """Export what the verifier reads, and what clients were told; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for topic in (SLOT_LOG, BOOKING, "youai.claim.v1", "youai.offer.v1", "youai.organization.v1"):
        with open(folder / f"{topic}.jsonl", "wb") as file:
            await export(stack.bootstrap, topic, file.write)
    with open(folder / "accepted.jsonl", "w") as told:
        told.writelines(json.dumps(line) + "\n" for line in stack.accepted)
    return folder


async def verify(stack: Stack, folder: Path, timeout: float = 60.0) -> dict[str, Any]:
    """Let the log settle, export it and have the verifier prove it; returns its summary."""
    await settled(stack, timeout)
    return await prove(await export_to(stack, folder))


async def prove(folder: Path) -> dict[str, Any]:
    """Run the verifier on an export, and compare what clients were told; fails with the first lie."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(VERIFIER),
        str(folder),
        "--json",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode in (0, 1), err.decode()
    summary: dict[str, Any] = json.loads(out)
    assert process.returncode == 0, summary["lie"]
    told = [json.loads(line) for line in (folder / "accepted.jsonl").read_text().splitlines()]
    assert broken_promises(folder, told) == []
    assert summary["ok"], summary
    assert summary["chains_verified"], summary
    assert (summary["oversold_slots"], summary["undecided"], summary["duplicate_outcomes"]) == (0, 0, 0), summary
    return summary
