"""Random logs through the decider's own code: the verifier finds no lie, and a crash anywhere changes no byte."""

import importlib.util
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from youai_contracts.events import SlotRecord
from youai_matching.domain.slot import HOLDS_PLACES, Slot

from tests.unit.matching.fakes import LogRecord, Partition
from tests.unit.matching.records import CLOSES, ask, cancel, close, fire, on_log, opened

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "verifier" / "verify.py"
MOMENTS = (-30.0, -1.001, -1.0, 0.0, 1.0, 2.5, CLOSES - 0.001, CLOSES, CLOSES + 9)


def _verifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("youai_verify", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


verify = _verifier()

# Few slots, requests, venues and ids, so that they meet.
slots = st.sampled_from(["s1"] * 7 + ["s2"])
requests = st.sampled_from([f"r{n}" for n in range(12)])
venues = st.sampled_from([""] * 4 + ["v1", "v2"])
sizes = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6])
REASONS: list[Literal["session-cancelled", "offer-withdrawn"]] = ["session-cancelled", "offer-withdrawn"]
reasons = st.sampled_from(REASONS)
dues = st.sampled_from([CLOSES, CLOSES, CLOSES, CLOSES - 1])

openings = st.builds(opened, st.integers(1, 6), waitlist=st.sampled_from([None] * 5 + [0, 1, 2]), slot=slots)
asks = st.builds(lambda r, n, v, s: ask(r, n, venue=v, slot=s), requests, sizes, venues, slots)
cancels = st.builds(lambda r, s: cancel(r, slot=s), requests, slots)
rare = st.one_of(
    st.builds(lambda r, s: close(r, slot=s), reasons, slots),
    st.builds(lambda d, u, s: fire(d, subject=u, slot=s), dues, st.sampled_from(["", "", "x"]), slots),
    openings,
)
events: st.SearchStrategy[SlotRecord] = st.sampled_from([asks] * 8 + [cancels] * 5 + [rare]).flatmap(lambda kind: kind)
ids = st.sampled_from([None] * 15 + ["i1", "i2", "i3"])
BAD: dict[str, dict[str, Any]] = {
    "no key": {"key": None},
    "another key": {"key": b"s9"},
    "no value": {"value": None},
    "no JSON": {"value": b"{"},
    "no UTF-8": {"value": b'{"slot_id":"s1","reason":"session-cancelled","x":"\xff"}'},
    "no headers": {"headers": ()},
    "an unknown type": {"headers": (("ce_id", b"i1"), ("ce_type", b"slot-exploded"))},
    "another topic's type": {"headers": (("ce_id", b"i1"), ("ce_type", b"booking-confirmed"))},
    "an id that is no UTF-8": {"headers": (("ce_id", b"i\xff"), ("ce_type", b"slot-closed"))},
    "nested too deeply": {
        "value": b'{"slot_id":"s1","reason":"session-cancelled","x":' + b"[" * 100 + b"]" * 100 + b"}",
        "headers": (("ce_id", b"i1"), ("ce_type", b"slot-closed")),
        "key": b"s1",
    },
    "a control character": {"headers": (("ce_id", b"i\x07"), ("ce_type", b"slot-closed"))},
}


@dataclass(frozen=True)
class Item:
    """A record to be, when it is stamped, under which id (None: one of its own), and what is wrong with it."""

    event: SlotRecord
    at: float
    id: str | None
    wrong: str | None = None


items = st.builds(
    Item,
    events,
    st.sampled_from(MOMENTS[3:6] * 8 + MOMENTS),
    ids,
    st.sampled_from([None] * 150 + [*BAD]),
)
logs = st.builds(
    lambda first, rest: [Item(first, -30.0, None), *rest], openings, st.lists(items, min_size=10, max_size=50)
)


def build(log: Iterable[Item], partition: int = 7) -> list[LogRecord]:
    records = []
    for offset, item in enumerate(log):
        record = on_log(item.event, item.id or f"own-{offset}", item.at, partition, offset)
        records.append(replace(record, **BAD[item.wrong]) if item.wrong else record)
    return records


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
    assert list(slot.queue.values()) == waiting
    assert slot.waiting_places == sum(r.party_size for r in waiting)
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
    assert crashing.slots() == steady.slots()
    assert crashing.database.tables["receipt"] == steady.database.tables["receipt"]
    assert lie(crashing) is None
    return steady


def rush(rnd: random.Random) -> list[Item]:
    """A hundred records as they are in a rush: most are requests that meet an open slot, some cancel, few are odd."""
    log = [
        Item(opened(rnd.randint(2, 9), waitlist=rnd.choice([None, None, None, 3]), slot=s), -30.0, None)
        for s in ("s1", "s2")
    ]
    asked: list[tuple[str, str]] = []
    for number in range(100):
        slot = rnd.choice(["s1", "s1", "s2"])
        event: SlotRecord
        if rnd.random() < 0.6 or not asked:
            event = ask(f"r{number}", rnd.choice([1, 1, 1, 2, 2, 3, 5]), venue=f"v{rnd.randrange(60)}", slot=slot)
            asked.append((event.request_id, slot))
        elif rnd.random() < 0.95:
            request, slot = rnd.choice(asked[-40:])
            event = cancel(request, slot=slot)
        else:
            reason = rnd.choice(REASONS)
            odd: list[SlotRecord] = [close(reason, slot=slot), fire(slot=slot), fire(slot=slot)]
            event = rnd.choice([*odd, fire(CLOSES - 1, slot=slot), opened(9, slot=slot)])
        seconds = CLOSES if event.type == "timer-fired" and rnd.random() < 0.8 else number - 3.0
        twice = rnd.random() < 0.1
        id_ = f"id-{number if rnd.random() < 0.95 else rnd.randrange(number + 1)}"  # some take another record's id
        log += [Item(event, seconds, id_)] * (2 if twice else 1)
        if rnd.random() < 0.05:
            log.append(Item(event, seconds, None, rnd.choice([*BAD])))
    return log


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
    assert len(reached) == 15


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
