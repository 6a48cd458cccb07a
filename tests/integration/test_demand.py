"""Demand's calls over a real database, one of its own a test; what matching decides is handed to its lane by hand."""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from youai_contracts import events
from youai_demand import commands, residents, store, streams
from youai_demand.forms import DemandRow

from tests.support.client import Caller, assert_problem
from tests.support.demand_alone import DemandAlone, confirmed, demand_alone, ended, record, rejected
from tests.support.demands import demand_body
from tests.support.stack import Stack
from tests.support.waiting import eventually

RESIDENT = {"name": "测试居民甲", "phone": "000-12345678", "address": "中山村无名路1号", "note": "不用手机"}
PERSONAL = ("测试居民甲", "12345678", "无名路", "不用手机")
PLAN = {"scheduled_at": "2027-01-01T09:00:00+08:00", "place": "村活动室", "note": "带投影"}
RATING = {"rating": 5, "residents_served": 40, "comment": "讲得好"}


@pytest_asyncio.fixture
async def alone(stack: Stack) -> AsyncIterator[DemandAlone]:
    async with demand_alone(stack) as served:
        yield served


async def walk(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    """A list's rows, part by part."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = await caller.get("/v1/demands", params=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        rows += answer.json()["demands"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return rows


async def test_the_life_of_a_demand(alone: DemandAlone) -> None:
    demand_id = await alone.post()
    path = f"/v1/demands/{demand_id}"
    team, station = alone.as_("red-team", "provider-staff"), alone.as_("station")
    assert_problem(await team.post(f"{path}/schedule", PLAN), 409, "not-possible")
    claim_id = await alone.claimed(demand_id)
    whole = await alone.whole(demand_id)
    assert (whole["state"], whole["can"]) == ("claimed", ["schedule", "hand-back", "withdraw"])
    assert [row["provider_name"] for row in whole["teams"]] == ["red-team的名字"]
    problem = assert_problem(await station.post(f"{path}/fulfil", RATING), 409, "not-possible")
    assert (problem["state"], problem["can"]) == ("claimed", ["schedule", "hand-back", "withdraw"])
    assert (await team.post(f"{path}/schedule", PLAN)).json()["state"] == "scheduled"
    assert (await team.post(f"{path}/schedule", PLAN)).status_code == 200  # the same again says nothing again
    assert (await station.post(f"{path}/fulfil", RATING)).json()["state"] == "fulfilled"
    assert_problem(await station.post(f"{path}/withdraw", {"reason": "x"}), 409, "not-possible")
    told = await alone.told()
    assert [event.type.removeprefix("demand-") for event in told] == [
        "posted",
        "claim-requested",
        "claimed",
        "scheduled",
        "fulfilled",
    ]
    done = told[-1]
    assert isinstance(done, events.DemandFulfilled)
    assert (done.claim_id, done.rating, done.provider_id, done.comment) == (claim_id, 5, "red-team", "讲得好")

    # The public sees the table's fields; what people wrote beside is for those whom it is of.
    seen = {who: await alone.whole(demand_id, who) for who in ("station", "center", "red-team", "health")}
    assert [seen[who]["comment"] for who in seen] == ["讲得好", "讲得好", None, None]
    assert [seen[who]["claims"][0]["note"] for who in seen] == ["带投影", "带投影", "带投影", None]
    assert [entry["zh"] for entry in seen["health"]["timeline"]] == [
        "station的名字发布需求：请来讲讲红色故事",
        "red-team的名字请求接单",
        "red-team的名字接单成功",
        "red-team的名字安排了时间：2027-01-01 09:00，村活动室",
        "red-team的名字的服务已完成，服务40人，评分5",
    ]
    claim = f"{path}/claims/{claim_id}"
    assert (await team.get(claim)).json()["note"] == "带投影"
    assert (await alone.as_("party-school", "provider-staff").get(claim)).status_code == 200
    assert (await alone.as_("institute").get(claim)).status_code == 200
    assert_problem(await alone.as_("blue-team", "provider-staff").get(claim), 403)
    assert_problem(await team.get(f"{path}/claims/nobody"), 404)
    assert_problem(await team.get("/v1/demands/nobody"), 404)


async def test_who_may_do_what_to_whose(alone: DemandAlone) -> None:
    body = demand_body()
    for organization, role, status in (
        ("station", "collector", 201),
        ("station", "venue-staff", 201),
        ("center", "center", 201),
        ("station", "provider-staff", 403),
        ("station", "platform", 403),
        ("red-team", "venue-staff", 422),
        ("nowhere", "venue-staff", 404),
        (None, "center", 401),
    ):
        answer = await alone.as_(organization, role).post("/v1/demands", body, key=uuid.uuid4().hex)
        assert answer.status_code == status, (organization, role, answer.text)
    for organization, status in (("institute", 201), ("center", 201), ("elsewhere", 403), ("party-school", 403)):
        answer = await alone.as_(organization).post("/v1/demands", body | {"venue_id": "station"}, key="k")
        assert answer.status_code == status, (organization, answer.text)

    demand_id = await alone.post()
    path = f"/v1/demands/{demand_id}"
    for organization, provider, status in (
        ("red-team", "blue-team", 403),
        ("health", "red-team", 403),
        ("station", "station", 422),
        ("red-team", "nobody", 404),
        ("party-school", "red-team", 202),
    ):
        answer = await alone.as_(organization, "provider-staff").post(
            f"{path}/claims", {"provider_id": provider}, key=uuid.uuid4().hex
        )
        assert answer.status_code == status, (organization, provider, answer.text)
    await alone.decide(confirmed(demand_id, answer.json()["claim_id"]))
    assert_problem(await alone.as_("blue-team", "provider-staff").post(f"{path}/schedule", PLAN), 403)
    assert_problem(await alone.as_("blue-team", "provider-staff").post(f"{path}/hand-back", {"reason": "x"}), 403)
    assert (await alone.as_("party-school", "provider-staff").post(f"{path}/schedule", PLAN)).status_code == 200
    for call, form in (("fulfil", RATING), ("withdraw", {"reason": "x"})):
        assert_problem(await alone.as_("elsewhere").post(f"{path}/{call}", form), 403)
        assert_problem(await alone.as_("red-team", "provider-staff").post(f"{path}/{call}", form), 403)
        assert_problem(await alone.as_("station", "collector").post(f"{path}/{call}", form), 403)
    assert (await alone.as_("center", "center").post(f"{path}/fulfil", RATING)).status_code == 200


async def test_the_public_table(alone: DemandAlone) -> None:
    ids = [
        await alone.post(
            "station" if number % 2 else "elsewhere",
            category="健康服务" if number % 3 else "理论宣讲",
            title=f"第{number}件 100%_安心",
        )
        for number in range(9)
    ]
    await alone.claimed(ids[4])
    anybody = alone.as_("health", "platform")
    rows = await walk(anybody, limit=2)
    assert [row["demand_id"] for row in rows] == sorted(
        ids, key=lambda one: next((r["posted_at"], r["demand_id"]) for r in rows if r["demand_id"] == one), reverse=True
    )
    assert rows == await walk(anybody, limit=500)
    assert set(rows[0]) == set(DemandRow.model_fields)
    for query, wanted in (
        ({"category": "理论宣讲"}, [0, 3, 6]),
        ({"venue_id": "elsewhere"}, [0, 2, 4, 6, 8]),
        ({"state": "claimed"}, [4]),
        ({"provider_id": "red-team"}, [4]),
        ({"provider_id": "health"}, []),
        ({"town": "大新镇", "state": "open", "category": "理论宣讲"}, [0, 3, 6]),
        ({"q": "第7件"}, [7]),
        ({"q": "0%_安"}, list(range(9))),
        ({"q": "0_%"}, []),
        ({"q": "RED-TEAM的"}, [4]),
        ({"q": "\\"}, []),
    ):
        found = {row["demand_id"] for row in await walk(anybody, limit=3, **query)}
        assert found == {ids[number] for number in wanted}, query
    for bad in ({"cursor": "x"}, {"state": "lost"}, {"limit": 0}, {"q": "\x00"}, {"colour": "red"}):
        assert_problem(await anybody.get("/v1/demands", params=bad), 422)
    assert_problem(await alone.as_(None).get("/v1/demands"), 401)


async def test_a_resident_is_known_to_who_may_and_leaves_no_trace_elsewhere(
    alone: DemandAlone, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    collector = alone.as_("station", "collector")
    body = demand_body(resident=RESIDENT)
    posted = await collector.post("/v1/demands", body, key="k")
    assert posted.status_code == 201
    assert (await collector.post("/v1/demands", body, key="k")).status_code == 200
    demand_id, reference = posted.json()["demand_id"], posted.json()["on_behalf"]
    path = f"/v1/demands/{demand_id}/resident"
    shown = await collector.get(path)
    assert shown.json() == RESIDENT | {"on_behalf": reference}
    assert shown.headers["cache-control"] == "no-store"
    assert (await alone.as_("center", "center").get(path)).status_code == 200
    for organization, role in (
        ("institute", "venue-staff"),
        ("elsewhere", "venue-staff"),
        ("center", "venue-staff"),
        ("red-team", "provider-staff"),
        ("station", "platform"),
        ("health", "center"),
    ):
        assert_not_personal(assert_problem(await alone.as_(organization, role).get(path), 403))
        assert_problem(await alone.as_(organization, role).delete(path), 403)
    wrong = await collector.post("/v1/demands", demand_body(resident=RESIDENT | {"age": PERSONAL[0]}), key="w")
    assert_problem(wrong, 422, "invalid")
    assert_not_personal(wrong.text)

    # Nowhere else: no event, list, answer to others, log line, nor any other table.
    await alone.claimed(demand_id)
    for who in ("station", "center", "red-team"):
        assert_not_personal(await alone.whole(demand_id, who))
    assert (await alone.whole(demand_id, "red-team"))["on_behalf"] is None
    assert_not_personal(await walk(collector))
    assert_not_personal(await alone.told())
    tables = await alone.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in {row["tablename"] for row in tables} - {"resident"}:
        rows = [[_text(value) for value in row.values()] for row in await alone.pool.fetch(f"SELECT * FROM {table}")]
        assert_not_personal((table, rows))
    out, err = capsys.readouterr()
    assert_not_personal((caplog.text, out, err))

    assert (await alone.as_("center", "center").delete(path)).status_code == 204
    assert (await alone.as_("center", "center").delete(path)).status_code == 204
    assert_problem(await collector.get(path), 410, "erased")
    rest = await alone.pool.fetchrow("SELECT * FROM resident")
    assert rest is not None
    assert [rest[name] for name in ("reference", "name", "phone", "address", "note")] == [reference] + [None] * 4
    assert_problem(await collector.post("/v1/demands", body, key="k"), 409, "key-reused")
    looks = await alone.pool.fetch(
        "SELECT outcome, organization_id, subject, reference, demand_id FROM resident_access"
    )
    assert Counter(row["outcome"] for row in looks) == {"shown": 2, "refused": 12, "erased": 2, "gone": 1}
    assert {(row["reference"], row["demand_id"], row["subject"]) for row in looks} == {(reference, demand_id, "tester")}
    assert_problem(await collector.get(f"/v1/demands/{await alone.post()}/resident"), 404)


def assert_not_personal(said: Any) -> None:
    assert not [word for word in PERSONAL if word in str(said)]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


async def test_a_key_is_answered_once(alone: DemandAlone) -> None:
    station, team = alone.as_("station"), alone.as_("red-team", "provider-staff")
    body = demand_body()
    answers = await asyncio.gather(*(station.post("/v1/demands", body, key="k") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.text for answer in answers}) == 1
    demand_id = answers[0].json()["demand_id"]
    assert_problem(await station.post("/v1/demands", body | {"title": "别的"}, key="k"), 409, "key-reused")
    assert_problem(await station.post("/v1/demands", body), 400, "key-missing")
    assert_problem(await station.post("/v1/demands", body | {"demand_id": demand_id}, key="n"), 409, "demand-exists")
    own = [station.post("/v1/demands", body | {"demand_id": "mine"}, key="own") for _ in range(6)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*own)) == [200] * 5 + [201]
    path = f"/v1/demands/{demand_id}"
    answers = await asyncio.gather(*(team.post(f"{path}/claims", {}, key="k") for _ in range(10)))
    assert [answer.status_code for answer in answers] == [202] * 10
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].headers["location"] == f"{path}/claims/{answers[0].json()['claim_id']}"
    assert_problem(await team.post(f"{path}/claims", {}), 400, "key-missing")
    await alone.decide(confirmed(demand_id, answers[0].json()["claim_id"]))
    for call, form, caller in (("schedule", PLAN, team), ("fulfil", RATING, station)):
        answers = await asyncio.gather(*(caller.post(f"{path}/{call}", form, key="k") for _ in range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        assert len({answer.text for answer in answers}) == 1
    assert (await team.post(f"{path}/claims", {}, key="k")).status_code == 202  # the answer of then
    assert await alone.types(demand_id) == dict.fromkeys(
        ("posted", "claim-requested", "claimed", "scheduled", "fulfilled"), 1
    )


async def test_bad_input_is_refused_and_nothing_is_written(alone: DemandAlone) -> None:
    station = alone.as_("station")
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    for bad in (
        {"wanted_until": past, "wanted_from": "2026-01-01T00:00:00Z"},
        {"wanted_until": demand_body()["wanted_from"]},
        {"category": "无"},
        {"places_wanted": 0},
        {"title": "\x00"},
        {"nonsense": 1},
    ):
        body = assert_problem(await station.post("/v1/demands", demand_body(**bad), key="k"), 422, "invalid")
        assert body["errors"]
    assert_problem(await station.call("POST", "/v1/demands", key="k", content=b"{"), 422, "invalid")
    assert_problem(await station.call("POST", "/v1/demands", key="k", content=b"x" * 70_000), 413)
    assert await alone.told() == []
    assert await alone.pool.fetchval("SELECT count(*) FROM idempotency") == 0
    demand_id = await alone.post(places_wanted=2)
    for provider in ("red-team", "blue-team"):
        await alone.claimed(demand_id, provider)
    school = alone.as_("party-school", "provider-staff")
    assert_problem(await school.post(f"/v1/demands/{demand_id}/schedule", PLAN), 422, "invalid")
    claim_id = (await alone.whole(demand_id))["teams"][0]["claim_id"]
    answer = await school.post(f"/v1/demands/{demand_id}/schedule", PLAN | {"claim_id": claim_id})
    assert answer.status_code == 200


async def test_a_batch_of_decisions_is_folded_in_its_order(alone: DemandAlone) -> None:
    demand_id = await alone.post()
    first, second, third = [await alone.claim(demand_id, one) for one in ("red-team", "blue-team", "health")]
    other = await alone.post()
    raced = await alone.claim(other)
    batch = (
        confirmed(demand_id, first),
        rejected(demand_id, second, "red-team"),
        confirmed(other, raced),
        ended(demand_id, first, "center"),
        confirmed(demand_id, third),
    )
    await alone.decide(*batch)
    await alone.decide(*batch)  # a lane may see a batch again only after a rollback; even so nothing is doubled
    whole = await alone.whole(demand_id)
    assert (whole["state"], [row["provider_id"] for row in whole["teams"]]) == ("claimed", ["health"])
    assert {claim["claim_id"]: claim["status"] for claim in whole["claims"]} == {
        first: "ended",
        second: "rejected",
        third: "confirmed",
    }
    types = [event.type.removeprefix("demand-") for event in await alone.told(demand_id)]
    assert types[4:] == ["claimed", "handed-back", "claimed"]


async def test_what_the_lane_cannot_use_is_a_dead_letter(alone: DemandAlone) -> None:
    demand_id = await alone.post()
    claim_id = await alone.claim(demand_id)
    good = record(confirmed(demand_id, claim_id))
    broken = type(good)(0, 2, 0, b"x", b"{", good.headers)
    await alone.work(streams.Claims(), broken, record(confirmed("nowhere", "nobody")), good)
    assert (await alone.whole(demand_id))["state"] == "claimed"
    dead = await alone.pool.fetch("SELECT headers FROM outbox WHERE topic = 'youai.demand.dead-letter.v1'")
    assert len(dead) == 2


async def test_expiry_leaves_what_somebody_has_or_asks_for(alone: DemandAlone, monkeypatch: pytest.MonkeyPatch) -> None:
    left, asked, had = [await alone.post() for _ in range(3)]
    claim_id = await alone.claim(asked)
    await alone.claimed(had, "health")
    later = commands.now() + timedelta(days=31)
    monkeypatch.setattr(commands, "now", lambda: later)
    await asyncio.gather(*(commands.expire_overdue(alone.pool) for _ in range(3)))
    states = [(await alone.whole(one))["state"] for one in (left, asked, had)]
    assert states == ["expired", "open", "claimed"]
    await alone.decide(rejected(asked, claim_id, "nobody"))
    await commands.expire_overdue(alone.pool)
    assert (await alone.whole(asked))["state"] == "expired"
    assert (await alone.types())["expired"] == 2


async def test_commands_on_one_demand_wait_for_each_other(alone: DemandAlone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A withdrawal that comes while a claim is written waits for it; what is told stands in the order of the states."""
    demand_id = await alone.post()
    insert = store.insert_claim
    withdrawal: list[asyncio.Task[Any]] = []
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def late(*arguments: Any) -> None:
        call = alone.as_("station").post(f"/v1/demands/{demand_id}/withdraw", {"reason": "撤"})
        withdrawal.append(asyncio.create_task(call))

        async def is_over_or_waits() -> bool:
            return withdrawal[0].done() or bool(await alone.pool.fetchval(waiting))

        await eventually(is_over_or_waits, 10, "the withdrawal is over or waits for the lock")
        await insert(*arguments)

    monkeypatch.setattr(store, "insert_claim", late)
    await alone.claim(demand_id)
    assert (await withdrawal[0]).status_code == 200
    types = [event.type.removeprefix("demand-") for event in await alone.told()]
    assert types == ["posted", "claim-requested", "withdrawn"]


async def test_a_death_between_two_steps_leaves_nothing_half_done(
    alone: DemandAlone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: Any) -> None:
        raise ConnectionResetError("died")

    with monkeypatch.context() as patch:
        patch.setattr(residents, "keep", dies)
        body = demand_body(resident=RESIDENT)
        assert_problem(await alone.as_("station").post("/v1/demands", body, key="k"), 503, "unavailable")
    assert await alone.told() == []
    answer = await alone.as_("station").post("/v1/demands", body, key="k")
    assert answer.status_code == 201
    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.transaction.Transaction, "_Transaction__commit", dies)
        unknown = await alone.as_("station").post("/v1/demands", demand_body(), key="u")
    assert_problem(unknown, 504, "unknown")
