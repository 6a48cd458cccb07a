"""The shortest history: what does not matter is left out, what does stays."""

from dataclasses import replace

from youai_proof.sim.plan import Plan, draw
from youai_proof.sim.shrink import shrink


def long_plan() -> Plan:
    return next(plan for plan in map(draw, range(1, 500)) if len(plan.faults) >= 5 and len(plan.words) >= 3)


def test_only_what_matters_is_left() -> None:
    plan = long_plan()
    fault, act = plan.faults[3], plan.acts[-2]

    def breaks(tried: Plan) -> bool:
        return fault in tried.faults and act in tried.acts

    short = shrink(plan, breaks, seconds=60)
    assert short == replace(plan, faults=(fault,), acts=(act,), words=(), sessions=(), workers=1, apis=1, notifies=0)


def test_it_ends_when_its_time_is_over() -> None:
    ticks = iter(range(10_000))
    tries = []

    def breaks(tried: Plan) -> bool:
        tries.append(tried)
        return False

    assert shrink(long_plan(), breaks, seconds=5, clock=lambda: float(next(ticks))) == long_plan()
    assert len(tries) < 20


def test_plans_are_drawn_alike() -> None:
    assert [draw(seed) for seed in range(50)] == [draw(seed) for seed in range(50)]
    assert len({str(draw(seed)) for seed in range(50)}) == 50
