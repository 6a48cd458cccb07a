"""CPU seconds are those of a process and of all that it started, living or gone."""

import subprocess
import sys

from youai_bench.cpu import Meter, seconds

_BURN = "import time\nwhile time.process_time() < 0.15: pass\n"
_PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, '-S', '-c', {_BURN!r}])
print('.', flush=True)
input()
"""


def test_a_meter_counts_children_that_are_gone() -> None:
    parent = subprocess.Popen([sys.executable, "-S", "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    try:
        meter = Meter({"parent": parent.pid})
        assert parent.stdout.readline() == b".\n"
        assert seconds(parent.pid) > 0.1
        assert 0.0 <= meter.stop()["parent"] <= seconds(parent.pid)
    finally:
        parent.communicate(b"\n")


def test_a_process_that_is_not_there_has_taken_nothing() -> None:
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    ended.wait()
    assert seconds(ended.pid) == 0.0
