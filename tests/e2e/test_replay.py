"""What is appended late, twice, or read again from the start changes nothing that was decided."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from youai_contracts import topics
from youai_runtime.kafka import partition_of

from tests.support import checks, kafka
from tests.support.client import Venue
from tests.support.market import Market, new_id, session_body
from tests.support.stack import Stack
from tests.support.waiting import eventually

GATE = 7_119_990
"""An advisory lock that holds back every raising of a watermark, where `gate` was put there."""


async def test_a_kept_request_that_was_never_appended_is_swept(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    """The door died between row and append: the row is a copy of one that it wrote, under a new id."""
    slot = await market.session(capacity=2)
    first = await crowd[0].book(slot)
    await crowd[0].decided(first)
    lost, venue = new_id("booking"), crowd[1].organization_id
    made = await whole.ask(
        "matching",
        """
        INSERT INTO request (request_id, kind, slot_id, partition, booking_id, organization_id, venue_id, party_size,
            body_hash, data, traceparent, created_at, appended_at)
        SELECT $1, kind, slot_id, partition, booking_id, $3, $3, party_size, body_hash,
            convert_to(replace(replace(convert_from(data, 'UTF8'), $2, $1), venue_id, $3), 'UTF8'),
            traceparent, now() - interval '9 seconds', now() - interval '9 seconds'
        FROM request WHERE request_id = $2 RETURNING request_id
        """,
        lost,
        first,
        venue,
    )
    assert len(made) == 1
    whole.accepted += [{"request_id": one, "slot_id": slot, "status": 202} for one in (first, lost)]
    found = await crowd[1].decided(lost, timeout=40)
    assert (found["status"], found["reason"]) == ("confirmed", "place-free")
    await checks.verify(whole, tmp_path)
    log = await slot_log(whole, slot)
    assert [record.id for record in log].count(lost) == 1, "appended once, though looked at every second"


async def slot_log(stack: Stack, slot: str) -> list[kafka.Read]:
    return [
        record for record in await kafka.read_topic(stack.bootstrap, checks.SLOT_LOG) if record.key == slot.encode()
    ]


async def published(stack: Stack, slot: str) -> list[kafka.Read]:
    return [record for record in await kafka.read_topic(stack.bootstrap, checks.BOOKING) if record.key == slot.encode()]


async def test_a_record_appended_again_gets_a_receipt_and_no_event(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    slot = await market.session(capacity=1)
    ids = [await venue.book(slot) for venue in crowd[:3]]
    for venue, id in zip(crowd, ids, strict=False):
        await venue.decided(id)
    assert (await crowd[0].cancel(ids[0])).status_code == 202
    await crowd[1].decided(ids[1], "promoted")
    await checks.settled(whole)
    log, before = await slot_log(whole, slot), await published(whole, slot)
    producer = kafka.producer(whole.bootstrap)
    await producer.start()
    try:
        for record in log:  # the slot's whole life once more: opening, requests, cancelling
            await producer.send_and_wait(
                checks.SLOT_LOG,
                record.value,
                record.key,
                partition=record.partition,
                headers=list(record.headers.items()),
            )
    finally:
        await producer.stop()
    await checks.settled(whole)
    assert [record.id for record in await published(whole, slot)] == [record.id for record in before]
    rows = await whole.ask(
        "matching",
        "SELECT record_id, original FROM receipt WHERE slot_id = $1 AND kind = 'repeat' ORDER BY log_offset",
        slot,
    )
    assert [(row["record_id"], row["original"]) for row in rows] == [(record.id, record.offset) for record in log]
    whole.accepted += [{"request_id": id, "slot_id": slot, "status": 202} for id in ids]
    assert (await checks.verify(whole, tmp_path))["repeats"] >= len(log)


async def test_committed_offsets_count_for_nothing(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    """Half are committed back to the start, half far past the end: work goes on where the database says."""
    slots = await market.sessions([{"capacity": 1} for _ in range(8)])
    for slot in slots:
        whole.accepted.append({"request_id": await crowd[0].book(slot), "slot_id": slot, "status": 202})
    await checks.settled(whole)
    before = len(await kafka.read_topic(whole.bootstrap, checks.BOOKING))
    counted = await whole.ask("matching", "SELECT count(*) AS n FROM receipt")
    await whole.scale("matching", 0)
    try:
        for group, topic in (
            ("decider", topics.SLOT_LOG),
            ("intake", topics.OFFER),
            ("organizations", topics.ORGANIZATION),
        ):
            wrong = {number: 0 if number % 2 else 1_000_000 for number in range(topic.partitions)}
            await eventually(
                lambda group=group, topic=topic, wrong=wrong: committed(whole, group, topic.name, wrong),  # type: ignore[misc]
                30,
                f"{group} takes the offsets",
            )
    finally:
        await whole.scale("matching", 2)
    # A worker that began where it was told to would have decided again by now, or would not decide this.
    for slot in slots:
        id = await crowd[1].book(slot)
        whole.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
        assert (await crowd[1].decided(id))["status"] == "waitlisted"
    await checks.settled(whole)
    assert len(await kafka.read_topic(whole.bootstrap, checks.BOOKING)) == before + len(slots)
    now = await whole.ask("matching", "SELECT count(*) AS n FROM receipt")
    assert now[0]["n"] == counted[0]["n"] + len(slots)
    await checks.verify(whole, tmp_path)


async def committed(stack: Stack, group: str, topic: str, offsets: dict[int, int]) -> bool:
    """Commit, once the group is empty (before, the broker refuses)."""
    from aiokafka.errors import KafkaError

    try:
        await kafka.commit(stack.bootstrap, f"matching.{group}", topic, offsets)
    except KafkaError:
        return False
    return True


@asynccontextmanager
async def gate(stack: Stack, service: str, table: str, column: str) -> AsyncIterator[None]:
    """Hold back every change of a column inside the block: who makes it waits for us, with all before it done."""
    async with stack.database(service) as connection:
        await connection.execute(
            f"""
            CREATE OR REPLACE FUNCTION test_gate() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NEW; END $$;
            CREATE OR REPLACE TRIGGER test_gate BEFORE UPDATE OF {column} ON {table}
                FOR EACH ROW EXECUTE FUNCTION test_gate();
            SELECT pg_advisory_lock({GATE});
            """
        )
        try:
            yield
        finally:
            await connection.execute(
                f"SELECT pg_advisory_unlock({GATE}); DROP TRIGGER test_gate ON {table}; DROP FUNCTION test_gate()"
            )


async def waits_at_gate(stack: Stack, service: str) -> bool:
    sql = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1"
    return bool(await stack.ask(service, sql, GATE))


async def kill_all_workers(stack: Stack, service: str) -> None:
    """Kill them as they wait at the gate, with their sessions: the server would finish for the dead otherwise."""
    old = {name: stack.kill(name) for name in stack.workers(service)}
    await stack.ask(
        service,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1",
        GATE,
    )
    await asyncio.gather(*(stack.restarted(name, pid) for name, pid in old.items()))


async def test_the_decider_dies_between_ack_and_watermark(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    """The decision is on the broker and the note of it is not: it is published again under the same id."""
    slot = await market.session(capacity=1)
    async with gate(whole, "matching", "lane_progress", "published_offset"):
        ids = [await venue.book(slot) for venue in crowd[:2]]
        await eventually(lambda: published(whole, slot), 20, "a decision is published")
        await eventually(lambda: waits_at_gate(whole, "matching"), 20, "its watermark waits")
        await kill_all_workers(whole, "matching")
    await whole.wait_ready()
    whole.accepted += [{"request_id": id, "slot_id": slot, "status": 202} for id in ids]
    summary = await checks.verify(whole, tmp_path)
    assert summary["duplicates_published"] > 0
    read = await published(whole, slot)
    assert len(read) > len({record.id for record in read}), "published twice, under the same ids"
    assert [(await venue.decided(id))["status"] for venue, id in zip(crowd, ids, strict=False)] == [
        "confirmed",
        "waitlisted",
    ]


async def test_the_relay_dies_between_ack_and_watermark(
    whole: Stack, market: Market, crowd: list[Venue], tmp_path: Path
) -> None:
    """Catalog's events go out again under the same ids, and matching opens the slot once."""
    offer_id = await market.offer()
    session = session_body(capacity=1)
    slot: str = session["session_id"]

    async def told() -> list[kafka.Read]:
        offers = await kafka.read_topic(whole.bootstrap, "youai.offer.v1")
        return [one for one in offers if one.id.startswith("catalog-") and slot.encode() in (one.value or b"")]

    async def told_again() -> bool:
        return len(await told()) > 1

    async with gate(whole, "catalog", "relay", "published_position"):
        provider = market.caller("catalog", market.department_id, "provider-staff")
        answer = await provider.post(f"/v1/offers/{offer_id}/sessions", session, key=uuid.uuid4().hex)
        assert answer.status_code == 201, answer.text
        await eventually(told, 20, "the event is published")
        await eventually(lambda: waits_at_gate(whole, "catalog"), 20, "its watermark waits")
        await kill_all_workers(whole, "catalog")
    await eventually(told_again, 30, "the event is published again")
    assert len({record.id for record in await told()}) == 1
    id = await crowd[0].book(slot)
    whole.accepted.append({"request_id": id, "slot_id": slot, "status": 202})
    await crowd[0].decided(id)
    opened = [record for record in await slot_log(whole, slot) if record.type == "slot-opened"]
    assert len({record.id for record in opened}) == 1
    assert partition_of(slot.encode(), topics.SLOT_PARTITIONS) == opened[0].partition
    await checks.verify(whole, tmp_path)
