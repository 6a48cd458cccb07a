"""What people do on the pages, in the browser: a station's clerk, a department, and whoever looks without sign-in."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import Opens
from tests.support.client import Venue
from tests.support.demands import Demands
from tests.support.market import Market, new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually


@pytest_asyncio.fixture
async def demands(market: Market) -> Demands:
    return Demands(market)


async def projected(stack: Stack, table: str, column: str, id: str) -> None:
    """Wait until the portal's projection holds the row."""
    sql = f"SELECT 1 FROM {table} WHERE {column} = $1"
    await eventually(lambda: stack.ask("portal", sql, id), 30, f"{table} holds {id}")


async def streaming(page: Page) -> None:
    """Wait until the page is live, and mark it: a page that was loaded again has no mark."""
    await expect(page.locator("html.streaming")).to_be_attached()
    await page.evaluate("window.marked = true")


async def full_slot(market: Market) -> tuple[str, tuple[Venue, str], tuple[Venue, str]]:
    """A slot of one place: who has it, and who waits first, each with the booking's id."""
    slot = await market.session(1)
    first, second = await market.venues(2)
    held, waiting = await first.book(slot), ""
    await first.decided(held, "confirmed")
    waiting = await second.book(slot)
    await second.decided(waiting, "waitlisted")
    await projected(market.stack, "booking", "request_id", waiting)
    return slot, (first, held), (second, waiting)


async def test_a_clerk_finds_a_demand_books_and_is_promoted_live(
    stack: Stack, market: Market, demands: Demands, opens: Opens
) -> None:
    station = await demands.station()
    title = f"请来讲一讲 {uuid.uuid4().hex[:8]}"
    demand = await demands.post(station, title=title)
    slot, (first, held), (second, waiting) = await full_slot(market)
    await projected(stack, "demand", "demand_id", demand)
    clerk = await opens(station, "venue-staff")
    page, main = clerk.page, clerk.page.locator("main")

    await page.get_by_role("navigation", name="主要").get_by_role("link", name="群众需求").click()
    await main.get_by_role("searchbox").fill(title)
    row = main.get_by_role("row").filter(has_text=title)
    await expect(row.get_by_text("待接单")).to_be_visible()
    await row.get_by_role("link", name=title).click()
    await expect(page.get_by_role("heading", name=title)).to_be_visible()

    await clerk.open(f"/slots/{slot}")
    await main.get_by_label("要几个名额").fill("1")
    await main.get_by_role("button", name="点单").click()
    await expect(page.locator("#place")).to_have_text("第2位")
    await expect(page.locator("#ahead")).to_have_text("1")
    await streaming(page)
    await second.cancel(waiting)
    await expect(page.locator("#place")).to_have_text("第1位")
    await first.cancel(held)
    await expect(page.locator(".own[data-status=promoted]")).to_be_visible()
    await expect(page.locator("#badge")).to_contain_text("2")  # waitlisted, promoted
    assert await page.evaluate("window.marked"), "the page was loaded again"

    await page.get_by_role("link", name="消息").click()
    unread = main.locator("tr.unread")
    await expect(unread).to_have_count(2)
    await unread.get_by_role("button").filter(has_text="已为您保留").click()
    await expect(page).to_have_url(f"{clerk.url}/slots/{slot}")
    await expect(page.get_by_role("button", name="确认，我们要")).to_be_visible()
    await clerk.open("/inbox")
    await expect(unread).to_have_count(1)
    await main.get_by_role("button", name="全部标为已读").click()
    await expect(main.get_by_text("已全部标为已读。")).to_be_visible()
    await expect(unread).to_have_count(0)
    assert clerk.complaints() == []


