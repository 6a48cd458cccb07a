"""Processes of the machine: started so that they die with their parent, known again after a crash, ended for sure."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes above which a log is put aside when its process is started again."""
LOGS_KEPT = 3


def started_at(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None where there is none (a zombie is none).

    Together with the pid this names a process for good: pids are used again, the pair is not.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid: int | None, started: int | None) -> bool:
    """Whether that very process still runs."""
    return pid is not None and started is not None and started_at(pid) == started


def send(pid: int, started: int | None, number: signal.Signals) -> None:
    """Send the signal, if that very process still runs."""
    if is_alive(pid, started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_gone(pid: int, started: int | None, seconds: float) -> bool:
    """Wait until that very process is gone; False where it outlives `seconds`."""
    deadline = time.monotonic() + seconds
    while is_alive(pid, started):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def end(pid: int, started: int | None, number: signal.Signals, seconds: float) -> None:
    """End that very process: first with the signal, after `seconds` with SIGKILL."""
    send(pid, started, number)
    if not wait_gone(pid, started, seconds):
        send(pid, started, signal.SIGKILL)
        wait_gone(pid, started, 5.0)


def dies_with_parent(number: signal.Signals) -> Callable[[], None]:
    """What a child calls before exec, so that the kernel sends it the signal when its parent dies."""
    parent = os.getpid()

    def ask() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def die_with_parent(number: signal.Signals) -> None:
    """Ask the kernel to send us the signal when the process that started us dies; at once where it is dead already."""
    parent = os.getppid()
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    death_signal: signal.Signals,
    enter: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child that writes to the log and gets `death_signal` when we die.

    `enter` runs in the child first: it may change who the child is. Raises OSError where it cannot be started.
    """
    ask = dies_with_parent(death_signal)

    def before_exec() -> None:
        if enter is not None:
            enter()
        ask()  # last: the kernel forgets the wish when the process changes who it is

    rotate(log)
    with open(log, "ab") as output:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            preexec_fn=before_exec,  # noqa: PLW1509 - no other thread holds a lock when we fork
        )


def rotate(log: Path) -> None:
    """Put a log above LOG_LIMIT aside as NAME.log.1, the older ones up to LOGS_KEPT."""
    try:
        if log.stat().st_size <= LOG_LIMIT:
            return
    except FileNotFoundError:
        return
    for number in range(LOGS_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def tail(log: Path, lines: int = 8) -> list[str]:
    """The last lines of a log (of its last 64 KiB), without empty ones."""
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 65_536))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()][-lines:]


def complaint(log: Path) -> str:
    """What a log's process died of: the first error among the last lines, else the last line; "(nothing)" if empty.

    A line of JSON gives its `event`; an error is one whose `level` is error or critical. The first, because what comes
    after it tells mostly of the same end once more.
    """
    lines = tail(log, 60)
    for line in lines:
        with contextlib.suppress(ValueError, AttributeError):
            told = json.loads(line)
            if told.get("level") in ("error", "critical"):
                return f"{told.get('event')}"[:300]
    return lines[-1][:300] if lines else "(nothing)"
