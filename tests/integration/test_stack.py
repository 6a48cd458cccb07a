"""The supervisor over real parts: whatever is killed comes back with its data, and nothing outlives it."""

import os
import signal
import socket
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from youai_contracts import topics
from youai_stack import export, launch, processes
from youai_stack.errors import StackError
from youai_stack.home import Home

from tests.support.waiting import until

FAKE = """
import http.server, json, os, signal, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({k: v for k, v in os.environ.items() if k.startswith("YOUAI_")}).encode())

if sys.argv[1] == "migrate":
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.HTTPServer((os.environ["YOUAI_HTTP_HOST"], int(os.environ["YOUAI_HTTP_PORT"])), Answer).serve_forever()
"""
"""A service as the stack sees one: it migrates, answers /readyz, and ends on SIGTERM."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A running stack with one small service, in a path with a space and Chinese in it."""
    place = tmp_path_factory.mktemp("stack")
    package = place / "code" / "youai_fake"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(textwrap.dedent(FAKE))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package.parent)
        patch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)
        for name in ("YOUAI_KAFKA", "YOUAI_POSTGRES"):
            patch.delenv(name, raising=False)
        home = Home(place / "友 爱" / "home")
        up(home)
        yield home
        launch.down(home)


def up(home: Home, **given: Any) -> launch.Up:
    return launch.up(home, services=["fake"], with_parent=True, **given)


def process(home: Home, name: str) -> dict[str, Any]:
    state = home.state()
    assert state is not None
    found: dict[str, Any] = next(process for process in state["processes"] if process["name"] == name)
    return found


async def kill_and_wait(home: Home, *names: str) -> None:
    before = {name: process(home, name) for name in names}
    for name in names:
        os.kill(before[name]["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = [process(home, name) for name in names]
        return all(p["restarts"] > before[p["name"]]["restarts"] and p["state"] == "ready" for p in now)

    await until(is_back, 60, "the killed processes are ready again")


async def write(home: Home, text: str) -> None:
    """A record on the slot log, acknowledged, and a row, committed."""
    status = home.status()
    producer = AIOKafkaProducer(bootstrap_servers=status["kafka"]["bootstrap"], acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topics.SLOT_LOG.name, f'"{text}"'.encode(), key=text.encode())
    finally:
        await producer.stop()
    connection = await asyncpg.connect(status["postgres"]["dsn"])
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (text text)")
        await connection.execute("INSERT INTO kept VALUES ($1)", text)
    finally:
        await connection.close()


async def read(home: Home) -> tuple[list[str], list[str]]:
    """What the slot log and the table hold, sorted."""
    status = home.status()
    records = [r.key.decode() async for r in export.records(status["kafka"]["bootstrap"], topics.SLOT_LOG.name)]
    connection = await asyncpg.connect(status["postgres"]["dsn"])
    try:
        rows = await connection.fetch("SELECT text FROM kept")
    finally:
        await connection.close()
    return sorted(records), sorted(row["text"] for row in rows)


def test_everything_is_ready_and_on_the_loopback(home: Home) -> None:
    status = home.status()
    assert (status["state"], status["kafka"]["state"], status["postgres"]["state"]) == ("ready", "ready", "ready")
    fake = status["services"]["fake"]
    assert [(p["name"], p["role"], p["state"]) for p in fake["processes"]] == [
        ("fake-api", "api", "ready"),
        ("fake-worker-1", "worker", "ready"),
    ]
    assert fake["url"].startswith("http://127.0.0.1:")
    assert status["kafka"]["bootstrap"].startswith("127.0.0.1:")


async def test_a_service_may_enter_its_own_database_alone(home: Home) -> None:
    dsn = home.status()["postgres"]["dsn"]
    own = dsn.replace("postgres:" + home.secret("postgres"), "fake:" + home.secret("fake"))
    connection = await asyncpg.connect(own.removesuffix("postgres") + "fake")
    assert await connection.fetchval("SELECT current_user || '@' || current_database()") == "fake@fake"
    await connection.close()
    admin = await asyncpg.connect(dsn)
    await admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    await admin.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(
            dsn.replace("postgres:" + home.secret("postgres"), "stranger:x").removesuffix("postgres") + "fake"
        )


def test_a_second_up_is_refused_with_the_addresses(home: Home) -> None:
    with pytest.raises(StackError, match=r"is up already \(Kafka 127.0.0.1:\d+, fake http://127.0.0.1:\d+\)"):
        up(home)


def test_workers_are_scaled_up_and_down(home: Home) -> None:
    first = process(home, "fake-worker-1")
    launch.scale(home, "fake", 3)
    launch.scale(home, "fake", 1)
    names = [p["name"] for p in home.status()["services"]["fake"]["processes"]]
    assert names == ["fake-api", "fake-worker-1"]
    assert process(home, "fake-worker-1")["pid"] == first["pid"]


async def test_killed_parts_come_back_with_their_data(home: Home) -> None:
    await write(home, "before the kill")
    await kill_and_wait(home, "kafka", "postgres", "fake-worker-1")
    await write(home, "after the kill")
    records, rows = await read(home)
    assert {"before the kill", "after the kill"} <= set(records)
    assert records == rows


async def test_a_killed_supervisor_leaves_nothing_behind_and_up_finds_the_data(home: Home) -> None:
    await write(home, "before the supervisor's end")
    state = home.state()
    assert state is not None
    os.kill(state["supervisor"]["pid"], signal.SIGKILL)

    def are_gone() -> bool:
        return not any(processes.is_alive(p["pid"], p["started"]) for p in state["processes"])

    await until(are_gone, 60, "nothing is left of it")
    assert home.status() == {"state": "down"}
    up(home)
    assert "before the supervisor's end" in (await read(home))[0]


def test_homes_run_side_by_side_and_a_taken_port_is_a_sentence(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    launch.up(other, services=[], with_parent=True)
    try:
        assert other.status()["kafka"]["bootstrap"] != home.status()["kafka"]["bootstrap"]
    finally:
        launch.down(other)
    port = other.ports("postgres")["postgres"]
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        with pytest.raises(
            StackError, match=rf"Port {port} \(postgres of this home\) is in use by .*pid {os.getpid()}"
        ):
            launch.up(other, services=[])
    other.destroy()
    assert not other.path.exists()
