"""What seeds found, each as the shortest scenario that shows it: it holds now, and breaks where its mend is taken back.

The mutant of each is its mend taken back. Plans are played under a few seeds, for a seed chooses who runs next, and the
moment may pass one of them by.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from youai_proof.sim import run
from youai_proof.sim.plan import VENUES, Act, Fault, Plan, Session, Word


@dataclass(frozen=True)
class Found:
    """What a seed found: without its mend one of `invariants` breaks under one of `seeds`."""

    name: str
    mutant: str
    invariants: tuple[str, ...]
    plan: Plan
    seeds: Sequence[int] = range(1, 7)

    @property
    def plans(self) -> list[dict[str, object]]:
        """The scenario under each seed, as JSON."""
        return [msgspec.to_builtins(replace(self.plan, seed=seed)) for seed in self.seeds]


SESSION = Session(at=0.5, slot="s1", offer="o1", capacity=4, opens=2.0, closes=300.0, starts=310.0, ends=340.0)
BOOKINGS = tuple(
    Act(3.0 + number * 0.4, "book", venue, "s1", key=f"b{number}") for number, venue in enumerate(VENUES[:8])
)
EMPTY = Plan(seed=0, workers=1, apis=1, notifies=0, sessions=(SESSION,), words=(), acts=BOOKINGS, faults=())

FOUND = (
    # Seed 1: the database goes away between the answer that a booking is taken and the look at what became of it.
    Found(
        "who waits is told 503 of a booking that is taken",
        "waiting-ends-in-refusal",
        ("I3 promises",),
        replace(
            EMPTY,
            acts=tuple(replace(act, at=3.0 + number * 0.05, waits=True) for number, act in enumerate(BOOKINGS)),
            faults=(Fault(2.9, "lag", "slot-log", 4.0, 0.5), Fault(3.8, "restart-database", lasts=3.0)),
        ),
        range(1, 4),
    ),
    # Seed 21: a connection dies without a word while a lane starts, and the lane asks on it for ever.
    Found(
        "a silent connection is asked for ever",
        "silent-connection-kept",
        ("I1 replay", "I4 progress", "I6 read models", "I7 notifications"),
        replace(
            EMPTY,
            notifies=1,
            faults=(
                Fault(2.0, "bad-fetches", lasts=4.0, amount=0.0),
                Fault(2.2, "crash", "notify-1", 0.2),
                Fault(2.4, "crash", "worker-1", 0.2),
            ),
        ),
        range(1, 25),
    ),
    # Seed 36: partitions are asked for beside a fetch when the network falls silent, and the process is frozen until
    # both requests are overdue: the first drops the connection, and the second fails where nobody minds it.
    Found(
        "a consumer fetches no more after two requests were overdue",
        "dropped-connection-unminded",
        ("I1 replay", "I4 progress", "I6 read models"),
        replace(
            EMPTY,
            faults=(
                Fault(2.9, "rebalance"),
                Fault(3.0, "cut-off", "worker-1", 11.0),
                Fault(5.5, "freeze", "worker-1", 9.5),
            ),
        ),
        range(1, 4),
    ),
    # Seed 86: the decider moves a session while the door's lane notes who has places in it, at the time that it was.
    Found(
        "who is noted while the session moves stays at the old time",
        "moving-session-not-awaited",
        ("I6 read models",),
        replace(
            EMPTY,
            workers=2,
            sessions=(replace(SESSION, capacity=9),),
            words=(Word(4.0, "revise", "s1", {"starts": 320.0, "ends": 350.0}),),
            acts=tuple(
                Act(3.6 + number * 0.08, "override", venue, "s1", 1, f"m{number}")
                for number, venue in enumerate(VENUES)
            ),
            faults=(Fault(3.0, "slow-database", lasts=5.0, amount=0.08),),
        ),
        range(1, 17),
    ),
    # No seed's: a partition had no leader for longer than a batch lives, and its producer was refused ever after.
    Found(
        "a producer is refused for good after a batch was given up",
        "producer-goes-on-after-a-gap",
        ("I1 replay", "I4 progress", "I6 read models", "I3 promises"),
        replace(
            EMPTY,
            sessions=(replace(SESSION, closes=4.5),),
            faults=tuple(Fault(4.0, "leaderless", "slot-log", 6.5, half) for half in (0.0, 0.6)),
        ),
        range(1, 4),
    ),
    # 18 seeds of 100, once it was asked for: a row without its record was told of as taken.
    Found(
        "a repeat is told 202 from its row alone",
        "repeat-told-from-its-row",
        ("I3 promises",),
        replace(
            EMPTY, faults=(Fault(2.9, "leaderless", "slot-log", 4.0, 0.0), Fault(2.9, "unknown-commits", lasts=4.0))
        ),
    ),
)


@pytest.fixture(scope="module")
def broken_now() -> list[Any]:
    """What breaks as the code is, of all scenarios."""
    plans = [plan for found in FOUND for plan in found.plans]
    return [told for told in run.seeds(plans, 2) if told["broken"]]


@pytest.fixture(scope="module")
def broken_without() -> dict[str, set[str]]:
    """The invariants that break in each scenario without its mend."""
    told = run.mutants({found.mutant: found.plans for found in FOUND}, 2)
    return {one["mutant"]: {invariant for invariant, _ in one["broken"]} for one in told}


def test_all_hold(broken_now: list[Any]) -> None:
    assert broken_now == []


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.name.replace(" ", "-"))
def test_it_breaks_without_its_mend(found: Found, broken_without: dict[str, set[str]]) -> None:
    assert broken_without[found.mutant] & set(found.invariants)
