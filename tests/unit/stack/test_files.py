"""Small files: whole or not at all, and private; locks that end with their holder."""

import os
from pathlib import Path

from youai_stack import files


def test_a_written_file_is_its_owners_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    files.write_json(path, {"名": "额"})
    files.write_json(path, {"名": "二"})
    assert files.read_json(path) == {"名": "二"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state.json"]


def test_what_is_no_json_object_reads_as_none(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert files.read_json(path) is None
    for text in ("", "{", "[1]", "nul"):
        path.write_text(text)
        assert files.read_json(path) is None


def test_a_held_lock_is_refused_and_given_after_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = files.try_lock(path)
    assert held is not None
    assert files.try_lock(path) is None
    assert files.try_lock(path, shared=True) is None
    os.close(held)
    with files.locked(path):
        assert files.try_lock(path) is None
