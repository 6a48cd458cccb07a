"""What clients were told is held to what an export says."""

from pathlib import Path
from typing import Any

import pytest
from youai_stack.demo.verdict import broken_promises, with_promises

from tests.unit.verifier.exports import DEMAND, Export, claim, export, lost, mine, posted


def answers(*rows: tuple[str | None, Any], slot: str = "s") -> list[dict[str, object]]:
    return [{"request_id": name, "slot_id": slot, "status": status} for name, status in rows]


def judged(made: Export, folder: Path, told: list[dict[str, object]]) -> dict[str, Any]:
    return with_promises(made.summary(folder), folder, told)


def test_answers_that_hold(rush: Export, tmp_path: Path) -> None:
    rows = (("r1", 202), ("r2", 503), ("r2", 202), ("r3", 504), ("r8", 504), ("r9", 429), (None, 422), ("r7", None))
    found = judged(rush, tmp_path, answers(*rows))
    assert (found["ok"], found["lie"], found["undecided"]) == (True, None, 0)


@pytest.mark.parametrize(
    ("row", "expected", "found"),
    [(("r9", 202), 1, 0), (("r2", 409), 0, 1)],
    ids=["accepted, and never decided", "refused, and decided"],
)
def test_answers_that_do_not_hold(
    row: tuple[str, int], expected: int, found: int, rush: Export, tmp_path: Path
) -> None:
    judgement = judged(rush, tmp_path, answers(("r1", 202), row))
    lie = {"topic": "accepted", "partition": None, "offset": 2, "what": f"outcomes of {row[0]}"}
    assert judgement["lie"] == lie | {"expected": expected, "found": found}
    assert not judgement["ok"]
    assert judgement["undecided"] == expected


def test_who_is_on_the_log_and_undecided_counts_once(rush: Export, tmp_path: Path) -> None:
    rush.published = [row for row in rush.published if row["data"]["request_id"] != "r4"]
    rush.renumber()
    judgement = judged(rush, tmp_path, answers(("r4", 202), ("r9", 202)))
    assert judgement["undecided"] == 2
    assert judgement["lie"]["topic"] == "youai.booking.v1"


def test_answers_on_claims(tmp_path: Path) -> None:
    made = export([(posted(), []), (claim(1), [mine(1, 1)]), (claim(2), [lost(2, "claimed", 1, to=1)])])
    made.write(tmp_path)
    assert broken_promises(tmp_path, answers(("c1", 202), ("c2", 202), slot=DEMAND)) == []
    told = answers(("c1", 202), ("c9", 409), ("c9", 202), slot=DEMAND)
    assert [lie["offset"] for lie in broken_promises(tmp_path, told)] == [3]
