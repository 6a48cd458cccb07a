"""A process of the simulator: `python -m youai_proof.sim.batch` with one JSON job on stdin, lines out.

The job names `seeds` to run (a line of JSON each), a plan to `shrink` (to the shortest that breaks the same), or a
plan to `trace` (step by step, as text). Each few seeds run in a child of their own, forked when all is imported: what a
world leaves is gone with it, nothing is collected meanwhile, and a seed sees nothing of the one before.
"""

import gc
import json
import logging
import os
import signal
import sys
import time
import traceback
from typing import Any

import msgspec

from youai_proof.mutants import apply
from youai_proof.sim import invariants, rules, scenes, seams, shrink, world
from youai_proof.sim.plan import Plan
from youai_proof.sim.run import Seeds

SEEDS_A_CHILD = 8
WARMS_UP = 4
"""A seed in which nearly everything happens."""
LONGEST_S = 20.0
"""CPU seconds after which a world is given up."""
BROKE = 3
"""The exit code of a child that stopped at a seed that broke."""


def main() -> None:
    """Run the job: `seeds`, `mutants` (by name, the seeds of each), `shrink` or `trace`."""
    job = json.loads(sys.stdin.read())
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGVTALRM, _too_long)
    sys.unraisablehook = lambda _: None  # a world's tasks end where they stand
    with seams.installed():
        world._app()
        rules.book()
        rules.for_verifier()
        invariants.verifier()
        world.run(scenes.draw(WARMS_UP))  # what is compiled once is compiled before any child is forked
        gc.collect()
        gc.freeze()
        gc.disable()
        if "trace" in job:
            _trace(_plan(job["trace"]))
        elif "shrink" in job:
            _shrink(_plan(job["shrink"]), job["invariant"], job["seconds"])
        elif "mutants" in job:
            apply.catalogue()
            for name, seeds in job["mutants"].items():
                in_child(lambda name=name, seeds=seeds: _mutant(name, seeds))
        else:
            _run(job["seeds"])


def _plan(told: Any) -> Plan:
    """A plan, or the seed that it is drawn from."""
    return scenes.draw(told) if isinstance(told, int) else msgspec.convert(told, Plan)


def _run(seeds: Seeds) -> None:
    for begin in range(0, len(seeds), SEEDS_A_CHILD):
        in_child(lambda part=seeds[begin : begin + SEEDS_A_CHILD]: _some(part))


def _some(seeds: Seeds) -> int:
    for seed in seeds:
        _write(one(seed))
    return 0


def _mutant(name: str, seeds: Seeds) -> int:
    """A mutant on seeds, until one of them breaks: what became of that one, or of the last."""
    told: dict[str, Any] = {"seed": None, "broken": []}
    tried = 0
    try:
        apply.named(name)
    except apply.NoSuchText as error:
        _write({"mutant": name, "tried": 0, "stale": str(error), **told})
        return 0
    world.forget()
    for seed in seeds:
        tried += 1
        told = one(seed)
        if told["broken"]:
            break
        if tried % SEEDS_A_CHILD == 0:
            gc.collect()
    _write({"mutant": name, "tried": tried, **told})
    return 0


def _write(told: dict[str, Any]) -> None:
    os.write(1, json.dumps(told, ensure_ascii=False).encode() + b"\n")


def in_child(do: Any) -> int:
    """Do something in a forked child; its exit code is what it returns, 1 where it fails."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        code = do()
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def one(seed: int | dict[str, Any]) -> dict[str, Any]:
    """Run one seed, or a plan; what became of it, as JSON."""
    number = seed if isinstance(seed, int) else seed["seed"]
    began = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
    try:
        outcome = world.run(_plan(seed))
    except (Exception, TooLong):
        return {"seed": number, "broken": [["I0 sound", f"the simulator failed: {traceback.format_exc()[-3000:]}"]]}
    return {
        "seed": number,
        "broken": [[broken.invariant, broken.found] for broken in outcome.broken],
        "injected": outcome.injected,
        "events": outcome.events,
        "calls": outcome.calls,
        "steps": outcome.steps,
        "virtual_s": round(outcome.virtual_s, 3),
        "cpu_s": round(time.process_time() - began, 4),
    }


class TooLong(KeyboardInterrupt):
    """A world goes round in circles. No Exception, so that no task keeps it to itself."""


def _too_long(_number: int, _frame: object) -> None:
    raise TooLong(f"a world takes more than {LONGEST_S:.0f} s")


def _trace(traced: Plan) -> None:
    outcome = world.run(traced, print)
    for broken in outcome.broken:
        print(f"BROKEN {broken.invariant}: {broken.found}")


def _shrink(long: Plan, invariant: str, seconds: float) -> None:
    def breaks(tried: Plan) -> bool:
        return in_child(lambda: BROKE if _breaks(tried, invariant) else 0) == BROKE

    short = shrink.shrink(long, breaks, seconds)
    print(msgspec.json.encode(short).decode())


def _breaks(tried: Plan, invariant: str) -> bool:
    try:
        return any(broken.invariant == invariant for broken in world.run(tried).broken)
    except Exception:
        return False


if __name__ == "__main__":
    main()
