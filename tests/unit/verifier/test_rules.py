"""Each rule as rows written by hand: the verifier decides as they say."""

import json
from pathlib import Path

import pytest

from tests.unit.verifier.exports import (
    HOUR,
    Step,
    ask,
    bad,
    cancel,
    closed,
    export,
    fired,
    no,
    opened,
    promoted,
    released,
    wait,
    yes,
)

FULL: list[Step] = [(opened(1), []), (ask(1), [yes(1, 1)]), (ask(2), [wait(2, 1, 0, 1)])]
TRUE: dict[str, list[Step]] = {
    "0 no request before the slot is opened": [(bad(ask(1)), []), (opened(), []), (ask(2), [yes(2, 1)])],
    "0 no key": [(opened(), []), (bad(ask(1), key=None), []), (ask(1), [yes(1, 1)])],
    "0 a key of another slot": [(opened(), []), (bad(ask(1), key="other"), []), (ask(1), [yes(1, 1)])],
    "0 no JSON": [(opened(), []), (bad(ask(1), data=None), []), (ask(1), [yes(1, 1)])],
    "0 no ce_id": [(opened(), []), (bad(ask(1), id=""), []), (ask(1), [yes(1, 1)])],
    "0 an unprintable ce_id": [(opened(), []), (bad(ask(1), id="a\nb"), []), (ask(1), [yes(1, 1)])],
    "0 an unknown type": [(opened(), []), (bad(ask(1), type="booking-demanded"), []), (ask(1), [yes(1, 1)])],
    "0 a party of none": [(opened(), []), (bad(ask(1, size=0)), []), (ask(1), [yes(1, 1)])],
    "1 a slot's time never goes back": [(opened(), []), (ask(1, ms=9), [yes(1, 1)]), (ask(2, ms=3), [yes(2, 2)])],
    "1 what is ignored moves the time": [(opened(), []), (cancel(9, ms=7), []), (ask(1), [yes(1, 1)])],
    "1, 2 a repeat moves the time": [(opened(), []), (ask(1), [yes(1, 1)]), (ask(1, ms=5), []), (ask(2), [yes(2, 2)])],
    "2 a repeat brings nothing": [*FULL, (ask(1), []), (ask(2), []), (cancel(2), [released(2, "cancelled", 1)])],
    "2 another record under a ce_id that was seen": [
        (opened(), []),
        (ask(1), [yes(1, 1)]),
        (ask(2) | {"id": "r1"}, []),
    ],
    "3 a second slot-opened is ignored": [(opened(1), []), (opened(5), []), (ask(1), [yes(1, 1)])],
    "4 a closed slot releases the confirmed, then the waiting": [
        (opened(3), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 2), [wait(2, 1, 0, 2)]),
        (ask(3, 1), [yes(3, 3)]),
        (ask(4, 2), [wait(4, 2, 2, 3)]),
        (cancel(1), [released(1, "cancelled", 1), promoted(2, 3)]),
        (
            closed(),
            [released(number, "session-cancelled", taken) for number, taken in ((2, 1), (3, 0), (4, 0))],
        ),
        (closed("offer-withdrawn"), []),
        (fired(), []),
        (cancel(3), []),
        (ask(5), [no(5, "session-cancelled")]),
    ],
    "4 an offer withdrawn": [(opened(), []), (closed("offer-withdrawn"), []), (ask(1), [no(1, "offer-withdrawn")])],
    "5a closed by timer": [(opened(), []), (fired(), []), (ask(1, ms=HOUR), [no(1, "closed")])],
    "5b early by more than a second": [(opened(), []), (ask(1, ms=-1001), [no(1, "early")])],
    "5b early by a second": [(opened(), []), (ask(1, ms=-1000), [yes(1, 1)])],
    "5c a party too large": [(opened(), []), (ask(1, 3), [no(1, "party-too-large")])],
    "5d live already: confirmed, waiting, promoted": [
        *FULL,
        (ask(3, venue=1), [no(3, "already-live", 1)]),
        (ask(4, venue=2), [no(4, "already-live", 1)]),
        (cancel(1), [released(1, "cancelled", 0), promoted(2, 1)]),
        (ask(5, venue=2), [no(5, "already-live", 1)]),
        (ask(6, venue=1), [wait(6, 1, 0, 1)]),
    ],
    "5d before 5c comes 5b, then 5c": [
        (opened(), []),
        (ask(1, 9, ms=-5000), [no(1, "early")]),
        (ask(2), [yes(2, 1)]),
        (ask(3, 9, venue=2), [no(3, "party-too-large", 1)]),
    ],
    "5e a small party goes in while a large one waits": [
        (opened(3), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 2), [wait(2, 1, 0, 2)]),
        (ask(3, 1), [yes(3, 3)]),
    ],
    "5f a bounded queue": [
        (opened(1, waitlist=1), []),
        (ask(1), [yes(1, 1)]),
        (ask(2), [wait(2, 1, 0, 1)]),
        (ask(3), [no(3, "waitlist-full", 1)]),
        (cancel(2), [released(2, "cancelled", 1)]),
        (ask(4), [wait(4, 1, 0, 1)]),
    ],
    "5f no queue at all": [(opened(1, waitlist=0), []), (ask(1), [yes(1, 1)]), (ask(2), [no(2, "waitlist-full", 1)])],
    "5g places and those ahead": [
        (opened(5), []),
        (ask(1, 5), [yes(1, 5)]),
        (ask(2, 3), [wait(2, 1, 0, 5)]),
        (ask(3, 2), [wait(3, 2, 3, 5)]),
        (cancel(2), [released(2, "cancelled", 5)]),
        (ask(4, 4), [wait(4, 2, 2, 5)]),
    ],
    "5 a request known under another ce_id": [(opened(), []), (ask(1), [yes(1, 1)]), (ask(1) | {"id": "other"}, [])],
    "6 an unknown or ended request": [
        (opened(), []),
        (cancel(1), []),
        (ask(1), [yes(1, 1)]),
        (cancel(1), [released(1, "cancelled", 0)]),
        (cancel(1), []),
        (ask(2, venue=1), [yes(2, 1)]),
    ],
    "6 who fits is promoted, who does not keeps the place": [
        (opened(3), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 1), [yes(2, 3)]),
        (ask(3, 3), [wait(3, 1, 0, 3)]),
        (ask(4, 1), [wait(4, 2, 3, 3)]),
        (ask(5, 2), [wait(5, 3, 4, 3)]),
        (ask(6, 1), [wait(6, 4, 6, 3)]),
        (cancel(1), [released(1, "cancelled", 1), promoted(4, 2), promoted(6, 3)]),
        (cancel(4), [released(4, "cancelled", 2)]),
        (cancel(6), [released(6, "cancelled", 1), promoted(5, 3)]),
    ],
    "7 closing releases who waits": [
        *FULL,
        (ask(3), [wait(3, 2, 1, 1)]),
        (fired(), [released(2, "closed", 1), released(3, "closed", 1)]),
        (fired(), []),
        (cancel(1, ms=HOUR), [released(1, "cancelled", 0)]),
    ],
    "7 a timer too soon, of another kind, subject or time": [
        *FULL,
        (fired(ms=HOUR - 1), []),
        (fired(kind="hold"), []),
        (fired(subject="r1"), []),
        (fired(due=HOUR - 1), []),
        (ask(3, ms=HOUR), [wait(3, 2, 1, 1)]),
        (fired(), [released(2, "closed", 1), released(3, "closed", 1)]),
    ],
    "7 a slot closed by timer can still be cancelled": [
        *FULL,
        (fired(), [released(2, "closed", 1)]),
        (closed(), [released(1, "session-cancelled", 0)]),
        (ask(3), [no(3, "session-cancelled")]),
    ],
}


@pytest.mark.parametrize("name", TRUE)
def test_each_rule_as_written_by_hand(name: str, tmp_path: Path) -> None:
    summary = export(TRUE[name]).summary(tmp_path)
    assert summary["lie"] is None
    assert summary["ok"]
    assert summary["chains_verified"]
    counted = {"undecided", "duplicate_outcomes", "oversold_slots", "duplicates_published"}
    assert {summary[name] for name in counted} == {0}
    assert summary["refused"] == sum(1 for row, _ in TRUE[name] if row.get("refused"))


def test_the_counts_of_all_rules_together(tmp_path: Path) -> None:
    slots = [json.loads(json.dumps(steps).replace('"s"', f'"s{n}"')) for n, steps in enumerate(TRUE.values())]
    made = export(*slots)
    summary = made.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert summary["slots"] == len(TRUE)
    firsts = summary["first_outcomes"]
    assert summary["requests"] == sum(firsts.values())
    assert sum(summary["decisions"].values()) == len(made.published)
    assert summary["repeats"] == 4
