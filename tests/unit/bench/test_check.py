"""The check passes what is right and says what is wrong, whatever it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from youai_bench import work as works
from youai_bench.check import check
from youai_bench.system import Outcomes, Told
from youai_bench.work import Work

WORK = works.make("uniform", 3_000)


def decided(work: Work = WORK) -> Outcomes:
    """What a system without a fault makes of a work."""
    taken: dict[str, int] = {}
    rows: dict[str, Told] = {}
    answers = []
    for place, ask in enumerate(work):
        if ask.repeat:
            answers.append((ask.request_id, rows[ask.request_id].outcome))
            continue
        slot_id = ask.slot.slot_id
        taken[slot_id] = taken.get(slot_id, 0) + 1
        outcome = "confirmed" if taken[slot_id] <= ask.slot.capacity else work.loser
        rows[ask.request_id] = Told(slot_id, ask.request_id, outcome, place)
    return Outcomes(list(rows.values()), list(rows.values()), answers)


def test_what_is_right_passes() -> None:
    assert check(WORK, "log", decided()) == []
    assert check(WORK, "arrival", decided()) == []
    waiting = replace(WORK, waitlist=True)
    assert check(waiting, "log", decided(waiting)) == []


def test_arrival_lets_another_order_win() -> None:
    work = works.make("one-slot", 200)
    other = works.make("one-slot", 200)
    rows = [row._replace(place=1_000 - row.place) for row in reversed(decided(other).rows)]
    capacity = work.slots[0].capacity
    rows = [row._replace(outcome="confirmed" if n < capacity else "rejected") for n, row in enumerate(rows)]
    first = {row.request_id: row.outcome for row in rows}
    answers = [(ask.request_id, first[ask.request_id]) for ask in work if ask.repeat]
    found = Outcomes(rows, rows, answers)
    assert check(work, "arrival", found) == []
    assert any("order of the log" in fault for fault in check(work, "log", found))


def _set(rows: list[Told], number: int, **changed: Any) -> list[Told]:
    return [row._replace(**changed) if n == number else row for n, row in enumerate(rows)]


def _loser(found: Outcomes) -> int:
    return next(n for n, row in enumerate(found.rows) if row.outcome == "rejected")


FAULTS: dict[str, tuple[Callable[[Outcomes], Outcomes], str]] = {
    "oversold": (
        lambda f: replace(f, rows=_set(list(f.rows), _loser(f), outcome="confirmed"), events=f.events),
        "oversold",
    ),
    "a winner turned away": (lambda f: replace(f, rows=_set(list(f.rows), 0, outcome="rejected")), "is rejected, not"),
    "a loser without a row": (
        lambda f: replace(f, rows=[r for n, r in enumerate(f.rows) if n != _loser(f)]),
        "has 0 rows",
    ),
    "a loser without an event": (
        lambda f: replace(f, events=[e for n, e in enumerate(f.events) if n != _loser(f)]),
        "no event says so",
    ),
    "two rows": (lambda f: replace(f, rows=[*f.rows, f.rows[0]._replace(place=10**6)]), "has 2 rows"),
    "two events": (lambda f: replace(f, events=[*f.events, f.events[0]]), "and no row does"),
    "an event too early": (lambda f: replace(f, events=list(reversed(f.events))), "comes too late"),
    "another event": (lambda f: replace(f, events=_set(list(f.events), 0, outcome="rejected")), "and no row does"),
    "one that nobody asked for": (
        lambda f: replace(f, rows=[*f.rows, Told(WORK.slots[0].slot_id, "booking-other", "rejected", 10**6)]),
        "booking-other",
    ),
    "a repeat without an answer": (lambda f: replace(f, answers=list(f.answers)[1:]), "answered"),
    "a repeat with another answer": (
        lambda f: replace(f, answers=[(f.answers[0][0], "waitlisted"), *list(f.answers)[1:]]),
        "was told waitlisted",
    ),
    "two in one place": (
        lambda f: replace(f, rows=[row._replace(place=7) for row in f.rows]),
        "two requests in one place",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found(name: str) -> None:
    spoil, said = FAULTS[name]
    faults = check(WORK, "log", spoil(decided()))
    assert any(said in fault for fault in faults), faults
