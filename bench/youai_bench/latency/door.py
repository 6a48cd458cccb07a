"""The door's own cost: its short way against FastAPI with pydantic, and a booking of a batch against one asked alone.

Both doors stand on the same stores, with the same database rows and appends; what differs is the processor time of the
door's process, which is what is compared: the rate beside it also has the database's share, the broker's and ours, on
the same cores.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
from youai_contracts import codec
from youai_matching.sources import SOURCE
from youai_stack import probes, processes, tokens
from youai_stack.errors import StackError

from youai_bench import engine, slot_log
from youai_bench import work as works
from youai_bench.cpu import Meter
from youai_bench.gate import Gated
from youai_bench.goals import Goal, Measure
from youai_bench.ground import Ground
from youai_bench.latency import door_api
from youai_bench.latency.door_load import PLAN, Plan, venue
from youai_bench.stand import Stand

CONNECTIONS = 64
_BATCH = 1_000
_BATCH_CONNECTIONS = 1
_WARM = 2_000
_WAYS = ("raw", "documented")
_CENTER = "center-bench"
_READY_S = 60.0


class Doors:
    """Both doors over one stand, whose worker has opened the slots and is gone."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._stand = Stand(ground, "door")
        self._asked = 0
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    async def open(self, venues: int) -> None:
        """Make slots and venues, and start the doors."""
        keys = self._ground.home.keys
        tokens.ensure_keys(keys)
        self._token = tokens.sign(keys, organization=_CENTER, role="center", subject="bench", hours=12)
        await self._stand.open()
        self._slots = await asyncio.to_thread(self._open_slots)
        await self._stand.start()
        await self._stand.until_decided(len(self._slots))
        await self._stand.stop()
        await self._register(venues)
        self.running = {way: self._door(way) for way in _WAYS}
        for way in _WAYS:
            await self._ready(way)

    def _open_slots(self) -> tuple[str, ...]:
        from confluent_kafka import Producer

        now = datetime.now(UTC)
        producer = Producer({"bootstrap.servers": self._ground.bootstrap, "acks": "all"})
        slots = works.make("uniform", works.SLOTS * 1_000).slots
        for number, slot in enumerate(slots):
            message = codec.encode(slot_log.opened(slot, True, now), id=f"catalog-{number}", source=SOURCE, at=now)
            producer.produce(
                self._stand.log,
                key=message.key,
                value=message.value,
                partition=slot.partition,
                headers=list(message.headers),
            )
        if producer.flush(30):
            raise StackError("The door's slots could not be appended.")
        return tuple(slot.slot_id for slot in slots)

    async def _register(self, venues: int) -> None:
        rows: list[tuple[str | None, ...]] = [(_CENTER, None, "center", "center", _CENTER, "town-1")]
        rows += [(venue(number), _CENTER, "venue", "station", venue(number), "town-1") for number in range(venues)]
        connection = await asyncpg.connect(self._stand.dsn)
        try:
            columns = ("organization_id", "parent_id", "kind", "level", "name", "town")
            await connection.copy_records_to_table("organization", columns=columns, records=rows)
        finally:
            await connection.close()

    async def analyze(self) -> None:
        """Let the database know what its tables are like, as it would after some minutes by itself."""
        connection = await asyncpg.connect(self._stand.dsn)
        try:
            await connection.execute("ANALYZE")
        finally:
            await connection.close()

    def _port(self, way: str) -> int:
        name = f"door-{way}"
        return self._ground.home.ports(name)[name]

    def _door(self, way: str) -> "subprocess.Popen[bytes]":
        settings = {
            "YOUAI_KAFKA": self._ground.bootstrap,
            "YOUAI_DATABASE": self._stand.dsn,
            "YOUAI_HTTP_PORT": str(self._port(way)),
            "YOUAI_INSTANCE": f"door-{way}",
            "YOUAI_DEV_PUBLIC_KEY_FILE": str(tokens.public_key_file(self._ground.home.keys)),
            "YOUAI_RATE_LIMIT": "1000000/second",
            engine.SLOT_LOG: self._stand.log,
            engine.BOOKING: self._stand.booking,
            engine.PARTITIONS: str(self._stand.partitions),
            door_api.WAY: way,
        }
        return processes.spawn(
            [sys.executable, "-P", "-m", "youai_bench.latency.door_api"],
            log=self._log(way),
            env=os.environ | settings,
            cwd=self._ground.folder,
            death_signal=signal.SIGKILL,
        )

    def _log(self, way: str) -> Path:
        return self._ground.home.log(f"door-{way}")

    async def _ready(self, way: str) -> None:
        deadline = time.monotonic() + _READY_S
        while missing := await probes.http(self._port(way)):
            if self.running[way].poll() is not None or time.monotonic() > deadline:
                raise StackError(f"The door did not get ready ({missing}): see {self._log(way)}.")
            await asyncio.sleep(0.05)

    async def ask(self, way: str, bookings: int, a_call: int = 1) -> tuple[float, dict[str, float]]:
        """So many bookings; seconds, and CPU µs a booking of each process."""
        first, self._asked = self._asked, self._asked + bookings
        file = self._ground.folder / "door.txt"
        plan = Plan(
            self._port(way),
            self._token,
            (first, self._asked),
            self._slots,
            a_call,
            CONNECTIONS if a_call == 1 else _BATCH_CONNECTIONS,
            str(file),
        )
        load = Gated(
            "youai_bench.latency.door_load",
            self._ground.home.log("door-load"),
            {PLAN: msgspec.json.encode(plan).decode()},
        )
        try:
            await load.ready()
            await self._ground.settle()
            meter = Meter({"door": self.running[way].pid} | self._ground.pids)
            load.go()
            await load.ended()
            cpu = {name: taken / bookings * 1e6 for name, taken in meter.stop().items()}
            return float(Path(file).read_text(encoding="ascii")), cpu
        finally:
            await load.stop()
            file.unlink(missing_ok=True)

    async def close(self) -> None:
        """End the doors; remove what they stood on."""
        for door in self.running.values():
            door.terminate()
        for door in self.running.values():
            await asyncio.to_thread(door.wait)
        await self._stand.close()


