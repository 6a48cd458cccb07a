"""Malformed records on every topic that is read: a dead letter says where and why, and the lane goes on."""

import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from youai_contracts import codec, topics
from youai_contracts.events import Actor, Event, OrganizationRegistered, SessionOpened
from youai_contracts.topics import Topic
from youai_runtime.kafka import partition_of

from tests.e2e.test_takeover import request
from tests.support import checks, kafka
from tests.support.client import Venue
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack
from tests.support.waiting import eventually

DEAD_LETTERS = topics.dead_letter("matching").name


@dataclass
class Bad:
    """A record that cannot be one of its topic: a good one, with one thing wrong. `why` stands in its dead letter."""

    name: str
    why: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)


Edit = Callable[[dict[str, Any]], dict[str, Any]]


def spoiled(good: codec.Message) -> list[Bad]:
    """What can be wrong with a record of any topic."""
    headers = list(good.headers)
    data: dict[str, Any] = json.loads(good.value)

    def without(*names: str) -> list[tuple[str, bytes]]:
        return [(name, value) for name, value in headers if name not in names]

    def instead(name: str, value: bytes) -> list[tuple[str, bytes]]:
        return [(one, value if one == name else raw) for one, raw in headers]

    def with_value(name: str, why: str, value: bytes | None) -> Bad:
        return Bad(name, why, good.key, value, headers)

    def edited(name: str, why: str, **fields: Any) -> Bad:
        return with_value(name, why, json.dumps(data | fields).encode())

    first = next(name for name in data if name != good_key(good))
    return [
        Bad("no key", "the key is not", None, good.value, headers),
        Bad("another key", "the key is not", b"another", good.value, headers),
        Bad("a key that is no text", "the key is not", b"\xff\xfe", good.value, headers),
        with_value("no value", "no value", None),
        with_value("an empty value", "the data are no", b""),
        with_value("no JSON", "the data are no", b"{not json"),
        with_value("no UTF-8", "the data are no", good.value.replace(b'"', b'"\xff', 1)),
        with_value("a list", "the data are no", b"[1, 2]"),
        with_value("endless nesting", "nested more than", b"[" * 100_000),
        with_value("900 KB", "the data are no", b'{"' + b"x" * 900_000 + b'": 1}'),
        with_value("half of it", "the data are no", good.value[: len(good.value) // 2]),
        edited("a wrong type", "the data are no", **{first: {"a": 1}}),
        edited("a key's field of a wrong type", "the data are no", **{good_key(good): 5}),
        edited("NUL in a text", "the data are no", actor={"subject": "a\x00b", "organization_id": "c"}),
        edited("an id of 201 characters", "the data are no", actor={"subject": "s" * 201, "organization_id": "c"}),
        with_value("a field missing", "the data are no", json.dumps({good_key(good): data[good_key(good)]}).encode()),
        Bad("no id", "ce_id is missing", good.key, good.value, without("ce_id")),
        Bad("an empty id", "ce_id is missing", good.key, good.value, instead("ce_id", b"")),
        Bad("a long id", "ce_id is longer", good.key, good.value, instead("ce_id", b"i" * 201)),
        Bad("an id with a line break", "control characters", good.key, good.value, instead("ce_id", b"a\nb")),
        Bad("an id that is no text", "ce_id is not UTF-8", good.key, good.value, instead("ce_id", b"\xff")),
        Bad("no type", "ce_type is missing", good.key, good.value, without("ce_type")),
        Bad("an unknown type", "is not one of", good.key, good.value, instead("ce_type", b"slot-exploded")),
        Bad("another topic's type", "is not one of", good.key, good.value, instead("ce_type", b"booking-confirmed")),
        Bad("no headers", "ce_id is missing", good.key, good.value, []),
    ]


def good_key(good: codec.Message) -> str:
    return topics.BY_NAME[good.topic].key


@pytest_asyncio.fixture
async def producer(stack: Stack) -> AsyncIterator[AIOKafkaProducer]:
    made = kafka.producer(stack.bootstrap)
    await made.start()
    yield made
    await made.stop()


async def refused(stack: Stack, producer: AIOKafkaProducer, topic: Topic, partition: int, bad: list[Bad]) -> list[int]:
    """Append bad records, check that each has its dead letter as received; returns their offsets."""
    since = await kafka.end_offsets(stack.bootstrap, DEAD_LETTERS)
    offsets: dict[int, Bad] = {}
    for one in bad:
        try:
            sent = await producer.send_and_wait(
                topic.name, one.value, one.key, partition=partition, headers=list(one.headers)
            )
        except KafkaError:
            assert topic.compacted, one.name
            assert one.key is None, one.name  # the broker itself takes no such record
        else:
            offsets[sent.offset] = one

    async def letters() -> dict[int, kafka.Read] | None:
        found = {
            int(letter.headers["dead-letter-offset"]): letter
            for letter in await kafka.read_topic(stack.bootstrap, DEAD_LETTERS, since)
            if letter.headers["dead-letter-topic"].decode() == topic.name
            and int(letter.headers["dead-letter-partition"]) == partition
        }
        return found if set(offsets) <= set(found) else None

    found = await eventually(letters, 30, "each has its dead letter")
    assert set(found) == set(offsets), "and nothing else has one"
    for offset, one in offsets.items():
        letter = found[offset]
        why = letter.headers["dead-letter-error"].decode()
        assert one.why in why, (one.name, why)
        assert len(why) <= 1000
        # With neither key nor value nothing could be sent: an empty value stands for none then.
        assert (letter.key, letter.value) == (one.key, one.value), one.name
        assert {name: value for name, value in letter.headers.items() if not name.startswith("dead-letter-")} == dict(
            one.headers
        ), one.name
    return list(offsets)


def message(event: Event) -> codec.Message:
    return codec.encode(event, id=f"test-{uuid.uuid4()}", source="/test", at=datetime.now(UTC))


async def test_the_slot_log(
    stack: Stack, market: Market, crowd: list[Venue], producer: AIOKafkaProducer, tmp_path: Path
) -> None:
    slot = await market.session(capacity=2)
    partition = partition_of(slot.encode(), topics.SLOT_PARTITIONS)
    first = await crowd[0].book(slot)
    await crowd[0].decided(first)
    _, parts = request(slot)
    bad = spoiled(codec.Message(*parts))
    never = codec.Message(*request(new_id("unopened"))[1])
    bad.append(Bad("a slot that was never opened", "never opened", never.key, never.value, list(never.headers)))
    offsets = await refused(stack, producer, topics.SLOT_LOG, partition, bad)
    rows = await stack.ask(
        "matching",
        "SELECT log_offset, kind, why FROM receipt WHERE partition = $1 AND log_offset = ANY($2::bigint[])",
        partition,
        offsets,
    )
    assert {(row["log_offset"], row["kind"]) for row in rows} == {(offset, "refused") for offset in offsets}
    assert all(row["why"] for row in rows)

    # The lane goes on, and the chain knows nothing of it.
    second = await crowd[1].book(slot)
    assert (await crowd[1].decided(second))["receipts"][0]["sequence"] == 2
    stack.accepted += [{"request_id": id, "slot_id": slot, "status": 202} for id in (first, second)]
    summary = await checks.verify(stack, tmp_path)
    assert summary["refused"] >= len(bad)


async def test_the_offers(stack: Stack, market: Market, producer: AIOKafkaProducer) -> None:
    body = session_body()
    offer, slot = new_id("offer"), body["session_id"]
    actor = Actor(subject="tester", organization_id=market.department_id)
    opened = SessionOpened(
        offer_id=offer,
        session_id=slot,
        slot_id=slot,
        capacity=3,
        opens_at=datetime.fromisoformat(body["opens_at"]),
        closes_at=datetime.fromisoformat(body["closes_at"]),
        starts_at=datetime.fromisoformat(body["starts_at"]),
        ends_at=datetime.fromisoformat(body["ends_at"]),
        venue_name="站",
        actor=actor,
    )
    good = message(opened)
    partition = partition_of(good.key, topics.OFFER.partitions)
    bad = spoiled(good)
    bad.append(Bad("no places", "the data are no", good.key, good.value.replace(b'"capacity":3', b'"capacity":0'), []))
    bad[-1].headers = list(good.headers)
    await refused(stack, producer, topics.OFFER, partition, bad)
    await producer.send_and_wait(good.topic, good.value, good.key, partition=partition, headers=list(good.headers))
    read = await market.as_venue(market.center_id).read_back(f"/v1/slots/{slot}")
    assert read["capacity"] == 3


async def test_the_organizations(stack: Stack, market: Market, producer: AIOKafkaProducer) -> None:
    id = new_id("station")
    actor = Actor(subject="tester", organization_id=market.center_id)
    event = OrganizationRegistered(
        organization_id=id,
        parent_id=market.institute_id,
        kind="venue",
        level="station",
        name="新站",
        town="大新镇",
        actor=actor,
    )
    good = message(event)
    partition = partition_of(good.key, topics.ORGANIZATION.partitions)
    await refused(stack, producer, topics.ORGANIZATION, partition, spoiled(good))
    slot = await market.session()
    await producer.send_and_wait(good.topic, good.value, good.key, partition=partition, headers=list(good.headers))
    answer = await market.as_venue(id).ask(slot)
    assert answer.status_code == 202, answer.text


async def test_letters_larger_than_their_topic_takes(
    stack: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    """A record at the limit gets a few headers more, and one that was packed is large unpacked: neither may stick."""
    slot = await market.session(capacity=1)
    key = slot.encode()
    partition = partition_of(key, topics.SLOT_PARTITIONS)
    since = await kafka.end_offsets(stack.bootstrap, DEAD_LETTERS)
    large = [(b"x" * 1_048_000, None, None), (b"y" * 8_000_000, "gzip", None), (b"z", None, b"h" * 1_040_000)]
    for value, packing, header in large:
        sender = kafka.producer(stack.bootstrap, compression_type=packing, max_batch_size=2_000_000)
        await sender.start()
        try:
            headers = [("large", header)] if header else []
            await sender.send_and_wait(checks.SLOT_LOG, value, key, partition=partition, headers=headers)
        finally:
            await sender.stop()

    async def letters() -> dict[bytes, kafka.Read] | None:
        read = await kafka.read_topic(stack.bootstrap, DEAD_LETTERS, since)
        found = {(letter.value or b"")[:1]: letter for letter in read if letter.key == key}
        return found if len(found) == len(large) else None

    found = await eventually(letters, 30, "each has its letter")
    for value, _, header in large:
        letter = found[value[:1]]
        assert letter.value
        assert value.startswith(letter.value)
        assert int(letter.headers["dead-letter-cut-from"]) == len(value)
        assert letter.headers["dead-letter-topic"].decode() == checks.SLOT_LOG
        assert header is None or header.startswith(letter.headers["large"])
    id = await crowd[0].book(slot)
    stack.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
    assert (await crowd[0].decided(id))["status"] == "confirmed"
    await checks.verify(stack, tmp_path)
