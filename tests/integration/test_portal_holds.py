"""Holds and the door's refusals on the portal's pages, as a browser without scripts walks them."""

import re
from datetime import UTC, datetime, timedelta

from tests.integration.test_portal import Browser, SignedIn, signed_in
from tests.support.market import Market
from tests.support.stack import Stack

__all__ = ["signed_in"]


async def test_a_form_sent_before_opening_is_told_when(market: Market, signed_in: SignedIn) -> None:
    slot = await market.session(2, opens_at=datetime.now(UTC) + timedelta(hours=3))
    venue = await market.venue()
    clerk = await signed_in(venue.organization_id, "venue-staff")
    page = await clerk.has(f"/slots/{slot}", "尚未开放", "先到先得")
    assert re.search(r'<form [^>]*data-opens="\d+"', page)
    assert "disabled" not in page  # without scripts nobody would wake it
    answer = await clerk.submit(f"/slots/{slot}", f"/slots/{slot}/book", party_size="1")
    assert answer.status_code == 425
    told = answer.text.split('id="book"')[1]
    assert "还没有开放" in told
    assert "开始点单" in told


async def test_freed_places_are_accepted_by_themselves_where_that_was_wished(
    market: Market, signed_in: SignedIn
) -> None:
    slot = await market.session(1)
    first, second = await market.venues(2)
    held = await first.book(slot)
    await first.decided(held, "confirmed")
    clerk = await signed_in(second.organization_id, "venue-staff")
    await clerk.has(f"/slots/{slot}", "已满，可排候补")
    await clerk.submit(f"/slots/{slot}", f"/slots/{slot}/book", party_size="1", auto_accept="1")
    await clerk.has(f"/slots/{slot}", 'data-status="waitlisted"')
    await first.cancel(held)
    await clerk.has(f"/slots/{slot}", 'data-status="confirmed"', "您已确认，名额归您")


async def test_one_hold_is_answered_once(stack: Stack, market: Market, signed_in: SignedIn) -> None:
    slot = await market.session(1)
    first, second = await market.venues(2)
    held = await first.book(slot)
    await first.decided(held, "confirmed")
    waiting = await second.book(slot)
    await second.decided(waiting, "waitlisted")
    clerk = await signed_in(second.organization_id, "venue-staff")
    path = f"/bookings/{waiting}"
    await clerk.has(path, "为什么不是我", "您是本场第2个点单的", "1个名额在第1份点单")
    await first.cancel(held)
    page = await clerk.has(path, "确认，我们要", "保留到")
    accept, decline = (Browser.form(page, f"{path}/{command}") for command in ("accept", "decline"))
    for _ in range(2):  # twice, as from two tabs
        assert (await clerk.http.post(f"{path}/accept", data=accept)).status_code == 200
    await clerk.has(path, "您已确认，名额归您")
    late = await clerk.http.post(f"{path}/decline", data=decline)
    assert late.status_code == 409
    assert "这份名额在此之前已经确认" in late.text
    kinds = await stack.ask("matching", "SELECT kind FROM request WHERE booking_id = $1 AND kind <> 'booking'", waiting)
    assert [row["kind"] for row in kinds] == ["accept"]
    forged = await clerk.http.post(f"{path}/accept", data={"held": "1"})
    assert forged.status_code == 403
    assert (await clerk.http.post(f"{path}/steal", data=accept)).status_code == 404
