"""A supervised process: ready when it says so, started again when it dies, gone when it is told to go."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from youai_stack import child as module
from youai_stack import processes
from youai_stack.child import Child, Spec, run_once

STAYS = "import time; time.sleep(60)"
Start = Callable[..., Awaitable[Child]]


async def yes() -> str:
    return ""


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    monkeypatch.setattr(module, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(module, "ASK_STARTING_S", 0.01)
    monkeypatch.setattr(module, "ASK_READY_S", 0.01)
    made: list[Child] = []
    loop = asyncio.get_running_loop()

    def reap() -> None:
        for one in made:
            one.reap()

    loop.add_signal_handler(signal.SIGCHLD, reap)

    async def begin(code: str, ask: Callable[[], Awaitable[str]] = yes, stop_seconds: float = 10.0) -> Child:
        spec = Spec(
            name="a-worker-1",
            service="a",
            role="worker",
            argv=[sys.executable, "-c", code],
            env=os.environ,
            cwd=tmp_path,
            log=tmp_path / "a.log",
            ask=ask,
            port=1,
            stop_seconds=stop_seconds,
        )
        one = Child(spec, changed=lambda: None)
        made.append(one)
        one.start()
        return one

    yield begin
    await asyncio.gather(*(one.stop() for one in made))
    loop.remove_signal_handler(signal.SIGCHLD)


async def test_it_is_ready_when_it_says_so(start: Start) -> None:
    answers = ["not yet", "not yet", ""]

    async def ask() -> str:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    one = await start(STAYS, ask)
    assert one.state == "starting"
    await until(lambda: one.state == "ready")
    assert one.restarts == 0


async def test_killed_it_comes_back_under_its_name(start: Start) -> None:
    one = await start(STAYS)
    await until(lambda: one.state == "ready")
    first = one.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: one.restarts == 1 and one.state == "ready")
    assert one.pid not in (None, first)


async def test_a_process_that_keeps_ending_is_told_with_its_exit_code(start: Start) -> None:
    async def ask() -> str:
        return "no answer"

    one = await start("raise SystemExit(7)", ask)
    await until(lambda: one.restarts >= 2 and one.state == "restarting")
    assert one.detail == "ended with exit code 7"
    assert one.public()["pid"] is None


async def test_what_turns_red_is_failed_until_it_turns_green(start: Start) -> None:
    answer = [""]

    async def ask() -> str:
        return answer[0]

    one = await start(STAYS, ask)
    await until(lambda: one.state == "ready")
    answer[0] = "/readyz says lane 3 stopped"
    await until(lambda: one.state == "failed")
    assert one.detail == "/readyz says lane 3 stopped"
    answer[0] = ""
    await until(lambda: one.state == "ready")


async def test_stopped_it_is_gone_and_stays_gone(start: Start) -> None:
    one = await start(STAYS)
    await until(lambda: one.state == "ready")
    await one.stop()
    assert (one.state, one.pid) == ("stopped", None)


async def test_what_does_not_drain_in_time_is_killed(start: Start, tmp_path: Path) -> None:
    deaf = "import signal,time; signal.signal(15, signal.SIG_IGN); open('on','w').close(); time.sleep(60)"

    async def ask() -> str:
        return "" if (tmp_path / "on").exists() else "not yet"

    one = await start(deaf, ask, stop_seconds=0.05)
    await until(lambda: one.state == "ready")
    await one.stop()
    assert one.state == "stopped"


async def test_what_cannot_be_started_is_tried_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise OSError("no such file")

    monkeypatch.setattr(processes, "spawn", refuse)
    one = await start(STAYS)
    await until(lambda: one.restarts >= 2)
    assert "cannot be started: no such file" in one.detail


async def test_a_command_runs_to_its_end_and_gives_its_exit_code(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('hello'); raise SystemExit(3)"]
    assert await run_once(argv, log=tmp_path / "log", env=os.environ, cwd=tmp_path) == 3
    assert (tmp_path / "log").read_text() == "hello\n"


async def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", STAYS]
    code = await run_once(argv, log=tmp_path / "log", env=os.environ, cwd=tmp_path, seconds=0.05)
    assert code == -signal.SIGKILL
