"""Finds the shortest plan that still breaks what a plan broke: leaves out faults, acts and words, half by half."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from youai_proof.sim.plan import Plan

PARTS = ("faults", "acts", "words", "sessions")


def shrink(
    plan: Plan, breaks: Callable[[Plan], bool], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> Plan:
    """The shortest plan found within so many seconds; `breaks` says whether a plan still breaks the same."""
    until = clock() + seconds
    while clock() < until:
        before = plan
        for part in PARTS:
            plan = _shorter(plan, part, breaks, lambda: clock() < until)
        plan = _fewer(plan, breaks)
        if plan == before:
            break
    return plan


def _shorter(plan: Plan, part: str, breaks: Callable[[Plan], bool], go_on: Callable[[], bool]) -> Plan:
    """Leave out pieces of one part: halves first, then ever smaller ones."""
    size = max(len(getattr(plan, part)) // 2, 1)
    while size and getattr(plan, part):
        begin = 0
        while begin < len(getattr(plan, part)) and go_on():
            items: Sequence[Any] = getattr(plan, part)
            left: Any = {part: (*items[:begin], *items[begin + size :])}
            tried = replace(plan, **left)
            if breaks(tried):
                plan = tried
            else:
                begin += size
        size = 0 if size == 1 or not go_on() else size // 2
    return plan


def _fewer(plan: Plan, breaks: Callable[[Plan], bool]) -> Plan:
    """Fewer processes, where they are not needed."""
    for part, least in (("notifies", 0), ("workers", 1), ("apis", 1)):
        while getattr(plan, part) > least:
            tried = replace(plan, **{part: getattr(plan, part) - 1})
            if not breaks(tried):
                break
            plan = tried
    return plan
