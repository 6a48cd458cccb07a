"""A full disk is told as such, whatever failed because of it."""

import errno
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from youai_stack import commands, disk, launch
from youai_stack.errors import StackError
from youai_stack.home import Home

Usage = namedtuple("Usage", "total used free")
SAYS = "is full: 7 MB are left"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(10, 3, 7 * 2**20))


def test_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(1, 0, disk.LEAST_FREE))
    assert disk.full(Home(tmp_path / "not" / "yet")) is None


def test_where_the_home_will_lie_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def usage(place: Path) -> Usage:
        asked.append(place)
        if not place.exists():
            raise FileNotFoundError(place)
        return Usage(10, 10, 0)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    said = disk.full(Home(tmp_path / "a" / "b"))
    assert said is not None
    assert "0 MB are left" in said
    assert asked[-1] == tmp_path


def test_a_database_that_lies_elsewhere_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    home.create()
    elsewhere = tmp_path / "elsewhere"
    (home.postgres / "place.json").write_text(json.dumps({"outside": str(elsewhere)}))
    room = {home.path: disk.LEAST_FREE, elsewhere: 1}
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10, 0, room[place]))
    assert f"The disk of {elsewhere} is full" in (disk.full(home) or "")


def test_up_does_not_begin_on_a_full_disk(tmp_path: Path, full: None) -> None:
    with pytest.raises(StackError, match=SAYS):
        commands.up(Home(tmp_path / "home"), detach=True, containers=False, new_ports=False)
    assert list(tmp_path.iterdir()) == []


def test_an_up_that_fails_on_a_disk_that_ran_full_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [disk.LEAST_FREE]
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(10, 0, left[0]))

    def fails(_home: Home, **_given: Any) -> None:
        left[0] = 7 * 2**20
        raise StackError("kafka does not come up")

    monkeypatch.setattr(launch, "up", fails)
    with pytest.raises(StackError, match=SAYS):
        commands.up(Home(tmp_path / "home"), detach=True, containers=False, new_ports=False)


def test_status_says_so(
    tmp_path: Path, full: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    with pytest.raises(StackError, match=SAYS):
        commands.status(home, as_json=False)
    with pytest.raises(SystemExit):
        commands.status(home, as_json=True)
    assert SAYS in json.loads(capsys.readouterr().out)["disk"]
    store = {"state": "ready", "pid": 1, "restarts": 3}
    known = {
        "home": str(home.path),
        "state": "ready",
        "kafka": store | {"bootstrap": "127.0.0.1:1"},
        "postgres": store | {"dsn": "x@127.0.0.1:2/postgres"},
        "services": {},
    }
    monkeypatch.setattr(Home, "status", lambda _home: dict(known))
    commands.status(home, as_json=False)
    assert SAYS in capsys.readouterr().out


def test_errors_of_a_full_disk() -> None:
    inner = OSError(errno.ENOSPC, "No space left on device")
    outer = RuntimeError("x")
    outer.__cause__ = inner
    assert disk.is_full(inner)
    assert disk.is_full(outer)
    assert not disk.is_full(OSError(errno.EACCES, "x"))
    assert not disk.is_full(ValueError("x"))