async def test_a_department_claims_and_schedules_and_the_venue_sees_it(
    stack: Stack, market: Market, demands: Demands, opens: Opens
) -> None:
    station, (department,) = await demands.station(), await demands.providers(1)
    demand = await demands.post(station)
    path = f"/demands/{demand}"
    await projected(stack, "demand", "demand_id", demand)
    clerk, provider = await opens(station, "venue-staff"), await opens(department, "provider-staff")
    await clerk.open(path)
    await streaming(clerk.page)

    await provider.open(path)
    main = provider.page.locator("main")
    await main.get_by_role("button", name="我们来接单").click()
    await expect(main.get_by_role("heading", name="需求").get_by_text("已接单")).to_be_visible()
    await expect(clerk.page.get_by_role("heading", name="需求").get_by_text("已接单")).to_be_visible()
    form = main.locator(f'form[action="{path}/schedule"]')
    await form.locator("[name=scheduled_at]").fill(f"{datetime.now(UTC) + timedelta(days=5):%Y-%m-%dT10:00}")
    await form.locator("[name=place]").fill("村礼堂")
    await form.get_by_role("button").click()
    await expect(main.get_by_role("heading", name="需求").get_by_text("已排期")).to_be_visible()

    venue = clerk.page.locator("main")
    await expect(venue.get_by_role("heading", name="需求").get_by_text("已排期")).to_be_visible()
    await expect(venue.get_by_text("村礼堂").first).to_be_visible()
    assert await clerk.page.evaluate("window.marked"), "the venue's page was loaded again"
    await provider.open("/claims")
    await expect(main.get_by_role("row").filter(has_text="请来讲讲红色故事")).to_be_visible()
    assert clerk.complaints() + provider.complaints() == []


async def test_the_public_sees_the_table_and_nothing_private(
    stack: Stack, market: Market, demands: Demands, opens: Opens
) -> None:
    station, (department,) = await demands.station(), await demands.providers(1)
    title, explained = f"请人理发 {uuid.uuid4().hex[:8]}", f"内部原因{uuid.uuid4().hex[:8]}"
    resident = {"name": "王阿婆甲", "phone": "05120000001", "address": "中山村九组八号", "note": "行动不便需上门"}
    demand = await demands.post(station, title=title, resident=resident)
    await demands.claimed(demand, department)
    back = f"/v1/demands/{demand}/hand-back"
    answer = await demands.provider(department).post(back, {"reason": explained}, key=uuid.uuid4().hex)
    assert answer.status_code in (200, 202), answer.text
    await demands.in_state(demand, "open")
    slot, (first, held), (_, waiting) = await full_slot(market)
    sql = "SELECT 1 FROM demand_event WHERE demand_id = $1 AND type = 'demand-handed-back'"
    await eventually(lambda: stack.ask("portal", sql, demand), 30, "the portal knows that it was handed back")

    public = await opens()
    page = public.page
    await public.open(f"/demands?q={title}")
    row = page.locator("main").get_by_role("row").filter(has_text=title)
    for text in (f"试验单位 {station}", "理论宣讲", "待接单"):
        await expect(row.get_by_text(text)).to_be_visible()
    private = [*resident.values(), "resident-", explained, held, waiting, first.organization_id]
    for path in (f"/demands?q={title}", f"/demands/{demand}", f"/slots/{slot}", f"/search?q={title}", "/", "/ledger"):
        assert await public.open(path) == 200, path
        shown = await page.content()
        assert [secret for secret in private if secret in shown] == [], path
    for path in ("/inbox", "/bookings", "/claims", f"/bookings/{held}", "/demands/new"):
        await public.open(path)
        await expect(page).to_have_url(f"{public.url}/signin?back={path}")
    assert public.complaints() == []

    # Whom it is between do see why it was handed back.
    clerk = await opens(station, "venue-staff")
    await clerk.open(f"/demands/{demand}")
    await expect(clerk.page.get_by_text(explained).first).to_be_visible()


async def test_nobody_reads_anothers_receipt(stack: Stack, market: Market, opens: Opens) -> None:
    other = await market.register(new_id("station"), market.institute_id, "venue", "station")
    slot, (_, held), _ = await full_slot(market)
    clerk = await opens(other, "venue-staff")
    assert await clerk.open(f"/bookings/{held}") == 404
    assert await clerk.open(f"/slots/{slot}") == 200
    assert held not in await clerk.page.content()
