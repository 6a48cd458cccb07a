"""Plays the faults of a plan: what goes wrong in processes, on the wire, in the broker and in the databases."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from youai_contracts import topics

from youai_proof.sim.kafka_faults import Api
from youai_proof.sim.plan import CALM_AT, DATABASE, STRIKES, Fault
from youai_proof.sim.programs import Program
from youai_proof.sim.writers import Writers

if TYPE_CHECKING:
    from youai_proof.sim.world import World

_SESSION_S = 6.0


class Injector:
    """Everything that goes wrong. `injected` counts what was done, by kind; the fakes count what came of it."""

    def __init__(self, world: "World", writers: Writers) -> None:
        self._world = world
        self._writers = writers
        self._tasks: list[asyncio.Task[None]] = []
        self._joined = 0
        self._calm = False
        self.injected: Counter[str] = Counter()
        self._by_kind: dict[str, Callable[[Fault], Coroutine[Any, Any, None]]] = {
            "strike": self._strike,
            "crash": self._crash,
            "freeze": self._freeze,
            "leave": self._leave,
            "join": self._join,
            "clock": self._clock,
            "cut-database": self._cut_database,
            "unknown-commits": self._unknown_commits,
            "restart-database": self._restart_database,
            "slow-database": self._slow_database,
            "hold-locks": self._hold_locks,
            "restart-broker": self._restart_broker,
            "leaderless": self._leaderless,
            "bad-appends": self._bad_appends,
            "bad-fetches": self._bad_fetches,
            "lag": self._lag,
            "cut-off": self._cut_off,
            "deaf": self._deaf,
            "rebalance": self._rebalance,
            "repeat": self._repeat,
            "garbage": self._garbage,
        }

    async def play(self, faults: Iterable[Fault]) -> None:
        """Let each begin at its time; they overlap as they will."""
        for fault in faults:
            await asyncio.sleep(max(fault.at - self._world.loop.time(), 0.0))
            self._world.tell(f"fault {fault}")
            self.injected[fault.kind] += 1
            self._tasks.append(asyncio.create_task(self._by_kind[fault.kind](fault)))

    async def calm(self) -> None:
        """End every fault now: all programs run, all clocks are right, nothing is lost any more."""
        self._calm = True
        world = self._world
        for task in self._tasks:
            task.cancel()
        world.strikes.clear()
        world.kafka.faults.calm()
        world.databases.calm()
        world.kafka.start()
        for program in world.programs:
            program.process.wall_offset_s = 0.0
            if program.process.frozen:
                world.loop.thaw(program.process)
            if program.is_stopping and not program.process.dead:
                self.kill(program)
            if program.process.dead and program.wanted:
                program.start()

    def _program(self, name: str) -> Program:
        return next((one for one in self._world.programs if one.name == name), self._world.programs[0])

    async def _for(self, fault: Fault) -> None:
        await asyncio.sleep(min(fault.lasts, max(CALM_AT - self._world.loop.time(), 0.0)))

    # Processes
    async def _strike(self, fault: Fault) -> None:
        """Wait until a program comes to a certain point of its work, then kill or freeze it there."""
        world, program = self._world, self._program(fault.who)
        process, loop = program.process, self._world.loop
        kind, sort = divmod(int(fault.amount * 1000), 2)
        wanted, dies = STRIKES[kind % len(STRIKES)], sort == 0
        passed, struck = kind // len(STRIKES) % 3, loop.create_future()

        async def strike(name: str) -> None:
            nonlocal passed
            if name != wanted or process.dead or struck.done():
                return
            if passed:
                passed -= 1
                return
            world.strikes.pop(process.name, None)
            world.tell(f"struck at {name}: {'dies' if dies else 'freezes'}")
            self.injected[f"strike-{name}-{'dies' if dies else 'freezes'}"] += 1
            struck.set_result(None)
            if dies:
                self.kill(program)
            else:
                loop.freeze(process)
            await asyncio.sleep(0)

        world.strikes[process.name] = strike
        await struck
        await self._for(fault)
        if not dies:
            loop.thaw(process)
        elif program.process is process:
            program.start()

    async def _crash(self, fault: Fault) -> None:
        program = self._program(fault.who)
        if program.process.dead:
            return
        self.kill(program)
        await self._for(fault)
        if program.process.dead:
            program.start()

    def kill(self, program: Program) -> None:
        """End a program on the spot, as kill -9 does."""
        world, name = self._world, program.process.name
        world.loop.kill(program.process)
        world.kafka.kill(name)
        world.databases.kill(name)

    async def _freeze(self, fault: Fault) -> None:
        process = self._program(fault.who).process
        if process.dead or process.frozen:
            return
        self._world.loop.freeze(process)
        await self._for(fault)
        self._world.loop.thaw(process)

    async def _leave(self, fault: Fault) -> None:
        program = self._program(fault.who)
        if program.process.dead or program.process.frozen:
            return
        process = program.process
        try:
            async with asyncio.timeout(9.0):
                await program.stop()
        except TimeoutError:
            pass
        if program.process is process and not process.dead:
            self.kill(program)
        await self._for(fault)
        if program.process.dead:
            program.start()

    async def _join(self, fault: Fault) -> None:
        self._joined += 1
        program = self._world.start(f"worker-9{self._joined}")
        await self._for(fault)
        program.wanted = False
        if not program.process.dead:
            self.kill(program)

    async def _clock(self, fault: Fault) -> None:
        if fault.who == DATABASE:
            with self._world.databases.clock_before(fault.amount):
                await self._for(fault)
            return
        program = self._program(fault.who)
        program.process.wall_offset_s = fault.amount
        await self._for(fault)
        program.process.wall_offset_s = 0.0

    # The database
    async def _cut_database(self, fault: Fault) -> None:
        self._world.databases.cut(self._program(fault.who).process.name if fault.amount < 0.7 else None)

    async def _unknown_commits(self, fault: Fault) -> None:
        with self._world.databases.unknown_commits(0.1 + fault.amount * 0.5):
            await self._for(fault)

    async def _restart_database(self, fault: Fault) -> None:
        databases = self._world.databases
        databases.stop()
        await self._for(fault)
        databases.start()

    async def _slow_database(self, fault: Fault) -> None:
        with self._world.databases.slow(0.05 + fault.amount * 1.5):
            await self._for(fault)

    async def _hold_locks(self, fault: Fault) -> None:
        await self._world.databases.hold_locks(fault.lasts, fault.amount)

    # The broker
    async def _restart_broker(self, fault: Fault) -> None:
        kafka = self._world.kafka
        kafka.stop()
        await self._for(fault)
        kafka.start()

    async def _leaderless(self, fault: Fault) -> None:
        faults, topic = self._world.kafka.faults, _topic(fault.who)
        gone = {(topic.name, number) for number in range(topic.partitions) if number % 2 == int(fault.amount * 2)}
        faults.leaderless |= gone
        await self._for(fault)
        faults.leaderless -= gone

    async def _bad_appends(self, fault: Fault) -> None:
        kinds = ("lost", "unanswered", "cut_before", "cut_after", "not_replicated", "refused", "slow")
        await self._chances(fault, kinds[int(fault.amount * len(kinds))], 0.4, frozenset({Api.PRODUCE}))

    async def _bad_fetches(self, fault: Fault) -> None:
        kinds = ("lost", "unanswered", "cut_before", "cut_after", "slow")
        await self._chances(fault, kinds[int(fault.amount * len(kinds))], 0.1, frozenset())

    async def _chances(self, fault: Fault, kind: str, chance: float, only: frozenset[Api]) -> None:
        faults = self._world.kafka.faults
        faults.only = only
        setattr(faults, kind, chance)
        await self._for(fault)
        setattr(faults, kind, 0.0)

    async def _lag(self, fault: Fault) -> None:
        lags, topic = self._world.kafka.faults.lag_s, _topic(fault.who).name
        lags[topic] = 0.3 + fault.amount * 3.0
        await self._for(fault)
        lags.pop(topic, None)

    async def _cut_off(self, fault: Fault) -> None:
        await self._away(fault, self._world.kafka.faults.cut_off)

    async def _deaf(self, fault: Fault) -> None:
        await self._away(fault, self._world.kafka.faults.deaf)

    async def _away(self, fault: Fault, away: set[str]) -> None:
        name = self._program(fault.who).process.name
        away.add(name)
        await self._for(fault)
        away.discard(name)
        self._world.kafka.cut_connections(name)

    async def _rebalance(self, fault: Fault) -> None:
        for group in self._world.kafka.groups.values():
            group.rebalance()

    # What others do
    async def _repeat(self, fault: Fault) -> None:
        self._writers.repeat(fault.amount)

    async def _garbage(self, fault: Fault) -> None:
        self._writers.garbage((topics.OFFER, topics.DEMAND, topics.ORGANIZATION)[int(fault.amount * 3)].name)
        self._writers.untimely()


def _topic(name: str) -> topics.Topic:
    return topics.BY_NAME[f"youai.{name}.v1"]
