"""A lane that gives way waits where others want the processors, and for no other reason."""

import time
from pathlib import Path

import pytest
from youai_runtime import way
from youai_runtime.way import LATEST_S, WAIT_S, Way, processor_time


def test_it_waits_as_long_as_others_are_busy() -> None:
    looks = iter([(0, 0), (90, 100), (170, 200), (179, 300), (179, 300)])
    it = Way(lambda: next(looks), lambda: 1_000.0)
    assert [it.wait_s(1_000_000) for _ in range(4)] == [WAIT_S, 0.0, 0.0, 0.0]


def test_what_is_late_already_waits_for_nobody() -> None:
    ticks = iter(range(0, 1_000, 100))
    it = Way(lambda: ((now := next(ticks)), now), lambda: 1_000.0)
    at = [1_000_000, 1_000_000 - int(LATEST_S * 1_000), 1_000_000 - int(LATEST_S * 1_000) - 1]
    assert [it.wait_s(worked_ms) for worked_ms in at] == [WAIT_S, WAIT_S, 0.0]


def test_what_runs_at_a_low_priority_or_not_at_all_is_nobody_to_give_way_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 1000 20 2000 30 1 2 3 50 60\ncpu0 1 2 3\n")
    monkeypatch.setattr(way, "_STAT", stat)
    assert processor_time() == (126, 3156)


@pytest.mark.parametrize("content", [None, "", "cpu x y", "nothing of the kind\n"])
def test_where_nobody_tells_it_never_waits(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "stat").write_text(content)
    monkeypatch.setattr(way, "_STAT", tmp_path / "stat")
    assert Way().wait_s(time.time_ns() // 1_000_000) == 0.0
