"""How many writes an organization may make: counted in this process over a moving window."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerSecond, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
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
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

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
