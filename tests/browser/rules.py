"""A stack whose matching has the city's rules with seconds in place of hours, so that holds lapse while one looks."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from youai_stack.demo.scenes import short_rules
from youai_stack.home import Home

from tests.support.stack import Stack

HOLD_S = 20
WINDOW_S = 12
NAMES = ("YOUAI_RULES", "YOUAI_RULES_FOLDER")


def write_rules(folder: Path) -> str:
    """Write the rule version into the folder; returns its name."""
    name = short_rules(folder)
    path = folder / f"{name}.json"
    rules = json.loads(path.read_text("utf-8"))
    rules["hold"] |= dict.fromkeys(("far_ms", "middle_working_ms", "near_ms"), HOLD_S * 1000)
    rules["draw"] = {"window_ms": WINDOW_S * 1000}
    path.write_text(json.dumps(rules, ensure_ascii=False, indent=1), encoding="utf-8")
    return name


def has_rules(home: Home) -> bool:
    """Whether the home was started by these rules."""
    return (home.path / "rules").is_dir()


@contextmanager
def quick_stack(home: Home) -> Iterator[Stack]:
    """The stack of a new home by these rules; ends with the block."""
    from youai_stack import launch

    before = {name: os.environ.get(name) for name in NAMES}
    home.create()
    os.environ |= dict(zip(NAMES, (write_rules(home.path / "rules"), str(home.path / "rules")), strict=True))
    try:
        launch.up(home, with_parent=True)
    finally:  # its supervisor has them: another stack that starts meanwhile shall not
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    try:
        yield Stack(home)
    finally:
        launch.down(home)
