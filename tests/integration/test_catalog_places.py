"""Catalog's recurring sessions, places with opening windows, and Excel files, over a real database."""

import asyncio
import csv
import io
from collections import Counter
from typing import Any

import openpyxl  # type: ignore[import-untyped]
from youai_catalog import sheets
from youai_contracts import events

from tests.support.catalog_alone import CITY, IMPORT, OFFER, ORGANIZATIONS, Alone
from tests.support.client import assert_problem

OWNER, OTHER = "dept-women-federation", "institute-jingang"
GROUND: dict[str, Any] = {
    "resource_id": "ground",
    "owner_id": OWNER,
    "kind": "place",
    "title": "实验小学操场",
    "categories": ["体育健身"],
    "town": "杨舍镇",
    "windows": [
        {"days": ["workday"], "opens": "05:30", "closes": "07:00"},
        {"days": ["holiday"], "opens": "06:00", "closes": "21:00"},
    ],
}


async def test_a_recurrence_opens_its_sessions_once(alone: Alone) -> None:
    await alone.load()
    own = alone.as_(OWNER, "provider-staff")
    await own.post("/v1/offers", OFFER, key="k")
    recurrence = {
        "rrule": "FREQ=WEEKLY;BYDAY=SA;COUNT=8",
        "from": "2026-12-05T09:00:00+08:00",
        "duration_minutes": 90,
        "capacity": 20,
        "opens_at": "2026-11-28T09:00:00+08:00",
        "closes_before_minutes": 60,
        "venue_name": "阳光社区",
        "exclude": ["2026-12-26"],
    }
    path = "/v1/offers/o/sessions"
    answers = await asyncio.gather(*(own.post(path, {"recurrence": recurrence}, key="r") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [201]
    sessions = answers[0].json()["sessions"]
    assert [one["starts_at"] for one in sessions][:4] == [
        "2026-12-05T01:00:00.000Z",
        "2026-12-12T01:00:00.000Z",
        "2026-12-19T01:00:00.000Z",
        "2027-01-02T01:00:00.000Z",
    ]
    assert (len(sessions), sessions[0]["closes_at"], sessions[0]["ends_at"]) == (
        7,
        "2026-12-05T00:00:00.000Z",
        "2026-12-05T02:30:00.000Z",
    )
    assert (await own.get("/v1/offers/o")).json()["sessions"] == sessions
    opened = [event for event in await alone.told() if isinstance(event, events.SessionOpened)]
    assert [event.session_id for event in opened] == [one["session_id"] for one in sessions]
    endless = await own.post(path, {"recurrence": recurrence | {"rrule": "FREQ=WEEKLY;BYDAY=SA"}}, key="s")
    body = assert_problem(endless, 422, "invalid")
    assert body["errors"][0]["field"] == "recurrence"
    assert "must have an end" in body["errors"][0]["message"]
    assert_problem(await own.post(path, {"recurrence": recurrence | {"capacity": 9}}, key="r"), 409, "key-reused")


async def test_a_ground_opens_by_the_calendar(alone: Alone) -> None:
    await alone.load()
    own = alone.as_(OWNER, "provider-staff")
    assert (await own.post("/v1/resources", GROUND, key="k")).status_code == 201
    anybody, center = alone.as_("x", "collector"), alone.as_("center")
    path = "/v1/places/ground/windows"

    async def days(first: str, last: str) -> dict[str, Any]:
        answer = await anybody.get(path, params={"from": first, "to": last})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    week = await days("2026-10-07", "2026-10-12")
    assert week["calendar"] == "announced"
    assert [(day["kind"], day["windows"][0]["opens"]) for day in week["days"]] == [
        ("holiday", "06:00"),  # the last day of the National Day holidays
        ("workday", "05:30"),
        ("workday", "05:30"),
        ("workday", "05:30"),  # a Saturday that makes up for them
        ("holiday", "06:00"),
        ("workday", "05:30"),
    ]
    later = await days("2199-12-27", "2199-12-29")
    assert (later["calendar"], [day["kind"] for day in later["days"]]) == (
        "weekends-only",
        ["workday", "holiday", "holiday"],
    )
    override = {"day": "2026-10-12", "kind": "holiday", "note": "校庆"}
    for who in (alone.as_(OTHER, "center"), alone.as_(OWNER, "provider-staff"), alone.as_("center", "platform")):
        assert_problem(await who.post("/v1/calendar/overrides", override), 403, "forbidden")
    for bad in ({"day": "12.10."}, {"kind": "feast"}, {"day": None}, {"note": "\x00"}, {"more": 1}):
        assert_problem(await center.post("/v1/calendar/overrides", override | bad), 422, "invalid")
    assert (await center.post("/v1/calendar/overrides", override | {"kind": "workday"})).status_code == 200
    assert (await center.post("/v1/calendar/overrides", override)).json() == override
    await center.post("/v1/calendar/overrides", {"day": "2199-12-27", "kind": "holiday"})
    monday = (await days("2026-10-12", "2026-10-12"))["days"][0]
    assert (monday["kind"], monday["calendar"], monday["name"]) == ("holiday", "override", "校庆")
    assert (await days("2199-12-27", "2199-12-27"))["calendar"] == "announced"
    first = (await anybody.get("/v1/calendar/overrides", params={"limit": 1})).json()
    assert first["overrides"] == [override]
    rest = (await anybody.get("/v1/calendar/overrides", params={"cursor": first["next_cursor"]})).json()
    assert [one["day"] for one in rest["overrides"]] == ["2199-12-27"]
    for _ in range(2):
        assert (await center.delete("/v1/calendar/overrides/2026-10-12")).status_code == 204
    assert (await days("2026-10-12", "2026-10-12"))["days"][0]["kind"] == "workday"
    assert_problem(await center.delete("/v1/calendar/overrides/today"), 422, "invalid")
    assert_problem(await alone.as_(OTHER, "center").delete("/v1/calendar/overrides/2026-10-12"), 403, "forbidden")
    for bad_span in (("2026-12-02", "2026-12-01"), ("2026-01-01", "2026-12-31"), ("x", "y"), ("", "")):
        params = {"from": bad_span[0], "to": bad_span[1]}
        assert_problem(await anybody.get(path, params=params), 422, "invalid")
    assert_problem(await anybody.get(path), 422, "invalid")
    assert_problem(
        await anybody.get(path.replace("ground", "x"), params={"from": "2026-10-12", "to": "2026-10-12"}), 404
    )
    await own.post("/v1/resources/ground/retire")
    assert all(day["windows"] == [] for day in (await days("2026-10-07", "2026-10-12"))["days"])


def excel(rows: list[list[str]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


async def test_the_whole_city_imports_from_excel(alone: Alone) -> None:
    rows = list(csv.reader(io.StringIO(CITY.read_text())))
    excel_type = {"Content-Type": sheets.MEDIA_TYPE}

    async def sent(body: bytes) -> Any:
        return await alone.as_("center").call("POST", IMPORT, content=body, headers=excel_type)

    wrong = [list(row) for row in rows]
    wrong[5][3] = "point"
    body = assert_problem(await sent(excel(wrong)), 422, "import-refused")
    assert body["errors"][0]["row"] == 6
    for broken in (b"", b"PK\x03\x04", CITY.read_bytes(), excel(rows)[:-2_000]):
        body = assert_problem(await sent(broken), 422, "import-refused")
        assert (body["errors"][0]["field"], body["total"]) == ("file", 1)
    assert_problem(await sent(b"x" * (4 * 1024 * 1024 + 1)), 413, "too-large")
    assert await alone.told() == []
    first = await sent(excel(rows))
    assert (first.status_code, first.json()) == (200, {"imported": ORGANIZATIONS, "unchanged": 0})
    assert (await alone.load()).json() == {"imported": 0, "unchanged": ORGANIZATIONS}
    assert Counter(await alone.types()) == {"organization-registered": ORGANIZATIONS}
