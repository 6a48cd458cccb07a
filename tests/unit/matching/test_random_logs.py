"""Random logs through the decider's own code: the verifier finds no lie, and a crash anywhere changes no byte."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from youai_matching.domain.request import HOLDS_PLACES
from youai_matching.domain.state import Slot

from tests.unit.matching.fakes import LogRecord, Partition
from tests.unit.matching.logs import BAD, Item, build, logs, rush
from tests.unit.matching.records import ask, opened
from tests.unit.verifier.exports import verify


def lie(partition: Partition) -> Any:
    """What the verifier says of the partition's export; None if it is true."""
    with TemporaryDirectory() as folder:
        for name, content in partition.export().items():
            (Path(folder) / name).write_bytes(content)
        return verify.Verdict(Path(folder), verify.RULES, None).lie


def check_invariants(slot: Slot) -> None:
    taken = sum(r.party_size for r in slot.requests.values() if r.status in HOLDS_PLACES)
    assert 0 <= taken == slot.taken <= slot.capacity
    waiting = [r for r in slot.requests.values() if r.status == "waitlisted"]
    assert list(slot.queue) == sorted(waiting, key=lambda r: (r.second, r.rank))
    assert slot.queue.places == sum(r.party_size for r in waiting)
    if slot.phase == "open":
        assert all(r.party_size > slot.free for r in waiting), "one who fits is left waiting"
    else:
        assert waiting == []
    live = {r.venue_id: r.request_id for r in slot.requests.values() if r.live}
    assert live == slot.live
    assert len(live) == sum(r.live for r in slot.requests.values()), "a venue has two live requests"


def deduplicated(partition: Partition) -> list[tuple[str, bytes]]:
    """What a reader keeps: of each partition, what is past the highest position that it has seen."""
    kept: list[tuple[str, bytes]] = []
    highest = (-1, -1)
    for record in partition.outbox.published:
        ce_id = dict(record.headers)["ce_id"].decode()
        _, offset, index = map(int, ce_id.split("-"))
        if (offset, index) > highest:
            highest = (offset, index)
            kept.append((ce_id, record.value or b""))
    return kept


@given(logs)
@settings(max_examples=60)
async def test_the_verifier_finds_no_lie(log: list[Item]) -> None:
    partition = Partition()
    for record in build(log):
        await partition.append([record])
        for slot in partition.slots().values():
            check_invariants(slot)
    assert lie(partition) is None


FATES = ("fine", "restart", "unpublished", "unnoted")
cuts = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(FATES)), max_size=8)


@given(logs, cuts)
@settings(max_examples=60)
async def test_a_crash_anywhere_changes_no_byte(log: list[Item], plan: list[tuple[int, str]]) -> None:
    await check_crashes(build(log), plan)


async def check_crashes(records: list[LogRecord], plan: list[tuple[int, str]]) -> Partition:
    """Batches of any size; between them the worker dies: idle, before it publishes, or before it notes that it did."""
    steady, crashing = Partition(), Partition()
    await steady.append(records)
    start = 0
    for end, fate in [*sorted(plan), (len(records), "fine")]:
        batch, start = records[start:end], max(start, min(end, len(records)))
        if not batch and not crashing.log:
            continue
        noted = crashing.database.watermark
        await crashing.append(batch, publish=fate != "unpublished")
        if fate != "fine":
            await crashing.crash(watermark=noted if fate == "unnoted" else None)
    assert deduplicated(crashing) == deduplicated(steady)
    assert await crashing.stored() == await steady.stored() == steady.slots()
    assert crashing.database.tables["receipt"] == steady.database.tables["receipt"]
    assert lie(crashing) is None
    return steady


@pytest.mark.parametrize("seed", range(40))
async def test_a_rush_with_crashes(seed: int) -> None:
    rnd = random.Random(seed)
    records = build(rush(rnd))
    plan = [(rnd.randrange(len(records)), rnd.choice(FATES)) for _ in range(8)]
    steady = await check_crashes(records, plan)
    for slot in steady.slots().values():
        check_invariants(slot)


async def test_the_rushes_reach_what_matters() -> None:
    reached: Counter[str] = Counter()
    for seed in range(40):
        partition = Partition()
        await partition.append(build(rush(random.Random(seed))))
        decisions = [json.loads(record.value or b"") for record in partition.outbox.published]
        reached.update(f"{d['outcome']} {d['reason']}" for d in decisions)
        promoted_at = Counter(d["log_offset"] for d in decisions if d["outcome"] == "promoted")
        reached["several promoted by one cancel"] += sum(count > 1 for count in promoted_at.values())
    assert min(reached.values()) >= 10
    assert len(reached) == 25


@given(logs)
@settings(max_examples=30)
async def test_a_flipped_byte_of_a_decision_is_found(log: list[Item]) -> None:
    """The verifier bites: whatever was decided last, told with another number, is a lie."""
    partition = Partition()
    await partition.append(build(log))
    if not partition.outbox.published:
        return
    last = partition.outbox.published[-1]
    assert last.value is not None
    partition.outbox.published[-1] = replace(last, value=last.value.replace(b'"taken":', b'"taken":1'))
    assert lie(partition) is not None


async def test_every_record_gets_a_receipt_and_what_is_refused_a_dead_letter() -> None:
    partition = Partition()
    bad = [Item(ask("r1"), 1.0, None, wrong) for wrong in BAD]
    await partition.append(build([Item(opened(1, slot="s1"), 0.0, None), *bad, Item(ask("r2", slot="s9"), 1.0, None)]))
    receipts = partition.database.tables["receipt"]
    assert [r["kind"] for r in receipts] == ["applied"] + ["refused"] * (len(BAD) + 1)
    assert [r["log_offset"] for r in receipts] == list(range(len(BAD) + 2))
    assert all(r["why"] for r in receipts[1:])
    assert [row[0] for row in partition.database.dead_letters] == ["youai.matching.dead-letter.v1"] * (len(BAD) + 1)


async def test_a_decision_is_published_to_its_logs_partition_with_the_requests_trace() -> None:
    partition = Partition(number=13)
    records = build([Item(opened(1, slot="s1"), 0.0, None), Item(ask("r1", slot="s1"), 1.5, None)], partition=13)
    trace = ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")
    await partition.append([records[0], replace(records[1], headers=(*records[1].headers, trace))])
    [published] = partition.outbox.published
    assert (published.topic, published.partition, published.key) == ("youai.booking.v1", 13, b"s1")
    headers = dict(published.headers)
    assert (headers["ce_id"], headers["ce_type"]) == (b"13-1-0", b"booking-confirmed")
    assert (headers["ce_time"], headers["traceparent"]) == (b"2026-12-01T01:00:01.500Z", trace[1])


async def test_an_unknown_rule_version_stops_the_partition_and_writes_nothing() -> None:
    partition = Partition()
    with pytest.raises(LookupError):
        await partition.append(build([Item(opened(1, slot="s1", rules="0" * 64), 0.0, None)]))
    assert not any(partition.database.tables.values())
    assert partition.database.slot == {}
