"""The month that the news report tells, through HTTP alone: demands claimed, resources found, grounds open."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from youai_stack.demo.calls import Patient
from youai_stack.demo.plan import SHANGHAI
from youai_stack.errors import StackError

SEED = 20261201
SIDE_BY_SIDE = 12
UNCLAIMED, RACED, HANDED_BACK, SCHEDULED, FULFILLED = 0.15, 0.10, 0.03, 0.7, 0.6
ON_BEHALF = 0.1
DECIDED_S = 60.0

Found = TypeVar("Found")
Tell = Callable[[int], None]
Person = tuple[str, str]
"""An organization and the role in which it is acted for."""

ASKED = {
    "理论宣讲": ("宣讲党的二十届四中全会精神", "给村里老党员讲一堂党课", "红色故事进村组"),
    "教育服务": ("暑期作业辅导", "家长课堂：怎样陪孩子写作业", "老年人学用智能手机"),
    "文化文艺": ("社区邻里节要一台文艺节目", "书法春联进农家", "锡剧小戏下乡"),
    "健康服务": ("老年人血压血糖筛查", "家庭医生来村里坐诊", "孕产妇营养讲座"),
    "科技科普": ("天文望远镜看星星", "反电信诈骗科普", "机器人小课堂"),
    "体育健身": ("八段锦教学", "少儿跳绳训练", "广场舞领舞培训"),
    "法律援助": ("土地流转合同咨询", "劳动纠纷法律咨询", "遗嘱怎么立"),
    "应急救护": ("心肺复苏和海姆立克急救", "家庭用火用电安全", "防溺水演练"),
    "心理服务": ("青春期心理讲座", "独居老人陪伴聊天", "产后情绪疏导"),
    "环保": ("垃圾分类上门指导", "旧衣回收活动", "河道护绿"),
    "其他": ("磨刀理发便民服务", "小家电维修", "流浪猫救助宣传"),
}
RESOURCES = (
    ("person", "旗袍礼仪老师", "形体、步态与旗袍走秀，可上门教学", ("旗袍", "礼仪", "形体"), "文化文艺"),
    ("person", "锡剧老师", "教唱锡剧选段，可带伴奏", ("锡剧", "声乐"), "文化文艺"),
    ("person", "心理咨询师", "青少年与亲子沟通", ("心理咨询", "亲子"), "心理服务"),
    ("person", "急救培训师", "心肺复苏与创伤包扎", ("急救", "心肺复苏"), "应急救护"),
    ("person", "法律顾问", "劳动与婚姻家事", ("法律咨询", "调解"), "法律援助"),
    ("thing", "流动科普车", "望远镜、机器人和实验器材", ("科普", "天文"), "科技科普"),
    ("thing", "移动体检车", "血压、血糖与心电图", ("体检",), "健康服务"),
    ("person", "太极拳教练", "二十四式太极拳与八段锦", ("太极拳", "八段锦"), "体育健身"),
)
GROUNDS = 26


@dataclass(frozen=True)
class Told:
    """What the month's own clients were told; what the topics say is counted apart, in fold.py."""

    grounds_open: int
    booked_from_the_team: str


