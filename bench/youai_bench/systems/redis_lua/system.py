"""Redis under measure: a Lua script decides a booking, the append-only file is flushed before each answer.

It keeps a row a request (a field of its slot's hash) and an event a decision (an entry of one stream), with the
contract's fields; the two hashes stand in them with their length but are not computed, and it applies none of the rules
past capacity and queue, which is in its favour. It reads no log: requests come over connections, and who comes first to
the server has come first. A repeat is answered with its first outcome and leaves nothing.
"""

import asyncio
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from youai_contracts.codec import rfc3339
from youai_stack import processes
from youai_stack.errors import StackError

from youai_bench import reading
from youai_bench.cpu import Meter
from youai_bench.gate import Gated
from youai_bench.ground import Ground
from youai_bench.system import Drained, Outcomes, Told
from youai_bench.systems.redis_lua import server
from youai_bench.systems.redis_lua.client import command
from youai_bench.work import Ask, Work

_SCRIPT = Path(__file__).with_name("book.lua")
_EVENTS = "events"
_READ_AT_ONCE = 5_000
_START_S = 10.0


class RedisLua:
    """A server on the loopback and one client with `connections`, each with one pipeline of `pipeline` on its way."""

    ordered_by: Literal["log", "arrival"] = "arrival"

    def __init__(self, name: str = "redis_lua_pipelined", *, pipeline: int = 100, connections: int = 4) -> None:
        self.name = name
        self._pipeline = pipeline
        self._connections = connections
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Gated | None = None

    async def prepare(self, ground: Ground) -> None:
        self._ground = ground
        self._folder = ground.folder / self.name
        self._port = ground.home.ports(self.name)[self.name]
        self._server = await asyncio.to_thread(server.ensure)
        ground.tell(
            f"{self.name}: Redis {self._server.version}, {self._connections} connections, pipelines of {self._pipeline}"
        )

    async def fill(self, work: Work) -> None:
        self._work = work
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        await self._start()
        self._redis: Any = Redis(host="127.0.0.1", port=self._port, decode_responses=True)
        await self._until_up()
        sha = await self._redis.script_load(_SCRIPT.read_text(encoding="utf-8"))
        for slot in work.slots:
            fields: list[str | int] = [
                "capacity",
                slot.capacity,
                "waitlist",
                "" if work.waitlist else 0,
                "rule_version",
                "0" * 64,
            ]
            fields += ["taken", 0, "waiting", 0, "sequence", 0]
            await self._redis.hset(f"slot:{slot.slot_id}", items=fields)
        self._asks = await asyncio.to_thread(self._write_lines, work, sha.encode())
        settings = {
            "BENCH_FOLDER": str(self._folder),
            "BENCH_PORT": str(self._port),
            "BENCH_PIPELINE": str(self._pipeline),
        }
        log = self._ground.home.log(f"{self.name}-client")
        self._client = Gated("youai_bench.systems.redis_lua.client", log, settings)
        await self._client.ready()

    async def _start(self) -> None:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "auto-aof-rewrite-percentage": "0",  # a rewrite in the middle of a round would cost it
            "save": "",
            "daemonize": "no",
        }
        argv = [str(self._server.program), *(part for name, value in settings.items() for part in (f"--{name}", value))]
        self._process = processes.spawn(
            argv,
            log=self._ground.home.log(self.name),
            env=self._server.environment | {"LC_ALL": "C.UTF-8"},
            cwd=self._folder,
            death_signal=signal.SIGKILL,
        )

    async def _until_up(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_S
        while True:
            try:
                await self._redis.ping()
                return
            except (RedisError, OSError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = self._ground.home.log(self.name)
                    raise StackError(f"Redis did not come up: {' '.join(processes.tail(log, 1))}") from error
            await asyncio.sleep(0.02)

    def _write_lines(self, work: Work, sha: bytes) -> list[list[Ask]]:
        """Write each connection's commands: requests go over them in turn."""
        at = rfc3339(datetime.now(UTC)).encode()
        asks = list(work)
        lines = [asks[number :: self._connections] for number in range(self._connections)]
        for number, line in enumerate(lines):
            commands = b"\0".join(_booking(ask, sha, at) for ask in line)
            (self._folder / f"line-{number:03d}.bin").write_bytes(commands)
        return lines

    async def drain(self) -> Drained:
        assert self._client is not None
        assert self._process is not None
        meter = Meter({"redis": self._process.pid, "client": self._client.pid})
        self._client.go()
        told = self._folder / "answers.json"
        while not told.exists():
            self._client.alive()
            await asyncio.sleep(0.02)
        cpu = meter.stop()
        await self._client.ended()
        self._told = json.loads(told.read_text(encoding="ascii"))
        return Drained(self._told["seconds"], cpu)

    async def outcomes(self) -> Outcomes:
        rows = []
        for slot in self._work.slots:
            for request_id, row in (await self._redis.hgetall(f"rows:{slot.slot_id}")).items():
                outcome, sequence, *_ = row.split()
                rows.append(Told(slot.slot_id, request_id, outcome, int(sequence)))
        decoder = msgspec.json.Decoder(reading.Event)
        events = []
        last = "-"
        while found := await self._redis.xrange(_EVENTS, min=last, count=_READ_AT_ONCE):
            for _, fields in found:
                event = decoder.decode(fields["event"])
                events.append(Told(event.slot_id, event.request_id, event.outcome, event.sequence))
            last = f"({found[-1][0]}"
        return Outcomes(rows, events, list(self._repeats()))

    def _repeats(self) -> Iterator[tuple[str, str]]:
        for asks, answers in zip(self._asks, self._told["answers"], strict=True):
            for ask, outcome in zip(asks, answers, strict=True):
                if ask.repeat:
                    yield ask.request_id, outcome

    async def clear(self) -> None:
        await self._redis.aclose()
        await self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.stop()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)


def _booking(ask: Ask, sha: bytes, at: bytes) -> bytes:
    slot = ask.slot.slot_id.encode()
    keys = (b"slot:" + slot, b"rows:" + slot, _EVENTS.encode())
    return command(b"EVALSHA", sha, b"3", *keys, slot, ask.request_id.encode(), ask.venue_id.encode(), b"1", at)
