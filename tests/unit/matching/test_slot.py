"""What holds for every slot's life, of bookings and of claims: chains, receipts, moves, rule versions."""

import hashlib
import json

import pytest
import rfc8785
from youai_matching.domain.receipts import FIRST_PREVIOUS
from youai_matching.domain.request import MOVES
from youai_matching.domain.slot import UnknownRuleVersion

from tests.unit.matching.fakes import RULE_VERSION
from tests.unit.matching.records import ask, cancel, opened
from tests.unit.matching.scenes import steps
from tests.unit.matching.steps import S, play
from tests.unit.matching.tables import TABLES
from tests.unit.matching.test_bookings import FULL, LIFE
from tests.unit.matching.test_claims import CLAIMS

ALL = [*LIFE.values(), *CLAIMS.values(), *map(steps, TABLES.values())]


def test_the_tables_visit_every_move() -> None:
    seen = set()
    for life in ALL:
        status: dict[str, str] = {}
        for verdict in play(life):
            for decided in verdict.decisions:
                event = decided.event
                seen.add((status.get(event.request_id, ""), event.outcome))
                back = event.place is not None  # a lapse or a displacement that leads back into the queue
                status[event.request_id] = "waitlisted" if back else event.outcome
    assert seen == {(before, after) for before, afters in MOVES.items() for after in afters}


def test_a_repeat_points_to_its_original() -> None:
    verdicts = play([S(opened(1), "applied"), S(ask("a"), [], id="x"), S(cancel("b"), ""), S(ask("a"), "", id="x")])
    assert (verdicts[-1].kind, verdicts[-1].original) == ("repeat", 1)


def test_an_unknown_rule_version_raises() -> None:
    with pytest.raises(UnknownRuleVersion, match=r"0{64}"):
        play([S(opened(1, rules="0" * 64), "")])


def test_a_later_slot_opened_does_not_change_the_rule_version() -> None:
    verdicts = play([S(opened(1), ""), S(opened(1, rules="0" * 64), ""), S(ask("a"), "")])
    assert verdicts[1].kind == "ignored"
    assert verdicts[2].decisions[0].event.rule_version == RULE_VERSION


def test_receipts_chain() -> None:
    for life in ALL:
        decided = [decision for verdict in play(life) for decision in verdict.decisions]
        previous = FIRST_PREVIOUS
        for number, decision in enumerate(decided, 1):
            data = json.loads(decision.data)
            digest = data.pop("hash")
            assert (data["sequence"], data["previous_hash"]) == (number, previous)
            assert hashlib.sha256(rfc8785.dumps(data)).hexdigest() == digest == decision.event.hash
            assert data["log_partition"] == 3
            previous = digest


def test_a_promotion_carries_the_cancels_offset_and_the_slots_time() -> None:
    steps = [*FULL, S(ask("b"), ""), S(cancel("a"), "", at=7.25)]
    data = [json.loads(decision.data) for decision in play(steps)[-1].decisions]
    assert [(d["outcome"], d["log_offset"], d["decided_at"]) for d in data] == [
        ("released", 3, "2026-12-01T01:00:07.250Z"),
        ("promoted", 3, "2026-12-01T01:00:07.250Z"),
    ]


def test_reasons_are_the_rule_versions_texts_with_their_numbers() -> None:
    event = play([*FULL, S(ask("b", 2), ""), S(ask("c", 1), "")])[-1].decisions[0].event
    assert event.reason_zh == "名额已满（共2个）。您排在候补第2位，前面还有2个名额的需求。"
    assert event.reason_en == "All 2 places are taken. You are number 2 in the queue, with 2 places wanted before you."


def test_the_same_log_gives_the_same_bytes() -> None:
    for life in ALL:
        assert [v.decisions for v in play(life)] == [v.decisions for v in play(life)]
