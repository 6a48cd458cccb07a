"""Claims: their rules as rows written by hand, and each kind of lie about them."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.verifier.exports import (
    DEMAND,
    HOUR,
    Export,
    Step,
    ask,
    bad,
    cancel,
    claim,
    closed,
    ended,
    export,
    fired,
    give_back,
    lost,
    mine,
    opened,
    posted,
    told,
    yes,
)
from tests.unit.verifier.test_command import run


def on_demand(row: dict[str, Any]) -> dict[str, Any]:
    """The record, of the demand's slot."""
    return row | {"data": row["data"] | {"slot_id": DEMAND}}


def on_session(row: dict[str, Any]) -> dict[str, Any]:
    """The record, of the session's slot."""
    return row | {"data": row["data"] | {"slot_id": "s"}}


TRUE: dict[str, list[Step]] = {
    "0 no claim before the demand is posted": [(bad(claim(1)), []), (posted(), []), (claim(2), [mine(2, 1)])],
    "0 a provider without a name": [
        (posted(), []),
        (bad(claim(1) | {"data": claim(1)["data"] | {"provider_name": ""}}), []),
        (claim(1), [mine(1, 1)]),
    ],
    "0 an id that ends in a newline": [
        (posted(), []),
        (bad(claim(1) | {"data": claim(1)["data"] | {"provider_id": "p\n"}}), []),
        (claim(1), [mine(1, 1)]),
    ],
    "0 an end for no reason of the three": [
        (posted(), []),
        (claim(1), [mine(1, 1)]),
        (bad(give_back(1, "cancelled")), []),
        (claim(2), [lost(2, "claimed", 1, to=1)]),
    ],
    "0b a booking on a demand": [
        (posted(2), []),
        (bad(on_demand(ask(1))), []),
        (claim(1), [mine(1, 1)]),
        (bad(on_demand(cancel(1))), []),
        (bad(on_demand(cancel(1)) | {"id": "c1"}), []),
        (claim(2), [mine(2, 2)]),
    ],
    "0b a claim on a session": [
        (opened(), []),
        (bad(on_session(claim(1))), []),
        (ask(1), [yes(1, 1)]),
        (bad(on_session(give_back(1))), []),
        (ask(2), [yes(2, 2)]),
    ],
    "0b what is refused is not seen": [
        (posted(), []),
        (bad(on_demand(ask(1)) | {"id": "c1"}), []),
        (claim(1), [mine(1, 1)]),
    ],
    "1 time never goes back": [(posted(2), []), (claim(1, ms=9), [mine(1, 1)]), (claim(2, ms=3), [mine(2, 2)])],
    "1 what is ignored moves the time": [(posted(), []), (give_back(9, ms=7), []), (claim(1), [mine(1, 1)])],
    "2 a repeat brings nothing, but moves the time": [
        (posted(), []),
        (claim(1), [mine(1, 1)]),
        (claim(1, ms=4), []),
        (give_back(1), [ended(1, "handed-back", 0)]),
        (claim(1), []),
    ],
    "3 a second slot-opened changes nothing, not the kind either": [
        (posted(1), []),
        (on_demand(opened(5)), []),
        (claim(1), [mine(1, 1)]),
        (claim(2), [lost(2, "claimed", 1, to=1)]),
    ],
    "3 a demand is open before its time, and no timer closes it": [
        (posted(), []),
        (on_demand(fired()), []),
        (claim(1, ms=-HOUR), [mine(1, 1)]),
        (on_demand(fired(ms=9 * HOUR)), []),
        (claim(2), [lost(2, "claimed", 1, to=1)]),
    ],
    "4 withdrawn: live claims end in the order of asking, and later ones hear why": [
        (posted(3), []),
        (claim(1), [mine(1, 1)]),
        (claim(2), [mine(2, 2)]),
        (claim(3), [mine(3, 3)]),
        (give_back(1), [ended(1, "handed-back", 2)]),
        (closed("demand-withdrawn", DEMAND), [ended(2, "demand-withdrawn", 1), ended(3, "demand-withdrawn", 0)]),
        (closed("demand-expired", DEMAND), []),
        (give_back(2), []),
        (claim(4), [lost(4, "demand-withdrawn")]),
        (claim(5, provider=3), [lost(5, "demand-withdrawn")]),
    ],
    "4 expired": [(posted(), []), (closed("demand-expired", DEMAND), []), (claim(1), [lost(1, "demand-expired")])],
    "8 a claim known under another ce_id": [
        (posted(2), []),
        (claim(1), [mine(1, 1)]),
        (claim(1, provider=7) | {"id": "other"}, []),
        (claim(2, provider=7), [mine(2, 2)]),
    ],
    "8 already yours, before claimed": [
        (posted(2), []),
        (claim(1), [mine(1, 1)]),
        (claim(2, provider=1), [lost(2, "already-yours", 1)]),
        (claim(3), [mine(3, 2)]),
        (claim(4, provider=1), [lost(4, "already-yours", 2)]),
        (claim(5, provider=2), [lost(5, "claimed", 2, to=1)]),
    ],
    "8 the winner is the earliest that is confirmed now": [
        (posted(2), []),
        (claim(1), [mine(1, 1)]),
        (claim(2), [mine(2, 2)]),
        (claim(3), [lost(3, "claimed", 2, to=1)]),
        (give_back(1), [ended(1, "handed-back", 1)]),
        (claim(4), [mine(4, 2)]),
        (claim(5), [lost(5, "claimed", 2, to=2)]),
        (give_back(2, "center"), [ended(2, "center", 1)]),
        (claim(6, provider=3), [mine(6, 2)]),
        (claim(7), [lost(7, "claimed", 2, to=4)]),
    ],
    "8 a name is never taken for a place to put a number": [
        (posted(), []),
        (claim(1, name="{taken}{capacity}{winner}队"), [mine(1, 1)]),
        (claim(2), [lost(2, "claimed", 1, to=1)]),
    ],
    "8 fields that nobody knows do not matter": [
        (posted(), []),
        (claim(1) | {"data": claim(1)["data"] | {"venue_id": "v", "party_size": 9, "more": 1}}, [mine(1, 1)]),
        (give_back(2) | {"data": give_back(2)["data"] | {"venue_id": []}}, []),
        (closed("demand-expired", DEMAND) | {"data": {"slot_id": DEMAND, "reason": "demand-expired", "request_id": []}},
         [ended(1, "demand-expired", 0)]),
    ],
    "9 an unknown, a rejected and an ended claim": [
        (posted(), []),
        (give_back(1), []),
        (claim(1), [mine(1, 1)]),
        (claim(2), [lost(2, "claimed", 1, to=1)]),
        (give_back(2), []),
        (give_back(1, "lapsed"), [ended(1, "lapsed", 0)]),
        (give_back(1), []),
        (claim(3, provider=1), [mine(3, 1)]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TRUE)
def test_each_rule_as_written_by_hand(name: str, tmp_path: Path) -> None:
    summary = export(TRUE[name]).summary(tmp_path)
    assert summary["lie"] is None
    assert summary["chains_verified"]
    counted = ("undecided", "duplicate_outcomes", "oversold_slots", "claim_conflicts", "duplicates_published")
    assert {summary[name] for name in counted} == {0}
    assert summary["refused"] == sum(1 for row, _ in TRUE[name] if row.get("refused"))


def test_the_counts_of_all_rules_together(tmp_path: Path) -> None:
    texts = [json.dumps(steps) for steps in TRUE.values()]
    slots = [json.loads(t.replace(f'"{DEMAND}"', f'"{DEMAND}{n}"').replace('"demand_id": "d"', f'"demand_id": "d{n}"')
                        .replace('"offer_id": "d"', f'"offer_id": "d{n}"').replace('"s"', f'"s{n}"'))
             for n, t in enumerate(texts)]  # fmt: skip
    made = export(*slots)
    summary = made.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert sum(summary["claims"].values()) == len(made.claims)
    assert (summary["requests"], summary["first_outcomes"]["confirmed"], summary["slots"]) == (2, 2, len(TRUE))


RACE: list[Step] = [
    (posted(1), []),
    (claim(1), [mine(1, 1)]),
    (claim(2), [lost(2, "claimed", 1, to=1)]),
    (give_back(1), [ended(1, "handed-back", 0)]),
    (claim(3), [mine(3, 1)]),
    (claim(4), [lost(4, "claimed", 1, to=3)]),
]


@pytest.fixture
def race() -> Export:
    return export([(opened(slot="s0"), []), (ask(7, slot="s0"), [yes(7, 1)])], copy.deepcopy(RACE))


def test_a_race(race: Export, tmp_path: Path) -> None:
    summary = race.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert summary["claims"] == {"confirmed": 2, "rejected": 2, "ended": 1}
    assert (summary["requests"], summary["decisions"]) == (1, {"confirmed": 1})


def test_two_live_claims_on_one_place(race: Export, tmp_path: Path) -> None:
    row = race.claims[1]
    row["data"] |= {"outcome": "confirmed", "reason": "claim-free", "taken": 2, "winner_id": None, "winner_name": None}
    row["headers"]["ce_type"] = "claim-confirmed"
    race.rechain()
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.claim.v1", 1, 1)
    assert summary["lie"]["what"] == "1-2-0: outcome"
    assert (summary["claim_conflicts"], summary["oversold_slots"]) == (1, 0)
    assert summary["chains_verified"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("winner_id", "p2"), ("winner_name", "别人"), ("winner_id", None), ("demand_id", "e"), ("provider_id", "p9"),
     ("party_size", 2), ("place", 1), ("rule_version", "0" * 64), ("reason_zh", "本需求已由队2接单。")],
)  # fmt: skip
def test_a_changed_field(field: str, value: Any, race: Export, tmp_path: Path) -> None:
    race.claims[1]["data"][field] = value
    race.rechain()
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.claim.v1", 1, 1)
    assert (summary["lie"]["what"], summary["lie"]["found"]) == (f"1-2-0: {field}", value)


@pytest.mark.parametrize("field", ["winner_id", "venue_id", "key", "ce_type"])
def test_a_field_too_few_or_too_many(field: str, race: Export, tmp_path: Path) -> None:
    data = race.claims[1]["data"]
    data.pop(field) if field in data else data.update({field: DEMAND})
    race.rechain()
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.claim.v1", 1, 1)
    assert summary["lie"]["what"] == f"1-2-0: {field}"


def test_a_claim_published_under_another_key(race: Export, tmp_path: Path) -> None:
    race.claims[1]["key"] = "d"
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.claim.v1", 1, 1)
    assert (summary["lie"]["what"], summary["lie"]["expected"]) == ("1-2-0: key", DEMAND)


def test_a_forged_hash(race: Export, tmp_path: Path) -> None:
    race.claims[2]["data"]["hash"] = "f" * 64
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.claim.v1", 1, 2)
    assert not summary["chains_verified"]


@pytest.mark.parametrize("number", range(5))
def test_a_dropped_decision(number: int, race: Export, tmp_path: Path) -> None:
    what = race.claims[number]["headers"]["ce_id"]
    del race.claims[number]
    race.renumber()
    race.rechain()
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.claim.v1", 1, number)
    assert summary["lie"]["what"] == f"the decision {what} is missing"
    assert summary["undecided"] == (0 if number == 2 else 1)


def test_a_claim_answered_on_the_bookings_topic(race: Export, tmp_path: Path) -> None:
    row = race.claims.pop()
    race.published.append(row | {"offset": 0})
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 0)
    assert summary["undecided"] == 1


