"""Each kind of lie is found and named, and what only looks like one is not."""

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.unit.verifier.exports import Export, export, here, told
from tests.unit.verifier.test_rules import TRUE


def test_a_flipped_outcome(rush: Export, tmp_path: Path) -> None:
    row = here(rush, 2)
    row["data"] |= {"outcome": "rejected"}
    row["headers"]["ce_type"] = "booking-rejected"
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 2)
    assert summary["lie"]["what"] == "1-3-0: outcome"
    assert (summary["lie"]["expected"], summary["lie"]["found"]) == ("waitlisted", "rejected")
    assert summary["chains_verified"]


def test_an_oversold_slot(rush: Export, tmp_path: Path) -> None:
    row = here(rush, 2)
    row["data"] |= {"outcome": "confirmed", "reason": "place-free", "place": None, "ahead": None, "taken": 3}
    row["headers"]["ce_type"] = "booking-confirmed"
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 2)
    assert summary["oversold_slots"] == 1


def test_a_changed_reason(rush: Export, tmp_path: Path) -> None:
    here(rush, 3)["data"]["reason"] = "waitlist-full"
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 3)
    assert summary["lie"]["what"] == "1-4-0: reason"


def test_one_character_of_a_text(rush: Export, tmp_path: Path) -> None:
    here(rush, 0)["data"]["reason_zh"] += " "
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 0)
    assert summary["lie"]["what"] == "1-1-0: reason_zh"
    assert not summary["chains_verified"]


@pytest.mark.parametrize("name", ["hash", "previous_hash"])
def test_a_forged_hash(name: str, rush: Export, tmp_path: Path) -> None:
    here(rush, 1)["data"][name] = "f" * 64
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 1)
    assert summary["lie"]["what"] == f"1-2-0: {name}"
    assert summary["lie"]["found"] == "f" * 64
    assert not summary["chains_verified"]


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_a_number_of_another_type(value: object, rush: Export, tmp_path: Path) -> None:
    here(rush, 0)["data"]["taken"] = value
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 0)
    assert summary["lie"]["what"] == "1-1-0: taken"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda row: row["data"].pop("venue_id"), "venue_id"),
        (lambda row: row["data"].update(extra=1), "extra"),
        (lambda row: row.update(key="s2"), "key"),
        (lambda row: row["headers"].update(ce_type="booking-waitlisted"), "ce_type"),
    ],
)
def test_fields_key_and_type(change: Any, what: str, rush: Export, tmp_path: Path) -> None:
    change(here(rush, 1))
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 1)
    assert summary["lie"]["what"] == f"1-2-0: {what}"


def test_a_dropped_decision(rush: Export, tmp_path: Path) -> None:
    rush.published.remove(here(rush, 2))
    rush.renumber()
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 2)
    assert summary["lie"]["what"] == "the decision 1-3-0 is missing"
    assert summary["lie"]["expected"]["request_id"] == "r3"
    assert summary["undecided"] == 1


def test_the_last_decision_dropped(rush: Export, tmp_path: Path) -> None:
    rush.published.remove(here(rush, 5))
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 5)
    assert summary["lie"]["what"] == "the decision 1-5-1 is missing"
    assert summary["lie"]["found"] is None


def test_published_records_deleted(rush: Export, tmp_path: Path) -> None:
    rush.published.remove(here(rush, 0))
    assert told(rush.summary(tmp_path)) == ("youai.booking.v1", 1, 1)


def test_two_swapped(rush: Export, tmp_path: Path) -> None:
    one, other = here(rush, 1), here(rush, 2)
    for name in ("headers", "data"):
        one[name], other[name] = other[name], one[name]
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 1)
    assert summary["lie"]["expected"]["request_id"] == "r2"
    assert summary["lie"]["found"]["request_id"] == "r3"


def test_who_is_promoted_swapped(rush: Export, tmp_path: Path) -> None:
    here(rush, 5)["data"] |= {"request_id": "r4", "venue_id": "v4"}
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 5)
    assert summary["lie"]["what"] == "1-5-1: request_id"


@pytest.mark.parametrize("removed", [0, 3, 5])
def test_a_missing_record_of_the_log(removed: int, rush: Export, tmp_path: Path) -> None:
    rush.log.remove([row for row in rush.log if row["partition"] == 1][removed])
    summary = rush.summary(tmp_path)
    if removed == 5:  # the end of the log cut off: what was decided on it is left without a cause
        assert told(summary) == ("youai.booking.v1", 1, 4)
        assert summary["lie"]["what"] == "the log calls for no decision 1-5-0"
    else:
        assert told(summary) == ("youai.slot-log.v1", 1, removed + 1)
        assert (summary["lie"]["expected"], summary["lie"]["found"]) == (removed, removed + 1)


def test_an_offset_twice_in_the_log(rush: Export, tmp_path: Path) -> None:
    rush.log.append(copy.deepcopy(rush.log[0]))
    assert told(rush.summary(tmp_path)) == ("youai.slot-log.v1", 0, 0)


def test_a_duplicate_publication_is_no_lie(rush: Export, tmp_path: Path) -> None:
    first = rush.published.index(here(rush, 0))
    again = copy.deepcopy(rush.published[first : first + 4])
    rush.published[first + 4 : first + 4] = again
    rush.renumber()
    summary = rush.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert summary["duplicates_published"] == 4
    assert summary["duplicate_outcomes"] == 0


def test_a_duplicate_with_other_words_is_one(rush: Export, tmp_path: Path) -> None:
    again = copy.deepcopy(here(rush, 0))
    again["data"]["outcome"] = "rejected"
    rush.published.append(again)
    rush.renumber()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 6)
    assert "again with other words" in summary["lie"]["what"]


def test_a_first_outcome_doubled_under_another_ce_id(rush: Export, tmp_path: Path) -> None:
    again = copy.deepcopy(here(rush, 1))
    again["headers"]["ce_id"] = "1-9-0"
    rush.published.append(again)
    rush.renumber()
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 6)
    assert summary["lie"]["what"] == "the log calls for no decision 1-9-0"
    assert summary["duplicate_outcomes"] == 1


def test_an_invented_decision(rush: Export, tmp_path: Path) -> None:
    more = copy.deepcopy(here(rush, 5))
    more["headers"]["ce_id"] = "1-5-2"
    more["data"]["request_id"] = "nobody"
    rush.published.append(more)
    rush.renumber()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 6)
    assert summary["lie"]["what"] == "the log calls for no decision 1-5-2"


@pytest.mark.parametrize("ce_id", ["", "1-6", "2-5-2", "1-05-2", "x", None, 7])
def test_a_ce_id_that_names_no_record(ce_id: object, rush: Export, tmp_path: Path) -> None:
    here(rush, 0)["headers"]["ce_id"] = ce_id
    assert told(rush.summary(tmp_path)) == ("youai.booking.v1", 1, 0)


def test_a_venue_with_two_live_requests_does_not_stop_the_count(tmp_path: Path) -> None:
    made = export(TRUE["5d live already: confirmed, waiting, promoted"])
    row = made.published[2]
    row["data"] |= {"outcome": "waitlisted", "reason": "full", "place": 2, "ahead": 1}
    made.rechain()
    assert told(made.summary(tmp_path)) == ("youai.booking.v1", 0, 2)
