"""An asyncio event loop with virtual time, where a seed chooses who runs next and whole processes may die or freeze.

A simulated process is a context: whatever a task of it starts, belongs to it. Within a process callbacks run in their
order, as asyncio promises; between processes, a seed decides. Time stands still while anybody can run, then jumps to
the next timer. Nothing here waits for the real world.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from asyncio import SelectorEventLoop as _Loop

    from youai_matching.desk import Desk
else:
    _Loop = asyncio.AbstractEventLoop

T = TypeVar("T")

MOST_IN_A_ROW = 8
"""Callbacks that one process runs, at most, before the seed chooses again."""


class Process:
    """A simulated operating system's process: a name, a wall clock that may be wrong, and what it has to run.

    `wall_offset_s` is added to the world's time by this process's wall clock. A frozen process runs nothing, while its
    timers go on; a dead one never runs again, and no `finally` of it is run.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.wall_offset_s = 0.0
        self.frozen = False
        self.dead = False
        self.desk: Desk | None = None
        self.ready: deque[_Handle] = deque()
        self.listed = False

    def __repr__(self) -> str:
        return f"<{self.name}>"


OUTSIDE = Process("world")
"""Whatever belongs to no process: the broker, the database, the clients, the faults."""

PROCESS: ContextVar[Process] = ContextVar("PROCESS", default=OUTSIDE)


class Deadlock(RuntimeError):
    """Nothing can run, and no timer is pending."""


class _Handle:
    __slots__ = ("args", "callback", "context", "process", "stopped")

    def __init__(self, callback: Callable[..., object], args: Any, context: Context, process: Process) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.process = process
        self.stopped = False

    def cancel(self) -> None:
        self.stopped = True

    def cancelled(self) -> bool:
        return self.stopped


class _Timer(_Handle):
    __slots__ = ("_when",)
    _when: float

    def when(self) -> float:
        return self._when


class SimLoop(_Loop):
    """The loop. `trace`, if given, is called with time, process and callback for every step."""

    def __init__(
        self, rng: random.Random, trace: Callable[[float, Process, Callable[..., object]], None] | None = None
    ) -> None:
        self._random = rng.random
        self._trace = trace
        self._now = 0.0
        self._sequence = 0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._runnable: list[Process] = []
        self._closed = False
        self._running = False
        OUTSIDE.ready.clear()
        OUTSIDE.listed = False
        self.steps = 0
        self.errors: list[dict[str, Any]] = []

    # What asyncio asks of a loop.
    def time(self) -> float:
        """Virtual seconds since the world began."""
        return self._now

    def get_debug(self) -> bool:
        """False: the checks of debug mode look at real time."""
        return False

    def is_running(self) -> bool:
        """Whether the loop runs now."""
        return self._running

    def is_closed(self) -> bool:
        """Whether the world has ended."""
        return self._closed

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> Any:
        """A task, of the process that makes it."""
        return asyncio.Task(coro, loop=self, name=name or "task", context=context)

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        """Run a callback after those that its process has to run already."""
        if context is None:
            context = copy_context()
        process = context.get(PROCESS, OUTSIDE)
        handle = _Handle(callback, args, context, process)
        if not (process.dead or self._closed):
            self._add(process, handle)
        return handle

    def _add(self, process: Process, handle: _Handle) -> None:
        process.ready.append(handle)
        if not process.listed and not process.frozen:
            process.listed = True
            self._runnable.append(process)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        """As call_soon: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        """Run a callback in so many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        """Run a callback when virtual time has come so far."""
        if context is None:
            context = copy_context()
        timer = _Timer(callback, args, context, context.get(PROCESS, OUTSIDE))
        timer._when = when
        self._sequence += 1
        if not self._closed:
            heapq.heappush(self._timers, (when, self._sequence, timer))
        return timer

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody caught, unless its world has ended or its process is dead."""
        if not self._closed:
            self.errors.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """As call_exception_handler."""
        self.call_exception_handler(context)

    async def shutdown_asyncgens(self) -> None:
        """Nothing: generators end with their world."""

    def close(self) -> None:
        """End the world: nothing runs any more."""
        self._closed = True
        self._timers.clear()
        self._runnable.clear()

    # Processes.
    def spawn(self, process: Process, main: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run a coroutine as (part of) a process."""
        context = copy_context()
        context.run(PROCESS.set, process)
        task: asyncio.Task[T] = self.create_task(main, name=process.name, context=context)
        return task

    def kill(self, process: Process) -> None:
        """End a process on the spot."""
        process.dead = True
        process.ready.clear()
        self._unlist(process)

    def freeze(self, process: Process) -> None:
        """Stop a process; `thaw` lets it go on."""
        process.frozen = True
        self._unlist(process)

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on, with all that has come up for it meanwhile."""
        process.frozen = False
        if process.ready and not process.listed and not process.dead:
            process.listed = True
            self._runnable.append(process)

    def _unlist(self, process: Process) -> None:
        if process.listed:
            process.listed = False
            self._runnable.remove(process)

    # Running.
    def run_until_complete(self, main: Any) -> Any:
        """Run until the coroutine is done, and return what it returns. Raises Deadlock where it never can be."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        self._running = True
        try:
            task = main if isinstance(main, asyncio.Future) else self.create_task(main)
            while not task.done():
                self._turn()
            return task.result()
        finally:
            self._running = False
            asyncio._set_running_loop(before)

    def _turn(self) -> None:
        runnable = self._runnable
        if not runnable:
            self._advance()
            return
        number = len(runnable)
        index = int(self._random() * number) if number > 1 else 0
        process = runnable[index]
        ready = process.ready
        left = 1 + int(self._random() * MOST_IN_A_ROW)
        while left and ready:
            handle = ready.popleft()
            if handle.stopped:
                continue
            left -= 1
            self.steps += 1
            if self._trace is not None:
                self._trace(self._now, process, handle.callback)
            try:
                handle.context.run(handle.callback, *handle.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.call_exception_handler({"message": "in a callback", "exception": error, "process": process})
            if process.frozen or process.dead:
                return
        if not ready and process.listed:
            process.listed = False
            # Others may have been listed or unlisted meanwhile.
            if index < len(runnable) and runnable[index] is process:
                runnable[index] = runnable[-1]
                runnable.pop()
            else:
                runnable.remove(process)

    def _advance(self) -> None:
        """Go to the next timer, and make ready all that are due at that moment."""
        timers = self._timers
        while timers and (timers[0][2].stopped or timers[0][2].process.dead):
            heapq.heappop(timers)
        if not timers:
            raise Deadlock("nothing can run")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[2]
            if not (timer.stopped or timer.process.dead):
                self._add(timer.process, timer)
