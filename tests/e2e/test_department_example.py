"""The department's reader does what its page says: it reads its own bookings, once each, and knows nothing of ours."""

import ast
import asyncio
import csv
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from youai_contracts import topics

from tests.support import kafka
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack
from tests.support.waiting import eventually

READER = Path(__file__).resolve().parents[2] / "examples" / "department" / "reader.py"


async def read(stack: Stack, provider: str, state: Path) -> list[dict[str, str]]:
    """Run the reader as a department would, in an empty environment; returns the rows of its CSV."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(READER), "--provider", provider, "--state", str(state), "--group", f"{provider}.test",
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "YOUAI_KAFKA": stack.bootstrap},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    return list(csv.DictReader(out.decode().splitlines()))


async def read_until(
    stack: Stack, provider: str, state: Path, there: Callable[[list[dict[str, str]]], bool]
) -> list[dict[str, str]]:
    """Run it until its rows are as `there` says: decisions are published a moment after they are made."""

    async def rows() -> list[dict[str, str]] | None:
        found = await read(stack, provider, state)
        return found if there(found) else None

    return await eventually(rows, 60, "the department's rows")


async def test_it_follows_its_own_bookings(stack: Stack, market: Market, tmp_path: Path) -> None:
    provider = await market.register(new_id("department"), market.center_id, "provider", "department")
    other_slot = await market.session(capacity=1)
    offer_id = await market.offer(provider)
    caller = market.caller("catalog", provider, "provider-staff")
    slot_id = await _open(caller, offer_id)
    first, second, stranger = await market.venues(3)
    booked = await first.book(slot_id)
    await first.decided(booked)
    waiting = await second.book(slot_id)
    await second.decided(waiting)
    await stranger.decided(await stranger.book(other_slot))
    state = tmp_path / "bookings.sqlite"

    rows = await read_until(stack, provider, state, lambda found: len(found) == 2)
    assert [(row["request_id"], row["outcome"]) for row in rows] == [(booked, "confirmed"), (waiting, "waitlisted")]
    assert {row["slot_id"] for row in rows} == {slot_id}
    assert {row["title"] for row in rows} == {"红色讲坛"}
    assert await read(stack, provider, state) == rows  # nothing new: the same again

    await _publish_again(stack, slot_id)
    assert (await first.cancel(booked)).status_code == 202
    outcomes = {booked: "released", waiting: "promoted"}
    await read_until(stack, provider, state, lambda found: {r["request_id"]: r["outcome"] for r in found} == outcomes)


def test_it_imports_nothing_of_ours() -> None:
    tree = ast.parse(READER.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "aiokafka"}


def test_its_topics_are_in_the_contracts() -> None:
    text = READER.read_text()
    for topic in (topics.OFFER, topics.BOOKING):
        assert f'"{topic.name}"' in text


async def _open(caller: Any, offer_id: str) -> str:
    """A session with one place; returns its slot's id."""
    answer = await caller.post(f"/v1/offers/{offer_id}/sessions", session_body(capacity=1), key=new_id("key"))
    assert answer.status_code == 201, answer.text
    slot_id: str = answer.json()["slot_id"]
    return slot_id


async def _publish_again(stack: Stack, slot_id: str) -> None:
    """Publish the slot's decisions a second time, as a publisher does that died before it noted what it had sent."""
    records = [r for r in await kafka.read_topic(stack.bootstrap, topics.BOOKING.name) if r.key == slot_id.encode()]
    producer = kafka.producer(stack.bootstrap)
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(
                topics.BOOKING.name,
                record.value,
                record.key,
                partition=record.partition,
                headers=list(record.headers.items()),
            )
    finally:
        await producer.stop()