def test_a_first_outcome_twice(race: Export, tmp_path: Path) -> None:
    again = copy.deepcopy(race.claims[1])
    again["headers"]["ce_id"] = "1-9-0"
    race.claims.append(again)
    race.renumber()
    race.rechain()
    summary = race.summary(tmp_path)
    assert told(summary) == ("youai.claim.v1", 1, 5)
    assert (summary["lie"]["what"], summary["duplicate_outcomes"]) == ("the log calls for no decision 1-9-0", 1)


def test_a_duplicate_publication_is_no_lie(race: Export, tmp_path: Path) -> None:
    race.claims[3:3] = copy.deepcopy(race.claims[1:3])
    race.renumber()
    summary = race.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert summary["duplicates_published"] == 2


def test_lies_on_bookings_are_told_before_those_on_claims(race: Export, tmp_path: Path) -> None:
    race.published[0]["data"]["taken"] = race.claims[0]["data"]["taken"] = 7
    assert told(race.summary(tmp_path)) == ("youai.booking.v1", 0, 0)


def test_claims_without_their_file_are_not_judged(race: Export, tmp_path: Path) -> None:
    race.write(tmp_path)
    (tmp_path / "youai.claim.v1.jsonl").unlink()
    result = run(str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert "youai.claim.v1.jsonl" in result.stderr


def test_demands_without_claims_need_no_file(tmp_path: Path) -> None:
    made = export([(posted(), []), (closed("demand-expired", DEMAND), [])])
    made.write(tmp_path)
    assert not (tmp_path / "youai.claim.v1.jsonl").exists()
    summary = json.loads(run(str(tmp_path), "--json").stdout)
    assert (summary["ok"], summary["claims"]) == (True, {"confirmed": 0, "rejected": 0, "ended": 0})


def test_a_provider_reads_what_was_decided_on_its_claims(race: Export, tmp_path: Path) -> None:
    folder = str(race.write(tmp_path))
    proof = run(folder, "--venue", "p4")
    assert proof.returncode == 0
    hashed = race.claims[4]["data"]["hash"]
    for words in ("demand:d c4", "本需求已由队3接单。", "队3 has claimed", hashed):
        assert words in proof.stdout
    assert "已终止" in run(folder, "--venue", "p1").stdout
    assert "Nothing was asked for" in run(folder, "--venue", "nobody").stdout
