"""Listeners are bounded, woken by name, and forgotten; no wake is lost."""

import asyncio
import contextlib
from typing import Any, cast

import pytest
from youai_contracts import topics
from youai_runtime import live
from youai_runtime.kafka import Broker
from youai_runtime.live import Feed, Listener, Listeners


def joined(listeners: Listeners, recipient: str) -> Listener:
    listener = listeners.join(recipient)
    assert listener is not None
    return listener


def test_as_many_as_may_be_and_then_none_until_one_leaves() -> None:
    listeners = Listeners(3, most_of_one=2)
    first, _ = joined(listeners, "a"), joined(listeners, "a")
    assert listeners.join("a") is None  # of one organization
    joined(listeners, "b")
    assert listeners.join("c") is None  # of all
    assert len(listeners) == 3
    listeners.leave(first)
    listeners.leave(first)
    assert len(listeners) == 2
    joined(listeners, "c")
    assert listeners.join("d") is None


def test_wakes_go_to_who_listens_for_that_organization() -> None:
    listeners = Listeners(10, most_of_one=10)
    a, b = joined(listeners, "a"), joined(listeners, "b")
    listeners.wake(["a", "nobody"])
    assert (a.wake.is_set(), b.wake.is_set()) == (True, False)
    listeners.wake_all()
    assert b.wake.is_set()
    left = joined(listeners, "c")
    listeners.leave(left)
    listeners.wake(["c"])
    assert not left.wake.is_set()


async def test_a_wake_that_came_before_counts_and_none_is_waited_for_longer_than_said() -> None:
    listener = Listener("a")
    listener.wake.set()
    await listener.woken(60)
    listener.wake.clear()
    await listener.woken(0)


class Consumer:
    """Notes what it is asked; its one batch has two records of one inbox and one without a key; then it fails."""

    def __init__(self, asleep: Listener) -> None:
        self.calls: list[str] = []
        self.woken_at_the_ends = False
        self._asleep = asleep

    def assign(self, partitions: list[Any]) -> None:
        self.calls.append(f"assign {len(partitions)}")

    async def seek_to_end(self, *partitions: Any) -> None:
        self.calls.append("seek")

    async def position(self, _partition: Any) -> int:
        assert not self._asleep.wake.is_set()
        self.calls.append("position")
        return 0

    async def getmany(self, **_: Any) -> dict[str, list[Any]]:
        if self.calls[-1] == "read":
            raise ConnectionError
        self.woken_at_the_ends = self._asleep.wake.is_set()
        self._asleep.wake.clear()
        self.calls.append("read")

        class Record:
            def __init__(self, key: bytes | None) -> None:
                self.key = key

        return {"0": [Record(b"b"), Record(b"b"), Record(None), Record(b"\xff")]}


async def test_the_feed_reads_from_the_ends_wakes_all_once_there_then_whom_a_record_names() -> None:
    listeners = Listeners(10, most_of_one=10)
    a, b = joined(listeners, "a"), joined(listeners, "b")
    consumer = Consumer(a)
    feed = Feed(topics.NOTIFICATION, listeners, broker=Broker("nobody:1"), client_id="test")
    with contextlib.suppress(ConnectionError):
        await feed._read(cast(Any, consumer))
    assert consumer.calls == ["assign 8", "seek", *["position"] * 8, "read"]
    assert consumer.woken_at_the_ends
    assert (a.wake.is_set(), b.wake.is_set()) == (False, True)


async def test_the_feed_reads_nothing_while_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LINGERS_S", -1.0)
    listeners = Listeners(10, most_of_one=10)
    feed = Feed(topics.NOTIFICATION, listeners, broker=Broker("nobody:1"), client_id="test")
    made: list[Consumer] = []

    class Leaving(Consumer):
        """Its one listener leaves while it reads."""

        def __init__(self, **_options: Any) -> None:
            super().__init__(joined(listeners, "b"))
            made.append(self)

        async def start(self) -> None:
            listeners.leave(first)

        async def stop(self) -> None:
            self.calls.append("stop")

        async def getmany(self, **_: Any) -> dict[str, list[Any]]:
            listeners.leave(self._asleep)
            return await super().getmany()

    monkeypatch.setattr(live, "AIOKafkaConsumer", Leaving)
    running = asyncio.create_task(feed.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not made
    first = joined(listeners, "a")
    for _ in range(50):
        await asyncio.sleep(0)
    assert [consumer.calls[-2:] for consumer in made] == [["read", "stop"]]
    running.cancel()
