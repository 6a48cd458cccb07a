"""A world: real programs on a fake broker and fake databases, played from a plan, then left alone until it rests."""

import asyncio
import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from youai_contracts import topics
from youai_matching.rule_files import RuleBook

from youai_proof.sim import databases, programs, rules, seams
from youai_proof.sim.clients import Clients
from youai_proof.sim.databases import Databases
from youai_proof.sim.injector import Injector
from youai_proof.sim.invariants import Broken, check
from youai_proof.sim.kafka import Kafka
from youai_proof.sim.left import Left
from youai_proof.sim.loop import PROCESS, Deadlock, SimLoop
from youai_proof.sim.plan import CALM_AT, Plan
from youai_proof.sim.programs import Program
from youai_proof.sim.seams import BEGINNING_S
from youai_proof.sim.writers import Writers

IN_TIME_S = 10.0
"""I4: how long after the last fault the lanes may take to reach what was there when it ended."""
FINDS_OUT_S = 22.0
"""Within which time a client asks something on a connection that is dead, and is told by its timeout."""
RESTS_BY = CALM_AT + 75.0
_LOOKS_EVERY_S = 1.0
_RESTS_FOR = 2
"""Looks in a row that must find nothing left to do."""
_PARK_S = 30.0


@dataclass
class Outcome:
    """What became of a world."""

    seed: int
    broken: list[Broken]
    injected: dict[str, int]
    events: int
    calls: int
    steps: int
    virtual_s: float
    left: Left | None = field(default=None, repr=False)


@cache
def _app() -> Any:
    return programs.door_app()


def forget() -> None:
    """Forget what was made of the code as it was: it is another now."""
    _app.cache_clear()
    databases.migrations.cache_clear()


def run(plan: Plan, tell: Callable[[str], None] | None = None) -> Outcome:
    """Play a plan to its end and check what it left. `tell` is given a line for whatever happens."""
    world = World(plan, tell)
    _app()
    with seams.inside(world):
        random.seed(plan.seed)
        try:
            world.loop.run_until_complete(world.live())
        except Deadlock as error:
            world.odd.append(f"deadlock: {error}")
        finally:
            world.close()
    left = world.left()
    return Outcome(
        seed=plan.seed,
        broken=check(left),
        injected=dict(sorted(world.injected.items())),
        events=sum(len(records) for records in left.logs.values()),
        calls=world.calls,
        steps=world.loop.steps,
        virtual_s=world.loop.time(),
        left=left,
    )


