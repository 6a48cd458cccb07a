"""What may go wrong between a client and the fake Kafka: probabilities for every request, and switches for outages."""

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum


class Api(IntEnum):
    """Kafka's numbers of the requests that the fake answers."""

    PRODUCE = 0
    FETCH = 1
    OFFSETS = 2
    METADATA = 3
    COMMIT = 8
    COMMITTED = 9
    COORDINATOR = 10
    JOIN = 11
    BEAT = 12
    LEAVE = 13
    SYNC = 14
    PRODUCER_ID = 22


@dataclass
class Faults:
    """Each probability is of one request. All may be changed while the broker runs; `calm` ends everything.

    `only` holds the requests that are met by slowness, losses and cuts (empty: all).
    """

    latency_s: tuple[float, float] = (0.0005, 0.003)
    """How long a request, and as long again its answer, is on its way: between these two."""
    slow: float = 0.0
    """An answer that comes late by up to `slow_s`: an append that is there is acknowledged late."""
    slow_s: float = 3.0
    lost: float = 0.0
    """The request never arrives and nothing says so: the client waits its request timeout out."""
    unanswered: float = 0.0
    """The request is done, its answer never comes: the client waits its request timeout out."""
    cut_before: float = 0.0
    """The connection breaks before the request arrives."""
    cut_after: float = 0.0
    """The request is done, then the connection breaks instead of an answer."""
    not_replicated: float = 0.0
    """An append that is there is answered by NotEnoughReplicasAfterAppend, which the client asks again."""
    refused: float = 0.0
    """An append is answered by NotEnoughReplicas (nothing written), which the client asks again."""
    only: frozenset[Api] = frozenset()
    leaderless: set[tuple[str, int]] = field(default_factory=set)
    """Partitions without a leader: aiokafka drops their batches after its timeout, and sends later ones."""
    lag_s: dict[tuple[str, int] | str, float] = field(default_factory=dict)
    """How much later than it was appended a record can be fetched, by (topic, partition) or by topic."""
    cut_off: set[str] = field(default_factory=set)
    """Processes whose requests and connections vanish on the way."""
    deaf: set[str] = field(default_factory=set)
    """Processes to which no answer comes, though what they ask is done."""
    stalled_until: float = 0.0
    """The loop's time until which the broker does nothing (a long garbage collection, a full disk)."""
    injected: Counter[str] = field(default_factory=Counter)
    """How many faults there were, by kind."""

    def calm(self) -> None:
        """End all faults; what is on its way stays lost."""
        self.slow = self.lost = self.unanswered = self.cut_before = self.cut_after = 0.0
        self.not_replicated = self.refused = self.stalled_until = 0.0
        self.leaderless.clear()
        self.lag_s.clear()
        self.cut_off.clear()
        self.deaf.clear()

    def draw(self, rng: random.Random, kind: str, probability: float, api: int | None = None) -> bool:
        """Whether the fault happens now; counted. Draws nothing where it cannot happen."""
        if probability <= 0.0 or (api is not None and self.only and api not in self.only):
            return False
        if rng.random() >= probability:
            return False
        self.injected[kind] += 1
        return True

    def lag(self, topic: str, partition: int) -> float:
        """The seconds by which a partition's records lag now."""
        if not self.lag_s:
            return 0.0
        return self.lag_s.get((topic, partition), self.lag_s.get(topic, 0.0))
