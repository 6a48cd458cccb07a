"""Offers with their sessions from a file, over a real database: all or nothing, once, and whose they are."""

import asyncio
import csv
import io
from typing import Any

import httpx
import openpyxl  # type: ignore[import-untyped]
import pytest
from youai_catalog import sheets
from youai_catalog.offer_columns import COLUMNS
from youai_contracts import events

from tests.support.catalog_alone import CSV, Alone
from tests.support.client import assert_problem

PATH = "/v1/offers:import"
PROVIDER = "dept-women-federation"
ROW = {
    "offer_key": "烘焙",
    "title": "亲子烘焙课",
    "category": "教育服务",
    "mode": "抽签",
    "towns": "杨舍镇;大新镇",
    "session_key": "1",
    "capacity": "24",
    "opens_at": "2098-12-01 09:00",
    "closes_at": "2098-12-11 18:00",
    "starts_at": "2098-12-12 09:30",
    "ends_at": "2098-12-12 11:30",
    "venue_name": "杨舍镇实践所",
    "town_shares": "大新镇:4",
    "waitlist": "20",
}
Row = dict[str, str]


def table(*rows: Row) -> list[list[str]]:
    return [[column.zh for column in COLUMNS], *([row.get(column.name, "") for column in COLUMNS] for row in rows)]


def as_csv(*rows: Row) -> bytes:
    into = io.StringIO()
    csv.writer(into).writerows(table(*rows))
    return into.getvalue().encode()


def as_excel(*rows: Row) -> bytes:
    book = openpyxl.Workbook()
    for row in table(*rows):
        book.active.append(row)
    into = io.BytesIO()
    book.save(into)
    return into.getvalue()


async def load(
    alone: Alone, *rows: Row, organization: str = PROVIDER, role: str = "provider-staff", excel: bool = False
) -> httpx.Response:
    content = as_excel(*rows) if excel else as_csv(*rows)
    headers = {"Content-Type": sheets.MEDIA_TYPE} if excel else CSV
    return await alone.as_(organization, role).call("POST", PATH, content=content, headers=headers)


def done(answer: httpx.Response) -> tuple[int, int, int]:
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return told["offers"], told["sessions"], told["unchanged"]


@pytest.mark.filterwarnings("ignore:.*:UserWarning:openpyxl")
async def test_a_file_is_imported_once_whichever_kind_it_is(alone: Alone) -> None:
    await alone.load()
    rows = [ROW | {"session_key": f"{n}"} for n in range(3)]
    talk = ROW | {"offer_key": "讲座", "title": "讲座", "mode": "", "town_shares": "", "waitlist": "", "towns": ""}
    assert done(await load(alone, *rows[:2], talk)) == (2, 3, 0)
    assert done(await load(alone, *rows[:2], talk, excel=True)) == (0, 0, 3)
    assert done(await load(alone, *rows, talk)) == (0, 1, 3)  # another session of an offer that is there
    told = [event for event in await alone.told() if not isinstance(event, events.OrganizationRegistered)]
    assert [event.type for event in told] == [
        "offer-published",
        "session-opened",
        "session-opened",
        "offer-published",
        "session-opened",
        "session-opened",
    ]
    published, opened = told[0], told[1]
    assert isinstance(published, events.OfferPublished)
    assert (published.provider_id, published.mode, published.towns) == (PROVIDER, "draw", ("杨舍镇", "大新镇"))
    assert isinstance(opened, events.SessionOpened)
    assert (opened.mode, opened.town_shares, opened.waitlist, opened.capacity) == ("draw", {"大新镇": 4}, 20, 24)
    assert opened.offer_id == published.offer_id
    anybody = alone.as_("somewhere", "collector")
    view = (await anybody.get(f"/v1/offers/{published.offer_id}")).json()
    assert [one["starts_at"] for one in view["sessions"]] == ["2098-12-12T01:30:00.000Z"] * 3
    assert view["provider_name"] == published.provider_name


