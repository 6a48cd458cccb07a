"""A stack under chaos: the city's people in it, an open loop of bookings, and what is measured while a fault acts."""

import asyncio
import bisect
import contextlib
import functools
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
from aiokafka.errors import KafkaError
from youai_contracts import topics
from youai_matching import ids
from youai_stack import launch, tokens
from youai_stack.demo.calls import Patient
from youai_stack.demo.plan import read_city
from youai_stack.demo.rush import Rush, Tally
from youai_stack.demo.scenes import short_rules
from youai_stack.demo.watch import Watch
from youai_stack.errors import StackError
from youai_stack.home import Home

from youai_proof.chaos import broker, lanes, parts
from youai_proof.chaos.findings import Broken, Export, check, once_decided
from youai_proof.chaos.lanes import Databases
from youai_proof.chaos.scene import Scene, Sends, make_scene

RATE = 100.0
"""Bookings a second: what two cores carry with room for the faults."""
LEAD_S, TAIL_S = 2.0, 3.0
"""How long the rush runs before a fault and after it."""
LONGEST_S = 240.0
RECOVER_S = 60.0
QUIET_S = 90.0
VENUES = 1_600
"""So many that nobody need ask twice for what everybody wants."""
CENTER = ("center", "center")
DEMANDS = 12
NOTHING_S = 0.25
"""What is read this soon after a fault was on its way before it."""


@dataclass
class Blow:
    """One blow of a fault: the seconds from it to the next decision (the slowest partition's) and to lag zero."""

    next_decision_s: float
    lag_zero_s: float
    what: str = ""