class Month:
    """Plays the month. `organizations` are the rows of the city's file."""

    def __init__(
        self, calls: Patient, organizations: Sequence[dict[str, str]], demands: int, run: str, tell: Tell
    ) -> None:
        self._calls = calls
        self._demands = demands
        self._run = run
        self._tell = tell
        self._chance = random.Random(SEED)
        self._venues = [o["organization_id"] for o in organizations if o["level"] in ("station", "point")]
        self._departments: dict[str, list[str]] = {category: [] for category in ASKED}
        departments = [o for o in organizations if o["level"] == "department"]
        for organization in departments[:60]:
            for category in organization["categories"].split(";"):
                self._departments[category].append(organization["organization_id"])

    async def play(self) -> Told:
        """All of it. Raises StackError if something is refused that should not be."""
        await self.report_story()
        await self._many([self._demand(number) for number in range(self._demands)])
        await self._list_resources()
        grounds = await self._open_grounds()
        request_id = await self.cheongsam_story()
        return Told(grounds, request_id)

    async def report_story(self) -> None:
        """大新镇中山村 asks for a lecture, the party school's 红色讲坛 team gives it, and the village rates it."""
        village, team = ("station-daxin-zhongshan", "venue-staff"), ("team-party-school-red-lectern", "provider-staff")
        demand_id = await self._post(village, "report", "理论宣讲", "请红色讲坛来村里讲一堂理论课", residents=60)
        claim_id = await self._claim(team, demand_id)
        if (await self._decided(team, demand_id, claim_id))["status"] != "confirmed":
            raise StackError("the report's demand was not claimed by the one team that asked for it")
        await self._schedule(team, demand_id)
        await self._fulfil(village, demand_id, rating=5)

    async def cheongsam_story(self) -> str:
        """阳光社区's 旗袍队 finds its teacher and later gives a show, which a venue books: that request's id."""
        team, owner = (
            ("team-yangshe-yangguang-cheongsam", "provider-staff"),
            ("dept-women-federation", "provider-staff"),
        )
        teacher = await self._search("旗袍", team)
        ask = await self._calls.must(
            "catalog", "POST", f"/v1/resources/{teacher}/ask", team,
            key=f"{self._run}-ask", body={"message": "我们阿姨们想学旗袍走秀，每周六上午都有空。"},
        )  # fmt: skip
        await self._calls.must(
            "catalog", "POST", f"/v1/resources/{teacher}/answer", owner,
            key=f"{self._run}-answer", body={"ask_id": ask["ask_id"], "accepted": True, "message": "周六见！"},
        )  # fmt: skip
        offer = await self._calls.must(
            "catalog", "POST", "/v1/offers", team, key=f"{self._run}-show",
            body={
                "provider_id": team[0], "category": "文化文艺", "title": "旗袍走秀进社区",
                "description": "阳光社区旗袍队学成之后的第一场演出。", "audience": "社区居民",
            },
        )  # fmt: skip
        now = datetime.now(UTC)
        session_id = f"session-cheongsam-{self._run}"
        await self._calls.must(
            "catalog", "POST", f"/v1/offers/{offer['offer_id']}/sessions", team, key=f"{self._run}-show-1",
            body={
                "session_id": session_id, "capacity": 3, "opens_at": _text(now), "venue_name": "各站点文化礼堂",
                "closes_at": _text(now + timedelta(days=5)), "starts_at": _text(now + timedelta(days=6)),
                "ends_at": _text(now + timedelta(days=6, hours=2)),
            },
        )  # fmt: skip
        booked = await self._calls.must(
            "matching", "POST", "/v1/bookings", ("station-yangshe-baijiaqiao", "venue-staff"),
            key=f"{self._run}-show-booking", body={"slot_id": session_id, "party_size": 1},
        )  # fmt: skip
        return str(booked["request_id"])

    async def _demand(self, number: int) -> None:
        """One demand's life, drawn from the seed by its number, so that their order in time changes nothing."""
        chance = random.Random(SEED * 10_000 + number)
        venue = (chance.choice(self._venues), "collector" if chance.random() < ON_BEHALF else "venue-staff")
        category = chance.choice(list(ASKED))
        demand_id = await self._post(
            venue, str(number), category, chance.choice(ASKED[category]), chance.randint(5, 120)
        )
        self._tell(1)
        providers = self._departments[category]
        if chance.random() < UNCLAIMED:
            return
        racers = chance.sample(providers, min(len(providers), chance.randint(3, 8) if chance.random() < RACED else 1))
        claims = await asyncio.gather(*(self._claim((p, "provider-staff"), demand_id) for p in racers))
        decided = [
            await self._decided((p, "provider-staff"), demand_id, c) for p, c in zip(racers, claims, strict=True)
        ]
        winners = [p for p, claim in zip(racers, decided, strict=True) if claim["status"] == "confirmed"]
        if len(winners) != 1:
            raise StackError(f"{len(winners)} of {len(racers)} claims of {demand_id} were confirmed")
        winner = (winners[0], "provider-staff")
        fate = chance.random()
        if fate < HANDED_BACK:
            await self._calls.must(
                "demand", "POST", f"/v1/demands/{demand_id}/hand-back", winner,
                key=f"{self._run}-back-{number}", body={"reason": "本月人手不够，请其他单位接单。"},
            )  # fmt: skip
        elif fate < SCHEDULED:
            await self._schedule(winner, demand_id)
            if chance.random() < FULFILLED:
                await self._fulfil((venue[0], "venue-staff"), demand_id, rating=chance.choice((3, 4, 4, 5, 5, 5)))

    async def _post(self, venue: Person, name: str, category: str, title: str, residents: int) -> str:
        now = datetime.now(UTC)
        body: dict[str, Any] = {
            "category": category,
            "title": title,
            "description": "居民在微网格里提出，希望本月内安排。",
            "residents": residents,
            "wanted_from": _text(now + timedelta(days=1)),
            "wanted_until": _text(now + timedelta(days=30)),
        }
        if venue[1] == "collector":
            body["resident"] = {"name": "演示居民", "phone": "000-0000-0000", "note": "不用手机，请打印家书"}
        posted = await self._calls.must(
            "demand", "POST", "/v1/demands", venue, key=f"{self._run}-demand-{name}", body=body
        )
        return str(posted["demand_id"])

    async def _claim(self, provider: Person, demand_id: str) -> str:
        taken = await self._calls.must(
            "demand", "POST", f"/v1/demands/{demand_id}/claims", provider, key=f"{self._run}-{provider[0]}", body={}
        )
        return str(taken["claim_id"])

    async def _decided(self, provider: Person, demand_id: str, claim_id: str) -> dict[str, Any]:
        async def decided() -> dict[str, Any] | None:
            claim = await self._calls.must("demand", "GET", f"/v1/demands/{demand_id}/claims/{claim_id}", provider)
            return claim if claim["status"] != "requested" else None

        return await _eventually(decided, f"the claim {claim_id} is decided")

    async def _schedule(self, provider: Person, demand_id: str) -> None:
        at = datetime.now(SHANGHAI).replace(hour=14, minute=0, second=0, microsecond=0) + timedelta(days=9)
        await self._calls.must(
            "demand", "POST", f"/v1/demands/{demand_id}/schedule", provider,
            key=f"{self._run}-schedule-{demand_id}", body={"scheduled_at": _text(at), "place": "文化礼堂"},
        )  # fmt: skip

    async def _fulfil(self, venue: Person, demand_id: str, rating: int) -> None:
        await self._calls.must(
            "demand", "POST", f"/v1/demands/{demand_id}/fulfil", venue,
            key=f"{self._run}-fulfil-{demand_id}", body={"rating": rating, "residents_served": 40, "comment": "好！"},
        )  # fmt: skip

    async def _list_resources(self) -> None:
        """Each kind of resource from eight departments, the cheongsam teacher from 市妇联 among them."""
        work = []
        for number, (kind, title, description, skills, category) in enumerate(RESOURCES):
            owners = ["dept-women-federation", *self._departments[category]][0 if number == 0 else 1 :][:8]
            for owner in dict.fromkeys(owners):
                body = {
                    "kind": kind,
                    "title": title,
                    "description": description,
                    "skills": list(skills),
                    "categories": [category],
                    "town": "张家港市",
                }
                work.append(self._list(owner, f"{number}-{owner}", body))
        await self._many(work)

    async def _list(self, owner: str, name: str, body: dict[str, Any]) -> str:
        listed = await self._calls.must(
            "catalog",
            "POST",
            "/v1/resources",
            (owner, "provider-staff"),
            key=f"{self._run}-resource-{name}",
            body={"owner_id": owner, **body},
        )
        return str(listed["resource_id"])

    async def _open_grounds(self) -> int:
        """26 school grounds, open early and late on working days and all day on holidays; how many open this week."""
        windows = [
            {"days": ["workday"], "opens": "05:30", "closes": "07:00"},
            {"days": ["workday"], "opens": "18:00", "closes": "20:30"},
            {"days": ["holiday"], "opens": "06:00", "closes": "20:30"},
        ]
        towns = ("杨舍镇", "塘桥镇", "金港街道", "锦丰镇", "凤凰镇", "乐余镇", "大新镇", "南丰镇")
        grounds = await self._many(
            [
                self._list(
                    "dept-education",
                    f"ground-{number}",
                    {
                        "kind": "place",
                        "title": f"第{number + 1}号学校操场",
                        "description": "校园体育场地免费开放",
                        "skills": ["跑步", "篮球"],
                        "categories": ["体育健身"],
                        "town": towns[number % len(towns)],
                        "windows": windows,
                    },
                )
                for number in range(GROUNDS)
            ]
        )
        today = datetime.now(SHANGHAI).date()
        days = {"from": today.isoformat(), "to": (today + timedelta(days=6)).isoformat()}
        anybody = ("station-daxin-zhongshan", "venue-staff")
        answers = await self._many(
            [self._calls.must("catalog", "GET", f"/v1/places/{id_}/windows", anybody, params=days) for id_ in grounds]
        )
        return sum(1 for answer in answers if all(day["windows"] for day in answer["days"]))

    async def _search(self, words: str, who: Person) -> str:
        async def found() -> str | None:
            answer = await self._calls.must("catalog", "GET", "/v1/resources", who, params={"q": words})
            hits = [r for r in answer["resources"] if r["owner_id"] == "dept-women-federation"]
            return str(hits[0]["resource_id"]) if hits else None

        return await _eventually(found, f"the pool finds {words}")

    async def _many(self, work: Sequence[Awaitable[Found]]) -> list[Found]:
        """Do all of it, some at a time, and return what came of each, in order."""
        gate = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(what: Awaitable[Found]) -> Found:
            async with gate:
                return await what

        return list(await asyncio.gather(*(one(what) for what in work)))


async def _eventually(look: Callable[[], Awaitable[Found | None]], what: str) -> Found:
    deadline = asyncio.get_running_loop().time() + DECIDED_S
    pause = 0.03
    while (found := await look()) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise StackError(f"Not within {DECIDED_S:.0f} s: {what}.")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return found


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
