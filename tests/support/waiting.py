"""Waiting for something to become true, without guessing how long it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")
What = str | Callable[[], object]

PAUSE_S = 0.02


async def eventually(condition: Callable[[], Awaitable[Found | None]], timeout: float, what: What) -> Found:
    """Ask `condition` until its answer is true, and return that answer.

    Raises AssertionError after `timeout` seconds, with `what` (a text, or called then) and the last answer.
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            said = what() if callable(what) else what
            raise AssertionError(f"not within {timeout} s: {said} (last answer: {answer!r})")
        await asyncio.sleep(PAUSE_S)


async def until(check: Callable[[], bool], timeout: float, what: What) -> None:
    """`eventually` for a check that needs no waiting itself."""

    async def checked() -> bool:
        return check()

    await eventually(checked, timeout, what)
