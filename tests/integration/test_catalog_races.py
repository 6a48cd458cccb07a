"""Catalog when calls come at once, and when a process dies between two steps."""

import asyncio
import uuid
from collections import Counter
from typing import Any

import httpx
import pytest
from youai_catalog import offers, organization_store, store
from youai_contracts import events
from youai_runtime import database

from tests.support.catalog_alone import OFFER, ORGANIZATIONS, Alone
from tests.support.client import assert_problem
from tests.support.market import session_body
from tests.support.waiting import eventually


async def test_a_death_in_the_middle_of_an_import_leaves_a_tree_and_the_next_import_ends_it(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = organization_store.take_staged

    async def dies(connection: database.Connection, import_id: uuid.UUID, first: int, end: int) -> Any:
        rows = await taken(connection, import_id, first, end)
        if first >= 1_000:
            raise ConnectionResetError("died")
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(organization_store, "take_staged", dies)
        assert_problem(await alone.load(), 503, "unavailable")
    assert await alone.types() == {"organization-registered": 1_000}
    orphans = "SELECT count(*) FROM organization AS o WHERE parent_id IS NOT NULL AND NOT acts_for('center', parent_id)"
    assert await alone.pool.fetchval(orphans) == 0
    assert (await alone.load()).json() == {"imported": ORGANIZATIONS - 1_000, "unchanged": 1_000}
    assert await alone.types() == {"organization-registered": ORGANIZATIONS}


async def test_imports_at_once_write_each_organization_once(alone: Alone) -> None:
    answers = await asyncio.gather(*(alone.load() for _ in range(3)))
    assert sum(answer.json().get("imported", 0) for answer in answers) == ORGANIZATIONS
    assert await alone.types() == {"organization-registered": ORGANIZATIONS}


async def test_a_key_is_answered_once_whatever_the_number_of_callers(alone: Alone) -> None:
    await alone.load()
    before = len(await alone.told())
    own = alone.as_("dept-women-federation", "provider-staff")
    offer = {name: value for name, value in OFFER.items() if name != "offer_id"}
    answers = await asyncio.gather(*(own.post("/v1/offers", offer, key="k") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.text for answer in answers}) == 1
    offer_id = answers[0].json()["offer_id"]
    path = f"/v1/offers/{offer_id}/sessions"
    session = {name: value for name, value in session_body().items() if name != "session_id"}
    answers = await asyncio.gather(*(own.post(path, session, key="k") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.text for answer in answers}) == 1
    answers = await asyncio.gather(*(own.post(path, {"sessions": [session] * 20}, key="m") for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len(await alone.told()) == before + 1 + 1 + 20
    assert_problem(await own.post("/v1/offers", offer | {"title": "别的"}, key="k"), 409, "key-reused")
    assert_problem(await own.post(path, session | {"capacity": 9}, key="k"), 409, "key-reused")
    assert_problem(await own.post("/v1/offers", offer), 400, "key-missing")
    assert_problem(await own.post("/v1/offers", offer, key="a b"), 400, "key-missing")
    assert_problem(await own.post("/v1/offers", offer | {"offer_id": offer_id}, key="n"), 409, "offer-exists")
    known = (await own.get(f"/v1/offers/{offer_id}")).json()["sessions"][0]["session_id"]
    both = {"sessions": [session, session | {"session_id": known}]}
    assert_problem(await own.post(path, both, key="o"), 409, "session-exists")
    assert len(await alone.told()) == before + 22


async def test_a_withdrawal_cancels_every_session_and_a_death_in_it_is_mended(
    alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "CHUNK", 50)
    await alone.load()
    own = alone.as_("dept-women-federation", "provider-staff")
    await own.post("/v1/offers", OFFER, key="k")
    path = "/v1/offers/o/sessions"
    bodies = [session_body() for _ in range(120)]
    assert (await own.post(path, {"sessions": bodies}, key="k")).status_code == 201
    cancelled = f"/v1/sessions/{bodies[0]['session_id']}/cancel"
    assert (await own.post(cancelled, {"reason": "雨"})).json()["reason"] == "雨"
    assert (await own.post(cancelled, {"reason": "风"})).json()["reason"] == "雨"

    async def dies(_pool: database.Pool, _offer_id: str) -> None:
        raise ConnectionResetError("died")

    with monkeypatch.context() as patch:
        patch.setattr(offers, "settle", dies)
        assert_problem(await own.post("/v1/offers/o/withdraw", {"reason": "老师病了"}), 503, "unavailable")
    assert_problem(await own.post(path, session_body(), key="late"), 409, "offer-withdrawn")
    assert await alone.types() >= Counter({"offer-withdrawn": 1, "session-cancelled": 1})
    await asyncio.gather(*(offers.settle_all(alone.pool) for _ in range(3)))
    assert (await own.post("/v1/offers/o/withdraw", {"reason": "别的"})).json()["reason"] == "老师病了"
    assert (await own.post(path, {"sessions": bodies}, key="k")).status_code == 200  # the answer of then
    told = [event for event in await alone.told() if isinstance(event, events.SessionCancelled)]
    assert sorted(event.session_id for event in told) == sorted(body["session_id"] for body in bodies)
    assert {event.reason for event in told} == {"雨", "老师病了"}
    assert (await alone.types())["offer-withdrawn"] == 1
    assert (await own.get("/v1/offers")).json()["offers"] == []
    assert (await own.get("/v1/offers/o")).json()["state"] == "withdrawn"


async def test_who_opens_and_who_withdraws_at_once_leave_nothing_open(alone: Alone) -> None:
    await alone.load()
    center = alone.as_("center")

    async def one(number: int) -> None:
        offer = OFFER | {"offer_id": f"o{number}"}
        assert (await center.post("/v1/offers", offer, key=f"{number}")).status_code == 201
        path = f"/v1/offers/o{number}"
        calls = [center.post(f"{path}/sessions", session_body(), key=f"{number}-{n}") for n in range(10)]
        calls.insert(5, center.post(f"{path}/withdraw", {"reason": "撤"}))
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 201, 409}

    await asyncio.gather(*(one(number) for number in range(8)))
    state: dict[str, str] = {}
    for event in await alone.told():
        if isinstance(event, events.SessionOpened):
            assert event.session_id not in state
            state[event.session_id] = "open"
        elif isinstance(event, events.SessionCancelled):
            assert state[event.session_id] == "open"
            state[event.session_id] = "cancelled"
    assert set(state.values()) <= {"cancelled"}
    assert await alone.pool.fetchval("SELECT count(*) FROM session WHERE state = 'open'") == 0


async def test_registrations_at_once_leave_a_tree(alone: Alone) -> None:
    await alone.load()
    center = alone.as_("center")
    base = {"kind": "venue", "name": "单位"}
    for number in range(12):
        station = base | {"organization_id": f"s{number}", "parent_id": "institute-yangshe", "level": "station"}
        assert (await center.post("/v1/organizations", station)).status_code == 201
    answers = await asyncio.gather(
        *(
            center.post("/v1/organizations", base | body)
            for number in range(12)
            for body in (
                {"organization_id": f"s{number}", "parent_id": "center", "level": "institute"},
                {"organization_id": f"p{number}", "parent_id": f"s{number}", "level": "point"},
            )
        )
    )
    assert Counter(answer.status_code for answer in answers)[422] == 12
    misfits = "SELECT count(*) FROM organization AS o JOIN organization AS p ON p.organization_id = o.parent_id"
    assert await alone.pool.fetchval(misfits + " WHERE o.level = 'point' AND p.level <> 'station'") == 0


async def test_a_withdrawal_waits_for_who_opens_a_session(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    await alone.load()
    center = alone.as_("center")
    assert (await center.post("/v1/offers", OFFER, key="k")).status_code == 201
    insert = store.insert_sessions
    withdrawal: list[asyncio.Task[httpx.Response]] = []
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def late(connection: database.Connection, *rest: Any) -> Any:
        withdrawal.append(asyncio.create_task(center.post("/v1/offers/o/withdraw", {"reason": "撤"})))

        async def is_over_or_waits() -> bool:
            return withdrawal[0].done() or bool(await alone.pool.fetchval(waiting))

        await eventually(is_over_or_waits, 10, "the withdrawal is over or waits for the lock")
        return await insert(connection, *rest)

    monkeypatch.setattr(store, "insert_sessions", late)
    assert (await center.post("/v1/offers/o/sessions", session_body(), key="k")).status_code == 201
    assert (await withdrawal[0]).status_code == 200
    assert await alone.pool.fetchval("SELECT count(*) FROM session WHERE state = 'open'") == 0
    assert (await alone.types())["session-cancelled"] == 1
