"""CPU seconds of processes, with all that they started, as the kernel counts them."""

import os
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds(pid: int) -> float:
    """What a process and its children, living and gone, have taken so far; 0 where there is no such process."""
    parents: dict[int, int] = {}
    taken: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _fields(folder)):
            number = int(folder.name)
            parents[number] = int(fields[1])
            taken[number] = sum(map(int, fields[11:15]))
    return sum(ticks for number, ticks in taken.items() if _is_of(number, pid, parents)) / _TICKS


def _fields(folder: Path) -> list[str]:
    """The fields of a process's stat after its name, from its state on; none where it is gone."""
    try:
        text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _is_of(number: int, ancestor: int, parents: Mapping[int, int]) -> bool:
    while number and number != ancestor:
        number = parents.get(number, 0)
    return number == ancestor


class Meter:
    """Reads several processes at once: made at the go, `stop` tells what each has taken since."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = {name: seconds(pid) for name, pid in self._pids.items()}

    def stop(self) -> dict[str, float]:
        """CPU seconds since this was made, by process."""
        return {name: seconds(pid) - self._before[name] for name, pid in self._pids.items()}
