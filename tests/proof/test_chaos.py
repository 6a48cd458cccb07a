"""The tools of chaos bite: walls keep out, gates cut in a COMMIT, clocks are put off, findings name what is broken."""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from youai_contracts import topics
from youai_proof.chaos import command, drills, findings, scene
from youai_proof.chaos.faults import FAULTS, rotated
from youai_proof.chaos.gate import COMMIT, Gate, Wall
from youai_proof.chaos.world import Timed
from youai_runtime.kafka import partition_of
from youai_stack.errors import StackError


def make(seed: int) -> scene.Scene:
    venues = tuple(f"venue-{n}" for n in range(60))
    return scene.make_scene("f", random.Random(seed), venues, "department", rate=50, seconds=20)


def test_a_scene_reaches_every_partition_and_follows_from_its_seed() -> None:
    one = make(7)
    arrival = [session["session_id"] for session in one.sessions["f-arrival"]]
    assert {partition_of(slot.encode(), topics.SLOT_PARTITIONS) for slot in arrival} == set(
        range(topics.SLOT_PARTITIONS)
    )
    assert list(one.sends) == list(make(7).sends)
    assert list(one.sends) != list(make(8).sends)
    asked = Counter((send.venue_id, send.slot_id) for send in one.sends)
    keys = Counter((send.venue_id, send.slot_id, send.key) for send in one.sends)
    assert asked.total() == keys.total()
    assert len(asked) == len(keys), "who asks twice taps twice: with one key"


def test_a_plan_that_is_stopped_says_no_more() -> None:
    sends = make(7).sends
    going = iter(sends)
    next(going)
    sends.stopped = True
    assert list(going) == []


def test_every_fault_has_its_turn() -> None:
    days = range(730_000, 730_000 + len(FAULTS))
    seen = Counter(fault.name for day in days for fault in rotated(3, day))
    assert set(seen.values()) == {3}
    assert len(seen) == len(FAULTS)
    assert rotated(3, 5) == rotated(3, 5)


def test_an_unknown_fault_is_named() -> None:
    with pytest.raises(StackError, match="no fault `kill-nobody`"):
        command.chaos(["kill-nobody"], 1, None, None, None, keep=False)


def test_figures_are_of_every_blow() -> None:
    blows = [{"next_decision_s": s, "lag_zero_s": 0.0, "what": ""} for s in (6.0, 7.5)]
    found = command.figures([command.Result("kill-worker", 1, blows=blows), command.Result("slow", 1, blows=blows)])
    assert found == {"kill-worker": {"blows": 2, "p99_s": 7.5, "most_s": 7.5}}


@pytest.fixture
def bookings(tmp_path: Path) -> findings.Export:
    rows = [(0, "0-0-0", "a", 1), (1, "0-1-0", "b", 2), (2, "0-1-0", "b", 2)]
    with (tmp_path / f"{topics.BOOKING.name}.jsonl").open("w") as file:
        for offset, id_, request, number in rows:
            data = {"request_id": request, "slot_id": "s", "sequence": number}
            headers = {"ce_id": id_, "ce_type": "booking-confirmed"}
            file.write(json.dumps({"partition": 0, "offset": offset, "headers": headers, "data": data}) + "\n")
    return findings.Export(tmp_path)


def test_a_decision_that_is_told_twice_is_one(bookings: findings.Export) -> None:
    assert findings.once_decided(bookings, ["a", "b"]) == {}


def test_who_was_accepted_and_never_decided_is_named(bookings: findings.Export) -> None:
    assert findings.once_decided(bookings, ["a", "lost"]) == {"I3": "1 accepted and never decided, as lost"}


def test_two_decisions_of_one_number_are_named(bookings: findings.Export) -> None:
    with (bookings.folder / f"{topics.BOOKING.name}.jsonl").open("a") as file:
        data = {"request_id": "c", "slot_id": "s", "sequence": 2}
        headers = {"ce_id": "0-7-0", "ce_type": "booking-confirmed"}
        file.write(json.dumps({"partition": 0, "offset": 7, "headers": headers, "data": data}) + "\n")
    assert findings.once_decided(bookings, []) == {"I1": "two decisions are number 2 of s: 0-1-0 and 0-7-0"}


