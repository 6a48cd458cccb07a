"""The pages of holds, draws, waiting rooms and a session's desk at both widths, also in the elders' version."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import Opens
from tests.browser.test_every_page import ELDER, hold
from tests.browser.test_holds import at_booking, mine, new_offer, new_sessions
from tests.browser.test_walks import full_slot, projected
from tests.support.client import Venue
from tests.support.market import Market
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Rules:
    """One of each: a session that is not open yet, one that was cut, one that is over; and who has what."""

    offer: str
    early: str
    cut: str
    over: str
    loser: Venue
    lost: str
    drawn: tuple[Venue, str]


async def drawn(market: Market) -> tuple[Venue, str]:
    """Who came second in a draw for one place, and the booking."""
    opens_at = datetime.now(UTC) + timedelta(seconds=5)
    offer = await new_offer(market, mode="draw", title="亲子烘焙课堂")
    (slot,) = await new_sessions(market, offer, {"capacity": 1, "opens_at": opens_at})
    venues = await market.venues(2)

    async def opened() -> bool:
        return datetime.now(UTC) > opens_at

    await eventually(opened, 20, "it opens")
    for venue in venues:
        await venue.decided(await venue.book(slot), "entered")
    found = [(venue, await mine(market.stack, slot, venue)) for venue in venues]
    states = [
        (await venue.decided(booking, "confirmed", "waitlisted", timeout=40))["status"] for venue, booking in found
    ]
    return found[states.index("waitlisted")]


@pytest_asyncio.fixture(scope="module")
async def rules(quick_market: Market) -> Rules:
    market = quick_market
    now = datetime.now(UTC)
    offer = await new_offer(market, title="剪纸进社区：带着孩子剪窗花", audience="老年人和孩子")
    cut, _, early = await new_sessions(
        market,
        offer,
        {"capacity": 4, "town_shares": {"大新镇": 1, "凤凰镇": 1}},
        {"capacity": 6},
        {"capacity": 8, "opens_at": now + timedelta(hours=5), "town_shares": {"大新镇": 2}},
    )
    venues = await market.venues(3)
    bookings = [await venue.book(cut) for venue in venues]
    for venue, booking in zip(venues, bookings, strict=True):
        await venue.decided(booking)
    provider = market.caller("catalog", market.department_id, "provider-staff")
    body = {"capacity": 2, "reason": "场地临时调整，换到小教室"}
    assert (await provider.call("PATCH", f"/v1/sessions/{cut}", json=body, key=cut)).status_code == 200
    await venues[2].decided(bookings[2], "waitlisted")
    center = market.caller("matching", market.center_id, "center")
    given = {"venue_id": market.institute_id, "party_size": 1, "capacity": 3, "explanation": "联席会议同意增加"}
    assert (await center.post(f"/v1/slots/{cut}/overrides", given, key=cut)).status_code == 202
    over, _ = await market.held_before(venues[0].organization_id)
    counted = "SELECT 1 FROM slot WHERE slot_id = $1 AND overrides = 1"
    await eventually(lambda: market.stack.ask("portal", counted, cut), 30, "the portal counts the override")
    await projected(market.stack, "booking", "slot_id", over)
    return Rules(offer, early, cut, over, venues[2], bookings[2], await drawn(market))


@ELDER
async def test_what_anybody_sees(rules: Rules, quick_opens: Opens, elder: bool) -> None:
    pages = {"rules-offers": "/offers", "rules-offer": f"/offers/{rules.offer}", "rules-early": f"/slots/{rules.early}"}
    await hold(quick_opens, ("", ""), elder, pages | {"rules-cut": f"/slots/{rules.cut}"})


@ELDER
async def test_what_a_venue_sees(rules: Rules, quick_opens: Opens, elder: bool) -> None:
    pages = {
        "rules-waiting-room": f"/slots/{rules.early}",
        "rules-slot-displaced": f"/slots/{rules.cut}",
        "rules-displaced": f"/bookings/{rules.lost}",
        "rules-bookings": "/bookings",
    }
    await hold(quick_opens, (rules.loser.organization_id, "venue-staff"), elder, pages)
    venue, booking = rules.drawn
    pages = {"rules-drawn": f"/bookings/{booking}"}
    await hold(quick_opens, (venue.organization_id, "venue-staff"), elder, pages)


@ELDER
async def test_a_held_place(quick_market: Market, quick_opens: Opens, elder: bool) -> None:
    """Each page with a hold of its own, for none lasts long."""
    for name, path in (("booking", "/bookings/{}"), ("slot", "/slots/{}"), ("bookings", "/bookings")):
        slot, (first, held), (second, waiting) = await full_slot(quick_market)
        look = await quick_opens(second.organization_id, "venue-staff", elder=elder)
        await look.open(f"/bookings/{waiting}")
        await first.cancel(held)
        await expect(look.page.locator(".hold")).to_be_visible()
        shown = path.format(slot if name == "slot" else waiting)
        faults = await look.faults(shown, f"rules-held-{name}", elder=elder)
        assert not faults, "\n".join(faults)


@ELDER
async def test_a_sessions_desk(rules: Rules, quick_opens: Opens, quick_market: Market, elder: bool) -> None:
    pages = {"rules-manage": f"/slots/{rules.cut}/manage", "rules-attendance": f"/slots/{rules.over}/manage"}
    await hold(quick_opens, (quick_market.department_id, "provider-staff"), elder, pages)
    pages = {"rules-override": f"/slots/{rules.cut}/manage?q=试验"}
    await hold(quick_opens, (quick_market.center_id, "center"), elder, pages)


async def test_english(rules: Rules, quick_opens: Opens) -> None:
    """No Chinese but names is left in the English pages."""
    clerk = await at_booking(quick_opens, rules.loser, rules.lost)
    await clerk.open(f"/bookings/{rules.lost}?lang=en")
    await expect(clerk.page.get_by_role("heading", name="Why not me")).to_be_visible()
    await expect(clerk.page.locator("#reason")).to_contain_text("The provider cut the places")
    faults = await clerk.faults(f"/slots/{rules.early}", "rules-waiting-room-en", elder=False)
    assert not faults, "\n".join(faults)
