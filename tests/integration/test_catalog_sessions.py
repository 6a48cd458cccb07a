"""Catalog's calls on opened sessions, over a real database: revisions, attendance, places kept for towns."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from youai_contracts import events

from tests.support.catalog_alone import OFFER, Alone
from tests.support.client import Caller, assert_problem
from tests.support.market import session_body

REASON = {"reason": "讲师改期"}


@pytest_asyncio.fixture
async def own(alone: Alone) -> Caller:
    """The provider of offer `o`, in a whole city."""
    await alone.load()
    provider = alone.as_("dept-women-federation", "provider-staff")
    assert (await provider.post("/v1/offers", OFFER, key="offer")).status_code == 201
    return provider


async def opened(own: Caller, **more: Any) -> str:
    body = session_body(**more)
    answer = await own.post("/v1/offers/o/sessions", body, key=body["session_id"])
    assert answer.status_code == 201, answer.text
    return str(body["session_id"])


async def patch(caller: Caller, session_id: str, body: dict[str, Any], key: str | None = "k") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await caller.call("PATCH", f"/v1/sessions/{session_id}", json=body, headers=headers)


async def revised(alone: Alone) -> list[events.SessionRevised]:
    return [event for event in await alone.told() if isinstance(event, events.SessionRevised)]


def hours(number: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=number)


def past(**more: Any) -> dict[str, Any]:
    """Times of a session that runs now."""
    return {"opens_at": hours(-4), "closes_at": hours(-3), "starts_at": hours(-2), "ends_at": hours(1), **more}


async def test_a_revision_is_told_and_read_back(alone: Alone, own: Caller) -> None:
    session_id = await opened(own, capacity=5)
    before = (await own.get(f"/v1/sessions/{session_id}")).json()
    starts = (hours(480)).replace(microsecond=0)
    body = {"capacity": 3, "starts_at": starts.isoformat(), "closes_at": (starts - timedelta(days=1)).isoformat()}
    answer = await patch(own, session_id, body | {"venue_name": "百家桥村站"} | REASON)
    assert answer.status_code == 200, answer.text
    view = answer.json()
    assert (await own.get(f"/v1/sessions/{session_id}")).json() == view
    assert (await own.get("/v1/offers/o")).json()["sessions"] == [view]
    assert view["starts_at"] == starts.isoformat().replace("+00:00", ".000Z")
    assert {name for name in view if view[name] != before[name]} == {"capacity", "starts_at", "closes_at", "venue_name"}
    (event,) = await revised(alone)
    assert (event.capacity, event.starts_at, event.opens_at, event.ends_at) == (3, starts, None, None)
    assert (event.reason, event.venue_name, event.offer_id) == ("讲师改期", "百家桥村站", "o")
    assert event.actor == events.Actor(subject=event.actor.subject, organization_id="dept-women-federation")
    # What is so already stays out of the event, and a call that changes nothing causes none.
    assert (await patch(own, session_id, {"capacity": 3, "venue_name": "所"} | REASON, "l")).status_code == 200
    again = await patch(own, session_id, {"capacity": 3, "venue_name": "所"} | REASON, "m")
    assert again.json()["venue_name"] == "所"
    _, second = await revised(alone)
    assert (second.capacity, second.venue_name) == (None, "所")


async def test_who_may_revise_what_and_until_when(alone: Alone, own: Caller) -> None:
    session_id = await opened(own)
    more = {"capacity": 9} | REASON
    assert_problem(await patch(alone.as_("dept-education", "provider-staff"), session_id, more), 403, "forbidden")
    assert_problem(await patch(alone.as_("dept-women-federation", "venue-staff"), session_id, more), 403, "forbidden")
    assert_problem(await patch(own, "nobody", more), 404, "not-found")
    assert_problem(await patch(own, session_id, more, None), 400, "key-missing")
    assert_problem(await patch(own, session_id, REASON), 422, "invalid")
    assert_problem(await patch(own, session_id, {"capacity": 9}), 422, "invalid")
    assert_problem(await patch(own, session_id, more | {"mode": "draw"}), 422, "invalid")
    order = {"ends_at": hours(10).isoformat()}
    body = assert_problem(await patch(own, session_id, order | REASON), 422, "invalid")
    assert [one["field"] for one in body["errors"]] == ["ends_at"]
    assert_problem(await patch(own, session_id, {"opens_at": hours(5).isoformat()} | REASON), 409, "booking-open")
    running = await opened(own, **past())
    assert_problem(await patch(own, running, {"closes_at": hours(-2.5).isoformat()} | REASON), 409, "booking-closed")
    over = await opened(own, **past(ends_at=hours(-1)))
    assert_problem(await patch(own, over, more), 409, "session-ended")
    coming = await opened(own, opens_at=hours(5))
    assert (await patch(own, coming, {"opens_at": hours(6).isoformat()} | REASON)).status_code == 200
    assert (await patch(alone.as_("center"), session_id, more)).status_code == 200
    assert (await own.post(f"/v1/sessions/{session_id}/cancel", REASON)).status_code == 200
    assert_problem(await patch(own, session_id, {"capacity": 8} | REASON), 409, "session-cancelled")
    assert (await patch(alone.as_("center"), session_id, more)).json()["capacity"] == 9  # the answer of then
    assert [event.session_id for event in await revised(alone)] == [coming, session_id]


async def test_one_key_revises_once(alone: Alone, own: Caller) -> None:
    session_id = await opened(own, capacity=5)
    answers = await asyncio.gather(*(patch(own, session_id, {"capacity": 4} | REASON) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert_problem(await patch(own, session_id, {"capacity": 7} | REASON), 409, "key-reused")
    assert len(await revised(alone)) == 1
    # Each with its own key: one after the other, and the events end where the session does.
    answers = await asyncio.gather(*(patch(own, session_id, {"capacity": n} | REASON, f"n{n}") for n in range(10, 20)))
    assert {answer.status_code for answer in answers} == {200}
    last = (await revised(alone))[-1].capacity
    assert (await own.get(f"/v1/sessions/{session_id}")).json()["capacity"] == last


def came(*lines: tuple[str, int]) -> dict[str, Any]:
    return {"attendance": [{"request_id": id, "venue_id": f"v-{id}", "attended": n} for id, n in lines]}


async def test_attendance_is_told_once_a_line_and_the_latest_word_stands(alone: Alone, own: Caller) -> None:
    session_id = await opened(own, **past())
    path = f"/v1/sessions/{session_id}/attendance"
    first = await own.post(path, came(("b1", 3), ("b2", 0)), key="a")
    assert (first.status_code, first.json()) == (200, {"session_id": session_id, "recorded": 2, "unchanged": 0})
    again = await own.post(path, came(("b1", 3), ("b2", 0)), key="a")
    assert (again.status_code, again.json()) == (200, first.json())
    assert_problem(await own.post(path, came(("b1", 4)), key="a"), 409, "key-reused")
    second = await own.post(path, came(("b1", 3), ("b2", 1), ("b3", 2)), key="b")
    assert second.json() == {"session_id": session_id, "recorded": 2, "unchanged": 1}
    told = [event for event in await alone.told() if isinstance(event, events.AttendanceRecorded)]
    assert [(event.request_id, event.attended) for event in told] == [("b1", 3), ("b2", 0), ("b2", 1), ("b3", 2)]
    assert (told[0].venue_id, told[0].slot_id, told[0].offer_id) == ("v-b1", session_id, "o")


async def test_attendance_of_many_at_once(alone: Alone, own: Caller) -> None:
    session_id = await opened(own, **past())
    path = f"/v1/sessions/{session_id}/attendance"
    body = came(*((f"booking-{n:080}", n % 5) for n in range(2_000)))
    answers = await asyncio.gather(*(own.post(path, body, key=f"k{n % 2}") for n in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted({answer.json()["recorded"] for answer in answers}) == [0, 2_000]
    assert (await alone.types())["attendance-recorded"] == 2_000
    too_many = came(*((f"b{n}", 1) for n in range(2_001)))
    assert_problem(await own.post(path, too_many, key="m"), 422, "invalid")
    large = {"attendance": [{"request_id": "x" * 2_000_000, "venue_id": "v", "attended": 1}]}
    assert_problem(await own.post(path, large, key="m"), 413, "too-large")


async def test_attendance_only_of_what_has_begun_and_by_whose_it_is(alone: Alone, own: Caller) -> None:
    coming, running = await opened(own), await opened(own, **past())
    lines = came(("b", 1))
    path = f"/v1/sessions/{running}/attendance"
    assert_problem(await own.post(f"/v1/sessions/{coming}/attendance", lines, key="k"), 409, "session-not-started")
    assert_problem(await own.post("/v1/sessions/nobody/attendance", lines, key="k"), 404, "not-found")
    assert_problem(await own.post(path, lines), 400, "key-missing")
    assert_problem(await own.post(path, {"attendance": []}, key="k"), 422, "invalid")
    other = alone.as_("dept-education", "provider-staff")
    assert_problem(await other.post(path, lines, key="k"), 403, "forbidden")
    assert_problem(await alone.as_("station-x", "venue-staff").post(path, lines, key="k"), 403, "forbidden")
    assert (await own.post(f"/v1/sessions/{running}/cancel", REASON)).status_code == 200
    assert_problem(await own.post(path, lines, key="k"), 409, "session-cancelled")
    assert (await alone.types())["attendance-recorded"] == 0


@pytest.mark.parametrize("many", [False, True])
async def test_a_draw_with_places_kept_for_towns_and_a_short_queue(alone: Alone, own: Caller, many: bool) -> None:
    assert (await own.post("/v1/offers", OFFER | {"offer_id": "d", "mode": "draw"}, key="d")).status_code == 201
    kept = {"capacity": 9, "town_shares": {"大新镇": 4, "凤凰镇": 2}, "waitlist": 20}
    bodies = [session_body(**kept), session_body(**kept | {"town_shares": {}})][: 2 if many else 1]
    sent = {"sessions": bodies} if many else bodies[0]
    assert (await own.post("/v1/offers/d/sessions", sent, key="s")).status_code == 201
    told = [event for event in await alone.told() if isinstance(event, events.SessionOpened)]
    assert [(event.mode, event.town_shares, event.waitlist) for event in told] == [
        ("draw", body["town_shares"], 20) for body in bodies
    ]
    view = (await own.get(f"/v1/sessions/{bodies[0]['session_id']}")).json()
    assert (view["town_shares"], view["waitlist"]) == ({"大新镇": 4, "凤凰镇": 2}, 20)
    assert Counter(event.type for event in told) == {"session-opened": len(bodies)}
    short = session_body(**kept | {"capacity": 5})
    assert_problem(await own.post("/v1/offers/d/sessions", short, key="t"), 422, "invalid")
