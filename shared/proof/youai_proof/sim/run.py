"""Runs many seeds on some processes, shows how far it is, and tells the shortest history of what broke."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Queue
from typing import Any

SHRINKS_FOR_S = 40.0


Seeds = Sequence[int | dict[str, Any]]
"""Seeds, or plans as JSON in their place."""


def seeds(numbers: Seeds, jobs: int) -> Iterator[dict[str, Any]]:
    """What became of each seed, as it comes."""
    return _told([{"seeds": list(numbers[start::jobs])} for start in range(min(jobs, len(numbers)))])


def mutants(wanted: Mapping[str, Seeds], jobs: int) -> Iterator[dict[str, Any]]:
    """What became of each mutant on its seeds, as it comes: `mutant`, `tried`, and of the last what `seeds` tells."""
    given = [(name, list(numbers)) for name, numbers in wanted.items()]
    return _told([{"mutants": dict(given[start::jobs])} for start in range(min(jobs, len(given)))])


def _told(given: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every line of some processes, each with its job. Raises RuntimeError where one fails."""
    lines: Queue[dict[str, Any] | None] = Queue()
    processes = [_process(job) for job in given]

    def read(process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(json.loads(line))
        lines.put(None)

    readers = [threading.Thread(target=read, args=(process,), daemon=True) for process in processes]
    for reader in readers:
        reader.start()
    left = len(processes)
    try:
        while left:
            told = lines.get()
            if told is None:
                left -= 1
            else:
                yield told
        failed = [process for process in processes if process.wait() != 0]
        if failed:
            raise RuntimeError(f"a process of the simulator failed: {failed[0].returncode}")
    finally:
        for process, reader in zip(processes, readers, strict=True):
            process.kill()
            process.wait()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()


def _process(job: dict[str, Any]) -> "subprocess.Popen[str]":
    """A process with a job. The order of sets of strings must be the same in each."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "youai_proof.sim.batch"],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job))
    process.stdin.close()
    process.stdin = None  # for communicate, which would close it again
    return process


def shortest(seed: int, invariant: str, seconds: float = SHRINKS_FOR_S) -> dict[str, Any]:
    """The shortest plan found that breaks the same as a seed's."""
    process = _process({"shrink": seed, "invariant": invariant, "seconds": seconds})
    lines = process.communicate()[0].splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def trace(plan: int | dict[str, Any]) -> bool:
    """Print what happens in a plan, or a seed's; True where nothing broke."""
    process = _process({"trace": plan})
    assert process.stdout is not None
    fine = True
    with process.stdout:
        for line in process.stdout:
            fine = fine and not line.startswith("BROKEN")
            sys.stdout.write(line)
    return process.wait() == 0 and fine


class Tally:
    """The sums over seeds: what was injected, what broke."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.done = self.events = self.calls = 0
        self.virtual_s = self.cpu_s = 0.0
        self.injected: Counter[str] = Counter()
        self.broken: list[dict[str, Any]] = []

    def add(self, told: dict[str, Any]) -> None:
        """Count one seed."""
        self.done += 1
        self.events += told.get("events", 0)
        self.calls += told.get("calls", 0)
        self.virtual_s += told.get("virtual_s", 0.0)
        self.cpu_s += told.get("cpu_s", 0.0)
        self.injected.update(told.get("injected", {}))
        if told["broken"]:
            self.broken.append({"seed": told["seed"], "broken": told["broken"]})

    def summary(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            "seeds": self.done,
            "failures": self.broken,
            "faults": dict(sorted(self.injected.items())),
            "events": self.events,
            "calls": self.calls,
            "seconds": round(time.perf_counter() - self.began, 1),
            "cpu_seconds": round(self.cpu_s, 1),
            "virtual_seconds": round(self.virtual_s),
        }


def write_json(path: Path | None, told: Any) -> None:
    """Write figures to a file, where one is wanted."""
    if path is not None:
        path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