async def test_faults_are_told_by_row_and_column_and_nothing_is_done(alone: Alone) -> None:
    await alone.load()
    before = len(await alone.told())
    rows = [ROW, ROW | {"session_key": "2", "capacity": "很多"}, ROW | {"session_key": "3", "ends_at": ""}]
    body = assert_problem(await load(alone, *rows), 422, "import-refused")
    assert [(one["row"], one["field"], one["column"]) for one in body["errors"]] == [
        (3, "capacity", "Places"),
        (4, "ends_at", "Ends"),
    ]
    content = as_csv(*rows)
    headers = CSV | {"Accept-Language": "zh-CN"}
    answer = await alone.as_(PROVIDER, "provider-staff").call("POST", PATH, content=content, headers=headers)
    told = assert_problem(answer, 422, "import-refused")
    assert told["errors"][0]["column"] == "名额"
    assert "什么都没有导入" in told["detail"]
    many = [ROW | {"session_key": f"{n}", "capacity": "x"} for n in range(150)]
    body = assert_problem(await load(alone, *many), 422, "import-refused")
    assert (len(body["errors"]), body["total"]) == (100, 150)
    assert_problem(
        await load(alone, ROW | {"provider_id": "institute-yangshe"}, role="center", organization="center"), 422
    )
    assert_problem(await load(alone, ROW | {"provider_id": "nobody"}), 422, "import-refused")
    sent = alone.as_(PROVIDER, "provider-staff")
    assert_problem(await sent.call("POST", PATH, content=b"x", headers={"Content-Type": "text/html"}), 415, "not-csv")
    assert_problem(await sent.call("POST", PATH, content=b"x" * (2 * 1024 * 1024 + 1), headers=CSV), 413, "too-large")
    assert len(await alone.told()) == before
    for name in ("offer", "session", "imported"):
        assert await alone.pool.fetchval(f"SELECT count(*) FROM {name}") == 0


async def test_a_row_that_says_otherwise_than_before_is_a_fault(alone: Alone) -> None:
    await alone.load()
    assert done(await load(alone, ROW)) == (1, 1, 0)
    changed = assert_problem(await load(alone, ROW | {"capacity": "30"}), 422, "import-refused")
    assert [(one["row"], one["field"]) for one in changed["errors"]] == [(2, "session_key")]
    renamed = assert_problem(await load(alone, ROW | {"title": "别的", "session_key": "2"}), 422, "import-refused")
    assert [(one["row"], one["field"]) for one in renamed["errors"]] == [(2, "offer_key")]
    own = alone.as_(PROVIDER, "provider-staff")
    (session,) = await alone.pool.fetch("SELECT session_id, offer_id FROM session")
    revision = {"capacity": 30, "reason": "加位"}
    path = f"/v1/sessions/{session['session_id']}"
    assert (await own.call("PATCH", path, json=revision, key="k")).status_code == 200
    assert done(await load(alone, ROW)) == (0, 0, 1)  # and what was changed since stays
    assert (await own.get(path)).json()["capacity"] == 30
    assert (await own.post(f"/v1/offers/{session['offer_id']}/withdraw", {"reason": "停办"})).status_code == 200
    assert done(await load(alone, ROW)) == (0, 0, 1)
    more = assert_problem(await load(alone, ROW, ROW | {"session_key": "2"}), 422, "import-refused")
    assert [one["field"] for one in more["errors"]] == ["offer_key"]


async def test_whose_offers_a_file_may_bring(alone: Alone) -> None:
    await alone.load()
    theirs = ROW | {"provider_id": PROVIDER}
    body = assert_problem(await load(alone, theirs, organization="dept-education"), 403, "forbidden")
    assert body["errors"][0]["row"] == 2
    assert_problem(await load(alone, ROW, role="venue-staff"), 403, "forbidden")
    assert done(await load(alone, theirs, organization="center", role="center")) == (1, 1, 0)
    assert done(await load(alone, ROW)) == (0, 0, 1)  # the same, by themselves
    assert done(await load(alone, ROW, organization="dept-education")) == (1, 1, 0)  # another's keys are another's


async def test_many_at_once_import_a_file_once(alone: Alone) -> None:
    await alone.load()
    rows = [ROW | {"offer_key": f"{n % 40}", "session_key": f"{n}"} for n in range(400)]
    answers: list[Any] = await asyncio.gather(*(load(alone, *rows) for _ in range(5)))
    assert sorted(done(answer) for answer in answers) == [(0, 0, 400)] * 4 + [(40, 400, 0)]
    assert (await alone.types())["session-opened"] == 400


async def test_the_template(alone: Alone) -> None:
    own = alone.as_(PROVIDER, "provider-staff")
    answer = await own.get("/v1/offers:template", headers={"Accept-Language": "zh-CN"})
    assert answer.headers["content-type"] == sheets.MEDIA_TYPE
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert [cell.value for cell in book.worksheets[0][1]] == [column.zh for column in COLUMNS]
    text = (await own.get("/v1/offers:template?format=csv")).content.decode("utf-8-sig")
    assert next(csv.reader([text.strip()])) == [column.en for column in COLUMNS]
    assert_problem(await own.get("/v1/offers:template?format=pdf"), 422, "invalid")
