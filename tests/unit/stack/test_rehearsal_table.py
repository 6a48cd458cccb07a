"""What `youai rules rehearse` prints fits a narrow terminal, and shows every change."""

import io
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from youai_stack import commands_rules


def row(name: str, change: int) -> dict[str, Any]:
    return {"name": name, "requests": 90, "then": 40, "now": 40 + change, "change": change}


def printed(rows: list[dict[str, Any]], width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(commands_rules._table("venue 单位", rows))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_every_change_has_a_bar_that_is_whole_and_on_its_side() -> None:
    lines = printed([row("station-89935bb0c2d7450fa7a6b2a06ed38a46", 28), row("b" * 40, 1), row("c", -28), row("d", 0)])
    assert all(cell_len(line) <= 80 for line in lines)
    cells = [line.split("│") for line in lines if line.count("│") == 7]
    bars = {one[5].strip(): one[6] for one in cells if one[5].strip()}
    assert bars["+28"].split("|")[1].count("█") == commands_rules.BAR
    assert bars["+1"].split("|")[1].count("█") == 1
    assert bars["-28"].split("|")[0].count("█") == commands_rules.BAR
    assert bars["+0"].count("█") == 0
    assert "…" not in "".join(lines)
