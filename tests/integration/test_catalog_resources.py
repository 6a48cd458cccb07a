"""Catalog's resource pool over a real database: listing, search, asks and answers, and through to the topic."""

import asyncio
from typing import Any

import pytest
from youai_contracts import events, topics

from tests.support import kafka
from tests.support.catalog_alone import Alone
from tests.support.client import assert_problem
from tests.support.market import Market, new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually

PATH = "/v1/resources"
OWNER, ASKER, OTHER = "dept-women-federation", "institute-yangshe", "institute-jingang"
TEACHER: dict[str, Any] = {
    "resource_id": "teacher",
    "owner_id": OWNER,
    "kind": "person",
    "title": "旗袍走秀与形体老师",
    "description": "可到社区授课，每周一次。",
    "skills": ["旗袍", "形体", "礼仪"],
    "categories": ["文化文艺"],
    "town": "杨舍镇",
}
POOL: list[dict[str, Any]] = [
    TEACHER,
    TEACHER
    | {"resource_id": "tailor", "title": "裁缝", "description": "会做旗袍和汉服", "skills": ["缝纫"], "town": ""},
    TEACHER | {"resource_id": "coder", "title": "编程老师", "description": "", "skills": ["Python"], "town": "大新镇"},
    TEACHER | {"resource_id": "drums", "kind": "thing", "title": "锣鼓一套", "description": "", "skills": []},
]


def state(of: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in of.items() if name not in ("resource_id", "owner_id")} | changed


async def listed(alone: Alone, *resources: dict[str, Any]) -> None:
    own = alone.as_(OWNER, "provider-staff")
    for resource in resources:
        answer = await own.post(PATH, resource, key=resource["resource_id"])
        assert answer.status_code == 201, answer.text


async def told(alone: Alone, kind: type[events.Event]) -> list[Any]:
    return [event for event in await alone.told() if type(event) is kind]


