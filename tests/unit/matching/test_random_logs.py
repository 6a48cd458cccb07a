"""Random logs through the decider's own code: the verifier finds no lie, and a crash anywhere changes no byte."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from youai_matching import decider

from tests.unit.matching.auditing import FATES, check_crashes, check_invariants, check_same, lie, relay
from tests.unit.matching.fakes import Partition
from tests.unit.matching.lives import lives
from tests.unit.matching.logs import BAD, Item, build, logs, rush
from tests.unit.matching.records import ask, opened


def some(percent: int) -> settings:
    """So many of a hundred examples; of more, if the profile says so: `--hypothesis-profile=long`."""
    return settings(max_examples=max(1, settings().max_examples * percent // 100))


@given(logs)
@some(60)
async def test_the_verifier_finds_no_lie(log: list[Item]) -> None:
    partition = Partition()
    for record in build(log):
        await partition.append([record])
        for slot in partition.slots().values():
            check_invariants(slot)
    assert lie(partition) is None


cuts = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(FATES)), max_size=8)


@given(logs, cuts)
@some(60)
async def test_a_crash_anywhere_changes_no_byte(log: list[Item], plan: list[tuple[int, str]]) -> None:
    await check_crashes(build(log), plan)


@given(lives)
@some(25)
async def test_nobody_is_wronged_under_all_rules(life: list[Item]) -> None:
    """After every single record of every type: no oversale, nobody who is reached left waiting, no timer astray."""
    partition = Partition()
    for record in build(life):
        await partition.append([record])
        for slot in partition.slots().values():
            check_invariants(slot)
    assert lie(partition) is None


@given(lives, cuts)
@some(12)
async def test_a_crash_anywhere_changes_no_byte_under_all_rules(life: list[Item], plan: list[tuple[int, str]]) -> None:
    await check_crashes(build(life), plan)


@given(lives, st.sampled_from([1, 3, 5000]), st.sampled_from([1, 4]))
@some(8)
async def test_batches_and_workers_change_no_byte(life: list[Item], size: int, workers: int) -> None:
    records = build(life)
    steady = Partition()
    await steady.append(records)
    await check_same(await relay(records, size, workers), steady)


@pytest.mark.parametrize("seed", range(40))
async def test_a_rush_with_crashes(seed: int) -> None:
    rnd = random.Random(seed)
    records = build(rush(rnd))
    plan = [(rnd.randrange(len(records)), rnd.choice(FATES)) for _ in range(8)]
    steady = await check_crashes(records, plan)
    for slot in steady.slots().values():
        check_invariants(slot)


@pytest.mark.parametrize("seed", range(10))
async def test_a_memory_that_is_short_changes_no_byte(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    records = build(rush(random.Random(seed)))
    steady = Partition()
    await steady.append(records)
    monkeypatch.setattr(decider, "MOST_REMEMBERED", 20)
    short = Partition()
    for first in range(0, len(records), 5):
        await short.append(records[first : first + 5])
        remembered = [slot.size for slot in short.slots().values()]
        assert short.decider._remembered == sum(remembered)
        assert sum(remembered) <= 20 or len(remembered) == 1
    assert set(short.slots()) < set(steady.slots()), "slots were let go"
    assert short.outbox.published == steady.outbox.published
    short.decider.forget(short.number)
    assert short.decider._remembered == 0


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
@some(30)
async def test_a_flipped_byte_of_a_decision_is_found(log: list[Item]) -> None:
    """The verifier bites: whatever was decided last, told with another number, is a lie."""
    partition = Partition()
    await partition.append(build(log))
    if not partition.outbox.published:
        return
    last = partition.outbox.published[-1]
    assert last.value is not None
    partition.outbox.published[-1] = structs.replace(last, value=last.value.replace(b'"taken":', b'"taken":1'))
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
