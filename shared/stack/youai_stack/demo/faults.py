"""Kills parts of the stack in the month or in mid-rush, and measures how long nothing was decided."""

import asyncio
import os
import signal
import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from youai_stack.demo.rush import Tally
from youai_stack.demo.watch import Watch
from youai_stack.errors import StackError
from youai_stack.home import Home

RECOVER_S = 60.0
Phase = Literal["month", "rush"]


@dataclass
class Kill:
    """One kill: what, when (seconds into its phase), how many processes, requests in flight, and the recovery.

    `next_decision_s` is from the kill to the first booking decided after it (in the month none is), `all_ready_s` to
    every process of the stack being ready again. None where that did not come.
    """

    phase: Phase
    target: str
    at_s: float
    processes: int
    in_flight: int
    next_decision_s: float | None = None
    all_ready_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: round(v, 2) if isinstance(v, float) else v for name, v in asdict(self).items()}


def pids(status: dict[str, Any], target: str) -> list[int]:
    """The pids of `kafka`, `postgres`, or all processes of a service. Raises StackError for anything else."""
    if target in ("kafka", "postgres"):
        return [int(status[target]["pid"])]
    if target in status["services"]:
        return [int(p["pid"]) for p in status["services"][target]["processes"] if p["pid"]]
    known = ", ".join(("kafka", "postgres", *status["services"]))
    raise StackError(f"There is no `{target}` to kill here: choose among {known}.")


async def kill(home: Home, phase: Phase, target: str, watch: Watch, tally: Tally, started: float) -> Kill:
    """Kill -9 the target and wait until the stack is whole again and, in the rush, bookings are decided again."""
    decisions = phase == "rush"
    chosen = pids(home.status(), target)
    killed = time.monotonic()
    event = Kill(phase, target, killed - started, len(chosen), tally.in_flight)
    for pid in chosen:
        os.kill(pid, signal.SIGKILL)
    deadline = killed + RECOVER_S
    while time.monotonic() < deadline and (event.all_ready_s is None or (decisions and event.next_decision_s is None)):
        await asyncio.sleep(0.05)
        latest = max(watch.by_partition.values(), default=0.0)
        # What was on its way when the target died does not count: only what comes after a moment of silence does.
        if decisions and event.next_decision_s is None and latest > killed + 0.25:
            event.next_decision_s = latest - killed
        if event.all_ready_s is None and await asyncio.to_thread(_whole, home, chosen):
            event.all_ready_s = time.monotonic() - killed
    return event


def _whole(home: Home, killed: list[int]) -> bool:
    status = home.status()
    if status.get("state") != "ready":
        return False
    parts = [status["kafka"], status["postgres"]]
    parts += [process for service in status["services"].values() for process in service["processes"]]
    return all(part["state"] == "ready" and part["pid"] not in killed for part in parts)
