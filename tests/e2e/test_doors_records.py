"""Hostile records on every topic, for every service that reads it: each gets its dead letter, and the readers go on.

On a stack of their own: what stands on the topics of decisions is verified elsewhere, and there these would be lies.
"""

import asyncio
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from youai_contracts import topics
from youai_contracts.topics import Topic
from youai_runtime.kafka import partition_of
from youai_stack import launch
from youai_stack.home import Home

from tests.support import kafka
from tests.support.client import Venue
from tests.support.market import Market, new_id
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.unit.contracts.examples import EXAMPLES, key_of

Headers = list[tuple[str, bytes]]
Hostile = tuple[bytes | None, bytes | None, Headers]
READ = [topic for topic in topics.TOPICS if topic.readers]
FLOOD = 10_000
NO_INSTANTS = ("2027-13-01T00:00:00Z", "2027-02-30T00:00:00.000Z", "2027-01-01", "99999-01-01T00:00:00Z", "soon", "")
FAR = 10**18 - 1
MOST_GROWTH_MB = 120


def a_type(topic: Topic) -> str:
    """A type of the topic that has an example."""
    return next(type_ for type_ in topic.event_types if type_ in EXAMPLES)


def hostile(topic: Topic, home: bytes) -> dict[str, Hostile]:
    """Records that are no events of the topic. Where a key may be one, it is `home`."""
    type_ = a_type(topic)
    data = next(iter(EXAMPLES[type_].values()))
    key = key_of(type_, data)
    good = json.dumps(data).encode()
    id_ = new_id("hostile").encode()
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", id_),
        ("ce_type", type_.encode()),
        ("ce_source", b"/hostile"),
        ("ce_time", b"2027-01-01T00:00:00Z"),
    ]

    def instead(name: str, *values: bytes) -> Headers:
        return [one for one in headers if one[0] != name] + [(name, value) for value in values]

    def data_with(**more: Any) -> bytes:
        return json.dumps(data | more).encode()

    first = next(name for name, value in data.items() if name != topic.key and isinstance(value, str))
    values: dict[str, bytes | None] = {
        "nothing": None,
        "an empty value": b"",
        "no JSON": b"{not",
        "half": good[: len(good) // 2],
        "more than one": good + good,
        "NaN": b'{"' + first.encode() + b'": NaN, ' + good[1:],
        "infinity": good[:-1] + b', "more": Infinity}',
        "no UTF-8 in what is not known": good[:-1] + b', "more": "\xff\xfe"}',
        "half a surrogate pair": data_with(**{first: "\ud800"}),
        "NUL": data_with(**{first: "a\x00b"}),
        "too deep": b'{"more": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "too deep, and no end": b'{"a":' * 100_000,
        "a list": b"[" + good + b"]",
        "null": b"null",
        "a number": b"1e999",
        "a number for a text": data_with(**{first: 10**300}),
        "a list for a text": data_with(**{first: [first]}),
        "an object for a text": data_with(**{first: {first: 1}}),
        "null for a text that must be": data_with(**{topic.key if topic.key in data else first: None}),
        "UTF-16": good.decode().encode("utf-16"),
        "900 KB": b'{"more": "' + b"x" * 900_000 + b'"}',
        "900 KB of noise": bytes(range(256)) * 3_500,
        "a million zeros": b"0" * 900_000,
    }
    found: dict[str, Hostile] = {name: (key, value, headers) for name, value in values.items()}
    found |= {
        "no key": (None, good, headers),
        "an empty key": (b"", good, headers),
        "another key": (home, good, headers),
        "a key without an end": (b"k" * 20_000, good, headers),
        "a key that is no text": (b"\xff\x00\xfe", good, headers),
        "no headers": (key, good, []),
        "no id": (key, good, instead("ce_id")),
        "an id that is no text": (key, good, instead("ce_id", b"\xff")),
        "an id of 100 KB": (key, good, instead("ce_id", b"i" * 100_000)),
        "two ids, the last of none": (key, good, instead("ce_id", id_, b"")),
        "no type": (key, good, instead("ce_type")),
        "an unknown type": (key, good, instead("ce_type", b"world-ended")),
        "a type in capitals": (key, good, instead("ce_type", type_.upper().encode())),
        "a type that is no text": (key, good, instead("ce_type", b"\xc3\x28")),
        "another type after its own": (key, good, [*headers, ("ce_type", b"world-ended")]),
        "a thousand headers and no type": (key, good, [("x", b"y")] * 1_000 + instead("ce_type")),
        "the id of a far position": (key, b"{not", instead("ce_id", f"{topic.writer}-{FAR}".encode())),
        "the id of a far decision": (home, b"{not", instead("ce_id", f"{_home(topic, home)}-{FAR}-0".encode())),
    }
    for name in [field for field, value in data.items() if isinstance(value, str) and value.endswith("Z")][:2]:
        ends = () if topic is topics.SLOT_LOG else ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
        for text in (*NO_INSTANTS, *ends):
            found[f"{name}: {text or 'empty'}"] = (key, data_with(**{name: text}), headers)
    return found


def _home(topic: Topic, key: bytes) -> int:
    return partition_of(key, topic.partitions)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="youai-doors-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder) / "home")
        launch.up(home, with_parent=True)
        try:
            yield Stack(home)
        finally:
            launch.down(home)


@pytest_asyncio.fixture(scope="module")
async def market(stack: Stack) -> AsyncIterator[Market]:
    async with Market(stack) as built:
        yield built


@pytest_asyncio.fixture(scope="module")
async def crowd(market: Market) -> list[Venue]:
    """Two venues that the door knows."""
    venues = await market.venues(2)
    session = await market.session(capacity=1)
    for venue in venues:
        assert (await venue.ask(session)).status_code == 202
    return venues


@pytest_asyncio.fixture
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    made = kafka.producer(stack.bootstrap)
    await made.start()
    yield made
    await made.stop()


class Letters:
    """Dead letters of some services that came since now."""

    def __init__(self, stack: Stack, services: tuple[str, ...], since: dict[str, dict[int, int]]) -> None:
        self._stack = stack
        self._services = services
        self._since = since
        self._found: dict[str, Counter[tuple[int, int]]] = {service: Counter() for service in services}

    @classmethod
    async def since_now(cls, stack: Stack, services: tuple[str, ...]) -> "Letters":
        names = {service: topics.dead_letter(service).name for service in services}
        return cls(stack, services, {s: await kafka.end_offsets(stack.bootstrap, name) for s, name in names.items()})

    async def of(self, topic: Topic) -> dict[str, Counter[tuple[int, int]]]:
        """How many letters each service wrote of each (partition, offset) of the topic; reads on where it was."""
        for service in self._services:
            name = topics.dead_letter(service).name
            for letter in await kafka.read_topic(self._stack.bootstrap, name, self._since[service]):
                self._since[service][letter.partition] = letter.offset + 1
                if letter.headers["dead-letter-topic"].decode() == topic.name:
                    at = int(letter.headers["dead-letter-partition"]), int(letter.headers["dead-letter-offset"])
                    self._found[service][at] += 1
        return self._found


async def send(producer: AIOKafkaProducer, topic: Topic, home: int, records: dict[str, Hostile]) -> dict[Any, str]:
    """Append the records to one partition; (partition, offset) to name."""
    sent: dict[Any, str] = {}
    for name, (key, value, headers) in records.items():
        try:
            at = await producer.send_and_wait(topic.name, value, key, partition=home, headers=headers)
        except KafkaError:
            assert topic.compacted, name
            assert not key, name
            continue
        sent[home, at.offset] = name
    return sent


async def all_refused(letters: Letters, topic: Topic, sent: dict[Any, str], within: float) -> None:
    """Wait until every reader has a letter of each (each lane that reads writes its own), and check for others."""

    async def complete() -> bool:
        return all(set(sent) <= set(found) for found in (await letters.of(topic)).values())

    try:
        await eventually(complete, within, f"every reader of {topic.name} has written its letters")
    except AssertionError:
        missing = {s: [name for at, name in sent.items() if at not in f] for s, f in (await letters.of(topic)).items()}
        raise AssertionError(f"taken for events: {missing}") from None
    for service, found in (await letters.of(topic)).items():
        assert set(found) == set(sent), (service, [at for at in found if at not in sent][:5])


@pytest.mark.parametrize("topic", READ, ids=lambda topic: topic.name)
async def test_every_reader_refuses_each_and_goes_on(topic: Topic, stack: Stack, producer: AIOKafkaProducer) -> None:
    home = new_id("home").encode()
    letters = await Letters.since_now(stack, topic.readers)
    sent = await send(producer, topic, _home(topic, home), hostile(topic, home))
    await all_refused(letters, topic, sent, 40)
    # The lanes have not stopped: what is appended now is refused now, and nobody is broken or was restarted for it.
    again = await send(producer, topic, _home(topic, home), {"again": (b"k", b"{", [])})
    await all_refused(letters, topic, sent | again, 20)
    await stack.wait_ready()


async def test_after_them_all_what_is_real_is_read(stack: Stack, market: Market, crowd: list[Venue]) -> None:
    """The ids of far positions were on every partition that a key leads to: nobody takes what is new for a repeat."""
    session = await market.session(capacity=1)
    booking = await crowd[0].book(session)
    assert (await crowd[0].decided(booking))["status"] == "confirmed"
    inbox = market.caller("notify", crowd[0].organization_id, "venue-staff")

    async def told() -> bool:
        return session in (await inbox.get("/v1/inbox")).text

    await eventually(told, 30, "the venue is told")


def resident_mb(stack: Stack) -> dict[str, float]:
    """Memory of each worker and API, in MB."""
    found = {}
    for service in stack.services:
        for process in stack.processes(service):
            status = Path(f"/proc/{process['pid']}/status").read_text()
            found[str(process["name"])] = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return found


@pytest.mark.parametrize("topic", [topics.OFFER, topics.SLOT_LOG], ids=lambda topic: topic.name)
async def test_ten_thousand_in_a_row(
    topic: Topic, stack: Stack, market: Market, crowd: list[Venue], producer: AIOKafkaProducer
) -> None:
    session = await market.session(capacity=1)
    home = _home(topic, session.encode())
    letters = await Letters.since_now(stack, topic.readers)
    before, pids = resident_mb(stack), {name: stack.pid(name) for name in resident_mb(stack)}
    begun = time.monotonic()
    ce: Headers = [("ce_id", b"poison"), ("ce_type", a_type(topic).encode())]
    sent = await asyncio.gather(
        *[
            await producer.send(topic.name, b'{"poison": %d, "more": "%b"' % (n, b"x" * 500), b"k", home, headers=ce)
            for n in range(FLOOD)
        ]
    )
    await all_refused(letters, topic, {(home, at.offset): str(at.offset) for at in sent}, 90)
    took = time.monotonic() - begun
    booking = await crowd[1].book(session)
    await crowd[1].decided(booking)
    after = resident_mb(stack)
    growth = {name: round(after[name] - before.get(name, 0.0)) for name in after}
    print(f"{topic.name}: {FLOOD} poison records refused by {topic.readers} in {took:.1f} s; growth in MB: {growth}")
    assert {name: stack.pid(name) for name in pids} == pids, "nobody was restarted"
    assert max(growth.values()) < MOST_GROWTH_MB, growth