async def test_the_life_of_a_resource(alone: Alone) -> None:
    await alone.load()
    own = alone.as_(OWNER, "provider-staff")
    body = {name: value for name, value in TEACHER.items() if name != "resource_id"}
    answers = await asyncio.gather(*(own.post(PATH, body, key="k") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    view = answers[0].json()
    assert (view["state"], view["windows"], view["capacity"]) == ("listed", [], None)
    here = f"{PATH}/{view['resource_id']}"
    assert (await alone.as_("x", "collector").get(here)).json() == view
    revised = await own.call("PATCH", here, json=state(TEACHER, skills=["旗袍", "旗袍"], capacity=30))
    assert (revised.status_code, revised.json()["skills"], revised.json()["capacity"]) == (200, ["旗袍"], 30)
    assert (await own.call("PATCH", here, json=state(TEACHER, skills=["旗袍"], capacity=30))).json() == revised.json()
    for _ in range(2):
        assert (await own.post(f"{here}/retire")).json()["state"] == "retired"
    assert (await own.get(here)).json() == revised.json() | {"state": "retired"}
    assert (await own.get(PATH)).json()["resources"] == []
    assert_problem(await own.call("PATCH", here, json=state(TEACHER)), 409, "resource-retired")
    assert_problem(await alone.as_(ASKER, "venue-staff").post(f"{here}/ask", {}, key="a"), 409, "resource-retired")
    (one,) = await told(alone, events.ResourceListed)
    assert (one.owner_id, one.skills, one.town, one.actor.organization_id) == (
        OWNER,
        ("旗袍", "形体", "礼仪"),
        "杨舍镇",
        OWNER,
    )
    (two,) = await told(alone, events.ResourceRevised)
    assert (two.capacity, two.title, two.owner_name) == (30, TEACHER["title"], view["owner_name"])
    assert len(await told(alone, events.ResourceRetired)) == 1


async def test_who_may_list_and_change(alone: Alone) -> None:
    await alone.load()
    await listed(alone, TEACHER)
    own, other = alone.as_(OWNER, "provider-staff"), alone.as_(OTHER, "venue-staff")
    another = TEACHER | {"resource_id": "r2"}
    assert_problem(await alone.as_(OWNER, "collector").post(PATH, another, key="k"), 403, "forbidden")
    assert_problem(await other.post(PATH, another, key="k"), 403, "forbidden")
    assert_problem(await own.post(PATH, another), 400, "key-missing")
    assert_problem(await own.post(PATH, TEACHER, key="else"), 409, "resource-exists")
    assert_problem(await own.post(PATH, another, key="teacher"), 409, "key-reused")
    assert_problem(await own.post(PATH, another | {"owner_id": "nobody"}, key="k"), 422, "invalid")
    for call in (
        other.call("PATCH", f"{PATH}/teacher", json=state(TEACHER)),
        other.post(f"{PATH}/teacher/retire"),
        other.post(f"{PATH}/teacher/answer", {"ask_id": "x", "accepted": True}),
        other.get(f"{PATH}/teacher/asks"),
        alone.as_(OWNER, "collector").get(f"{PATH}/teacher/asks"),
    ):
        assert_problem(await call, 403, "forbidden")
    center = alone.as_("center")
    assert (await center.call("PATCH", f"{PATH}/teacher", json=state(TEACHER, town="乐余镇"))).status_code == 200
    assert_problem(await own.call("PATCH", f"{PATH}/teacher", json=state(TEACHER, kind="thing")), 422, "invalid")
    assert_problem(await own.call("PATCH", f"{PATH}/teacher", json=TEACHER), 422, "invalid")
    for path in (f"{PATH}/x", f"{PATH}/x/asks", "/v1/places/teacher/windows?from=2026-12-01&to=2026-12-02"):
        assert_problem(await own.get(path), 404, "not-found")
    for path in (f"{PATH}/x/retire", f"{PATH}/x/ask"):
        assert_problem(await own.post(path, {}, key="y"), 404, "not-found")
    assert (await alone.types())["resource-revised"] == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"title": ""},
        {"title": "\x00"},
        {"title": "王老师 13912345678"},
        {"kind": "idea"},
        {"skills": ["x"] * 51},
        {"skills": "旗袍"},
        {"categories": ["跳舞"]},
        {"capacity": 0},
        {"windows": [{"days": ["holiday"], "opens": "09:00", "closes": "08:00"}]},
        {"owner": "x"},
    ],
    ids=str,
)
async def test_what_is_no_resource(alone: Alone, changed: dict[str, Any]) -> None:
    answer = await alone.as_(OWNER, "provider-staff").post(PATH, TEACHER | changed, key="k")
    assert_problem(answer, 422, "invalid")


