"""The runner: rounds in turns, long enough; who fails the check has no figure and the others go on."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from youai_bench.measure import Bench, Size
from youai_bench.system import Drained, Order, Outcomes
from youai_bench.systems.catalogue import Case
from youai_bench.work import Work
from youai_stack.errors import StackError

from tests.unit.bench.test_check import decided


class Ground:
    """No stores."""

    async def settle(self) -> None:
        """Nothing to settle."""


@dataclass
class Fake:
    """Decides at a set rate, and notes what was asked of it. `spoils` says from which drain on it loses a row."""

    name: str
    rate: float
    calls: list[str]
    spoils: int | None = None
    installs: bool = True
    ordered_by: Order = "log"
    drains: int = field(default=0)

    async def prepare(self, ground: Any) -> None:
        if not self.installs:
            raise StackError("it cannot be installed here.")

    async def fill(self, work: Work) -> None:
        self.calls.append(f"fill {self.name}")
        self.work = work

    async def drain(self) -> Drained:
        self.calls.append(self.name)
        self.drains += 1
        return Drained(self.work.records / self.rate, {"worker": 1.0})

    async def outcomes(self) -> Outcomes:
        self.calls.append(f"check {self.name}")
        for _ in range(5):  # others may go on meanwhile
            await asyncio.sleep(0)
        found = decided(self.work)
        if self.spoils is not None and self.drains > self.spoils:
            found.rows = found.rows[1:]
        return found

    async def clear(self) -> None:
        self.calls.append(f"clear {self.name}")

    async def close(self) -> None:
        """Nothing to close."""


def bench(*systems: Fake, rounds: int = 2) -> tuple[Bench, list[Case]]:
    """A bench of these systems, each on the uniform work."""
    made = Bench(Ground(), {one.name: one for one in systems}, Size(rounds, 0.5), lambda line: None)  # type: ignore[arg-type]
    return made, [Case(one.name, one.name, "uniform", first=400) for one in systems]


async def test_rounds_are_in_turns_and_long_enough() -> None:
    calls: list[str] = []
    made, cases = bench(Fake("a", 1_000, calls), Fake("b", 2_000, calls))
    await made.measure(cases)
    assert [call for call in calls if call in ("a", "b")][-4:] == ["a", "b", "a", "b"]
    for name in ("a", "b"):
        assert len(made.found[name].rates) == 2
        assert min(made.found[name].seconds) >= 0.5
    assert made.failed == {}


async def test_the_next_is_filled_while_one_is_checked_but_nothing_runs_beside_a_drain() -> None:
    calls: list[str] = []
    made, cases = bench(Fake("a", 1_000, calls), Fake("b", 1_000, calls))
    await made.measure(cases)
    assert calls.index("fill b") < calls.index("clear a")
    for name in ("a", "b"):
        for begun, ended in zip(_places(calls, f"check {name}"), _places(calls, f"clear {name}"), strict=True):
            assert not {"a", "b", f"fill {name}"} & set(calls[begun:ended])


def _places(calls: list[str], call: str) -> list[int]:
    return [place for place, one in enumerate(calls) if one == call]


async def test_who_fails_the_check_has_no_figure_and_the_others_go_on() -> None:
    calls: list[str] = []
    made, cases = bench(Fake("good", 1_000, calls), Fake("bad", 1_000, calls, spoils=2))
    await made.measure(cases)
    assert set(made.found) == {"good"}
    assert "has 0 rows" in made.failed["bad"]
    assert len(made.found["good"].rates) == 2
    assert calls.count("bad") == calls.count("clear bad") == 3


async def test_who_cannot_be_installed_says_so() -> None:
    made, cases = bench(Fake("good", 1_000, []), Fake("absent", 1_000, [], installs=False))
    await made.measure(cases)
    assert made.failed == {"absent": "it cannot be installed here."}
    assert set(made.found) == {"good"}
