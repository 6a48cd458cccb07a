"""What must be true of a partition whatever its log: the slots' sums, the queue's justice, the verifier's word."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from youai_matching.decider import Decider
from youai_matching.domain.keys import key_of
from youai_matching.domain.request import HOLDS_PLACES, MOVES, Request
from youai_matching.domain.state import Slot

from tests.unit.matching.fakes import RULES, LogRecord, Partition
from tests.unit.verifier.exports import verify

FATES = ("fine", "restart", "unpublished", "unnoted")
"""What becomes of a worker after a batch: nothing, or it dies: idle, before it publishes, before it notes that."""


def lie(partition: Partition) -> Any:
    """What the verifier says of the partition's export; None if it is true."""
    with TemporaryDirectory() as folder:
        for name, content in partition.export().items():
            (Path(folder) / name).write_bytes(content)
        return verify.Verdict(Path(folder), verify.RULES, None).lie


def check_invariants(slot: Slot) -> None:
    requests = slot.requests.values()
    taken = sum(r.party_size for r in requests if r.status in HOLDS_PLACES)
    assert 0 <= taken == slot.taken <= slot.capacity
    used: Counter[str] = Counter()
    for request in requests:
        used[request.town] += request.party_size * (request.status in HOLDS_PLACES)
    assert +slot.used == +used
    waiting = [r for r in requests if r.status == "waitlisted"]
    assert list(slot.queue) == sorted(waiting, key=lambda r: (r.second, r.rank))
    assert slot.queue.places == sum(r.party_size for r in waiting)
    assert not any(r.second for r in waiting) or slot.pending("class")
    live = {r.venue_id: r for r in requests if r.live}
    assert live == slot.live
    assert len(live) == sum(r.live for r in requests), "a venue has two live requests"
    undrawn = slot.draw in ("window", "awaited")
    assert all(MOVES[r.status] or (undrawn and r.common.drawn_in) for r in requests), "more is remembered than an id"
    assert not slot.requests.keys() & slot.ended.keys()
    check_timers(slot)
    if slot.phase != "open":
        assert waiting == []
        assert not any(r.status == "entered" for r in requests)
    elif slot.draw in ("", "drawn"):
        assert not any(r.status == "entered" for r in requests)
        assert reached(slot) == [], "one whom free places reach is left waiting"


def check_timers(slot: Slot) -> None:
    holds = {subject: due for (kind, subject), due in slot.timers.items() if kind == "hold"}
    assert all(slot.requests[key_of(subject)].status == "promoted" for subject in holds)
    assert all(due <= slot.closes_at for due in holds.values())
    if slot.phase in ("closed", "cancelled") or slot.kind == "demand":
        assert slot.timers == {}
    elif slot.phase == "open":
        assert slot.timers["closing", ""] == slot.closes_at
        assert slot.pending("window") == (slot.draw == "window")


def reached(slot: Slot) -> list[str]:
    """Whom a scan would give places to, by docs/rules.md; the first of them is enough to be wrong."""
    first: Request | None = None
    for request in slot.queue:
        fits = request.party_size <= _entitled(slot, request.town)
        if fits and not (first and _kept_for(slot, first) and _takes_from(slot, request, first)):
            return [request.request_id]
        first = first or request
    return []


def _left_of_share(slot: Slot, town: str) -> int:
    of_town = [r.party_size for r in slot.requests.values() if r.town == town and r.status in HOLDS_PLACES]
    return max(0, slot.town_shares.get(town, 0) - sum(of_town))


def _entitled(slot: Slot, town: str) -> int:
    if ("shares", "") not in slot.timers:
        return slot.capacity - slot.taken
    return slot.capacity - slot.taken - sum(_left_of_share(slot, other) for other in slot.town_shares if other != town)


def _kept_for(slot: Slot, first: Request) -> bool:
    queue = RULES.by_version[slot.rule_version].queue
    pending = ("accumulation", "") in slot.timers
    return bool(queue and first.common.passes >= queue.most_passes and pending and first.party_size <= slot.capacity)


def _takes_from(slot: Slot, request: Request, first: Request) -> bool:
    if ("shares", "") not in slot.timers or request.town == first.town:
        return True
    return request.party_size > _left_of_share(slot, request.town)


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


async def check_crashes(records: list[LogRecord], plan: list[tuple[int, str]]) -> Partition:
    """One worker decides all; another in batches of any size, and dies as the plan says: no byte differs."""
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
    await check_same(crashing, steady)
    assert lie(crashing) is None
    return steady


async def check_same(one: Partition, other: Partition) -> None:
    """Both decided the same, published the same, and have it stored alike."""
    assert deduplicated(one) == deduplicated(other)
    assert await one.stored() == await other.stored() == other.slots()
    assert one.database.tables["receipt"] == other.database.tables["receipt"]


async def relay(records: Sequence[LogRecord], size: int, workers: int) -> Partition:
    """Workers take over from each other after every batch of so many records, and every third one dies unpublished."""
    partition = Partition()
    crew = [partition.decider, *(partition._start() for _ in range(workers - 1))]
    for number, begin in enumerate(range(0, len(records), size)):
        before, now = partition.decider, crew[number % workers]
        if now is not before or number == 0:
            before.forget(partition.number)
            await _take_over(partition, now)
        await partition.append(records[begin : begin + size], publish=workers == 1 or number % 3 != 2)
    await _take_over(partition, crew[0])
    return partition


async def _take_over(partition: Partition, worker: Decider) -> None:
    worker.forget(partition.number)
    partition.decider = worker
    await worker.load(partition.connection, partition.number)
    await worker.recover(partition.connection, partition.number)