async def test_search_finds_by_words_best_first(alone: Alone) -> None:
    await alone.load()
    await listed(alone, *POOL)
    anybody = alone.as_("x", "collector")

    async def found(**query: Any) -> tuple[list[str], str | None]:
        answer = await anybody.get(PATH, params=query)
        assert answer.status_code == 200, answer.text
        return [one["resource_id"] for one in answer.json()["resources"]], answer.json()["matched"]

    assert await found(q="旗袍") == (["teacher", "tailor"], "all")
    assert await found(q="阳光社区旗袍队需要老师") == (["teacher", "coder", "tailor"], "some")
    assert await found(q="旗袍 老师") == (["teacher"], "all")
    assert await found(q="袍") == (["teacher"], "all")  # a part of a word, in titles and skills
    assert await found(q="形体礼仪") == (["teacher"], "all")
    assert await found(q="PYTHON") == (["coder"], "all")
    assert await found(q="pyth") == (["coder"], "all")
    assert await found(q="旗袍", town="大新镇") == (["tailor"], "all")
    assert await found(q="旗袍", kind="thing") == ([], "none")
    assert await found(q="旗袍", category="环保") == ([], "none")
    assert await found(q="钢琴") == ([], "none")
    assert await found(q="！？") == ([], "none")
    assert await found(q="") == (["coder", "drums", "tailor", "teacher"], None)
    assert await found(kind="thing") == (["drums"], None)
    assert await found(owner_id=ASKER) == ([], None)
    assert await found(category="文化文艺", town="大新镇") == (["coder", "tailor"], None)
    empty = (await anybody.get(PATH, params={"q": "需要钢琴"})).json()
    assert empty == {"resources": [], "matched": "none", "words": ["钢琴"], "next_cursor": None}
    own = alone.as_(OWNER, "provider-staff")
    changed = state(TEACHER, title="钢琴老师", skills=["钢琴"], description="")
    assert (await own.call("PATCH", f"{PATH}/teacher", json=changed)).status_code == 200
    assert await found(q="旗袍") == (["tailor"], "all")
    assert await found(q="钢琴") == (["teacher"], "all")
    for query in ({"q": "x" * 201}, {"q": "\x00"}, {"limit": 0}, {"kind": "x"}, {"town": ""}, {"foo": 1}):
        assert_problem(await anybody.get(PATH, params=query), 422, "invalid")
    for text in ("'", "\\", "a'b\\c:*&|!()", "<->", "'; DROP TABLE resource; --", "🎭"):
        await found(q=text)


async def test_pages_of_a_search_are_whole(alone: Alone) -> None:
    await alone.load()
    many = [
        TEACHER | {"resource_id": f"r{n:02}", "skills": [], "title": "旗袍老师" if n % 3 else "老师", "town": ""}
        for n in range(20)
    ]
    await listed(alone, *many)
    anybody = alone.as_("x", "collector")
    for query, wanted in (({"q": "旗袍"}, 13), ({"q": "旗袍钢琴"}, 13), ({}, 20), ({"q": "老师"}, 20)):
        whole = (await anybody.get(PATH, params={**query, "limit": 500})).json()
        ids: list[str] = []
        cursor: str | None = None
        while True:
            asked = {**query, "limit": 3, **({"cursor": cursor} if cursor else {})}
            part = (await anybody.get(PATH, params=asked)).json()
            assert part["matched"] == whole["matched"]
            ids += [one["resource_id"] for one in part["resources"]]
            cursor = part["next_cursor"]
            if cursor is None:
                break
        assert ids == [one["resource_id"] for one in whole["resources"]]
        assert (len(ids), len(set(ids))) == (wanted, wanted)
    elsewhere = (await anybody.get("/v1/organizations", params={"limit": 1})).json()["next_cursor"]
    for bad in ("x", elsewhere, "WyJyZXNvdXJjZXMiLCJhbGwiLCJOYU4iLCJ4Il0"):
        assert_problem(await anybody.get(PATH, params={"q": "旗袍", "cursor": bad}), 422, "invalid")


