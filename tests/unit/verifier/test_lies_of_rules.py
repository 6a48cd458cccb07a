"""Lies about draws, holds, cuts and shares: each is found, with its offset."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.verifier.exports import (
    DAY,
    Export,
    Step,
    accept,
    export,
    held,
    lapse,
    reveal,
    said,
    told,
)
from tests.unit.verifier.test_command import run
from tests.unit.verifier.test_places import BY_CENTER, CUTS, DRAWS, FOUR, HOLDS, ONE, SEED, WINDOW, draw

BOOKING = "youai.booking.v1"
LIFE: list[Step] = [
    *ONE,  # five decisions: 0 confirmed, 1 and 2 waitlisted, 3 released, 4 promoted
    (lapse(2, DAY), [said(2, "lapsed hold-lapsed", 0, 2, 1), held(3, 1, "2026-11-26 17:00")]),  # 5, 6
    (accept(3, DAY), [said(3, "confirmed accepted", 1)]),  # 7
]


def changed(made: Export, number: int, **fields: Any) -> Export:
    """One decision told otherwise, and all hashes made good again."""
    made.published[number]["data"] |= fields
    made.published[number]["headers"]["ce_type"] = f"booking-{made.published[number]['data']['outcome']}"
    made.rechain()
    return made


def test_the_life_is_true(tmp_path: Path) -> None:
    assert export(LIFE).summary(tmp_path)["ok"]


@pytest.mark.parametrize(
    ("number", "fields", "what"),
    [
        (5, {"outcome": "released", "place": None, "ahead": None}, "0-5-0: outcome"),
        (7, {"outcome": "released"}, "0-6-0: outcome"),
        (5, {"reason": "hold-lapsed-again"}, "0-5-0: reason"),
        (7, {"reason": "override"}, "0-6-0: reason"),
        (4, {"hold_until": "2026-11-25T09:30:00.000Z"}, "0-4-1: hold_until"),
        (6, {"hold_until": "2026-11-26T09:00:00Z"}, "0-5-1: hold_until"),
        (5, {"place": 1, "ahead": 0}, "0-5-0: place"),
        (5, {"taken": 1}, "0-5-0: taken"),
        (4, {"reason_zh": "有名额空出，已为您保留到2026-11-25 17:30，请在此之前确认或放弃。"}, "0-4-1: reason_zh"),
        (7, {"rule_version": "0" * 64}, "0-6-0: rule_version"),
        (7, {"hold_until": None}, "0-6-0: hold_until"),
    ],
)
def test_a_forged_receipt(number: int, fields: dict[str, Any], what: str, tmp_path: Path) -> None:
    summary = changed(export(LIFE), number, **fields).summary(tmp_path)
    assert told(summary) == (BOOKING, 0, number)
    assert summary["chains_verified"]
    assert summary["lie"]["what"] == what


@pytest.mark.parametrize("number", range(8))
def test_a_dropped_decision(number: int, tmp_path: Path) -> None:
    made = export(LIFE)
    what = made.published.pop(number)["headers"]["ce_id"]
    made.renumber()
    made.rechain()
    summary = made.summary(tmp_path)
    assert told(summary) == (BOOKING, 0, number)
    assert summary["lie"]["what"] == f"the decision {what} is missing"


@pytest.mark.parametrize("number", range(7))
def test_two_swapped(number: int, tmp_path: Path) -> None:
    made = export(LIFE)
    one, other = made.published[number : number + 2]
    for name in ("headers", "data"):
        one[name], other[name] = other[name], one[name]
    made.rechain()
    assert told(made.summary(tmp_path)) == (BOOKING, 0, number)


def test_a_draw_ranked_by_another_seed(tmp_path: Path) -> None:
    """Under the seed 2222… v1 and v4 would have won; the one that was announced says v2 and v4."""
    results = [said(1, "confirmed drawn", 1), said(4, "confirmed drawn", 2)]
    results += [said(3, "waitlisted drawn-behind", 2, 1, 0), said(2, "waitlisted drawn-behind", 2, 2, 1)]
    summary = export([(draw(), []), *FOUR, (WINDOW, []), (reveal(SEED), results)]).summary(tmp_path)
    assert told(summary) == (BOOKING, 0, 4)
    assert (summary["lie"]["what"], summary["lie"]["expected"]) == ("0-6-0: request_id", "r2")


def test_a_seed_that_was_not_announced(tmp_path: Path) -> None:
    """As the seed 2222… ranks them: but its hash is another, so nothing is drawn by it."""
    results = [said(1, "confirmed drawn", 1), said(4, "confirmed drawn", 2)]
    results += [said(3, "waitlisted drawn-behind", 2, 1, 0), said(2, "waitlisted drawn-behind", 2, 2, 1)]
    summary = export([(draw(), []), *FOUR, (WINDOW, []), (reveal("22" * 32), results)]).summary(tmp_path)
    assert told(summary) == (BOOKING, 0, 4)
    assert summary["lie"]["what"] == "the log calls for no decision 0-6-0"


def test_a_draw_that_is_not_yet_held_leaves_nobody_undecided(tmp_path: Path) -> None:
    summary = export([(draw(), []), *FOUR, (WINDOW, [])]).summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert (summary["undecided"], summary["first_outcomes"]["entered"]) == (0, 4)


@pytest.mark.parametrize(
    ("steps", "number", "fields", "what"),
    [
        (ONE, 4, {"request_id": "r3", "venue_id": "v3"}, "0-4-1: request_id"),  # who came before is passed over
        (LIFE, 7, {"request_id": "r2", "venue_id": "v2"}, "0-6-0: request_id"),  # one confirmed who did not accept
        (LIFE, 6, {"outcome": "confirmed", "reason": "place-free"}, "0-5-1: outcome"),  # a first outcome again
    ],
)
def test_told_to_the_wrong_one(
    steps: list[Step], number: int, fields: dict[str, Any], what: str, tmp_path: Path
) -> None:
    summary = changed(export(steps), number, **fields).summary(tmp_path)
    assert told(summary) == (BOOKING, 0, number)
    assert summary["lie"]["what"] == what
    assert summary["duplicate_outcomes"] == (1 if fields.get("reason") == "place-free" else 0)


def test_more_places_than_there_are_by_a_draw(tmp_path: Path) -> None:
    made = export(DRAWS["by rank, those after the window behind, then in order of arrival"])
    summary = changed(made, 8, outcome="confirmed").summary(tmp_path)
    assert (summary["oversold_slots"], summary["chains_verified"]) == (1, True)


def test_a_cut_that_is_not_told_oversells(tmp_path: Path) -> None:
    made = export(CUTS["accepted last is newest"])
    assert made.summary(tmp_path)["oversold_slots"] == 0
    [cut] = [n for n, row in enumerate(made.published) if row["data"]["outcome"] == "displaced"]
    del made.published[cut:]
    summary = made.summary(tmp_path)
    assert told(summary) == (BOOKING, 0, cut)
    assert summary["oversold_slots"] == 1


def read(made: Export, folder: Path, venue: str) -> str:
    return run(str(made.write(folder)), "--venue", venue).stdout


def test_a_venue_reads_its_draw(tmp_path: Path) -> None:
    made = export(DRAWS["by rank, those after the window behind, then in order of arrival"])
    shown = read(made, tmp_path, "v1")
    among = "799255db01d9d3d1b8c865abecd55a22fd7a645e2dabc5b694f65e06a651d226"
    rank = "d19070398c3c8b1d9e5d17d1ad202051ab2963d1a0a120dd61c133e05f16920f"
    for words in ("已进入抽签", "在 4 份中排第 2", "number 2 of 4", rank, SEED, among, "已确认"):
        assert words in shown
    assert "签号 rank –" in read(made, tmp_path, "v5")


def test_a_venue_reads_its_hold_its_loss_and_the_centers_word(tmp_path: Path) -> None:
    shown = read(export(HOLDS["lapsed: to the end of the queue, and the second time out"]), tmp_path, "v2")
    for words in ("已递补：", "保留到2026-11-25 17:00", "保留已过期：", "第2位"):
        assert words in shown
    assert "名额已收回" in read(export(CUTS["after closing for good"]), tmp_path, "v2")
    assert "理由：老人行动不便 {place}" in read(export(BY_CENTER["a new request"]), tmp_path, "v2")
