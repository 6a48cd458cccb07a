"""A full disk in one sentence: whatever Kafka, PostgreSQL or a service makes of it, this is what is wrong."""

import errno
import shutil
from pathlib import Path

from youai_stack import files
from youai_stack.home import Home

LEAST_FREE = 200 * 1024 * 1024
"""Bytes below which Kafka and PostgreSQL can be expected to fail at any moment."""


def free(place: Path) -> int | None:
    """Bytes that are free where `place` lies, or will lie; None where nobody can tell."""
    for folder in (place, *place.parents):
        try:
            return shutil.disk_usage(folder).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def full(home: Home) -> str | None:
    """What to say where a disk that the home lies on is full, or nearly; None where there is room."""
    outside = (files.read_json(home.postgres / "place.json") or {}).get("outside")
    for place in (home.path, *([Path(outside)] if outside else [])):
        left = free(place)
        if left is not None and left < LEAST_FREE:
            return (
                f"The disk of {place} is full: {left // 2**20} MB are left, and Kafka and PostgreSQL fail below"
                f" {LEAST_FREE // 2**20} MB. Free some space (what fails is started again by itself), or choose another"
                " disk with --home."
            )
    return None


def is_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that of a full disk or quota."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
