"""Scenes: each is drawn alike from its seed, and every mutant that names one names one that is there."""

import pytest
from youai_proof.mutants import apply
from youai_proof.sim import run, scenes
from youai_proof.sim.plan import STRIKES


def test_a_scene_is_drawn_alike_from_its_own_seeds() -> None:
    for name in scenes.SCENES:
        seeds = scenes.seeds_of(name, 1, 3)
        assert [scenes.name_of(seed) for seed in seeds] == [name] * 3
        assert [scenes.draw(seed) for seed in seeds] == [scenes.draw(seed) for seed in seeds]


def test_all_scenes_are_played_in_the_gate() -> None:
    assert {scenes.name_of(seed) for seed in range(1, 201)} == {None, *scenes.SCENES}


def test_a_mutant_names_a_scene_that_is_there() -> None:
    assert {mutant.scene for mutant in apply.catalogue() if mutant.scene} <= scenes.SCENES.keys()


def test_there_is_a_mutant_for_every_rule() -> None:
    broken = " ".join(mutant.of for mutant in apply.catalogue())
    assert [rule for rule in range(1, 11) if f"R{rule} " not in f"{broken} "] == []
    assert len(apply.catalogue()) >= 89


@pytest.mark.parametrize("point", sorted(set(STRIKES)))
def test_a_strike_is_at_the_point_that_it_names(point: str) -> None:
    for passed in range(3):
        for dies in (True, False):
            kind, sort = divmod(
                int(scenes.strike(1.0, "worker-1", point, 1.0, dies=dies, passed=passed).amount * 1000), 2
            )
            assert (STRIKES[kind % len(STRIKES)], kind // len(STRIKES), sort == 0) == (point, passed, dies)


def test_a_race_is_caught_in_its_scene() -> None:
    told = list(run.mutants({"reservation-without-lock": scenes.seeds_of("limits", 1, 6)}, 1))
    assert told[0]["broken"][0][0] == "R3 limits"
