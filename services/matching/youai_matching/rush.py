"""What an operator sees of a rush: decisions by type, and the slots that most of them are about."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import REGISTRY
from prometheus_client import Counter as Total
from prometheus_client.core import GaugeMetricFamily

WINDOW_S = 10.0
MOST_SLOTS = 10
MOST_COUNTED = 100_000
"""So many slots are told apart in a window; what comes then is of slots that are not hot."""

DECISIONS = Total("youai_decisions", "Decisions published", ["type"])


class Rush:
    """Counts the decisions of each slot in windows that follow on each other, and tells of the last whole one.

    It lives in memory: what a restarted worker does not know is ten seconds old at the most. Times are a steady
    clock's, in seconds.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._before: Counter[str] = Counter()
        self._until = 0.0

    def note(self, slot_ids: Iterable[str], now: float) -> None:
        """Count decisions, each by its slot."""
        self._turn(now)
        if len(self._counts) < MOST_COUNTED:
            self._counts.update(slot_ids)

    def hottest(self, now: float) -> list[tuple[str, int]]:
        """The slots with the most decisions in the last whole window, with how many they were, the most first."""
        self._turn(now)
        return self._before.most_common(MOST_SLOTS)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The hottest slots as a metric."""
        told = f"Decisions in the last whole window of {WINDOW_S:.0f} s, of the slots with the most"
        family = GaugeMetricFamily("youai_hot_slot_decisions", told, labels=["slot"])
        for slot_id, number in self.hottest(time.monotonic()):
            family.add_metric([slot_id], number)
        yield family

    def _turn(self, now: float) -> None:
        if now >= self._until:
            self._before = self._counts if now < self._until + WINDOW_S else Counter()
            self._counts, self._until = Counter(), now + WINDOW_S


RUSH = Rush()
REGISTRY.register(RUSH)
