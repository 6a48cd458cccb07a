"""Claims of a demand as a table, and what a claim's decision says beyond a booking's."""

import json

import pytest
from youai_contracts.events import ClaimDecision
from youai_matching.domain.state import Slot

from tests.unit.matching.fakes import Partition
from tests.unit.matching.records import (
    CLOSES,
    DEMAND,
    SLOT,
    ask,
    cancel,
    claim,
    close,
    fire,
    give_back,
    on_log,
    opened,
    posted,
)
from tests.unit.matching.steps import S, Step, confirmed, ended, lost, mine, play, told

P = S(posted(), "applied")
CLAIMS: dict[str, list[Step]] = {
    # 0, 0b refused
    "a claim of a demand that was never posted is refused": [S(claim("a"), "refused"), S(give_back("a"), "refused")],
    "a booking on a demand is refused": [
        P,
        S(ask("a", slot=DEMAND), "refused"),
        S(cancel("a", slot=DEMAND), "refused"),
        S(claim("a"), [mine("a")]),
        S(cancel("a", slot=DEMAND), "refused"),
        S(claim("b"), [lost("b", "claimed", 1)]),
    ],
    "a claim on a session is refused": [
        S(opened(1), "applied"),
        S(claim("a", slot=SLOT), "refused"),
        S(ask("a"), [confirmed("a", 1)]),
        S(give_back("a", slot=SLOT), "refused"),
        S(ask("b", venue="v-a", size=1), [("b", "rejected", "already-live", None, None, 1)]),
    ],
    "what is refused for its kind is not seen and moves no time": [
        S(opened(1), "applied", at=-10),
        S(claim("a", slot=SLOT), "refused", at=5, id="x"),
        S(ask("a"), [("a", "rejected", "early", None, None, 0)], at=-10, id="x"),
    ],
    "what is refused for its kind is refused even under an id that was seen": [
        P,
        S(claim("a"), [mine("a")], id="x"),
        S(ask("a", slot=DEMAND), "refused", id="x"),
        S(claim("a"), "repeat", id="x"),
    ],
    # 1, 2 time and repeats
    "a repeat of a claim changes nothing": [
        S(posted(2), "applied"),
        S(claim("a"), [mine("a")], id="x"),
        S(claim("a"), "repeat", id="x"),
        S(give_back("a"), "repeat", id="x"),
        S(claim("b"), [mine("b", 2)]),
    ],
    "a repeat of a hand-back does not end what was claimed since": [
        P,
        S(claim("a", provider="p"), [mine("a")]),
        S(give_back("a"), [ended("a", "handed-back")], id="x"),
        S(claim("b", provider="p"), [mine("b")]),
        S(give_back("b"), "repeat", id="x"),
        S(claim("c"), [lost("c", "claimed", 1)]),
    ],
    # 3 slot-opened
    "a second posting is ignored, the kind that it says too": [
        P,
        S(opened(9, slot=DEMAND), "ignored"),
        S(claim("a"), [mine("a")]),
        S(claim("b"), [lost("b", "claimed", 1)]),
    ],
    "a session does not become a demand": [
        S(opened(1, slot=DEMAND), "applied"),
        S(posted(), "ignored"),
        S(claim("a"), "refused"),
    ],
    "a demand may be claimed before it is wanted, and no timer closes it": [
        P,
        S(claim("a"), [mine("a")], at=-CLOSES),
        S(fire(slot=DEMAND), "ignored", at=2 * CLOSES),
        S(give_back("a"), [ended("a", "handed-back")], at=2 * CLOSES),
        S(claim("b"), [mine("b")], at=3 * CLOSES),
    ],
    # 4 slot-closed
    "a withdrawn demand ends live claims in the order of asking": [
        S(posted(3), "applied"),
        S(claim("a"), [mine("a", 1)]),
        S(claim("b"), [mine("b", 2)]),
        S(claim("c"), [mine("c", 3)]),
        S(give_back("b"), [ended("b", "handed-back", 2)]),
        S(claim("d"), [mine("d", 3)]),
        S(
            close("demand-withdrawn", slot=DEMAND),
            [ended("a", "demand-withdrawn", 2), ended("c", "demand-withdrawn", 1), ended("d", "demand-withdrawn", 0)],
        ),
    ],
    "after it is withdrawn: nothing to end, and every claim hears why": [
        P,
        S(claim("a"), [mine("a")]),
        S(close("demand-withdrawn", slot=DEMAND), [ended("a", "demand-withdrawn")]),
        S(give_back("a"), "ignored"),
        S(close("demand-expired", slot=DEMAND), "ignored"),
        S(claim("b"), [lost("b", "demand-withdrawn")]),
        S(claim("c", provider="p-a"), [lost("c", "demand-withdrawn")]),
    ],
    "an expired demand": [
        P,
        S(close("demand-expired", slot=DEMAND), "applied"),
        S(claim("a"), [lost("a", "demand-expired")]),
        S(posted(), "ignored"),
    ],
    # 8 claim-requested
    "one place: one wins, whoever comes later does not": [
        P,
        S(claim("a"), [mine("a")]),
        S(claim("b"), [lost("b", "claimed", 1)]),
        S(claim("c"), [lost("c", "claimed", 1)]),
    ],
    "several places: one provider each": [
        S(posted(2), "applied"),
        S(claim("a", provider="p"), [mine("a", 1)]),
        S(claim("b", provider="p"), [lost("b", "already-yours", 1)]),
        S(claim("c", provider="q"), [mine("c", 2)]),
        S(claim("d", provider="q"), [lost("d", "already-yours", 2)]),
        S(claim("e"), [lost("e", "claimed", 2)]),
    ],
    "already yours before claimed": [
        P,
        S(claim("a", provider="p"), [mine("a")]),
        S(claim("b", provider="p"), [lost("b", "already-yours", 1)]),
    ],
    "a rejected claim is not live: when it is free the provider may claim again": [
        P,
        S(claim("a"), [mine("a")]),
        S(claim("b", provider="q"), [lost("b", "claimed", 1)]),
        S(give_back("a"), [ended("a", "handed-back")]),
        S(claim("c", provider="q"), [mine("c")]),
    ],
    "a claim known under another id is ignored, and keeps its outcome": [
        S(posted(2), "applied"),
        S(claim("a"), [mine("a")]),
        S(claim("a", provider="other"), "ignored"),
        S(claim("b", provider="other"), [mine("b", 2)]),
    ],
    "a rejected claim stays rejected": [
        P,
        S(claim("a"), [mine("a")]),
        S(claim("b"), [lost("b", "claimed", 1)]),
        S(give_back("a"), [ended("a", "handed-back")]),
        S(claim("b"), "ignored"),
    ],
    # 9 claim-end-requested
    "each reason ends a claim": [
        P,
        S(claim("a", provider="p"), [mine("a")]),
        S(give_back("a", "handed-back"), [ended("a", "handed-back")]),
        S(claim("b", provider="p"), [mine("b")]),
        S(give_back("b", "lapsed"), [ended("b", "lapsed")]),
        S(claim("c", provider="p"), [mine("c")]),
        S(give_back("c", "center"), [ended("c", "center")]),
    ],
    "an end of what is unknown, rejected or ended is ignored": [
        P,
        S(give_back("a"), "ignored"),
        S(claim("a"), [mine("a")]),
        S(claim("b"), [lost("b", "claimed", 1)]),
        S(give_back("b"), "ignored"),
        S(give_back("a"), [ended("a", "handed-back")]),
        S(give_back("a", "lapsed"), "ignored"),
    ],
    "nobody is promoted by a hand-back: whoever comes next has it": [
        P,
        S(claim("a"), [mine("a")]),
        S(claim("b"), [lost("b", "claimed", 1)]),
        S(give_back("a"), [ended("a", "handed-back")]),
        S(claim("c"), [mine("c")]),
    ],
}