class Timed(Watch):
    """A watch that remembers when it read something of each partition: times (monotonic), rising."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap)
        self.times: dict[int, list[float]] = {}

    def _take(self, partition: int, records: list[Any]) -> None:
        super()._take(partition, records)
        self.times.setdefault(partition, []).append(self.by_partition[partition])

    def first_after(self, moment: float) -> dict[int, float]:
        """When each partition was first read after that moment; those that were not are left out."""
        places = {partition: (times, bisect.bisect_right(times, moment)) for partition, times in self.times.items()}
        return {partition: times[place] for partition, (times, place) in places.items() if place < len(times)}


@dataclass
class World:
    """A stack in `home` that is up, and all that was done in it."""

    home: Home
    seed: int
    told: list[dict[str, object]] = field(default_factory=list)
    blows: list[Blow] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    accidents: list[str] = field(default_factory=list)
    """What broke an invariant and is not in any log: said by a fault itself."""
    _beside: list[asyncio.Task[None]] = field(default_factory=list)
    _http: aiohttp.ClientSession | None = None

    # Life

    async def start(
        self, on_progress: launch.OnProgress | None = None, before: Callable[[], object] = lambda: None
    ) -> None:
        """Bring the stack up and load the city's organizations. `before` runs once the home is there."""
        self.home.create()
        before()
        self.rules = self.home.path / "rules"
        os.environ |= {"YOUAI_RULES": quick_rules(self.home), "YOUAI_RULES_FOLDER": str(self.rules)}
        up = functools.partial(launch.up, self.home, with_parent=True, on_progress=on_progress)
        self.status = (await asyncio.to_thread(up)).status
        self.bootstrap: str = self.status["kafka"]["bootstrap"]
        self.databases = Databases(self.home)
        self.exported = Export(self.home.path / "export")
        self.watch = Timed(self.bootstrap)
        self.memory = parts.Memory(self.home)
        self.run = f"{self.seed:x}{int(time.time()) % 0xFFFFF:x}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)
        self._http = aiohttp.ClientSession(timeout=timeout)
        urls = {name: service["url"] for name, service in self.status["services"].items()}
        self.calls = Patient(urls, functools.cache(self._token))
        self._beside = [asyncio.create_task(self.watch.run()), asyncio.create_task(self.memory.run())]
        city = read_city(datetime.now(UTC))
        self.venues = city.venues[:VENUES]
        self.departments = [row["organization_id"] for row in city.rows if row["level"] == "department"]
        self._posted = 0
        await self._import(urls["catalog"], city.organizations_csv)

    async def stop(self) -> None:
        """Take the stack down, however far up it came."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
            self.calls.close()
        await asyncio.to_thread(launch.down, self.home)

    def _token(self, organization: str, role: str) -> str:
        # Of some hours ago: a process whose clock is behind must not take it for one of the future.
        issued = datetime.now(UTC) - timedelta(hours=2)
        return tokens.sign(self.home.keys, organization=organization, role=role, subject="chaos", hours=8, now=issued)

    async def _import(self, url: str, text: bytes) -> None:
        headers = {"Authorization": f"Bearer {self._token(*CENTER)}", "Content-Type": "text/csv"}
        assert self._http is not None
        async with self._http.post(f"{url}/v1/organizations:import", data=text, headers=headers) as answer:
            if answer.status >= 300:
                raise StackError(f"The city cannot be loaded: {answer.status} {await answer.text()}")

    # The rush

    async def scene(self, name: str, chance: random.Random, rate: float = RATE) -> Scene:
        """Open a fault's sessions, and return when the door knows all of them."""
        provider = chance.choice(self.departments)
        scene = make_scene(f"{name}-{self.run}", chance, self.venues, provider, rate=rate, seconds=LONGEST_S)
        who = (provider, "provider-staff")
        for offer in scene.offers:
            await self.calls.must("catalog", "POST", "/v1/offers", who, key=offer["offer_id"], body=offer)
            path = f"/v1/offers/{offer['offer_id']}/sessions"
            body = {"sessions": scene.sessions[offer["offer_id"]]}
            await self.calls.must("catalog", "POST", path, who, key=offer["offer_id"], body=body)
        await asyncio.gather(*(self._known(slot) for slot in scene.slots))
        return scene

    async def _known(self, slot_id: str) -> None:
        deadline = time.monotonic() + parts.PATIENCE_S
        while (await self.calls.ask("matching", "GET", f"/v1/slots/{slot_id}", CENTER))[0] != 200:
            if time.monotonic() > deadline:
                raise StackError(f"the slot {slot_id} was not opened")
            await asyncio.sleep(0.1)

    @contextlib.asynccontextmanager
    async def rush(self, scene: Scene, *, patient: bool = True) -> AsyncIterator[Tally]:
        """An open loop of bookings, and some demands that are claimed, as long as the block takes and a little more.

        `patient`: every client has its answer in the end; else who has none then is left alone.
        """
        self.tally = Tally()
        self.blows, self.accidents = [], []
        sending = asyncio.create_task(Rush(self.calls, self.watch, self.tally).run(scene.sends))
        beside = asyncio.create_task(self._beside_the_rush(scene))
        went_well = False
        try:
            await asyncio.sleep(LEAD_S)
            yield self.tally
            await asyncio.sleep(TAIL_S)
            went_well = True
        finally:
            scene.sends.stopped = True
            if not (patient and went_well):
                sending.cancel()
                beside.cancel()
            done = await asyncio.gather(sending, beside, return_exceptions=True)
            self.told += self.tally.told
        for result in done:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _beside_the_rush(self, scene: Scene) -> None:
        """What else goes on: demands that two departments want, and bookings that must be refused."""
        for number in range(DEMANDS):
            if scene.sends.stopped:
                return
            await asyncio.gather(self._demand(scene, number), self._refused(scene, number))
            await asyncio.sleep(0.5)

    async def _demand(self, scene: Scene, number: int) -> None:
        venue = (self.venues[number], "venue-staff")
        body = {
            "category": "理论宣讲", "title": f"试验 {scene.name}", "description": "试验", "residents": 20,
            "wanted_from": "2035-01-01T00:00:00Z", "wanted_until": "2035-02-01T00:00:00Z",
        }  # fmt: skip
        key = f"{scene.name}-demand-{number}"
        posted = await self.calls.must("demand", "POST", "/v1/demands", venue, key=key, body=body)
        path = f"/v1/demands/{posted['demand_id']}/claims"
        wanting = [(department, "provider-staff") for department in self.departments[:2]]
        await asyncio.gather(*(self.calls.must("demand", "POST", path, who, key=key, body={}) for who in wanting))

    async def _refused(self, scene: Scene, number: int) -> None:
        """More places than there are: whatever happens, no such request may have an outcome."""
        venue, slot, key = self.venues[number], scene.slots[number], f"{scene.name}-refused-{number}"
        body = {"slot_id": slot, "venue_id": venue, "party_size": 99_999, "overlap_ok": True}
        status, _ = await self.calls.ask("matching", "POST", "/v1/bookings", (venue, "venue-staff"), key=key, body=body)
        request_id = ids.command_id("booking", venue, "bookings", key)
        self.tally.told.append({"request_id": request_id, "slot_id": slot, "status": status})

    # What is measured

    async def struck(self, began: float, ended: float, partitions: Iterable[int] | None = None, what: str = "") -> Blow:
        """Note a blow at `began` that ended at `ended` (both monotonic): wait until these partitions decide again.

        Each partition's first decision after `began` counts, and the slowest one is told; without any, the log's next.
        The lag is that of these partitions, or of all. `what` tells several blows of one fault apart.
        """
        lag = asyncio.create_task(self._lag_zero(ended, None if partitions is None else set(partitions)))
        wanted = None if partitions is None else set(partitions)
        while True:
            first = self.watch.first_after(began + NOTHING_S)
            if wanted is not None:
                first = {partition: at for partition, at in first.items() if partition in wanted}
            if first and (wanted is None or len(first) == len(wanted)):
                slowest = (min if wanted is None else max)(first.values()) - began
                break
            if time.monotonic() > ended + RECOVER_S:
                silent = sorted((wanted or set()) - set(first))
                self.accidents.append(f"partitions {silent} decided nothing in {RECOVER_S:.0f} s {what}")
                slowest = RECOVER_S
                break
            await asyncio.sleep(parts.POLL_S)
        blow = Blow(slowest, await lag, what)
        self.blows.append(blow)
        return blow

    @staticmethod
    def no_blow(seconds: float) -> Blow:
        """A blow after which nothing may be decided: only how long it took to say so."""
        return Blow(seconds, 0.0)

    async def _lag_zero(self, ended: float, partitions: set[int] | None) -> float:
        """Seconds from the fault's end until the decider has passed the log's ends as they were then."""
        target: dict[int, int] | None = None
        deadline = ended + RECOVER_S
        while time.monotonic() < deadline:
            with contextlib.suppress(KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if target is None:
                    target = (await broker.ends(self.bootstrap, [topics.SLOT_LOG]))[topics.SLOT_LOG.name]
                passed = await lanes.next_offsets(self.databases, lanes.DECIDER)
                watched = target if partitions is None else {p: target[p] for p in partitions}
                if all(passed.get(partition, 0) >= end for partition, end in watched.items()):
                    return max(time.monotonic() - ended, 0.0)
            await asyncio.sleep(0.1)
        return RECOVER_S

    async def shares(self, good: Callable[[broker.Shares], bool], what: str) -> broker.Shares:
        """Who decides which partitions, once all are given out and `good`."""
        deadline = time.monotonic() + parts.PATIENCE_S
        while True:
            with contextlib.suppress(KafkaError, OSError):
                found = await broker.shares(self.bootstrap, lanes.DECIDER)
                if sum(len(held) for held in found.values()) == topics.SLOT_PARTITIONS and good(found):
                    return found
            if time.monotonic() > deadline:
                raise StackError(f"the partitions are not given out so that {what}")
            await asyncio.sleep(0.1)

    # Afterwards

    async def whole(self) -> None:
        """Wait until every process is ready."""
        await parts.until(lambda: parts.whole(self.home), f"ready: {parts.waiting(self.home)}")

    async def quiet(self) -> str:
        """Wait until nothing is to be done any more: "" or what is left when the patience is at its end."""
        deadline = time.monotonic() + QUIET_S
        calm, left = 0, ["nothing was seen"]
        while calm < 2:
            try:
                left = await lanes.behind(self.databases, self.bootstrap)
                left += [f"{len(self.watch.held)} holds are open"] * bool(self.watch.held)
                open_ = sum(request_id not in self.watch.last for request_id in self.tally.accepted)
                left += [f"{open_} requests are not answered"] * bool(open_)
            except (KafkaError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                left = [repr(error)]
            calm = calm + 1 if not left else 0
            if time.monotonic() > deadline:
                return "; ".join(left)
            await asyncio.sleep(0.3)
        return ""

    async def judge(self, *, forgot: bool = False) -> Broken:
        """The invariants that do not hold on all that was done so far; `forgot` as in `check`."""
        await self.exported.grow(self.bootstrap)
        return await check(self.home, self.exported, self.rules, self.told, forgot=forgot)

    async def judge_maimed(self, settled: bool) -> Broken:
        """What can be said of a log that lacks records on purpose: each request that was taken is decided, once."""
        await self.exported.grow(self.bootstrap)
        return once_decided(self.exported, self.tally.accepted if settled else ())


def quick_rules(home: Home) -> str:
    """The demonstration's rule version with a draw of seconds and no limits in the way; returns its name."""
    name = short_rules(home.path / "rules")
    file = home.path / "rules" / f"{name}.json"
    rules: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    rules["draw"]["window_ms"] = 5_000
    rules["limits"] |= {"per_offer": 100_000, "per_month": 100_000}
    file.write_text(json.dumps(rules, ensure_ascii=False, indent=1), encoding="utf-8")
    return name


__all__ = ["Blow", "Scene", "Sends", "World", "quick_rules"]
