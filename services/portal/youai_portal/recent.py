"""What was read a moment ago: sums over the whole city, that everybody looks at, are read once in some seconds."""

import time
from collections.abc import Hashable
from typing import Any

FRESH_S = 3.0
"""Seconds that something is shown again for."""
MOST = 200


class Recent:
    """Keeps what was read, by what it was read for."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, wanted: Hashable) -> Any:
        """What was read for this less than FRESH_S ago, or None."""
        at, found = self._kept.get(wanted, (0.0, None))
        return found if time.monotonic() - at < FRESH_S else None

    def put(self, wanted: Hashable, found: Any) -> None:
        """Keep what was read; never much."""
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[wanted] = (time.monotonic(), found)
