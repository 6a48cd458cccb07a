"""Bringing a home's stack up and down from Python: what the CLI, the demo and the tests call."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from youai_stack import files, jars, ports, processes, tokens
from youai_stack.errors import StackError
from youai_stack.home import Home
from youai_stack.services import MAX_WORKERS, installed

UP_SECONDS = 420.0
DOWN_SECONDS = 60.0
SCALE_SECONDS = 120.0
PAUSE_S = 0.05


@dataclass(frozen=True)
class Progress:
    """A step on the way up: its name, its state, what it is at (`detail`), and its seconds once it is done."""

    step: str
    state: Literal["waiting", "running", "done", "failed"]
    detail: str = ""
    seconds: float | None = None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Up:
    """A stack that is up: its status (see Home.status), the seconds of downloads and of the start without them."""

    status: dict[str, Any]
    download_seconds: float
    seconds: float
    supervisor: int


def up(
    home: Home,
    *,
    stack: Literal["embedded", "containers"] = "embedded",
    services: Iterable[str] | None = None,
    new_ports: bool = False,
    with_parent: bool = False,
    on_progress: OnProgress | None = None,
) -> Up:
    """Start the stack of a home and return when every process is ready.

    `services` names those to run (default: all installed); `with_parent` ties the stack's life to this process.
    Raises StackError: it runs already, a port is taken, a download or a part failed (then nothing is left running).
    """
    tell = on_progress or (lambda progress: None)
    chosen = [service.name for service in installed(services)]
    home.create()
    with files.locked(home.up_lock_file):
        if home.is_running():
            raise StackError(already_running(home))
        home.end_stale()
        tokens.ensure_keys(home.keys)
        _take_ports(home, chosen, new_ports)
        downloaded = _download(tell) if _needs_jars(stack) else 0.0
        begun = time.monotonic()
        home.state_file.unlink(missing_ok=True)
        process = _spawn(home, chosen, stack, with_parent)
        try:
            _wait_ready(home, process, tell)
        except BaseException:
            if process.poll() is None:
                process.terminate()
                _wait_exit(process, DOWN_SECONDS)
            raise
    # It outlives us: whoever waits for it watches its pid, and nobody needs the warning about a running child.
    process.returncode = 0
    return Up(home.status(), downloaded, time.monotonic() - begun, process.pid)


def down(home: Home, on_progress: OnProgress | None = None) -> bool:
    """Stop the stack of a home and return when all of it is gone; False where nothing ran.

    Raises StackError where it does not end in time.
    """
    if not home.exists():
        return False
    tell = on_progress or (lambda progress: None)
    running = home.supervisor()
    tell(Progress("down", "running"))
    begun = time.monotonic()
    if running is not None:
        processes.send(*running, signal.SIGTERM)
        if not processes.wait_gone(*running, DOWN_SECONDS):
            raise StackError(f"The supervisor (pid {running[0]}) does not end: see {home.log('supervisor')}.")
    home.end_stale()
    tell(Progress("down", "done", seconds=time.monotonic() - begun))
    return running is not None


def scale(home: Home, service: str, number: int, *, wait: bool = True) -> None:
    """Have `number` workers of a service (0 to MAX_WORKERS); with `wait` return when all of them are ready.

    The number is kept for the next `up`. Raises StackError on a service that does not run, or when it takes too long.
    """
    state = home.require_running()
    if service not in state["services"]:
        raise StackError(f"There is no service `{service}` here: it is one of {', '.join(state['services'])}.")
    if not 0 <= number <= MAX_WORKERS:
        raise StackError(f"A service has 0 to {MAX_WORKERS} workers on one machine, not {number}.")
    home.desire_workers(service, number)
    running = home.supervisor()
    if running is not None:
        processes.send(*running, signal.SIGHUP)
    deadline = time.monotonic() + SCALE_SECONDS
    while wait and not _has_workers(home, service, number):
        home.require_running()
        if time.monotonic() > deadline:
            raise StackError(f"The workers of {service} are not ready yet: see `youai status` and `youai logs`.")
        time.sleep(PAUSE_S)


def already_running(home: Home) -> str:
    """The sentence for a second `up` on the same home, with its addresses."""
    status = home.status()
    if status.get("state") != "ready":
        return f"A stack is starting or stopping in {home.path}: wait for it, or use another --home."
    urls = ", ".join(f"{name} {service['url']}" for name, service in status["services"].items())
    where = f"Kafka {status['kafka']['bootstrap']}" + (f", {urls}" if urls else "")
    return f"The stack in {home.path} is up already ({where}): `youai down` stops it."


def _needs_jars(stack: str) -> bool:
    return stack == "embedded" and not os.environ.get("YOUAI_KAFKA")


def _take_ports(home: Home, services: list[str], new: bool) -> None:
    if new:
        home.forget_ports()
    names = ["kafka", "kafka-controller"] * (not os.environ.get("YOUAI_KAFKA"))
    names += ["postgres"] * (not os.environ.get("YOUAI_POSTGRES"))
    ports.require_free(home.ports(*names, *(f"{service}-api" for service in services)))


def _download(tell: OnProgress) -> float:
    def report(name: str, count: int) -> None:
        total = jars.EXPECTED_BYTES / 1e6
        tell(Progress("downloads", "running", f"{count / 1e6:.0f} of about {total:.0f} MB: {name}"))

    tell(Progress("downloads", "running"))
    try:
        _, seconds = jars.ensure(report)
    except StackError:
        tell(Progress("downloads", "failed"))
        raise
    tell(Progress("downloads", "done", seconds=seconds))
    return seconds


def _spawn(home: Home, services: list[str], stack: str, with_parent: bool) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-P", "-m", "youai_stack.supervisor", "--home", str(home.path)]
    argv += ["--services", ",".join(services), "--stack", stack]
    argv += ["--with-parent"] * with_parent
    log = home.log("supervisor")
    processes.rotate(log)
    with open(log, "ab") as output:
        # A session of its own: Ctrl-C at a terminal is for us, and we tell the supervisor in our own way.
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=home.path,
        )


def _wait_ready(home: Home, process: subprocess.Popen[bytes], tell: OnProgress) -> None:
    told: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + UP_SECONDS
    while True:
        ended = process.poll() is not None
        state = home.state()
        for name, step in (state or {}).get("steps", {}).items():
            if told.get(name) != step:
                told[name] = step
                tell(Progress(name, step["state"], step["detail"], step["seconds"]))
        if state is not None and state["phase"] == "ready" and not ended:
            return
        if ended:
            raise StackError((state or {}).get("error") or _died(home, process.returncode))
        if time.monotonic() > deadline:
            raise StackError(f"The stack was not up within {UP_SECONDS:.0f} s: see the logs in {home.logs}.")
        time.sleep(PAUSE_S)


def _died(home: Home, code: int) -> str:
    said = processes.tail(home.log("supervisor"), 1)
    return f"The supervisor ended (exit code {code}): {said[0] if said else 'it said nothing'}"


def _wait_exit(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _has_workers(home: Home, service: str, number: int) -> bool:
    state = home.state() or {"processes": []}
    workers = [p for p in state["processes"] if p["service"] == service and p["role"] == "worker"]
    return len(workers) == number and all(worker["state"] == "ready" for worker in workers)


def log_files(home: Home, name: str) -> list[Path]:
    """The logs of a process, or of all processes of a service. Raises StackError where there is none of that name."""
    exact = home.log(name)
    found = [exact] if exact.exists() else sorted(home.logs.glob(f"{name}-*.log"))
    if not found:
        names = ", ".join(sorted(path.stem for path in home.logs.glob("*.log"))) or "none yet"
        raise StackError(f"There is no log of `{name}` in {home.path}; there are: {names}.")
    return found
