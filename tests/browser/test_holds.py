"""Holds and draws in the browser, by rules of seconds: what a clerk sees, presses and is told, also in two tabs."""

import hashlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import Page, expect
from youai_portal import words

from tests.browser.conftest import Opens
from tests.browser.look import Look
from tests.browser.rules import HOLD_S
from tests.browser.test_walks import full_slot, projected, streaming
from tests.support.client import Venue
from tests.support.market import Market, new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually

WRONG_CLOCK = """const Right = Date;
window.Date = class extends Right {
    constructor(...given) { if (given.length) { super(...given); } else { super(Right.now() + 3600000); } }
    static now() { return Right.now() + 3600000; }
};"""


async def at_booking(opens: Opens, venue: Venue, request_id: str) -> Look:
    """A clerk of the venue with that booking's live page before them; their own clock is an hour ahead."""
    look = await opens(venue.organization_id, "venue-staff")
    await look.page.context.add_init_script(WRONG_CLOCK)
    await look.open(f"/bookings/{request_id}")
    await streaming(look.page)
    return look


def seconds(text: str) -> int:
    """A countdown's seconds."""
    found = re.fullmatch(r"(?:(\d+)分)?(\d+)秒", text.strip())
    assert found, text
    return int(found[1] or 0) * 60 + int(found[2])


async def counted(page: Page) -> int:
    return seconds(await page.locator(".hold [data-until]").inner_text())


async def test_a_hold_arrives_counts_down_by_the_servers_clock_and_is_accepted(
    quick_market: Market, quick_opens: Opens
) -> None:
    _, (first, held), (second, waiting) = await full_slot(quick_market)
    clerk = await at_booking(quick_opens, second, waiting)
    page = clerk.page
    await expect(page.locator("#place")).to_have_text("第1位")
    await first.cancel(held)
    await expect(page.locator("#reason")).to_contain_text("已为您保留到")
    told, now = await counted(page), datetime.now(UTC)
    until = datetime.fromisoformat(str((await second.booking(waiting))["hold_until"]))
    assert abs((until - now).total_seconds() - told) <= 2, "it counts by the server's clock, not by this one"
    assert told <= HOLD_S
    shown = f"{told}秒"
    await expect(page.locator(".hold [data-until]")).not_to_have_text(shown)
    assert await counted(page) < told
    assert await page.evaluate("window.marked"), "it came without loading the page again"
    await page.get_by_role("button", name="确认，我们要").click()
    await expect(page.locator("#reason")).to_have_text("您已确认，名额归您。")
    await expect(page.locator(".hold")).to_have_count(0)
    assert clerk.complaints() == []


async def test_two_tabs_the_second_tells_what_already_happened(quick_market: Market, quick_opens: Opens) -> None:
    _, (first, held), (second, waiting) = await full_slot(quick_market)
    clerk = await at_booking(quick_opens, second, waiting)
    stale = []
    for _ in range(2):
        tab = await clerk.page.context.new_page()
        await tab.route("**/events*", lambda route: route.abort())  # nobody tells these tabs anything
        stale.append(tab)
    await first.cancel(held)
    accept = clerk.page.get_by_role("button", name="确认，我们要")
    await expect(accept).to_be_visible()
    for tab in stale:
        await tab.goto(clerk.page.url)
        await expect(tab.get_by_role("button", name="放弃")).to_be_visible()
    await accept.click()
    await expect(clerk.page.locator("#reason")).to_have_text("您已确认，名额归您。")
    await stale[0].get_by_role("button", name="放弃").click()
    await expect(stale[0].locator("#already")).to_contain_text("这份名额在此之前已经确认（可能在另一个窗口）")
    await stale[1].get_by_role("button", name="确认，我们要").click()
    await expect(stale[1].locator("#reason")).to_have_text("您已确认，名额归您。")
    found = await second.booking(waiting)
    assert [one["outcome"] for one in found["receipts"]] == ["waitlisted", "promoted", "confirmed"]


async def test_a_hold_lapses_the_next_in_line_is_told_and_declines(quick_market: Market, quick_opens: Opens) -> None:
    slot, (first, held), (second, waiting) = await full_slot(quick_market)
    third = await quick_market.venue()
    last = await third.book(slot)
    await third.decided(last, "waitlisted")
    clerk = await at_booking(quick_opens, second, waiting)
    follower = await quick_opens(third.organization_id, "venue-staff")
    await follower.open(f"/slots/{slot}")
    await expect(follower.page.locator("#place")).to_have_text("第2位")
    await streaming(follower.page)
    await first.cancel(held)
    await expect(clerk.page.locator(".hold")).to_be_visible()
    # Nobody presses anything.
    lapsed = clerk.page.locator("#reason").get_by_text("保留期内没有确认，名额已让给下一位")
    await expect(lapsed).to_be_visible(timeout=(HOLD_S + 30) * 1000)
    await expect(clerk.page.locator("#place")).to_have_text("第1位")
    await expect(clerk.page.locator("#why")).to_contain_text("您有1次没有在保留期内确认")
    own = follower.page.locator(".own[data-status=promoted]")
    await expect(own.locator(".hold")).to_be_visible()
    await expect(follower.page.locator("#badge")).not_to_be_empty()
    await own.get_by_role("button", name="放弃").click()
    await expect(follower.page.locator(".own[data-status=released]")).to_be_visible()
    # It comes back to who lapsed; the answer to the first hold is no answer to the second.
    await expect(clerk.page.get_by_role("button", name="确认，我们要")).to_be_visible()
    assert await clerk.page.evaluate("window.marked")
    assert clerk.complaints() + follower.complaints() == []


