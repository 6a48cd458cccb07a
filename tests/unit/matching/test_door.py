"""How the door appends: a line of a partition's records, each with what is known of it; and who may not write more."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError
from youai_contracts.codec import Message
from youai_matching import door, rates
from youai_matching.door import Appender, Unknown
from youai_matching.rates import Rates
from youai_runtime.auth import Principal
from youai_runtime.problems import Problem

RECORDS = [Message("log", b"slot", bytes([number]), (("ce_id", bytes([number])),)) for number in range(3)]


class Batch:
    """Takes one record and no more, so that each has a fate of its own."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def append(self, *, value: Any, **_more: Any) -> object | None:
        if self.records:
            return None
        self.records.append(value)
        return self

    def close(self) -> None:
        """Nothing more goes in anyway."""


class Producer:
    """Sends nothing; `fates` say what becomes of each record: acked, refused (an error), or nothing for ever."""

    def __init__(self, fates: Sequence[object]) -> None:
        self._fates = list(fates)
        self.sent: list[Any] = []

    async def start(self) -> None:
        """There at once."""

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, _topic: str, **_more: Any) -> asyncio.Future[object]:
        fate = self._fates.pop(0)
        if fate == "away":
            raise KafkaConnectionError
        self.sent += batch.records
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if isinstance(fate, Exception):
            future.set_exception(fate)
        elif fate == "acked":
            future.set_result(None)
        return future


async def appender(*fates: object) -> Appender:
    there = Appender(cast(AIOKafkaProducer, Producer(fates)))
    await there.start()
    return there


@pytest.mark.parametrize(
    ("fates", "known"),
    [
        (("acked", "acked", "acked"), [True, True, True]),
        (("acked", NotLeaderForPartitionError(), "acked"), [True, False, True]),
        (("acked", "away"), [True, False, False]),
        (("acked", "never", "acked"), [True, False, True]),
    ],
)
async def test_a_line_says_of_each_record_what_is_known(
    fates: tuple[object, ...], known: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "WAIT_S", 0.02)
    there = await appender(*fates)
    assert await there.append_line(5, RECORDS) == known
    assert there.open_for(5) is all(known)
    assert there.open_for(6)


async def test_what_is_on_its_way_or_there_is_not_sent_again() -> None:
    there = await appender("acked", "acked")
    for records in (RECORDS[:1], RECORDS[:2], RECORDS[:2]):
        assert await there.append_line(5, records) == [True] * len(records)


async def test_what_comes_twice_in_a_line_is_sent_once_and_told_twice() -> None:
    there = await appender("acked", "acked")
    assert await there.append_line(5, [*RECORDS[:2], RECORDS[0]]) == [True, True, True]


async def test_what_is_not_acknowledged_yet_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_S", 0.02)
    monkeypatch.setattr(door, "MOST_UNACKNOWLEDGED", 2)
    there = await appender("never", "never")
    assert there.open_for(6)
    await there.append_line(5, RECORDS[:2])
    assert not there.open_for(6)


async def test_what_failed_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_S", 0.02)
    there = await appender(NotLeaderForPartitionError(), "never", "acked")
    assert await there.append_line(5, RECORDS[:1]) == [False]
    assert await there.append_line(5, RECORDS[:1]) == [False]
    assert await there.append_line(5, RECORDS[:2]) == [False, True]


async def test_what_was_acknowledged_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REMEMBERS_S", -1.0)
    there = await appender("acked", NotLeaderForPartitionError())
    assert await there.append_line(5, RECORDS[:1]) == [True]
    assert await there.append_line(5, RECORDS[:1]) == [False]


async def test_one_record_that_is_not_acknowledged_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_S", 0.02)
    there = await appender("never", "acked")
    with pytest.raises(Unknown):
        await there.append(RECORDS[0], 1)
    await there.append(RECORDS[1], 2)


def test_an_organization_may_write_so_much_in_any_window(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [600.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    limit, refusals = Rates("10/minute"), list[tuple[int, int]]()

    def writes(name: str = "a", *roles: str) -> int:
        who = Principal("staff", name, frozenset(roles))
        for count in range(200):
            try:
                limit.count(who)
            except Problem as problem:
                refusals.append((problem.status, int(problem.headers["Retry-After"])))
                return count
        return 200

    assert (writes(), writes("b"), writes("center", "center")) == (10, 10, 100)
    clock[0] += 60
    assert writes() == 0  # the last minute's ten are all in this window yet
    clock[0] += 30
    assert writes() == 5
    clock[0] += 120
    assert writes() == 10
    assert all(status == 429 and 1 <= wait <= 60 for status, wait in refusals)


def test_nobody_who_was_quiet_for_two_windows_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [600.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    counts = rates._Counts()
    for number in range(1_000):
        counts.acquire_sliding_window_entry(f"o{number}", 10, 60)
    clock[0] += 121
    counts.acquire_sliding_window_entry("late", 10, 60)
    assert len(counts._counts) == 1
