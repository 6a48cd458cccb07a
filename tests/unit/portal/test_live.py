"""Live pages: a watcher is woken once the projection has passed the record, and never before."""

from types import SimpleNamespace
from typing import Any

import pytest
from youai_contracts import topics
from youai_portal.live import Full, Hub


class Pool:
    """Progress of lanes as told."""

    def __init__(self) -> None:
        self.progress: dict[tuple[str, int], int] = {}
        self.questions = 0

    async def fetch(self, _sql: str, lanes: list[str], partitions: list[int]) -> list[dict[str, Any]]:
        self.questions += 1
        wanted = set(zip(lanes, partitions, strict=True))
        return [
            {"lane": lane, "partition": partition, "next_offset": offset}
            for (lane, partition), offset in self.progress.items()
            if (lane, partition) in wanted
        ]


@pytest.fixture
def pool() -> Pool:
    return Pool()


@pytest.fixture
def hub(pool: Pool) -> Hub:
    return Hub(pool, "nobody:1", "test", most=2)  # type: ignore[arg-type]


def record(key: str, offset: int) -> Any:
    return SimpleNamespace(key=key.encode(), offset=offset)


async def test_woken_when_the_lane_has_passed_the_record(hub: Hub, pool: Pool) -> None:
    with hub.watch("slot:s1") as watcher:
        assert watcher.woken.is_set()  # the state as it is comes first
        watcher.woken.clear()
        hub._note(topics.BOOKING.name, 3, [record("s1", 41), record("other", 42)])
        pool.progress["portal.booking", 3] = 41
        await hub._release_passed()
        assert not watcher.woken.is_set()
        pool.progress["portal.booking", 3] = 42
        await hub._release_passed()
        assert watcher.woken.is_set()
        assert hub._unseen == {}


async def test_what_nobody_watches_is_not_kept(hub: Hub) -> None:
    hub._note(topics.BOOKING.name, 3, [record("s1", 41)])
    assert hub._unseen == {}


async def test_demands_are_told_by_two_topics_and_inboxes_by_one(hub: Hub, pool: Pool) -> None:
    pool.progress |= {("portal.claim", 1): 9, ("portal.demand", 1): 9, ("portal.notification", 1): 9}
    with hub.watch("demand:d", "inbox:o") as watcher:
        for topic, key in ((topics.CLAIM, "demand:d"), (topics.DEMAND, "d"), (topics.NOTIFICATION, "o")):
            watcher.woken.clear()
            hub._note(topic.name, 1, [record(key, 1)])
            await hub._release_passed()
            assert watcher.woken.is_set(), topic.name


async def test_a_rush_is_one_question_for_all_watchers(hub: Hub, pool: Pool) -> None:
    pool.progress["portal.booking", 0] = 10_000
    with hub.watch("slot:a"), hub.watch("slot:b"):
        hub._note(topics.BOOKING.name, 0, [record("ab"[n % 2], n) for n in range(5_000)])
        await hub._release_passed()
    assert pool.questions == 1


async def test_connections_are_bounded_and_places_given_back(hub: Hub) -> None:
    with hub.watch("slot:a"):
        with hub.watch("slot:a"), pytest.raises(Full), hub.watch("slot:b"):
            pass
        with hub.watch("slot:b"):
            pass
    assert hub._watchers == {}


async def test_a_connection_ends_with_the_process(hub: Hub) -> None:
    ending = False
    hub.ends_with(lambda: ending)
    with hub.watch("slot:a") as watcher:
        seen = []
        async for told in watcher.changes():
            seen.append(told)
            ending = True
            watcher.woken.set()
        assert seen == [True]
