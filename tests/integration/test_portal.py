"""The portal's pages over the whole stack, as a browser without scripts walks them, and as a live connection reads."""

import html
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.market import Market, new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually

SignedIn = Callable[[str, str], Awaitable["Browser"]]
PUBLIC = ("/", "/demands", "/offers", "/ledger", "/search", "/search?q=x", "/signin", "/resources")
PRIVATE = ("/bookings", "/claims", "/inbox", "/demands/new")
SECURITY = ("content-security-policy", "x-content-type-options", "referrer-policy", "x-frame-options")


class Browser:
    """A browser with its cookies, without scripts."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, timeout=30, follow_redirects=True)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.get(path, **more)

    async def page(self, path: str) -> str:
        answer = await self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[-600:]}"
        return answer.text

    async def has(self, path: str, *texts: str, timeout: float = 20) -> str:
        """The page once it holds all texts: projections follow."""

        async def held() -> str | None:
            answer = await self.get(path)
            return answer.text if answer.status_code == 200 and all(text in answer.text for text in texts) else None

        return await eventually(held, timeout, f"{path} holds {texts}")

    async def submit(self, path: str, action: str, **fields: Any) -> httpx.Response:
        """Load a page, fill in its form of that action, and send it."""
        return await self.http.post(action, data=self.form(await self.page(path), action) | fields)

    @staticmethod
    def form(page: str, action: str) -> dict[str, str]:
        """The hidden fields of a page's form."""
        found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL)
        assert found, f"no form for {action}"
        pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[0])
        return {name: html.unescape(value) for name, value in pairs}

    async def sign_in(self, organization: str, role: str) -> None:
        answer = await self.submit("/signin", "/signin", organization_id=organization, role=role)
        assert answer.status_code == 200, answer.text[-600:]
        assert "退出" in answer.text


@asynccontextmanager
async def browser(stack: Stack) -> AsyncIterator[Browser]:
    made = Browser(stack.url("portal"))
    yield made
    await made.http.aclose()


@pytest_asyncio.fixture
async def signed_in(stack: Stack) -> AsyncIterator[SignedIn]:
    """Makes browsers of an organization's staff, once the portal has read of it."""
    browsers: list[Browser] = []

    async def make(organization: str, role: str) -> Browser:
        made = Browser(stack.url("portal"))
        browsers.append(made)
        known = "SELECT 1 FROM organization WHERE organization_id = $1"
        await eventually(lambda: stack.ask("portal", known, organization), 30, f"the portal knows {organization}")
        await made.sign_in(organization, role)
        return made

    yield make
    for made in browsers:
        await made.http.aclose()


@pytest_asyncio.fixture
async def anybody(stack: Stack) -> AsyncIterator[Browser]:
    async with browser(stack) as made:
        yield made


async def test_public_pages_need_no_sign_in_and_private_ones_lead_to_it(anybody: Browser) -> None:
    for path in PUBLIC:
        answer = await anybody.get(path)
        assert answer.status_code == 200, path
        assert all(name in answer.headers for name in SECURITY), path
        assert "退出" not in answer.text
    for path in PRIVATE:
        answer = await anybody.http.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/signin?back={path}")
    missing = await anybody.get("/demands/none-of-this-id")
    assert missing.status_code == 404
    assert "没有这个需求" in missing.text
    english = await anybody.get("/ledger?lang=en")
    assert "Both ledgers" in english.text
    assert 'class="elder"' in (await anybody.get("/?elder=1")).text
    assert 'class="elder"' in (await anybody.get("/offers")).text  # kept
    static = re.search(r'src="(/static/[^"]+)"', english.text)
    assert static
    assert "immutable" in (await anybody.get(static[1])).headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "/demands?cursor=nonsense",
        "/offers?cursor=WyJvZmZlcnMiLCJ4IiwieSJd",
        "/ledger?month=2026-99",
        "/search?q=%25_%5C%00",
        "/demands?q=" + "长" * 400,
        "/demands?state=%27%3B--",
        "/slots/%00",
        "/resources?q=<script>alert(1)</script>",
        "/ledger.xlsx?month=x",
    ],
)
async def test_odd_addresses_are_told_in_words(anybody: Browser, path: str) -> None:
    answer = await anybody.get(path)
    assert answer.status_code in (200, 404, 422), path
    assert "<script>alert" not in answer.text