class World:
    """One run of a plan. What draws by chance has a source of its own, so that leaving a part out moves little else."""

    def __init__(self, plan: Plan, tell: Callable[[str], None] | None = None) -> None:
        self.plan = plan
        self._tell = tell
        self.chance = self.source("chance")
        self.book: RuleBook = rules.book()
        self.loop = SimLoop(self.source("scheduler"))
        self.odd: list[str] = []
        self.quiet = False
        self.gaps: dict[int, int] = {}
        self.stopped: set[int] = set()
        self.late: list[str] = []
        self.calls = 0
        self.strikes: dict[str, Callable[[str], Awaitable[None]]] = {}
        self.injected: Counter[str] = Counter()
        self.programs: list[Program] = []
        self._kafka: Kafka | None = None
        self._databases: Databases | None = None
        self._clients: Clients | None = None

    def source(self, what: str) -> random.Random:
        """A source of chance for one purpose."""
        return random.Random(f"{self.plan.seed} {what}")

    # What the real code asks of its outside.
    async def pool(self, dsn: str, **options: Any) -> Any:
        """As database.connect_pool."""
        return await self.databases.pool(dsn, **options)

    async def connection(self, dsn: str, **options: Any) -> Any:
        """As asyncpg.connect."""
        return await self.databases.connection(dsn, **options)

    async def point(self, name: str) -> None:
        """The running process comes to a point where a fault may wait for it."""
        strike = self.strikes.get(PROCESS.get().name)
        if strike is not None:
            await strike(name)

    def said(self, logger: str, level: str, event: str, values: dict[str, Any]) -> None:
        """A line of a program's log."""
        if self._tell is None:
            return
        error = values.pop("exc_info", None)
        told = " ".join(f"{name}={value}" for name, value in values.items())
        self.tell(f"{level} {event} {told}")
        if isinstance(error, BaseException):
            self.tell("".join(traceback.format_exception(error)))

    def tell(self, line: str) -> None:
        """Something happened."""
        if self._tell is not None:
            self._tell(f"{self.loop.time():9.4f} {PROCESS.get().name:12} {line}")

    @property
    def kafka(self) -> Kafka:
        """The broker."""
        assert self._kafka is not None
        return self._kafka

    @property
    def databases(self) -> Databases:
        """The databases."""
        assert self._databases is not None
        return self._databases

    def start(self, name: str) -> Program:
        """Start one program more."""
        program = Program(name, self.loop, self.kafka.bootstrap, self._died)
        self.programs.append(program)
        program.start()
        return program

    def _died(self, name: str, error: BaseException) -> None:
        said = "".join(traceback.format_exception(error))
        self.odd.append(f"{name} died by itself: {said[-1500:]}")
        self.tell(f"{name} died: {said}")

    # Its course.
    async def live(self) -> None:
        """From the first message to rest."""
        plan = self.plan
        self._kafka = Kafka(self.source("kafka"), clock=self._broker_ms, park_s=_PARK_S)
        self._kafka.create(topics.TOPICS)
        self._databases = Databases(self.source("databases"))
        for name, count in (("worker", plan.workers), ("api", plan.apis), ("notify", plan.notifies)):
            for number in range(1, count + 1):
                self.start(f"{name}-{number}")
        doors = [program for program in self.programs if program.is_door]
        writers = Writers(self.kafka, plan)
        self._clients = Clients(self.loop, _app(), doors, self.source("clients"), self.tell)
        injector = Injector(self, writers)
        playing = [
            asyncio.create_task(writers.play()),
            asyncio.create_task(self._clients.play(plan.acts)),
            asyncio.create_task(injector.play(plan.faults)),
        ]
        if plan.gap_at:
            await self._lose_an_offset(plan.gap_at)
            return
        await asyncio.sleep(CALM_AT)
        await injector.calm()
        self.tell("calm")
        ends = self._ends()
        # A connection that died without a word is a fault that ends when its client's timeout finds it out.
        await asyncio.sleep(IN_TIME_S + (FINDS_OUT_S if self.kafka.has_dead_connections() else 0.0))
        reached = self.databases.progress()
        self.late = [
            f"{lane} {number} at {reached.get((lane, number), 0)} of {end}"
            for (lane, number), end in ends.items()
            if reached.get((lane, number), 0) < end
        ]
        for task in playing:
            await task
        self.quiet = await self._rest()
        self._look_at_lanes()
        self.injected = injector.injected + self.kafka.faults.injected + self.databases.injected()

    async def _lose_an_offset(self, at: float) -> None:
        """Leave an offset of the slot log out: what comes after it must not be decided."""
        await asyncio.sleep(at)
        partitions = self.kafka.topics[topics.SLOT_LOG.name]
        for partition in partitions:
            self.gaps[partition.number] = partition.end
            partition.end += 1
        self.tell(f"gaps {self.gaps}")
        await asyncio.sleep(CALM_AT - at + IN_TIME_S)
        deciders = [lane for program in self.programs for lane in program.lanes if lane.work.name == "matching.decider"]
        self.stopped = {number for lane in deciders for number in lane.broken}

    def _broker_ms(self) -> int:
        return int((BEGINNING_S + self.loop.time()) * 1000)

    def _lanes(self) -> dict[str, str]:
        """Every lane that must keep up, with its topic."""
        lanes = {
            "matching.decider": topics.SLOT_LOG.name,
            "matching.intake": topics.OFFER.name,
            "matching.demand-intake": topics.DEMAND.name,
            "matching.organizations": topics.ORGANIZATION.name,
            "matching.door": topics.BOOKING.name,
            "matching.attendance": topics.OFFER.name,
        }
        if self.plan.notifies:
            lanes |= {
                "notify.organizations": topics.ORGANIZATION.name,
                "notify.offers": topics.OFFER.name,
                "notify.demands": topics.DEMAND.name,
                "notify.resources": topics.RESOURCE.name,
                "notify.claims": topics.CLAIM.name,
                "notify.bookings": topics.BOOKING.name,
            }
        return lanes

    def _ends(self) -> dict[tuple[str, int], int]:
        return {
            (lane, number): end
            for lane, topic in self._lanes().items()
            for number, end in self.kafka.ends(topic).items()
        }

    async def _rest(self) -> bool:
        """Wait until nothing is left to do; False where it never comes to that."""
        quiet = 0
        while self.loop.time() < RESTS_BY:
            await asyncio.sleep(_LOOKS_EVERY_S)
            quiet = quiet + 1 if self._rests() else 0
            if quiet >= _RESTS_FOR:
                return True
        return False

    def _rests(self) -> bool:
        reached = self.databases.progress()
        behind = [key for key, end in self._ends().items() if reached.get(key, 0) < end]
        return not behind and not self.databases.pending(self._broker_ms(), bool(self.plan.notifies))

    def _look_at_lanes(self) -> None:
        for program in self.programs:
            if program.process.dead:
                continue
            for lane in program.lanes:
                self.odd += [f"{program.name}: {lane.work.name} {n} stopped: {why}" for n, why in lane.broken.items()]

    def close(self) -> None:
        """End it: nothing of it runs any more."""
        assert self._clients is not None
        self.calls = self._clients.calls
        self.odd += self._clients.odd
        self.loop.close()
        self.kafka.close()

    def left(self) -> Left:
        """What is to be checked."""
        assert self._clients is not None
        return Left(
            logs={name: self.kafka.records(name) for name in self.kafka.topics},
            tables=self.databases.tables(),
            promises=self._clients.promises,
            quiet=self.quiet,
            late=self.late,
            notify=bool(self.plan.notifies),
            odd=self.odd,
            gaps=self.gaps,
            stopped=self.stopped,
            faultless=not self.plan.faults,
        )
