"""A process under measure: started, told to go by a line on its standard input, and ended."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from youai_stack import processes
from youai_stack.errors import StackError

READY, DONE = "ready", "done"
"""Lines by which such a process says, on its standard output, that it waits for the go, and that all is durable."""
_STOP_S = 15.0


class Gated:
    """A Python module that runs as a process of its own; what it logs goes to a file."""

    def __init__(self, module: str, log: Path, settings: Mapping[str, str]) -> None:
        self._log = log
        self._module = module
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=os.environ | settings,
                preexec_fn=processes.dies_with_parent(signal.SIGKILL),  # noqa: PLW1509 - no thread forks here
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> None:
        """Raises StackError where it has ended."""
        if self._process.poll() is not None:
            said = processes.tail(self._log, 1)
            raise StackError(
                f"{self._module} ended ({said[0] if said else self._process.returncode}): see {self._log}."
            )

    async def said(self, word: str) -> None:
        """Wait until it says this. Raises StackError where it ends instead."""
        assert self._process.stdout is not None
        while (line := await asyncio.to_thread(self._process.stdout.readline)).strip() != word.encode():
            if not line:
                await asyncio.to_thread(self._process.wait)
                self.alive()

    async def ready(self) -> None:
        """Wait until it waits for the go. Raises StackError where it ends instead."""
        await self.said(READY)

    async def ended(self) -> None:
        """Wait until it ends by itself. Raises StackError where it fails."""
        if await asyncio.to_thread(self._process.wait):
            self.alive()

    def go(self) -> None:
        """Open the gate."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    async def stop(self, *, at_once: bool = False) -> None:
        """End it: by SIGKILL at once where it has nothing to put in order, else by SIGTERM first."""
        (self._process.kill if at_once else self._process.terminate)()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


async def wait_for_go() -> None:
    """In the process under measure: say that it is ready, and wait for the go."""
    await _say(READY)


async def done() -> None:
    """In the process under measure: say that all is done, and stay: what it took is read while it lives."""
    await _say(DONE)


async def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
