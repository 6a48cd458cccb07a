"""When those who are refused for want of room may come back: one after the other, as fast as others are served."""

import time
from collections.abc import Callable

LONGEST_S = 60
SLOWEST = 20.0
"""Requests a second that are taken for granted before any rate is known."""


class Returns:
    """Gives out times to come back, so that a rush that is too much becomes a queue and not a storm of retries.

    Each who is refused gets the next free moment after the one before, at the rate at which requests are answered; who
    was refused first comes back first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = SLOWEST
        self._since = clock()
        self._answered = 0
        self._last = 0.0

    def answered(self) -> None:
        """Note that a request was served."""
        self._answered += 1
        took = self._clock() - self._since
        if took >= 1.0:
            self._rate = max((self._rate + self._answered / took) / 2, SLOWEST)
            self._since += took
            self._answered = 0

    def seconds(self) -> int:
        """In how many whole seconds the one who is refused now shall come back: from 1 to LONGEST_S."""
        now = self._clock()
        self._last = min(max(self._last, now + 1.0) + 1.0 / self._rate, now + LONGEST_S)
        return int(self._last - now)