async def new_offer(market: Market, **more: Any) -> str:
    """An offer of the market's department."""
    provider = market.caller("catalog", market.department_id, "provider-staff")
    body = {"provider_id": market.department_id, "category": "理论宣讲", "title": "红色讲坛"}
    answer = await provider.post("/v1/offers", body | more, key=uuid.uuid4().hex)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["offer_id"])


async def new_sessions(market: Market, offer: str, *wanted: dict[str, Any]) -> list[str]:
    """Sessions of an offer, once door and portal know them."""
    slots = await market.sessions(list(wanted), offer)
    for slot in slots:
        await market.as_venue(market.center_id).read_back(f"/v1/slots/{slot}")
        await projected(market.stack, "session", "slot_id", slot)
    return slots


async def test_a_draw_from_the_waiting_room_to_the_seed(quick: Stack, quick_market: Market, quick_opens: Opens) -> None:
    offer = await new_offer(quick_market, mode="draw")
    venues = await quick_market.venues(2)
    clerks = [await quick_opens(venue.organization_id, "venue-staff") for venue in venues]
    for clerk in clerks:
        await clerk.page.context.add_init_script(WRONG_CLOCK)
    opens_at = datetime.now(UTC) + timedelta(seconds=12)
    (slot,) = await new_sessions(quick_market, offer, {"capacity": 1, "opens_at": opens_at})
    for clerk in clerks:
        await clerk.open(f"/slots/{slot}")
        await streaming(clerk.page)
        await expect(clerk.page.locator("#rules")).to_contain_text("抽签")
    button = clerks[0].page.locator("#book button")
    if datetime.now(UTC) < opens_at - timedelta(seconds=1):
        await expect(clerks[0].page.locator("#opening [data-until]")).to_contain_text("秒")
        assert await button.is_disabled()
    await expect(button).to_be_enabled()
    assert datetime.now(UTC) >= opens_at, "never before opening, by the server's clock"
    for clerk in clerks:
        await clerk.page.locator("#book button").click()
        await expect(clerk.page.locator(".own[data-status=entered]")).to_be_visible()
    bookings = [await mine(quick, slot, venue) for venue in venues]
    for clerk, booking in zip(clerks, bookings, strict=True):
        await clerk.open(f"/bookings/{booking}")
        await expect(clerk.page.locator("#seed")).to_have_text("窗口结束后公布")
        await streaming(clerk.page)
    for clerk in clerks:
        await expect(clerk.page.locator("#rank")).to_have_text(re.compile(r"第[12]位 / 2"))
        assert await clerk.page.evaluate("window.marked")
        assert clerk.complaints() == []
    ranks = [await clerk.page.locator("#rank").inner_text() for clerk in clerks]
    seed = await clerks[0].page.locator("#seed").inner_text()
    assert hashlib.sha256(bytes.fromhex(seed)).hexdigest() in await clerks[0].page.locator("#fair").inner_text()
    loser = clerks[0] if ranks[0].startswith("第2") else clerks[1]
    await expect(loser.page.locator("#why")).to_contain_text("您排在第2位")


async def mine(stack: Stack, slot: str, venue: Venue) -> str:
    """The venue's booking of the slot, once the portal has read it."""
    sql = "SELECT request_id FROM booking WHERE slot_id = $1 AND venue_id = $2"
    return str((await eventually(lambda: stack.ask("portal", sql, slot, venue.organization_id), 30, "a booking"))[0][0])