@pytest.mark.parametrize("steps", CLAIMS.values(), ids=CLAIMS.keys())
def test_claims(steps: list[Step]) -> None:
    assert [told(verdict) for verdict in play(steps)] == [step.becomes for step in steps]


def last(steps: list[Step], slot: Slot | None = None) -> ClaimDecision:
    event = play(steps, slot)[-1].decisions[-1].event
    assert isinstance(event, ClaimDecision)
    return event


def test_whoever_lost_is_told_to_whom_and_why() -> None:
    event = last([P, S(claim("a", provider="p"), ""), S(claim("b"), "")])
    assert (event.winner_id, event.winner_name) == ("p", "队 p")
    assert event.reason_zh == "本需求已由队 p接单。"
    assert event.reason_en == "队 p has claimed this demand already."


def test_the_winner_is_the_earliest_that_holds_it_now() -> None:
    steps = [S(posted(2), ""), S(claim("a"), ""), S(claim("b"), ""), S(give_back("a"), ""), S(claim("c"), "")]
    assert last([*steps, S(claim("d"), "")]).winner_id == "p-b"
    assert (
        last([*steps, S(give_back("b"), ""), S(claim("a2", provider="p-a"), ""), S(claim("d"), "")]).winner_id == "p-c"
    )


@pytest.mark.parametrize("step", [S(claim("a2", provider="p-a"), ""), S(give_back("a"), "")])
def test_no_winner_is_named_where_nobody_won(step: Step) -> None:
    event = last([P, S(claim("a"), ""), step])
    assert (event.winner_id, event.winner_name) == (None, None)


