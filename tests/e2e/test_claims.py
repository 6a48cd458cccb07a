"""Claims on the real broker and database: races for a demand, and processes that die in the middle."""

import asyncio
import random
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest_asyncio

from tests.support.client import assert_problem
from tests.support.demands import CLAIM, DEMAND, Demands, patient, types
from tests.support.market import Market
from tests.support.stack import Stack
from tests.support.waiting import eventually

RACERS = 50


@pytest_asyncio.fixture(scope="module")
async def demands(market: Market) -> Demands:
    return Demands(market)


@pytest_asyncio.fixture(scope="module")
async def station(demands: Demands) -> str:
    return await demands.station()


@pytest_asyncio.fixture(scope="module")
async def departments(demands: Demands) -> list[str]:
    """Fifty departments that demand knows; each has spoken with it already."""
    found = await demands.providers(RACERS)
    await asyncio.gather(*(demands.provider(one).get("/v1/demands?limit=1") for one in found))
    return found


async def test_fifty_claim_one_demand_at_once(demands: Demands, station: str, departments: list[str]) -> None:
    demand_id = await demands.post(station)
    answers = await asyncio.gather(*(demands.claim(demand_id, one) for one in departments))
    answered = time.monotonic()
    assert [answer.status_code for answer in answers] == [202] * RACERS, Counter(a.text for a in answers)

    async def in_the_table() -> dict[str, Any] | None:
        center = demands.venue(demands.market.center_id, "center")
        rows = (await center.get("/v1/demands", params={"venue_id": station})).json()["demands"]
        row: dict[str, Any] = next(one for one in rows if one["demand_id"] == demand_id)
        return row if row["state"] == "claimed" else None

    row = await eventually(in_the_table, 1.0, "the table is right within a second")
    print(f"the table was right {time.monotonic() - answered:.3f} s after the last answer")
    (team,) = row["teams"]
    winner = team["provider_id"]
    assert winner in departments

    ids = dict(zip(departments, (answer.json()["claim_id"] for answer in answers), strict=True))
    found = await asyncio.gather(*(demands.decided(demand_id, ids[one], one) for one in departments))
    for claim in found:
        if claim["provider_id"] == winner:
            assert (claim["status"], claim["reason"], claim["winner_id"]) == ("confirmed", "claim-free", None)
            assert claim["lease_until"] is not None
            continue
        assert (claim["status"], claim["reason"], claim["winner_id"]) == ("rejected", "claimed", winner)
        assert claim["winner_name"] == team["provider_name"]
        assert team["provider_name"] in claim["reason_zh"]
        assert team["provider_name"] in claim["reason_en"]
    assert Counter(claim["status"] for claim in found) == {"confirmed": 1, "rejected": RACERS - 1}
    assert Counter(types(await demands.told(CLAIM, [demand_id]))) == {"confirmed": 1, "rejected": RACERS - 1}

    told = Counter(types(await demands.told(DEMAND, [demand_id])))
    assert told == {"posted": 1, "claim-requested": RACERS, "claimed": 1}

    # The race is over in seconds: who comes then is told at the door who has it.
    async def late() -> list[httpx.Response]:
        answer = await demands.claim(demand_id, departments[0])
        return [answer] if answer.status_code == 409 else []

    problem = assert_problem((await eventually(late, 10, "the race is over"))[0], 409, "not-possible")
    assert problem["state"] == "claimed"
    assert problem["claimed_by"] == [{"provider_id": winner, "provider_name": team["provider_name"]}]


async def test_as_many_win_as_places_are_wanted(demands: Demands, station: str, departments: list[str]) -> None:
    demand_id = await demands.post(station, places_wanted=3)
    answers = await asyncio.gather(*(demands.claim(demand_id, one) for one in departments[:20]))
    whole = await demands.in_state(demand_id, "claimed")
    assert len(whole["teams"]) == 3
    taken = sum(answer.status_code == 202 for answer in answers)

    async def all_decided() -> bool:
        return len(await demands.told(CLAIM, [demand_id])) == taken

    await eventually(all_decided, 20, "all claims are decided")
    assert Counter(types(await demands.told(CLAIM, [demand_id])))["confirmed"] == 3


