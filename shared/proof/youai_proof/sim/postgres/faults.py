"""What may go wrong between a client and its database, drawn from one random."""

import random
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Faults:
    """Chances of each fault, all 0 at first; whoever runs a world sets them for a while, and `calm` ends them.

    Seconds are of the loop's time. `injected` counts what happened, by kind.
    """

    random: random.Random
    latency_s: tuple[float, float] = (0.0002, 0.0015)
    slow: float = 1.0
    """How many times longer every statement takes."""
    stall: float = 0.0
    """Chance that a statement takes `stall_s` more."""
    stall_s: tuple[float, float] = (1.0, 12.0)
    cut: float = 0.0
    """Chance that a statement's connection is cut: as often before it reaches the server as before its answer."""
    cut_commit: float = 0.0
    """The same of COMMIT and of statements that are their own transaction: the outcome is not known."""
    refuse: float = 0.0
    """Chance that a new connection is refused."""
    linger: float = 0.0
    """Chance that a statement that is its own transaction is seen by others only a while after it was done."""
    linger_s: float = 0.004
    notice_s: tuple[float, float] = (0.0, 0.1)
    """How long the server takes to see that a client is gone: its locks stay until then."""
    late_notice: float = 0.0
    """Chance that it takes up to 10 s, as behind a broken network."""
    lose_unsynced: bool = True
    """Whether a crash loses what was committed with synchronous_commit off and not written since."""
    shuffle: bool = False
    """Whether rows that nobody ordered come, and are locked, in any order."""
    injected: Counter[str] = field(default_factory=Counter)

    def calm(self) -> None:
        """End all faults."""
        self.slow, self.stall, self.cut, self.cut_commit, self.refuse, self.late_notice = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0

    def delay(self) -> float:
        """How long the next statement is on its way, and is worked on."""
        low, high = self.latency_s
        took = (low + (high - low) * self.random.random()) * self.slow
        if self.stall and self.random.random() < self.stall:
            self.injected["database-stall"] += 1
            took += self.random.uniform(*self.stall_s)
        return took

    def fate(self, *, commits: bool) -> str:
        """What becomes of a statement: empty, or its connection is cut `before` it arrives or `after` it was done."""
        chance = self.cut_commit if commits else self.cut
        if not chance or self.random.random() >= chance:
            return ""
        fate = self.random.choice(("before", "after"))
        self.injected[f"database-cut-{fate}{'-commit' if commits else ''}"] += 1
        return fate

    def lingers(self) -> float:
        """How long the commit of a statement that is its own transaction takes."""
        if not self.linger or self.random.random() >= self.linger:
            return 0.0
        return self.random.random() * self.linger_s * self.slow

    def refuses(self) -> bool:
        if not self.refuse or self.random.random() >= self.refuse:
            return False
        self.injected["database-refused"] += 1
        return True

    def notice(self) -> float:
        """In how many seconds the server sees that a client is gone."""
        if self.late_notice and self.random.random() < self.late_notice:
            self.injected["database-late-notice"] += 1
            return self.random.uniform(1.0, 10.0)
        return self.random.uniform(*self.notice_s)