async def measure(ground: Ground, *, quick: bool) -> list[Measure]:
    """Both measures of the door, in turns."""
    rounds, singles, batches = (2, 3_000, 10) if quick else (5, 10_000, 40)
    doors = Doors(ground)
    found: dict[str, list[tuple[float, dict[str, float]]]] = {"raw": [], "documented": [], "batch": []}
    try:
        await doors.open(len(_WAYS) * _WARM + rounds * (len(_WAYS) * singles + batches * _BATCH))
        for way in _WAYS:
            await doors.ask(way, _WARM)
        await doors.analyze()
        for number in range(1, rounds + 1):
            for name, one in found.items():
                bookings, a_call = (batches * _BATCH, _BATCH) if name == "batch" else (singles, 1)
                seconds, cpu = await doors.ask("raw" if name == "batch" else name, bookings, a_call)
                one.append((bookings / seconds, cpu))
                told = ", ".join(f"{process} {taken:.0f}" for process, taken in cpu.items())
                ground.tell(f"round {number}: door, {name}: {bookings / seconds:,.0f} bookings/s (CPU µs each: {told})")
    finally:
        await doors.close()
    return [
        Measure(
            "door_raw_vs_fastapi",
            "door: CPU of its process a request, FastAPI + pydantic over the raw way",
            _over(found["documented"], found["raw"]),
            Goal("least", 2.5),
            _figures(found, "documented", "raw"),
        ),
        Measure(
            "door_batch_vs_single",
            "door: CPU of its process a booking, asked alone over one of a batch of 1,000",
            _over(found["raw"], found["batch"]),
            Goal("least", 10.0),
            _figures(found, "raw", "batch"),
        ),
    ]


def _over(dear: list[tuple[float, dict[str, float]]], cheap: list[tuple[float, dict[str, float]]]) -> list[float]:
    return [d["door"] / max(c["door"], 1e-9) for (_, d), (_, c) in zip(dear, cheap, strict=True)]


def _figures(found: dict[str, list[tuple[float, dict[str, float]]]], *names: str) -> dict[str, object]:
    figures: dict[str, object] = {}
    for name in names:
        rate, cpu = found[name][-1]
        figures[f"{name} bookings a second"] = round(rate)
        figures |= {f"{name} {process} µs": round(taken, 1) for process, taken in cpu.items()}
    return figures