async def test_withdrawing_and_claiming_at_once(demands: Demands, station: str, departments: list[str]) -> None:
    """Whoever comes first in the log: a withdrawn demand keeps no live claim, and nobody is told otherwise after."""
    ids = await asyncio.gather(*(demands.post(station) for _ in range(12)))
    venue = demands.venue(station)

    async def both(number: int, demand_id: str) -> None:
        calls: list[Any] = [demands.claim(demand_id, one) for one in departments[number : number + 4]]
        calls.insert(number % 5, venue.post(f"/v1/demands/{demand_id}/withdraw", {"reason": "自己解决了"}))
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 202, 409}

    await asyncio.gather(*(both(number, demand_id) for number, demand_id in enumerate(ids)))

    async def settled() -> bool:
        wholes = await asyncio.gather(*(demands.read(demand_id) for demand_id in ids))
        statuses = {claim["status"] for whole in wholes for claim in whole["claims"]}
        return statuses <= {"ended", "rejected"} and {whole["state"] for whole in wholes} == {"withdrawn"}

    await eventually(settled, 30, "every claim has ended and every demand is withdrawn")
    for demand_id in ids:
        told = types(await demands.told(DEMAND, [demand_id]))
        assert told.count("withdrawn") == 1
        after = told[told.index("withdrawn") + 1 :]
        assert after == [], "nothing happens to a demand that was withdrawn"
        live = Counter(types(await demands.told(CLAIM, [demand_id])))
        assert live["confirmed"] == live["ended"] <= 1


async def test_handed_back_then_claimed_again(demands: Demands, station: str, departments: list[str]) -> None:
    demand_id = await demands.post(station)
    first, second = departments[:2]
    claim_id = await demands.claimed(demand_id, first)
    path = f"/v1/demands/{demand_id}/hand-back"
    assert_problem(await demands.provider(second).post(path, {"reason": "x"}), 403)
    answers = await asyncio.gather(
        *(demands.provider(first).post(path, {"reason": "老师病了"}, key="one") for _ in range(5))
    )
    assert [answer.status_code for answer in answers] == [202] * 5
    ended = await demands.decided(demand_id, claim_id, first, "ended")
    assert (ended["reason"], ended["explanation"]) == ("handed-back", "老师病了")
    assert (await demands.in_state(demand_id, "open"))["teams"] == []
    again = await demands.claimed(demand_id, second)
    whole = await demands.read(demand_id)
    assert [team["claim_id"] for team in whole["teams"]] == [again]
    assert types(await demands.told(DEMAND, [demand_id])) == [
        "posted",
        "claim-requested",
        "claimed",
        "claim-end-requested",
        "handed-back",
        "claim-requested",
        "claimed",
    ]
    assert types(await demands.told(CLAIM, [demand_id])) == ["confirmed", "ended", "confirmed"]


