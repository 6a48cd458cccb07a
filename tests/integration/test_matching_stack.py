"""Holds through the real broker, database and worker: answered by a venue, by the door for it, and across a death."""

import asyncio
from typing import Any

import pytest

from tests.support import kafka
from tests.support.client import Venue
from tests.support.market import Market
from tests.support.stack import Stack

SLOT_LOG = "youai.slot-log.v1"


async def held(market: Market, **more: Any) -> tuple[Venue, str]:
    """A venue to which a place of a full slot has just been given from the queue, and its booking's id."""
    holder, venue = await market.venues(2)
    slot_id = await market.session(capacity=1)
    first = await holder.book(slot_id)
    await holder.decided(first, "confirmed")
    mine = (await venue.ask(slot_id, **more)).json()["request_id"]
    market.stack.accepted += [{"request_id": id, "slot_id": slot_id, "status": 202} for id in (first, mine)]
    await venue.decided(mine, "waitlisted")
    assert (await holder.cancel(first)).status_code == 202
    return venue, mine


async def test_a_venue_accepts_and_another_declines(market: Market) -> None:
    (venue, mine), (other, theirs) = await held(market), await held(market)
    assert (await venue.decided(mine, "promoted"))["hold_until"]
    await other.decided(theirs, "promoted")
    assert (await venue.post(f"/v1/bookings/{mine}/accept")).status_code == 202
    assert (await other.post(f"/v1/bookings/{theirs}/decline")).status_code == 202
    assert (await venue.decided(mine, "confirmed"))["reason"] == "accepted"
    assert (await other.decided(theirs, "released"))["reason"] == "declined"


async def test_the_door_accepts_for_who_asked_for_that(market: Market) -> None:
    venue, mine = await held(market, auto_accept=True)
    assert (await venue.decided(mine, "confirmed"))["reason"] == "accepted"


async def test_an_answer_that_was_kept_and_not_appended_is_appended_by_the_sweeper(
    stack: Stack, market: Market
) -> None:
    if not stack.owns("kafka"):
        pytest.skip("kafka is not the stack's own")
    venue, mine = await held(market)
    await venue.decided(mine, "promoted")
    with stack.paused("kafka"):
        answer = await venue.post(f"/v1/bookings/{mine}/accept")
        assert answer.status_code == 504, "the row is kept, the log is silent"
        old = stack.kill("matching-api")
    await stack.restarted("matching-api", old)
    await stack.wait_ready()
    now = await venue.decided(mine, "confirmed", timeout=90)
    assert now["reason"] == "accepted"
    (row,) = await stack.ask("matching", "SELECT reserved FROM request WHERE request_id = $1", mine)
    assert row["reserved"]


async def test_a_decision_comes_with_the_answer_to_who_waits(market: Market) -> None:
    venue = await market.venue()
    slot_id = await market.session()
    await venue.ask(await market.session())  # the door knows the venue
    answers = await asyncio.gather(
        *(
            venue.post(
                "/v1/bookings", {"slot_id": slot_id, "party_size": 1}, key=f"{slot_id}", headers={"Prefer": "wait=2"}
            )
            for _ in range(3)
        )
    )
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"confirmed"}
    assert len({answer.json()["request_id"] for answer in answers}) == 1
    log = await kafka.read_topic(market.stack.bootstrap, SLOT_LOG)
    asked = [record for record in log if record.id == answers[0].json()["request_id"]]
    assert len(asked) == 1, "three tabs, one record"
