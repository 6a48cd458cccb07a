"""Every fault by its name: what is done in mid-rush, and whether it needs a stack of its own."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from youai_stack.home import Home

from youai_proof.chaos import drills, on_network, on_processes, on_stores, on_the_log
from youai_proof.chaos.world import World

Act = Callable[[World, random.Random], Awaitable[str]]
"""Does it, notes its blows in the world, and returns what is worth telling."""


@dataclass(frozen=True)
class Fault:
    """A fault. `own`: it leaves its stack in no state for others, or needs one that was prepared."""

    name: str
    act: Act
    own: bool = False
    prepare: Callable[[Home, random.Random], object] = lambda _home, _chance: None
    """Before the stack comes up, in its fresh home."""
    tidy: Callable[[Home], object] = lambda _home: None
    """After it is down."""
    log_is_whole: bool = True
    """Whether the log can be verified afterwards: not where it was maimed on purpose."""
    forgets: bool = False
    """Whether an older database is restored: what it has told before it may tell again."""
    settles: bool = True
    """Whether the stack goes on by itself: not where it must stay stopped."""


FAULTS = (
    Fault("kill-worker", on_processes.kill_worker),
    Fault("raise-in-batch", on_processes.raise_in_batch),
    Fault("zombie", on_processes.zombie),
    Fault("scale", on_processes.scale),
    Fault("kill-kafka", on_stores.kill_kafka),
    Fault("stop-postgres", on_stores.stop_postgres),
    Fault("commit-cut", on_network.commit_cut),
    Fault("partition", on_network.partition),
    Fault("slow", on_network.slow),
    Fault("relay-killed", on_stores.relay_killed),
    Fault("relay-paused", on_stores.relay_paused),
    Fault("poison", on_the_log.poison),
    Fault("offsets", on_the_log.offsets),
    Fault("stop-cleanly", on_processes.stop_cleanly),
    Fault("upgrade", on_processes.upgrade),
    Fault("replay", on_the_log.replay),
    Fault("backup-postgres", drills.backup_postgres, own=True, forgets=True),
    Fault("backup-kafka", drills.backup_kafka, own=True, log_is_whole=False, settles=False),
    Fault("deleted", on_the_log.deleted, own=True, log_is_whole=False),
    Fault(
        "disk-full",
        on_stores.disk_full,
        own=True,
        prepare=lambda home, _chance: on_stores.mount(home),
        tidy=on_stores.unmount,
    ),
    Fault(
        "clock",
        drills.clock,
        own=True,
        prepare=lambda _home, chance: drills.set_clocks(chance),
        tidy=lambda _home: drills.unset_clocks(),
    ),
)
BY_NAME = {fault.name: fault for fault in FAULTS}


def rotated(number: int, day: int) -> list[Fault]:
    """So many faults, on each day the next ones, until all had their turn."""
    return [FAULTS[(day * number + index) % len(FAULTS)] for index in range(min(number, len(FAULTS)))]