async def test_the_same_key_twice(demands: Demands, station: str, departments: list[str]) -> None:
    key = uuid.uuid4().hex
    posts = {await demands.post(station, key=key, wanted_from=WANTED[0], wanted_until=WANTED[1]) for _ in range(3)}
    (demand_id,) = posts
    answers = await asyncio.gather(*(demands.claim(demand_id, departments[0], key=key) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [202] * 10
    (claim_id,) = {answer.json()["claim_id"] for answer in answers}
    await demands.decided(demand_id, claim_id, departments[0], "confirmed")
    again = await demands.claim(demand_id, departments[0], key=key)
    assert (again.status_code, again.json()["claim_id"]) == (202, claim_id)
    assert types(await demands.told(DEMAND, [demand_id])) == ["posted", "claim-requested", "claimed"]


async def test_what_nobody_took_on_expires(demands: Demands, station: str, departments: list[str]) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    wanted = {"wanted_from": WANTED[0], "wanted_until": soon}
    left, taken = await demands.post(station, **wanted), await demands.post(station, **wanted)
    await demands.claimed(taken, departments[0])
    whole = await demands.in_state(left, "expired", timeout=10)
    assert whole["can"] == []
    assert_problem(await demands.claim(left, departments[1]), 409, "not-possible")
    assert types(await demands.told(DEMAND, [left])) == ["posted", "expired"]
    assert (await demands.read(taken))["state"] == "claimed"


async def test_deaths_in_the_middle_lose_nothing_and_double_nothing(
    whole: Stack, demands: Demands, station: str, departments: list[str]
) -> None:
    """kill -9 of demand's worker and of its API while demands are posted, raced for, scheduled and fulfilled."""
    venue = demands.venue(station)
    random_ = random.Random(4)

    async def life(number: int) -> str:
        key = f"life-{uuid.uuid4().hex}"
        body = {"category": "健康服务", "title": f"量血压 {number}", "residents": 9}
        times = {"wanted_from": WANTED[0], "wanted_until": WANTED[1]}
        posted = await patient(lambda: venue.post("/v1/demands", body | times, key=key))
        assert posted.status_code in (200, 201), posted.text
        demand_id = str(posted.json()["demand_id"])
        racers = random_.sample(departments, 3)
        await asyncio.gather(*(patient(lambda one=one: demands.claim(demand_id, one, key=key)) for one in racers))

        async def has_a_team() -> str:
            answer = await patient(lambda: venue.get(f"/v1/demands/{demand_id}"))
            teams = answer.json()["teams"]
            return str(teams[0]["provider_id"]) if teams and answer.json()["state"] == "claimed" else ""

        winner = await eventually(has_a_team, 60, f"{demand_id} is claimed")
        plan = {"scheduled_at": WANTED[1], "place": "村活动室"}
        path = f"/v1/demands/{demand_id}"
        scheduled = await patient(lambda: demands.provider(winner).post(f"{path}/schedule", plan, key=key))
        assert scheduled.status_code == 200, scheduled.text
        rating = {"rating": 5, "residents_served": 9}

        async def fulfilled() -> bool:
            answer = await patient(lambda: venue.post(f"{path}/fulfil", rating, key=key))
            assert answer.status_code in (200, 409), answer.text
            return answer.status_code == 200

        await eventually(fulfilled, 60, f"{demand_id} is fulfilled")
        return demand_id

    lives = [asyncio.create_task(life(number)) for number in range(40)]
    for name in ("demand-worker-1", "demand-api", "demand-worker-1"):
        await spoken(whole, await spoken(whole, 0))
        old = whole.kill(name)
        await whole.restarted(name, old)
    ids = await asyncio.gather(*lives)
    assert len(set(ids)) == 40

    async def all_told() -> bool:
        return Counter(types(await demands.told(DEMAND, ids)))["fulfilled"] == 40

    await eventually(all_told, 60, "everything is told")
    for demand_id in ids:
        told = types(await demands.told(DEMAND, [demand_id]))
        assert [one for one in told if one != "claim-requested"] == ["posted", "claimed", "scheduled", "fulfilled"]
        story = [entry["type"].removeprefix("demand-") for entry in (await demands.read(demand_id))["timeline"]]
        assert story == told
    decisions = Counter(types(await demands.told(CLAIM, ids)))
    assert decisions["confirmed"] == 40
    requested = Counter(types(await demands.told(DEMAND, ids)))["claim-requested"]
    assert decisions["confirmed"] + decisions["rejected"] == requested


async def spoken(stack: Stack, more_than: int) -> int:
    """How much demand has said in all, once that is more."""

    async def more() -> int:
        said: int = (await stack.ask("demand", "SELECT count(*) AS n FROM outbox"))[0]["n"]
        return said if said > more_than else 0

    return await eventually(more, 30, "demand goes on")


WANTED = ("2026-01-01T00:00:00Z", (datetime.now(UTC) + timedelta(days=30)).isoformat())