def test_a_claims_decision_has_exactly_its_fields() -> None:
    steps = [P, S(claim("a"), "", at=2.5)]
    data = json.loads(play(steps)[-1].decisions[0].data)
    assert sorted(data) == list(data) == [
        "ahead", "capacity", "decided_at", "demand_id", "hash", "log_offset", "log_partition", "outcome", "party_size",
        "place", "previous_hash", "provider_id", "reason", "reason_en", "reason_zh", "request_id", "rule_version",
        "sequence", "taken", "winner_id", "winner_name",
    ]  # fmt: skip
    assert (data["demand_id"], data["party_size"], data["place"], data["ahead"]) == ("d1", 1, None, None)
    assert data["decided_at"] == "2026-12-01T01:00:02.500Z"


async def test_claims_are_published_under_their_demands_slot() -> None:
    partition = Partition(number=5)
    events = [posted(), claim("a"), claim("b")]
    await partition.append([on_log(event, f"e{n}", 1.0, 5, n) for n, event in enumerate(events)])
    told_ = [(r.topic, r.partition, r.key, dict(r.headers)["ce_type"]) for r in partition.outbox.published]
    assert told_ == [
        ("youai.claim.v1", 5, DEMAND.encode(), b"claim-confirmed"),
        ("youai.claim.v1", 5, DEMAND.encode(), b"claim-rejected"),
    ]


async def test_a_demand_reloaded_from_its_rows_is_what_it_was() -> None:
    partition = Partition(number=5)
    events = [posted(2), claim("a"), claim("b"), give_back("a"), claim("c"), close("offer-withdrawn", slot="none")]
    await partition.append([on_log(event, f"e{n}", 1.0, 5, n) for n, event in enumerate(events)])
    before = partition.slots()
    await partition.crash()
    assert await partition.stored() == before
    slot = before[DEMAND]
    assert (slot.kind, slot.timers, slot.taken) == ("demand", {}, 2)
    await partition.append([on_log(claim("d"), "e9", 1.0, 5, 6)])
    [*_, published] = partition.outbox.published
    data = json.loads(published.value or b"")
    assert (data["reason"], data["winner_id"], data["winner_name"]) == ("claimed", "p-b", "队 p-b")
