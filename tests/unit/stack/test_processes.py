"""Processes: a pid alone does not name one, and none outlives its parent."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from youai_stack import processes


def test_a_pid_with_another_start_time_is_another_process() -> None:
    own = processes.started_at(os.getpid())
    assert own is not None
    assert processes.is_alive(os.getpid(), own)
    assert not processes.is_alive(os.getpid(), own + 1)
    assert not processes.is_alive(None, None)


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    started = processes.started_at(process.pid)
    assert processes.wait_gone(process.pid, started, 10)
    process.wait()


def test_what_ignores_its_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        processes.end(process.pid, processes.started_at(process.pid), signal.SIGTERM, 0.05)
        assert process.wait(10) == -signal.SIGKILL


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import os, signal, sys, time
        from pathlib import Path
        from youai_stack import processes
        argv = [sys.executable, "-c", "import time; time.sleep(60)"]
        log = Path({str(tmp_path)!r}, "log")
        child = processes.spawn(argv, log=log, env=os.environ, cwd=Path("/"), death_signal=signal.SIGTERM)
        print(child.pid, processes.started_at(child.pid), flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, started = (int(word) for word in parent.stdout.readline().split())
        assert processes.is_alive(pid, started)
        parent.kill()
    assert processes.wait_gone(pid, started, 10)


def test_a_large_log_is_put_aside_and_few_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for number in range(processes.LOGS_KEPT + 2):
        with open(log, "wb") as file:
            file.truncate(processes.LOG_LIMIT + 1 + number)
        processes.rotate(log)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log.1", "a.log.2", "a.log.3"]
    assert (tmp_path / "a.log.1").stat().st_size > (tmp_path / "a.log.3").stat().st_size


def test_a_small_log_stays_and_its_tail_is_read(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\n\ntwo\nthree\n")
    processes.rotate(log)
    assert processes.tail(log, 2) == ["two", "three"]
    assert processes.tail(tmp_path / "none.log") == []


def test_what_a_process_died_of_is_the_first_error_that_it_told(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert processes.complaint(log) == "(nothing)"
    log.write_text("plain words\n[1, 2]\n")
    assert processes.complaint(log) == "[1, 2]"
    told = [("info", "Starting..."), ("error", "address already in use"), ("critical", "We experienced a crash!")]
    log.write_text("".join(json.dumps({"level": level, "event": event}) + "\n" for level, event in told))
    assert processes.complaint(log) == "address already in use"
