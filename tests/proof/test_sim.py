"""The simulator: the same seed is the same world, seeds hold, and what is broken on purpose is caught and shown."""

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from youai_proof.mutants import apply
from youai_proof.sim import run
from youai_proof.sim.plan import FAULTS, Plan
from youai_proof.sim.run import Tally
from youai_proof.sim.scenes import draw

SEEDS = list(range(1, 9))


def traced(seed: int, capfd: pytest.CaptureFixture[str]) -> str:
    assert run.trace(seed)
    return capfd.readouterr().out


def test_seeds_hold_and_are_the_same_again() -> None:
    first, second = ({told["seed"]: told for told in run.seeds(SEEDS, jobs)} for jobs in (2, 1))
    assert sorted(first) == SEEDS
    assert [seed for seed in SEEDS if first[seed]["broken"]] == []
    for told in (*first.values(), *second.values()):
        del told["cpu_s"]
    assert first == second


def test_a_trace_is_the_same_bytes_again(capfd: pytest.CaptureFixture[str]) -> None:
    first = traced(3, capfd)
    assert first.count("\n") > 100
    assert traced(3, capfd) == first


def test_plans_have_faults_of_all_kinds() -> None:
    counted = Counter(fault.kind for seed in range(1, 400) for fault in draw(seed).faults)
    assert counted.keys() == FAULTS.keys()


def test_a_plan_goes_to_json_and_back() -> None:
    plan = draw(3)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_a_mutant_is_caught_by_a_named_invariant() -> None:
    (told,) = run.mutants({"chain-broken": range(1, 20)}, 1)
    assert told["broken"][0][0] == "I1 replay"
    assert told["tried"] < 20


def test_every_mutant_still_stands_in_the_code() -> None:
    stale = []
    for mutant in apply.catalogue():
        try:
            apply.changed(mutant)
        except apply.NoSuchText as error:
            stale.append(str(error))
    assert stale == []


def test_the_figures_go_to_json(tmp_path: Path) -> None:
    tally = Tally()
    tally.add({"seed": 1, "broken": [], "injected": {"crash": 2}, "events": 10, "calls": 3, "virtual_s": 30.0})
    tally.add({"seed": 2, "broken": [["I1 replay", "a lie"]], "injected": {"crash": 1}})
    run.write_json(tmp_path / "report.json", tally.summary())
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["seeds"], told["events"], told["faults"]) == (2, 10, {"crash": 3})
    assert told["failures"] == [{"seed": 2, "broken": [["I1 replay", "a lie"]]}]
