"""Places in the queue are matching's, where it can be asked; and it is not asked again for nothing."""

import asyncio
from typing import Any, cast

from youai_portal.clients import Refused
from youai_portal.queue import AT_ONCE, Remembered, placed
from youai_portal.web import Visit


class Asking:
    """A visit that asks matching: `told` by request, an error where there is none."""

    def __init__(self, **told: dict[str, Any]) -> None:
        self.told = told
        self.asked: list[str] = []
        self.now = self.most = 0

    async def call(self, service: str, method: str, path: str) -> dict[str, Any]:
        assert (service, method) == ("matching", "GET")
        self.asked.append(path)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        try:
            return self.told[path.rpartition("/")[2]]
        except KeyError:
            raise Refused(503, "unavailable", "away") from None


def row(request_id: str, status: str = "waitlisted", place: int = 1, ahead: int = 0) -> dict[str, Any]:
    return {"request_id": request_id, "status": status, "sequence": 7, "place": place, "ahead": ahead, "title": "x"}


async def run(asking: Asking, *rows: dict[str, Any], remembered: Remembered | None = None) -> list[tuple[Any, ...]]:
    found = await placed(cast(Visit, asking), rows, remembered)
    assert all(one["title"] == "x" for one in found)
    return [(one["request_id"], one["place"], one["ahead"]) for one in found]


async def test_who_waits_has_matchings_place() -> None:
    asking = Asking(a={"status": "waitlisted", "place": 9, "ahead": 17})
    rows = [row("a"), row("b", "confirmed", place=0)]
    assert await run(asking, *rows) == [("a", 9, 17), ("b", 0, 0)]
    assert asking.asked == ["/v1/bookings/a"]


async def test_its_own_where_matching_is_away_or_further() -> None:
    asking = Asking(b={"status": "promoted", "place": None, "ahead": None})
    assert await run(asking, row("a", place=3, ahead=4), row("b", place=2)) == [("a", 3, 4), ("b", 2, 0)]


async def test_a_page_that_is_shown_again_asks_again_once_something_moved() -> None:
    asking = Asking(a={"status": "waitlisted", "place": 9, "ahead": 17})
    remembered: Remembered = {}
    for _ in range(3):
        assert await run(asking, row("a", place=5), remembered=remembered) == [("a", 9, 17)]
    assert len(asking.asked) == 1
    asking.told["a"] = {"status": "waitlisted", "place": 8, "ahead": 15}
    assert await run(asking, row("a", place=4), remembered=remembered) == [("a", 8, 15)]


async def test_a_long_list_does_not_ask_for_all_at_once() -> None:
    asking = Asking(**{f"r{n}": {"status": "waitlisted", "place": n, "ahead": n} for n in range(30)})
    found = await run(asking, *(row(f"r{n}") for n in range(30)))
    assert [place for _, place, _ in found] == list(range(30))
    assert asking.most == AT_ONCE
