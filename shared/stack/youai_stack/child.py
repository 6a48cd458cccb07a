"""One supervised process: started, asked whether it is ready, started again when it dies, stopped for good."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from youai_stack import processes

State = Literal["starting", "ready", "restarting", "stopped", "failed"]

FIRST_DELAY_S, LAST_DELAY_S = 0.2, 5.0
"""The pause before a restart: doubled from the first to the last."""
HEALTHY_S = 10.0
"""A process that was up this long starts with the first pause again."""
ASK_STARTING_S, ASK_READY_S = 0.1, 2.0
"""How often it is asked whether it is ready, before and after it was."""


@dataclass(frozen=True)
class Spec:
    """What to run and how. `ask` answers "" when ready; `watched` says whether it is asked again after that."""

    name: str
    service: str
    role: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    ask: Callable[[], Awaitable[str]]
    port: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    watched: bool = True
    enter: Callable[[], None] | None = None
    before: Callable[[], None] | None = None

    @property
    def url(self) -> str | None:
        return None if self.role == "store" or self.port is None else f"http://127.0.0.1:{self.port}"


@dataclass
class Child:
    """A running Spec. `changed` is called whenever something of it changes that others may want to know."""

    spec: Spec
    changed: Callable[[], None]
    state: State = "starting"
    restarts: int = 0
    since: float = field(default_factory=time.time)
    detail: str = ""
    pid: int | None = None
    started: int | None = None
    was_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _process: subprocess.Popen[bytes] | None = None
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.spec.name)

    def reap(self) -> None:
        """To be called after SIGCHLD: notice that the process is gone."""
        if self._process is not None and self._process.poll() is not None:
            self._gone.set()

    async def stop(self) -> None:
        """End the process: its signal first, SIGKILL after its time; returns when it is gone."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        delay = FIRST_DELAY_S
        while not self._stopping.is_set():
            if self._spawn():
                begun = time.monotonic()
                await self._watch()
                if time.monotonic() - begun >= HEALTHY_S:
                    delay = FIRST_DELAY_S
            if self._stopping.is_set():
                break
            self.restarts += 1
            self._become("restarting", self._how_it_ended())
            await _first(self._stopping, delay)
            delay = min(delay * 2, LAST_DELAY_S)
        await self._end()
        self._become("stopped", "")

    def _spawn(self) -> bool:
        self._gone.clear()
        try:
            if self.spec.before is not None:
                self.spec.before()
            self._process = processes.spawn(
                self.spec.argv,
                log=self.spec.log,
                env=self.spec.env,
                cwd=self.spec.cwd,
                death_signal=self.spec.stop_signal,
                enter=self.spec.enter,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._process = None
            self.detail = f"cannot be started: {error}"
            return False
        self.pid = self._process.pid
        self.started = processes.started_at(self.pid)
        self._become("starting", "")
        self.reap()  # it may have ended before anybody listened
        return True

    async def _watch(self) -> None:
        """Until it is gone or to be stopped: ask, and tell what it says."""
        ready = False
        while not (self._gone.is_set() or self._stopping.is_set()):
            if not ready or self.spec.watched:
                missing = await self.spec.ask()
                if self._gone.is_set():
                    return
                if not missing:
                    ready = True
                    self.was_ready.set()
                    self._become("ready", "")
                elif ready:
                    self._become("failed", missing)
                else:
                    self.detail = missing
            pause = ASK_READY_S if self.state == "ready" else ASK_STARTING_S
            await _first(self._gone, pause, self._stopping)

    async def _end(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(self.spec.stop_signal)
        await _first(self._gone, self.spec.stop_seconds)
        if self._process.poll() is None:
            self._process.kill()
            await _first(self._gone, 5.0)

    def _how_it_ended(self) -> str:
        if self._process is None:
            return self.detail
        code = self._process.returncode
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _become(self, state: State, detail: str) -> None:
        if (state, detail) == (self.state, self.detail) and state != "starting":
            return
        if state != self.state:
            self.since = time.time()
        if state in ("restarting", "stopped"):
            self.pid = self.started = None
        self.state, self.detail = state, detail
        self.changed()

    def public(self) -> dict[str, Any]:
        """What state.json says of it."""
        spec = self.spec
        return {
            "name": spec.name,
            "service": spec.service,
            "role": spec.role,
            "pid": self.pid,
            "started": self.started,
            "port": spec.port,
            "url": spec.url,
            "state": self.state,
            "detail": self.detail,
            "restarts": self.restarts,
            "since": self.since,
        }


async def _first(event: asyncio.Event, seconds: float, other: asyncio.Event | None = None) -> None:
    """Wait for the event (or the other), at most so long."""
    waits = [asyncio.create_task(one.wait()) for one in (event, other) if one is not None]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def run_once(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    enter: Callable[[], None] | None = None,
    seconds: float = 120.0,
) -> int:
    """Run a command to its end and return its exit code; -9 where it takes longer or we are cancelled."""
    process = processes.spawn(argv, log=log, env=env, cwd=cwd, death_signal=signal.SIGKILL, enter=enter)
    deadline = time.monotonic() + seconds
    try:
        while process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return process.returncode
