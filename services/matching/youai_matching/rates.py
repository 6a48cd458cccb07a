"""How many writes an organization may make: counted in this process over a sliding window."""

import math
import time
from math import floor

from limits import RateLimitItem, RateLimitItemPerSecond, parse
from limits.storage import SlidingWindowCounterSupport, Storage
from limits.strategies import SlidingWindowCounterRateLimiter
from youai_runtime.auth import Principal
from youai_runtime.problems import Problem

CENTER_TIMES = 10
"""The guidance center acts for the whole city."""


class Rates:
    """Refuses with 429 what an organization writes beyond its rate; each replica counts for itself."""

    def __init__(self, rate: str) -> None:
        """`rate` as in `1200/minute`; ValueError for anything else."""
        one = parse(rate)
        self._of_one = one
        self._of_center: RateLimitItem = RateLimitItemPerSecond(one.amount * CENTER_TIMES, one.get_expiry(), "center")
        self._limiter = SlidingWindowCounterRateLimiter(_Counts())

    def count(self, who: Principal, writes: int = 1) -> None:
        """Count so many writes of the caller's organization; raises 429 where they are too many."""
        rate = self._of_center if "center" in who.roles else self._of_one
        if self._limiter.hit(rate, who.organization_id, cost=writes):
            return
        free_at = self._limiter.get_window_stats(rate, who.organization_id).reset_time
        wait = max(1, math.ceil(free_at - time.time()))
        raise Problem(
            429,
            "too-many",
            f"贵单位的请求太多（每{rate.get_expiry()}秒最多{rate.amount}个），请{wait}秒后再试。",
            f"Your organization may make {rate.amount} writes in {rate.get_expiry()} s. Try again in {wait} s.",
            {"Retry-After": str(wait)},
        )


class _Counts(Storage, SlidingWindowCounterSupport):
    """Counts of this window and the one before, by key, swept once a window.

    The library's own memory starts a thread that looks at every key up to a hundred times a second: in a rush of
    thousands of organizations that costs more than the bookings do.
    """

    STORAGE_SCHEME = None
    base_exceptions = ValueError

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, int, int]] = {}  # the window's number, the count before it, its own
        self._swept = 0

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = time.time()
        window, before, count = self._look(key, expiry, now)
        if window > self._swept:
            self._swept = window
            self._counts = {kept: counts for kept, counts in self._counts.items() if counts[0] >= window - 1}
        if floor(before * (1 - now / expiry % 1) + count) + amount > limit:
            return False
        self._counts[key] = (window, before, count + amount)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        now = time.time()
        _, before, count = self._look(key, expiry, now)
        left = (1 - now / expiry % 1) * expiry
        return before, left if before else 0.0, count, left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self.clear(key)

    def _look(self, key: str, expiry: int, now: float) -> tuple[int, int, int]:
        window = int(now // expiry)
        last, before, count = self._counts.get(key, (window, 0, 0))
        if last == window:
            return window, before, count
        return window, count if last == window - 1 else 0, 0

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)

    def reset(self) -> int:
        forgotten = len(self._counts)
        self._counts.clear()
        return forgotten

    def check(self) -> bool:
        return True

    def get(self, key: str) -> int:
        return self._counts.get(key, (0, 0, 0))[2]

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError("sliding windows only")

    def get_expiry(self, key: str) -> float:
        raise NotImplementedError("sliding windows only")
