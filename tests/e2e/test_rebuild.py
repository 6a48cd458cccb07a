"""What was decided can be forgotten and decided again: the same bytes in every table, and nothing published twice."""

import asyncio
import json
import os
import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from youai_matching.store import DECIDER
from youai_stack import export

from tests.support import checks
from tests.support.client import Venue
from tests.support.demands import Demands
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack
from tests.support.waiting import eventually

TABLES = ("slot", "booking", "decision", "receipt", "timer")
PUBLISHED = (checks.BOOKING, "youai.claim.v1")
NOTES = {"timer": ("appended_at",), "slot": ("time",)}
"""What is no decision: when a deadline was appended last, and that a slot saw one come in vain."""


async def progress(stack: Stack) -> dict[int, int]:
    """How far the log is decided, by partition."""
    rows = await stack.ask("matching", "SELECT partition, next_offset FROM lane_progress WHERE lane = $1", DECIDER)
    return {row["partition"]: row["next_offset"] for row in rows}


async def decided(stack: Stack, slots: list[str]) -> dict[str, list[str]]:
    """Every row of what the decider wrote of some slots, in an order; others' go on by themselves."""
    found: dict[str, list[str]] = {}
    for table in TABLES:
        select = f"SELECT row_to_json(t)::text AS told FROM {table} AS t WHERE slot_id = ANY($1::text[])"
        told: list[dict[str, Any]] = [json.loads(row["told"]) for row in await stack.ask("matching", select, slots)]
        for one in told:
            for note in NOTES.get(table, ()):
                one.pop(note, None)
        found[table] = sorted(json.dumps(one, sort_keys=True) for one in told)
    return found


async def published(stack: Stack, slots: list[str]) -> Counter[str]:
    """How many records of each topic tell of some slots."""
    keys = {slot.encode() for slot in slots}
    found = Counter[str]()
    for topic in PUBLISHED:
        async for record in export.records(stack.bootstrap, topic):
            found[topic] += record.key in keys
    return found


async def forget(stack: Stack) -> tuple[int, str]:
    """Run the command that forgets, whether workers run or not: its exit code, and what it said."""
    env = os.environ | {"YOUAI_DATABASE": stack.dsn("matching"), "YOUAI_KAFKA": stack.bootstrap}
    call = (sys.executable, "-P", "-m", "youai_matching", "rebuild")
    process = await asyncio.create_subprocess_exec(
        *call, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, (out + err).decode()


async def drawn_session(market: Market) -> str:
    """A session that is in its draw's window."""
    body = {"provider_id": market.department_id, "category": "文化文艺", "title": "抽签的", "mode": "draw"}
    provider = market.caller("catalog", market.department_id, "provider-staff")
    offer = (await provider.post("/v1/offers", body, key=uuid.uuid4().hex)).json()["offer_id"]
    session = session_body()
    answer = await provider.post(f"/v1/offers/{offer}/sessions", session, key=uuid.uuid4().hex)
    assert answer.status_code == 201, answer.text
    return str(session["session_id"])


async def a_life(market: Market, crowd: list[Venue]) -> list[str]:
    """A few dozen records of all kinds, decided; returns their slots."""
    demands = Demands(market)
    station, (first, second) = await asyncio.gather(demands.station(), demands.providers(2))
    wide, narrow, closed = [await market.session(capacity=n) for n in (4, 1, 2)]
    drawn = await drawn_session(market)
    ids: dict[str, list[str]] = {}
    for slot, size, venues in ((wide, 2, crowd[:8]), (narrow, 1, crowd[8:12]), (closed, 1, crowd[12:15])):
        ids[slot] = [await venue.book(slot, size) for venue in venues]
    ids[drawn] = [await venue.book(drawn) for venue in crowd[15:19]]
    for venue, id in zip(crowd, [id for slot in (wide, narrow, closed, drawn) for id in ids[slot]], strict=False):
        await venue.decided(id)
    assert (await crowd[8].cancel(ids[narrow][0])).status_code == 202
    await crowd[9].decided(ids[narrow][1], "promoted")
    assert (await crowd[9].post(f"/v1/bookings/{ids[narrow][1]}/decline")).status_code == 202
    await crowd[10].decided(ids[narrow][2], "promoted")
    assert (await crowd[10].post(f"/v1/bookings/{ids[narrow][2]}/accept")).status_code == 202
    await crowd[10].decided(ids[narrow][2], "confirmed")
    provider = market.caller("catalog", market.department_id, "provider-staff")
    cut = {"capacity": 2, "reason": "换了小教室"}
    assert (await provider.call("PATCH", f"/v1/sessions/{wide}", json=cut, key=new_id("k"))).status_code == 200
    await crowd[1].decided(ids[wide][1], "waitlisted")
    center = market.caller("matching", market.center_id, "center")
    given = {"venue_id": crowd[20].organization_id, "party_size": 1, "capacity": 3, "explanation": "联席会议"}
    assert (await center.post(f"/v1/slots/{wide}/overrides", given, key=new_id("k"))).status_code == 202
    assert (await provider.post(f"/v1/sessions/{closed}/cancel", {"reason": "停电"})).status_code == 200
    await crowd[12].decided(ids[closed][0], "released")
    demand = await demands.post(station)
    await demands.claimed(demand, first)
    lost = await demands.claim(demand, second)
    assert lost.status_code == 202, lost.text

    async def rejected() -> object:
        select = "SELECT 1 FROM decision WHERE slot_id = $1 AND type = 'claim-rejected'"
        return await market.stack.ask("matching", select, f"demand:{demand}")

    await eventually(rejected, 30, "the second claim is rejected")
    return [wide, narrow, closed, drawn, f"demand:{demand}"]


async def test_what_is_decided_again_is_the_same_and_told_once(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    slots = await a_life(market, crowd)
    await checks.settled(whole)
    before, rows = await progress(whole), await decided(whole, slots)
    assert (len(rows["receipt"]) > 30, len(rows["decision"]) > 30) == (True, True)
    told = await published(whole, slots)
    code, said = await forget(whole)
    assert code == 1
    assert "stop all of them first" in said
    later = await progress(whole)
    assert all(later[partition] >= offset for partition, offset in before.items()), "with workers nothing is forgotten"
    assert await decided(whole, slots) == rows
    number = len(whole.workers("matching"))
    await whole.scale("matching", 0)
    try:
        code, said = await forget(whole)
        assert code == 0, said
        assert await whole.ask("matching", "SELECT 1 FROM decision LIMIT 1") == []
    finally:
        await whole.scale("matching", number)
    await whole.wait_ready()
    await checks.settled(whole)
    after = await progress(whole)
    assert all(after[partition] >= offset for partition, offset in before.items())
    again = await decided(whole, slots)
    for table in TABLES:
        assert again[table] == rows[table], table
    assert await published(whole, slots) == told
    await checks.verify(whole, tmp_path)
