"""R10: what every decision carries, so that anybody can check it and the chain that it stands in."""

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from youai_matching.domain.receipts import FIRST_PREVIOUS
from youai_matching.domain.rules import RuleVersion, Text

from tests.unit.matching.fakes import RULES
from tests.unit.matching.records import SLOT
from tests.unit.matching.scenes import play
from tests.unit.matching.tables import TABLES

FIELDS = {
    "ahead", "capacity", "decided_at", "hash", "log_offset", "log_partition", "outcome", "party_size", "place",
    "previous_hash", "reason", "reason_en", "reason_zh", "request_id", "rule_version", "sequence", "slot_id", "taken",
    "venue_id",
}  # fmt: skip
LIFE = """
        12-01 09:00:00.000 | open 2         | applied
        12-01 09:00:00.250 | ask a 2        | a confirmed place-free 2/2
        12-01 09:00:00.250 | ask b          | b waitlisted full #1+0 2/2
        12-01 09:00:00.250 | cancel nobody  | ignored
        12-01 10:00:00.125 | cancel a       | a released cancelled 0/2;
                           |                | b promoted place-freed 1/2 until 12-02 10:00:00.125"""


def receipts(text: str) -> list[dict[str, Any]]:
    return [json.loads(decided.data) for verdict in play(text) for decided in verdict.decisions]


def test_a_decision_has_exactly_its_fields() -> None:
    confirmed, waitlisted, released, promoted = receipts(LIFE)
    assert set(confirmed) == set(waitlisted) == set(released) == FIELDS
    assert set(promoted) == FIELDS | {"hold_until"}


def test_partition_offset_sequence_and_time_are_those_of_the_record() -> None:
    names = ("log_partition", "log_offset", "sequence", "decided_at", "slot_id", "venue_id", "party_size")
    assert [tuple(receipt[name] for name in names) for receipt in receipts(LIFE)] == [
        (3, 1, 1, "2026-12-01T01:00:00.250Z", SLOT, "v-a", 2),
        (3, 2, 2, "2026-12-01T01:00:00.250Z", SLOT, "v-b", 1),
        (3, 4, 3, "2026-12-01T02:00:00.125Z", SLOT, "v-a", 2),
        (3, 4, 4, "2026-12-01T02:00:00.125Z", SLOT, "v-b", 1),
    ]
    assert receipts(LIFE)[-1]["hold_until"] == "2026-12-02T02:00:00.125Z"


def test_the_time_is_the_slots_which_never_goes_back() -> None:
    text = "12-01 09:00:05 | open 1 | \n12-01 09:00:09 | cancel x | \n12-01 09:00:01 | ask a |"
    assert receipts(text)[0]["decided_at"] == "2026-12-01T01:00:09.000Z"


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_receipts_chain_and_are_canonical(text: str) -> None:
    previous = FIRST_PREVIOUS
    decided = [decision for verdict in play(text) for decision in verdict.decisions]
    for number, decision in enumerate(decided, 1):
        data = json.loads(decision.data)
        assert rfc8785.dumps(data) == decision.data
        digest = data.pop("hash")
        assert (data["sequence"], data["previous_hash"]) == (number, previous)
        assert hashlib.sha256(rfc8785.dumps(data)).hexdigest() == digest
        previous = digest


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_every_reason_is_said_in_both_languages_with_its_numbers(text: str) -> None:
    for receipt in receipts(text):
        for said in (receipt["reason_zh"], receipt["reason_en"]):
            assert said
            assert not {"{", "}"} & set(said)


def test_place_and_ahead_are_null_out_of_the_queue() -> None:
    for text in TABLES.values():
        for receipt in receipts(text):
            outcome, again = receipt["outcome"], receipt["reason"] in ("hold-lapsed-again", "capacity-cut-closed")
            waits = outcome == "waitlisted" or (outcome in ("lapsed", "displaced") and not again)
            assert (receipt["place"] is None) == (receipt["ahead"] is None) == (not waits)


def test_texts_take_their_numbers_in_order_and_the_explanation_last() -> None:
    """What stands in an explanation is never taken for a place to put a number."""
    version = RuleVersion("v", "x", 0, {"override": Text("{place}，{explanation}", "{taken}: {explanation}")})
    said = version.say("override", {"place": None, "taken": 3, "explanation": "{place}{taken}"})
    assert said == Text("，{place}{taken}", "3: {place}{taken}")


def test_a_decision_names_its_rule_version() -> None:
    assert {receipt["rule_version"] for receipt in receipts(LIFE)} == {RULES.named("2027-01").version}


def test_the_same_records_give_the_same_bytes() -> None:
    for text in TABLES.values():
        assert [verdict.decisions for verdict in play(text)] == [verdict.decisions for verdict in play(text)]
