"""Places in the queue as matching has them: the portal's own count of decisions knows nothing of the second class."""

import asyncio
from collections.abc import Hashable, Sequence
from typing import Any

from youai_runtime import logs

from youai_portal.clients import Refused
from youai_portal.web import Visit, segment

log = logs.get(__name__)

AT_ONCE = 8
"""Bookings of a page that matching is asked of at a time."""

Remembered = dict[Hashable, tuple[int, int]]
"""What matching said, by the booking's state and place as the portal itself knows them."""


async def placed(
    visit: Visit, rows: Sequence[dict[str, Any]], remembered: Remembered | None = None
) -> list[dict[str, Any]]:
    """Bookings with the places of those that wait as matching has them; the portal's own where it cannot be asked.

    `remembered`: of a page that is shown again and again. Matching is asked again once the portal's own count moves.
    """
    known: Remembered = {} if remembered is None else remembered
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(row: dict[str, Any]) -> dict[str, Any]:
        if row["status"] != "waitlisted":
            return row
        about = tuple(row[name] for name in ("request_id", "sequence", "place", "ahead"))
        if about not in known:
            async with turns:
                found = await _asked(visit, row)
            if found is None:
                return row
            known[about] = found
        place, ahead = known[about]
        return row | {"place": place, "ahead": ahead}

    return list(await asyncio.gather(*map(one, rows)))


async def _asked(visit: Visit, row: dict[str, Any]) -> tuple[int, int] | None:
    """Place and number ahead; None where matching cannot be asked, or has gone further than the portal's state."""
    try:
        told = await visit.call("matching", "GET", f"/v1/bookings/{segment(row['request_id'])}")
    except Refused as refused:
        log.warning("matching-not-asked", request_id=row["request_id"], why=refused.detail)
        return None
    return (told["place"], told["ahead"]) if told.get("status") == "waitlisted" else None