async def test_fewer_places_are_said_before_and_who_loses_sees_where_else(
    quick_market: Market, quick_opens: Opens
) -> None:
    offer = await new_offer(quick_market)
    slot, other = await new_sessions(quick_market, offer, {"capacity": 2}, {"capacity": 4})
    first, second = await quick_market.venues(2)
    for venue in (first, second):
        held = await venue.book(slot)
        await venue.decided(held, "confirmed")
        await projected(quick_market.stack, "booking", "request_id", held)
    clerk = await at_booking(quick_opens, second, held)
    provider = await quick_opens(quick_market.department_id, "provider-staff")
    page = provider.page
    await provider.open(f"/slots/{slot}")
    await page.get_by_role("link", name="管理本场").click()
    await page.get_by_label("名额总数").fill("1")
    await page.get_by_label("原因").fill("场地临时调整")
    await page.get_by_role("button", name="看看会怎样").click()
    await expect(page.locator("#said")).to_contain_text("收回1家单位的1个名额")
    assert (await second.booking(held))["status"] == "confirmed", "nothing is done before it is confirmed"
    await page.get_by_role("button", name="确认更改").click()
    await expect(page.get_by_text("已更改。")).to_be_visible()
    await expect(clerk.page.locator("#reason")).to_contain_text("主办单位把名额减为1个")
    await expect(clerk.page.locator("#place")).to_have_text("第1位")
    await expect(clerk.page.locator(f'#why a[href="/slots/{other}"]')).to_be_visible()
    assert await clerk.page.evaluate("window.marked")
    assert clerk.complaints() + provider.complaints() == []


async def test_the_doors_refusals_are_told_at_the_form(quick_market: Market, quick_opens: Opens) -> None:
    offer = await new_offer(quick_market)
    starts = datetime.now(UTC) + timedelta(days=25)
    times = {"starts_at": starts, "ends_at": starts + timedelta(hours=2)}
    one, two = await new_sessions(quick_market, offer, {"capacity": 2} | times, {"capacity": 2} | times)
    venue = await quick_market.venue()
    await venue.decided(await venue.book(one), "confirmed")
    clerk = await quick_opens(venue.organization_id, "venue-staff")
    page = clerk.page
    await clerk.open(f"/slots/{two}")
    await page.locator("#book").get_by_role("button", name="点单").click()
    alert = page.locator("#book [role=alert]")
    await expect(alert).to_contain_text("已有另一场")
    await expect(alert).to_contain_text(words.span(starts, times["ends_at"]))
    await expect(alert).to_contain_text("允许与已有场次时间重叠")
    clerk.complaints()  # a 409 is told by the console too
    await page.get_by_label("允许与已有场次时间重叠").check()
    await page.locator("#book").get_by_role("button", name="点单").click()
    await expect(page.locator(".own[data-status=confirmed]")).to_be_visible()
    assert clerk.complaints() == []


async def test_the_center_gives_places_and_everybody_sees_how_often(quick_market: Market, quick_opens: Opens) -> None:
    slot, _, (second, waiting) = await full_slot(quick_market)
    clerk = await at_booking(quick_opens, second, waiting)
    center = await quick_opens(quick_market.center_id, "center")
    page = center.page
    await center.open(f"/slots/{slot}/manage")
    await page.get_by_label(re.compile("试验单位.*要 1 个")).check()
    await page.get_by_label("同时把名额总数增加到").fill("2")
    give = page.get_by_role("button", name="调配")
    await give.click()
    assert await page.get_by_label("理由").evaluate("box => !box.validity.valid"), "a reason is mandatory"
    await page.get_by_label("理由").fill("社区老年人多")
    await give.click()
    await expect(clerk.page.locator("#reason")).to_have_text("市志愿服务指导中心为您安排了名额。理由：社区老年人多")
    anybody = await quick_opens()
    await anybody.open(f"/slots/{slot}")
    await expect(anybody.page.locator("#overrides")).to_contain_text("指导中心调配 1 次")
    assert "老年" not in await anybody.page.content()
    assert clerk.complaints() + center.complaints() + anybody.complaints() == []


async def test_a_provider_records_who_came(quick: Stack, quick_market: Market, quick_opens: Opens) -> None:
    venue = await quick_market.venue()
    slot, booking = await quick_market.held_before(venue.organization_id)
    await projected(quick, "booking", "request_id", booking)
    provider = await quick_opens(quick_market.department_id, "provider-staff")
    await provider.open(f"/slots/{slot}/manage")
    came = provider.page.get_by_label(f"试验单位 {venue.organization_id} 到场人数")
    await came.fill("0")
    await provider.page.get_by_role("button", name="登记").click()
    await expect(provider.page.get_by_text("已登记到场人数。")).to_be_visible()
    sql = "SELECT attended FROM attendance WHERE request_id = $1"
    (row,) = await eventually(lambda: quick.ask("portal", sql, booking), 30, "it is recorded")
    assert row["attended"] == 0
    await provider.open(f"/slots/{slot}/manage")
    await expect(provider.page.get_by_text("未到场")).to_be_visible()
    other = await quick_market.register(new_id("team"), quick_market.center_id, "provider", "team")
    stranger = await quick_opens(other, "provider-staff")
    assert await stranger.open(f"/slots/{slot}/manage") == 403
    assert provider.complaints() == []
