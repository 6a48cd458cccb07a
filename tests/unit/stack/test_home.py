"""A home: made once, never somebody else's folder, and its choices kept."""

import os
import shutil
from pathlib import Path

import pytest
from youai_stack import files, launch, processes
from youai_stack.errors import StackError
from youai_stack.home import Home, default_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "友 home")
    home.create()
    return home


def test_it_is_private(home: Home) -> None:
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_another_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(StackError, match="holds other things"):
        Home(tmp_path).create()
    with pytest.raises(StackError, match="youai up"):
        Home(tmp_path).destroy()
    assert os.listdir(tmp_path) == ["letter.txt"]


def test_a_path_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="cannot be made"):
        Home(tmp_path / "file" / "home").create()


def test_ports_and_secrets_are_chosen_once(home: Home) -> None:
    again = Home(home.path)
    assert home.ports("kafka", "postgres") == again.ports("kafka", "postgres")
    assert home.secret("catalog") == again.secret("catalog") != home.secret("matching")


def test_no_two_homes_share_a_port_though_nothing_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("youai_stack.ports.FIRST", 20_000)
    monkeypatch.setattr("youai_stack.ports.LAST", 20_011)
    monkeypatch.setattr("youai_stack.ports.is_free", lambda port: True)
    monkeypatch.setenv("YOUAI_CACHE", str(tmp_path / "cache"))
    homes = [Home(tmp_path / name) for name in ("one", "two", "three")]
    for home in homes:
        home.create()
    chosen = [port for home in homes for name in "abcd" for port in home.ports(name).values()]
    assert sorted(chosen) == list(range(20_000, 20_012))
    with pytest.raises(StackError, match="No free port"):
        homes[0].ports("e")
    homes[1].forget_ports()
    assert homes[0].ports("e")["e"] in chosen[4:8]
    shutil.rmtree(homes[2].path)
    assert homes[0].ports("f", "g", "h", "i", "j", "k", "l").keys() == set("fghijkl")


def test_a_cache_that_cannot_be_made_is_a_sentence(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YOUAI_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StackError, match="YOUAI_CACHE"):
        home.ports("kafka")


def test_new_ports_are_other_choices(home: Home) -> None:
    home.ports("kafka", "catalog-api")
    home.forget_ports("catalog-api")
    assert set(files.read_json(home.path / "ports.json") or {}) == {"kafka"}
    home.forget_ports()
    assert files.read_json(home.path / "ports.json") == {}


def test_desired_workers_are_kept_by_service(home: Home) -> None:
    home.desire_workers("matching", 3)
    home.desire_workers("catalog", 0)
    assert Home(home.path).desired_workers() == {"matching": 3, "catalog": 0}


def test_what_does_not_run_is_down(home: Home) -> None:
    assert home.status() == {"state": "down"}
    with pytest.raises(StackError, match="No stack is running"):
        home.require_running()
    with pytest.raises(StackError, match="No stack is running"):
        launch.scale(home, "matching", 2)
    assert launch.down(home) is False


def test_a_dead_supervisors_state_is_down(home: Home) -> None:
    own = processes.started_at(os.getpid())
    assert own is not None
    files.write_json(home.state_file, {"supervisor": {"pid": os.getpid(), "started": own + 1}, "processes": []})
    assert home.status() == {"state": "down"}


def test_destroyed_it_is_gone(home: Home) -> None:
    home.destroy()
    assert not home.path.exists()


def test_a_held_home_is_not_destroyed(home: Home) -> None:
    held = files.try_lock(home.lock_file)
    assert held is not None
    with pytest.raises(StackError, match="is running"):
        home.destroy()
    with pytest.raises(StackError, match="starting or stopping"):
        launch.up(home, services=[])
    os.close(held)


def test_the_default_lies_beside_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YOUAI_HOME", raising=False)
    monkeypatch.setenv("YOUAI_ROOT", "/somewhere")
    assert default_home() == Path("/somewhere/.youai")
    monkeypatch.setenv("YOUAI_HOME", "/else")
    assert default_home() == Path("/else")


def test_a_log_that_is_not_there_names_those_that_are(home: Home) -> None:
    home.log("kafka").write_text("")
    for number in (1, 2):
        home.log(f"matching-worker-{number}").write_text("")
    assert [path.stem for path in launch.log_files(home, "matching")] == ["matching-worker-1", "matching-worker-2"]
    assert launch.log_files(home, "kafka") == [home.log("kafka")]
    with pytest.raises(StackError, match="kafka, matching-worker-1"):
        launch.log_files(home, "portal")