async def test_asks_and_answers(alone: Alone) -> None:
    await alone.load()
    await listed(alone, TEACHER)
    here = f"{PATH}/teacher"
    asker, own = alone.as_(ASKER, "venue-staff"), alone.as_(OWNER, "provider-staff")
    body = {"message": "阳光社区旗袍队想请老师", "wanted_from": "2026-12-05T09:00:00+08:00"}
    answers = await asyncio.gather(*(asker.post(f"{here}/ask", body, key="k") for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    view = answers[0].json()
    assert (view["asker_id"], view["state"], view["wanted_from"]) == (ASKER, "open", "2026-12-05T01:00:00.000Z")
    assert (await alone.as_(OTHER, "collector").post(f"{here}/ask", {}, key="k")).status_code == 201
    for number in range(3):
        assert (await asker.post(f"{here}/ask", {}, key=f"k{number}")).status_code == 201
    assert_problem(await asker.post(f"{here}/ask", {"asker_id": OTHER}, key="l"), 403, "forbidden")
    assert_problem(await asker.post(f"{here}/ask", {"asker_id": "nobody"}, key="l"), 422, "invalid")
    assert_problem(await alone.as_("nobody").post(f"{here}/ask", {}, key="l"), 422, "invalid")
    assert_problem(await own.post(f"{here}/ask", {}, key="l"), 422, "invalid")
    assert_problem(await asker.post(f"{here}/ask", {"message": "打 13912345678"}, key="l"), 422, "invalid")
    assert_problem(await asker.post(f"{here}/ask", body | {"message": "别的"}, key="k"), 409, "key-reused")
    below = await alone.as_("center").post(f"{here}/ask", {"asker_id": ASKER}, key="l")
    assert below.json()["asker_id"] == ASKER
    first = (await own.get(f"{here}/asks", params={"limit": 4})).json()
    second = (await own.get(f"{here}/asks", params={"limit": 4, "cursor": first["next_cursor"]})).json()
    seen = [one["ask_id"] for one in [*first["asks"], *second["asks"]]]
    assert (len(seen), len(set(seen)), second["next_cursor"]) == (6, 6, None)
    yes = {"ask_id": view["ask_id"], "accepted": True, "message": "周六见"}
    accepted = await asyncio.gather(*(own.post(f"{here}/answer", yes) for _ in range(4)))
    assert {(answer.status_code, answer.json()["state"]) for answer in accepted} == {(200, "accepted")}
    assert (await own.post(f"{here}/answer", yes | {"message": "改口"})).json()["answer"] == "周六见"
    assert_problem(await own.post(f"{here}/answer", yes | {"accepted": False}), 409, "ask-answered")
    assert_problem(await own.post(f"{here}/answer", yes | {"ask_id": "x"}), 404, "not-found")
    assert_problem(await own.post(f"{here}/answer", {"ask_id": "x"}), 422, "invalid")
    only = (await own.get(f"{here}/asks", params={"state": "accepted"})).json()["asks"]
    assert [(one["ask_id"], one["answer"]) for one in only] == [(view["ask_id"], "周六见")]
    asked = await told(alone, events.ResourceAsked)
    assert (len(asked), asked[0].owner_id, asked[0].asker_name != "", asked[0].message) == (
        6,
        OWNER,
        True,
        body["message"],
    )
    (said,) = await told(alone, events.ResourceAnswered)
    assert (said.ask_id, said.asker_id, said.accepted, said.message) == (view["ask_id"], ASKER, True, "周六见")


async def test_what_happens_to_a_resource_is_read_from_the_topic(stack: Stack, market: Market) -> None:
    since = await kafka.end_offsets(stack.bootstrap, topics.RESOURCE.name)
    provider = market.caller("catalog", market.department_id, "provider-staff")
    resource = TEACHER | {"resource_id": new_id("resource"), "owner_id": market.department_id}
    here = f"{PATH}/{resource['resource_id']}"
    assert (await provider.post(PATH, resource, key=new_id("key"))).status_code == 201
    center = market.caller("catalog", market.center_id, "center")
    ask = (await center.post(f"{here}/ask", {"message": "请教"}, key=new_id("key"))).json()
    assert (await provider.post(f"{here}/answer", {"ask_id": ask["ask_id"], "accepted": True})).status_code == 200
    assert (await provider.call("PATCH", here, json=state(resource, town="大新镇"))).status_code == 200
    assert (await provider.post(f"{here}/retire")).status_code == 200
    wanted = ["resource-listed", "resource-asked", "resource-answered", "resource-revised", "resource-retired"]

    async def read() -> list[str]:
        records = await kafka.read_topic(stack.bootstrap, topics.RESOURCE.name, since)
        found = [
            dict(one.headers)["ce_type"].decode() for one in records if one.key == resource["resource_id"].encode()
        ]
        return found if len(found) >= len(wanted) else []

    assert await eventually(read, 20, "the resource's events are on the topic") == wanted