CLOCK = (
    "import time; from datetime import UTC, datetime;"
    " print(time.time(), datetime.now(UTC).timestamp(), time.monotonic())"
)


def clock(instance: str) -> list[float]:
    env = os.environ | {"PYTHONPATH": str(drills.CLOCKS), "YOUAI_INSTANCE": instance}
    env["YOUAI_CHAOS_CLOCKS"] = json.dumps({"early": -3600})
    done = subprocess.run([sys.executable, "-P", "-c", CLOCK], env=env, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def test_a_clock_is_put_back_for_the_process_that_is_named() -> None:
    right, wrong = clock("other"), clock("early")
    for number in (0, 1):
        assert wrong[number] - right[number] == pytest.approx(-3600, abs=60)
    assert wrong[2] - right[2] == pytest.approx(0, abs=60)


def walls() -> bool:
    try:
        Wall().close()
    except (StackError, OSError):
        return False
    return True


needs_walls = pytest.mark.skipif(not walls(), reason="a network namespace needs root")
TALK = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5); s.settimeout(5)\n"


@asynccontextmanager
async def store(got: list[bytes]) -> AsyncIterator[int]:
    """A store that answers each piece it gets; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1000):
            got.append(piece)
            writer.write(b"done")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def behind(port: int) -> AsyncIterator[tuple[Wall, Gate]]:
    wall, gate = Wall(), Gate(port)
    await gate.start(wall)
    try:
        yield wall, gate
    finally:
        await gate.stop()
        wall.close()


async def talk(wall: Wall, port: int, script: str) -> str:
    """What a process behind the wall says in the end."""
    call = [sys.executable, "-c", TALK + script, str(port)]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(call, capture_output=True, text=True, check=False, preexec_fn=wall.enter)

    done = await asyncio.to_thread(run)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@needs_walls
async def test_all_goes_through_the_gate_and_nothing_around_it() -> None:
    got: list[bytes] = []
    async with store(got) as port, store([]) as other, behind(port) as (wall, gate):
        assert await talk(wall, port, "s.sendall(b'hello'); print(s.recv(9).decode())") == "done"
        assert got == [b"hello"]
        assert gate.carried == len(b"hello" + b"done")
        assert "refused" in await talk(wall, other, "print('through')")
        with socket.create_connection(("127.0.0.1", other), 5):
            pass  # outside, we are where we were


@needs_walls
@pytest.mark.parametrize("before", [True, False])
async def test_a_commit_is_cut_before_the_store_has_it_or_before_its_answer(before: bool) -> None:
    got: list[bytes] = []
    async with store(got) as port, behind(port) as (wall, gate):
        gate.commits_to_cut, gate.cut_before = 1, before
        script = f"s.sendall(b'INSERT'); s.recv(9); s.sendall(b'Q' + {COMMIT!r}); print(s.recv(9) or 'nothing')"
        said = await talk(wall, port, script)
        assert "reset" in said, said
        assert gate.commits_cut == 1
        assert got == ([b"INSERT"] if before else [b"INSERT", b"Q" + COMMIT])


@needs_walls
async def test_what_is_held_arrives_after_the_release() -> None:
    got: list[bytes] = []
    async with store(got) as port, behind(port) as (wall, gate):
        gate.hold("up")
        talking = asyncio.create_task(talk(wall, port, "s.sendall(b'late'); print(s.recv(9).decode())"))
        while not gate.carried:
            await asyncio.sleep(0)
        assert got == []
        gate.release()
        assert await talking == "done"


@needs_walls
async def test_who_is_refused_gets_nothing() -> None:
    got: list[bytes] = []
    async with store(got) as port, behind(port) as (wall, gate):
        gate.refuses = True
        said = await talk(wall, port, "s.sendall(b'x'); print(s.recv(9) or 'nothing')")
        assert "done" not in said
        assert got == []


def test_the_first_decision_after_a_blow_counts_and_not_the_latest() -> None:
    watch = Timed("nowhere:1")
    watch.times = {0: [1.0, 5.0, 9.0], 1: [2.0], 2: [6.0, 7.0]}
    assert watch.first_after(4.0) == {0: 5.0, 2: 6.0}
    assert watch.first_after(5.0) == {0: 9.0, 2: 6.0}