async def test_a_clerk_books_sees_the_place_move_and_declines(
    stack: Stack, market: Market, signed_in: SignedIn
) -> None:
    slot = await market.session(1)
    first, second, third = await market.venues(3)
    await first.decided(await first.book(slot))
    held = await second.book(slot)
    await second.decided(held)
    clerk = await signed_in(third.organization_id, "venue-staff")
    await clerk.has(f"/slots/{slot}", "已满，可排候补")
    answer = await clerk.submit(f"/slots/{slot}", f"/slots/{slot}/book", party_size="1")
    assert answer.status_code == 200
    assert "已收到" in answer.text or 'data-status="waitlisted"' in answer.text
    waiting = await clerk.has(f"/slots/{slot}", 'data-status="waitlisted"')
    assert 'id="place">第2位' in waiting
    async with clerk.http.stream("GET", f"/events?slot={slot}") as live:
        assert live.headers["content-type"].startswith("text/event-stream")
        lines = live.aiter_lines()
        await read_until(lines, 'id="place">第2位')
        await second.cancel(held)
        await read_until(lines, 'id="place">第1位')
        booking = (
            await stack.ask("portal", "SELECT request_id FROM booking WHERE venue_id = $1", first.organization_id)
        )[0]["request_id"]
        await first.cancel(booking)
        await read_until(lines, 'data-status="promoted"')
    mine = await clerk.has("/bookings", "已为您保留")
    decline = next(action for action in re.findall(r'action="(/bookings/[^"]+/decline)"', mine))
    receipt = await clerk.page(decline.removesuffix("/decline"))
    assert receipt.count("<strong>候补中</strong>") == 1
    assert (await clerk.submit("/bookings", decline)).status_code == 200
    await clerk.has("/bookings?all=1", "已释放")


async def read_until(lines: AsyncIterator[str], text: str) -> None:
    async for line in lines:
        if text in line:
            return
    raise AssertionError(f"the stream ended without {text}")


async def test_one_form_sent_twice_is_one_booking(stack: Stack, market: Market, signed_in: SignedIn) -> None:
    slot = await market.session(5)
    (venue,) = await market.venues(1)
    clerk = await signed_in(venue.organization_id, "venue-staff")
    page = await clerk.has(f"/slots/{slot}", "可点单")
    form = Browser.form(page, f"/slots/{slot}/book") | {"party_size": "1"}
    for _ in range(2):
        assert (await clerk.http.post(f"/slots/{slot}/book", data=form)).status_code == 200
    await clerk.has(f"/slots/{slot}", 'data-status="confirmed"')
    assert len(await stack.ask("portal", "SELECT 1 FROM booking WHERE slot_id = $1", slot)) == 1
    other = await clerk.http.post(f"/slots/{slot}/book", data=form | {"party_size": "2"})
    assert other.status_code == 409  # the same key for something else is told, in words
    assert "已换一个新键" in other.text


async def test_forms_cannot_be_forged(stack: Stack, market: Market, signed_in: SignedIn) -> None:
    slot = await market.session(5)
    one, two = await market.venues(2)
    clerk = await signed_in(one.organization_id, "venue-staff")
    other = await signed_in(two.organization_id, "venue-staff")
    action = f"/slots/{slot}/book"
    form = Browser.form(await clerk.has(f"/slots/{slot}", "可点单"), action) | {"party_size": "1"}
    stolen = Browser.form(await other.has(f"/slots/{slot}", "可点单"), action) | {"party_size": "1"}
    forged: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {name: value for name, value in form.items() if name != "csrf"}),
        ({}, form | {"csrf": stolen["csrf"]}),
        ({"Origin": "https://evil.example"}, form),
        ({"Sec-Fetch-Site": "cross-site"}, form),
    ]
    for headers, fields in forged:
        answer = await clerk.http.post(action, data=fields, headers=headers)
        assert answer.status_code == 403, headers
        assert "什么都没有提交" in answer.text
    assert (await clerk.http.post(action, json=form)).status_code == 415
    # Signed in as somebody else in another tab: the first tab's form is nobody's.
    await clerk.sign_in(two.organization_id, "venue-staff")
    assert (await clerk.http.post(action, data=form)).status_code == 403
    # A cookie that was signed out is worth nothing.
    cookie = dict(clerk.http.cookies)
    await clerk.submit("/", "/signout")
    clerk.http.cookies.update(cookie)
    assert (await clerk.http.get("/bookings", follow_redirects=False)).status_code == 303
    assert await stack.ask("portal", "SELECT 1 FROM asked WHERE slot_id = $1", slot) == []


