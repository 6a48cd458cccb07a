"""Giving way: what may wait some seconds leaves a busy machine to what may not.

A low priority holds back a process of ours, but not what the database and the broker do for it.
"""

import time
from collections.abc import Callable
from pathlib import Path

WAIT_S = 10.0
"""How long a lane that gives way lets records gather where others want the processors."""
LATEST_S = 45.0
"""It gives way to nobody where records at hand are older: a rush of a minute passes, a busy machine may stay one."""
MANY = 100
"""Records of a batch after which a lane looks: in a rush it waits, and who comes alone is told at once."""
BUSY = 0.8
"""The share of all processor time beyond which others want it; what runs at a low priority is not counted."""

_STAT = Path("/proc/stat")


def processor_time() -> tuple[int, int]:
    """Ticks of all processors so far that were used at the common priority, and in all; zeros where nobody tells."""
    try:
        _, *numbers = _STAT.read_text(encoding="ascii").partition("\n")[0].split()
        user, nice, system, idle, waiting, *more = map(int, numbers)
    except (OSError, ValueError):
        return 0, 0
    used = user + system + sum(more[:3])  # what is counted beyond those is in them already
    return used, used + nice + idle + waiting


class Way:
    """Looks at the machine after each batch."""

    def __init__(
        self, look: Callable[[], tuple[int, int]] = processor_time, clock: Callable[[], float] = time.time
    ) -> None:
        self._look = look
        self._clock = clock
        self._last = look()

    def wait_s(self, worked_ms: int) -> float:
        """How long to wait before the next batch, in seconds, by what the machine did since the last look.

        `worked_ms` is the broker's time of what was worked last, in the partition that is furthest behind.
        """
        (used, total), (used_before, total_before) = now, _ = self._look(), self._last
        self._last = now
        is_late = worked_ms < (self._clock() - LATEST_S) * 1_000
        return WAIT_S if used - used_before > (total - total_before) * BUSY and not is_late else 0.0