async def test_another_venues_receipt_and_messages_are_not_there(
    stack: Stack, market: Market, signed_in: SignedIn
) -> None:
    slot = await market.session(5)
    one, two = await market.venues(2)
    booking = await one.book(slot)
    await one.decided(booking)
    await eventually(
        lambda: stack.ask("portal", "SELECT 1 FROM booking WHERE request_id = $1", booking), 20, "it is projected"
    )
    other = await signed_in(two.organization_id, "venue-staff")
    assert (await other.get(f"/bookings/{booking}")).status_code == 404
    slot_page = await other.page(f"/slots/{slot}?venue={one.organization_id}")
    assert booking not in slot_page
    assert "本单位还没有点过这一场" in slot_page
    async with browser(stack) as public:
        assert booking not in await public.page(f"/slots/{slot}")


async def test_a_demand_from_posting_to_its_rating(stack: Stack, market: Market, signed_in: SignedIn) -> None:
    (venue,) = await market.venues(1)
    team = await market.register(new_id("team"), market.department_id, "provider", "team", name="红色讲坛志愿服务队")
    rival = await market.register(new_id("team"), market.department_id, "provider", "team", name="迟来的队")
    clerk = await signed_in(venue.organization_id, "venue-staff")
    title = f"请人来讲 {uuid.uuid4().hex[:8]}"
    wanted = {
        "title": title,
        "category": "理论宣讲",
        "residents": "40",
        "resident_name": "王阿婆",
        "resident_phone": "000",
    }
    refused = await clerk.submit("/demands/new", "/demands/new", **(wanted | {"residents": "many"}))
    assert refused.status_code == 422
    assert f'value="{title}"' in refused.text  # what was filled in stays
    soon, later = (f"{datetime.now(UTC) + timedelta(days=n):%Y-%m-%dT%H:%M}" for n in (1, 20))
    posted = await clerk.submit(
        "/demands/new", "/demands/new", **wanted, wanted_from=soon, wanted_until=later, places_wanted="1"
    )
    assert posted.status_code == 200, posted.text[-800:]
    path = posted.url.path
    async with browser(stack) as public:
        shown = await public.has(path, title, "待接单")
        assert title in await public.page(f"/demands?q={title}")
        for secret in ("王阿婆", "resident-"):
            assert secret not in shown
    first, late = await signed_in(team, "provider-staff"), await signed_in(rival, "provider-staff")
    claim_form = Browser.form(await late.has(path, "我们来接单"), f"{path}/claim")
    assert (await first.submit(path, f"{path}/claim")).status_code == 200
    await first.has(path, "已接单", "排期：定时间地点")
    assert (await late.http.post(f"{path}/claim", data=claim_form)).status_code == 200
    await late.has(path, "本需求已由红色讲坛志愿服务队接单")
    assert "接单成功" in await first.has("/claims", title)
    await first.submit(path, f"{path}/schedule", scheduled_at=soon, place="村礼堂")
    await clerk.has(path, "已排期", "村礼堂", "已经办好：评单")
    await clerk.submit(path, f"{path}/fulfil", rating="5", residents_served="38", comment="好")
    async with browser(stack) as public:
        done = await public.has(path, "已完成", "5 / 5")
        assert "红色讲坛志愿服务队" in done
        assert "我们来接单" not in done
    inbox = await clerk.has("/inbox", title)
    assert "未读" in inbox
    message = next(iter(re.findall(r'action="(/inbox/n-[^"]+)"', inbox)))
    assert (await clerk.submit("/inbox", message)).url.path == path


async def test_the_ledger_counts_what_was_asked_for(stack: Stack, market: Market) -> None:
    town = new_id("镇")
    station = await market.register(new_id("station"), market.institute_id, "venue", "station", town=town)
    slot = await market.session(1)
    await market.as_venue(station).decided(await market.as_venue(station).book(slot, 1))
    (other,) = await market.venues(1)
    await other.decided(await other.book(slot, 1))
    waiting = await market.register(new_id("station"), market.institute_id, "venue", "station", town=town)
    await market.as_venue(waiting).decided(await market.as_venue(waiting).book(slot, 1))
    async with browser(stack) as public:

        async def row() -> list[str] | None:
            page = await public.page(f"/ledger?town={town}")
            found = re.search(r'<th scope="row" data-th="镇（街道）">' + town + "</th>(.*?)</tr>", page, re.DOTALL)
            cells = (
                [re.sub("<[^>]+>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", found[1])]
                if found
                else []
            )
            return cells if cells and cells[2] == "1" else None

        cells = await eventually(row, 20, "the town's one unmet place is in the ledger")
        assert cells[:3] == ["0", "0", "1"]
        assert cells[-1] == "缺 1"
        book = await public.get(f"/ledger.xlsx?town={town}")
        assert book.headers["content-type"].startswith("application/vnd.openxmlformats")
        assert book.content[:2] == b"PK"
