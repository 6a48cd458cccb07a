"""What must hold after every run, told from the logs and tables that a world left: I1 to I7, and whatever is odd."""

import json
import math
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import util
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

from youai_contracts import codec, topics
from youai_contracts.events import Decision
from youai_matching.door_lanes import CLEARED
from youai_runtime.work import Record
from youai_stack import export, root

from youai_proof.sim import rules
from youai_proof.sim.left import Left, Published, Rows, decoded, id_of, published_in
from youai_proof.sim.notified import notified
from youai_proof.sim.seams import BEGINNING_S

ANSWERED_S = 2.0
"""Within which time the door's lane answers a hold for a venue, where nothing goes wrong."""


@dataclass(frozen=True)
class Broken:
    """An invariant that does not hold, and what was found."""

    invariant: str
    found: str


def check(left: Left) -> list[Broken]:
    """Everything that does not hold; the first is the one to look at."""
    if left.gaps:
        return [Broken("I0 sound", what) for what in _stops_at_gaps(left)]
    found = [Broken("I0 sound", what) for what in left.odd]
    published = published_in(left)
    for name, invariant in _INVARIANTS:
        found += [Broken(name, what) for what in invariant(left, published)]
    return found


def _stops_at_gaps(left: Left) -> Iterator[str]:
    """A decider never passes an offset that is missing: it stops, and says so."""
    for number, missing in left.gaps.items():
        later = [r.offset for r in left.logs[topics.SLOT_LOG.name] if r.partition == number and r.offset > missing]
        if later and number not in left.stopped:
            yield f"offset {missing} of partition {number} is missing, and the decider goes on"
        passed = [r for r in left.tables["matching"]["receipt"] if r["partition"] == number]
        if any(row["log_offset"] > missing for row in passed):
            yield f"offset {missing} of partition {number} is missing, and {max(later)} is decided"


@cache
def verifier() -> ModuleType:
    """The verifier, which is one file outside of all packages."""
    spec = util.spec_from_file_location("youai_verifier", root.path() / "verifier/verify.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def write_export(logs: Mapping[str, Sequence[Record]], folder: Path) -> None:
    """Write the topics of decisions as the verifier reads them."""
    for topic in (topics.SLOT_LOG, topics.BOOKING, topics.CLAIM):
        lines = [
            export.line(r.partition, r.offset, r.timestamp, r.key, r.headers, r.value) + b"\n" for r in logs[topic.name]
        ]
        (folder / f"{topic.name}.jsonl").write_bytes(b"".join(lines))


def _replayed(left: Left, _: Published) -> Iterator[str]:
    """I1, I2: what the plain second program says of the logs."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        write_export(left.logs, Path(name))
        summary = verifier().Verdict(Path(name), rules.for_verifier()).summary()
    if summary["lie"] is not None:
        yield f"the verifier found a lie: {json.dumps(summary['lie'], ensure_ascii=False, default=str)[:1500]}"
    if summary["oversold_slots"] or summary["claim_conflicts"]:
        yield f"oversold: {summary['oversold_slots']} slots, {summary['claim_conflicts']} demands"
    if summary["duplicate_outcomes"] or summary["undecided"]:
        yield f"{summary['duplicate_outcomes']} outcomes too many, {summary['undecided']} requests undecided"


_FOR_THE_SLOT_LOG = frozenset(
    {
        "session-opened",
        "session-revised",
        "session-cancelled",
        "demand-posted",
        "demand-claim-requested",
        "demand-claim-end-requested",
        "demand-withdrawn",
    }
)
"""What catalog and demand tell that counts in the slot log alone."""


def _promised(left: Left, published: Published) -> Iterator[str]:
    """I3: what was taken is decided, once; of what was refused nothing is there."""
    asked: dict[str, int] = {}
    for record in left.logs[topics.SLOT_LOG.name]:
        asked[id_of(record)] = min(record.timestamp, asked.get(id_of(record), record.timestamp))
    receipts = {row["record_id"] for row in left.tables["matching"]["receipt"]}
    rows = {row["request_id"] for row in left.tables["matching"]["request"]}
    for topic in (topics.OFFER, topics.DEMAND):
        for received in decoded(topic, left.logs[topic.name]):
            if received.event.type in _FOR_THE_SLOT_LOG and received.id not in asked:
                yield f"{received.event.type} {received.id} never came to the slot log"
    counted = Counter(
        (row["slot_id"], row["record_id"])
        for row in left.tables["matching"]["receipt"]
        if row["kind"] in ("decided", "applied", "ignored")
    )
    yield from (f"{at} was taken for new {count} times" for at, count in counted.items() if count > 1)
    for promise in left.promises.values():
        what = f"{promise.verb} {promise.id} of {promise.venue} in {promise.slot}, answered {promise.statuses}"
        decided = published.by_request.get(promise.id, ())
        if promise.kept:
            if promise.verb == "book" and not decided:
                yield f"{what}, has no outcome"
            elif promise.id not in rows:
                yield f"{what}, was not kept"
            elif promise.id not in asked or promise.id not in receipts:
                yield f"{what}, never came to the log" if promise.id not in asked else f"{what}, has no receipt"
            elif asked[promise.id] > ((promise.taken_at or 0.0) + BEGINNING_S) * 1000:
                yield f"{what}, was told to be taken before the log had it"
        elif promise.refused and (promise.id in asked or decided):
            yield f"{what}, was refused and yet stands in the log"


def _progressed(left: Left, _: Published) -> Iterator[str]:
    """I4: the lanes reach the ends in time, and all comes to rest."""
    yield from (f"{lane} is late" for lane in left.late)
    if not left.quiet:
        yield "the world does not come to rest"


def _in_order(left: Left, published: Published) -> Iterator[str]:
    """I5: the published stream, deduplicated as a lane does, is what was decided, in order, per partition."""
    decided: dict[tuple[str, int], list[tuple[str, bytes]]] = defaultdict(list)
    for row in sorted(left.tables["matching"]["decision"], key=lambda r: (r["partition"], r["log_offset"], r["index"])):
        topic = topics.CLAIM if row["type"].startswith("claim") else topics.BOOKING
        id_ = f"{row['partition']}-{row['log_offset']}-{row['index']}"
        decided[topic.name, row["partition"]].append((id_, bytes(row["data"])))
    seen: dict[tuple[str, int], list[tuple[str, bytes]]] = defaultdict(list)
    for topic in (topics.BOOKING, topics.CLAIM):
        highest: dict[int, tuple[int, ...]] = {}
        for record in left.logs[topic.name]:
            position = tuple(map(int, id_of(record).split("-")))
            if position > highest.get(record.partition, ()):
                highest[record.partition] = position
                seen[topic.name, record.partition].append((id_of(record), record.value or b""))
    for line in sorted(decided.keys() | seen.keys()):
        if decided[line] != seen[line]:
            first = next(
                (pair for pair in zip(decided[line], seen[line], strict=False) if pair[0] != pair[1]),
                (len(decided[line]), len(seen[line])),
            )
            yield f"{line[0]}/{line[1]}: decided and published differ, first at {str(first)[:600]}"


def _folded(left: Left, published: Published) -> Iterator[str]:
    """I6: what matching keeps is what its decisions come to."""
    tables = left.tables["matching"]
    bookings = {row["request_id"]: row for row in tables["booking"]}
    last = {request: received[-1].event for request, received in published.by_request.items()}
    for request, event in last.items():
        status = event.outcome  # type: ignore[attr-defined]
        if status in ("lapsed", "displaced") and event.place is not None:  # type: ignore[attr-defined]
            status = "waitlisted"
        row = bookings.get(request)
        if row is None or row["status"] != status:
            yield f"booking {request} is kept as {row and row['status']}, and its last decision says {status}"
    held = Counter[str]()
    for row in bookings.values():
        held[row["slot_id"]] += row["party_size"] * (row["status"] in ("confirmed", "promoted"))
    for slot in tables["slot"]:
        if slot["taken"] != held[slot["slot_id"]] or slot["taken"] > slot["capacity"]:
            yield f"slot {slot['slot_id']} says {slot['taken']} of {slot['capacity']} taken; its bookings {held}"
    yield from _reserved(tables, last, bookings)
    yield from _organizations(left)


def _reserved(tables: Mapping[str, Rows], last: Mapping[str, Any], bookings: Mapping[str, Any]) -> Iterator[str]:
    """Who has places, or may get them in a draw, is counted against the venue's limits; nobody else is."""
    slots = {row["slot_id"]: row for row in tables["slot"]}
    for row in tables["request"]:
        event = last.get(row["request_id"])
        if not isinstance(event, Decision):
            continue
        held = event.outcome == "promoted" and isinstance(event.hold_until, str)
        expected = event.outcome not in CLEARED and not held
        if row["reserved"] != expected:
            yield f"request {row['request_id']} is reserved: {row['reserved']}; its last outcome is {event.outcome}"
        slot = slots[row["slot_id"]]
        if row["reserved"] and event.outcome == "confirmed" and row["starts_at"] != slot["starts_at"]:
            yield f"request {row['request_id']} is reserved at {row['starts_at']}, its slot starts {slot['starts_at']}"
    settled = {row["record_id"] for row in tables["receipt"]}
    for row in tables["request"]:
        if row["request_id"] not in settled:
            yield f"the door's row {row['request_id']} ({row['kind']}) was never decided"
    for row in tables["outbox"]:
        if row["position"] is None:
            yield f"the outbox keeps an event without a position: {row['topic']}"
    if any(row["kind"] == "hold" and row["subject"] not in bookings for row in tables["timer"]):
        yield "a hold's timer is of no booking"


def _limited(left: Left, _: Published) -> Iterator[str]:
    """R3: no venue has more sessions of an offer than it may, nor two at one time unless it says so."""
    most = rules.book().named(rules.RULES_NAME).limits
    assert most is not None
    moved = {row["slot_id"] for row in left.tables["matching"]["slot"] if row["slot_id"] in _revised(left)}
    by_venue: dict[str, list[Any]] = defaultdict(list)
    for row in left.tables["matching"]["request"]:
        if row["kind"] == "booking" and row["reserved"]:
            by_venue[row["venue_id"]].append(row)
    for venue, reserved in by_venue.items():
        for offer, count in Counter(row["offer_id"] for row in {r["slot_id"]: r for r in reserved}.values()).items():
            if count > most.per_offer:
                yield f"{venue} has {count} sessions of {offer}, and may have {most.per_offer}"
        fixed = [row for row in reserved if row["slot_id"] not in moved and not row["overlap_ok"]]
        for one, other in combinations(fixed, 2):
            apart = one["ends_at"] <= other["starts_at"] or other["ends_at"] <= one["starts_at"]
            if one["slot_id"] != other["slot_id"] and not apart:
                yield f"{venue} is in two places at one time: {one['slot_id']} and {other['slot_id']}"


def _revised(left: Left) -> set[str]:
    """Slots whose session was moved."""
    events: list[Any] = [one.event for one in decoded(topics.OFFER, left.logs[topics.OFFER.name])]
    return {one.slot_id for one in events if one.type == "session-revised" and one.starts_at is not None}


def _answered(left: Left, published: Published) -> Iterator[str]:
    """R5: who wants holds accepted for it has each answered at once; only a fault may leave that to the sweeper."""
    if not left.faultless:
        return
    wanted = [row["request_id"] for row in left.tables["matching"]["request"] if row["auto_accept"]]
    for request in wanted:
        events: list[Any] = [received.event for received in published.by_request.get(request, ())]
        for event, following in zip(events, [*events[1:], None], strict=True):
            if event.outcome != "promoted" or not isinstance(event.hold_until, str):
                continue
            took = math.inf if following is None else _seconds_between(event.decided_at, following.decided_at)
            if took > ANSWERED_S:
                yield f"{request} was promoted, its venue wants that accepted, and it was answered after {took:.1f} s"


def _seconds_between(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


def _organizations(left: Left) -> Iterator[str]:
    latest = {}
    told: dict[int, int] = {}
    for record in left.logs[topics.ORGANIZATION.name]:
        try:
            received = codec.decode(topics.ORGANIZATION, record.key, record.value, record.headers)
        except codec.Undecodable:
            continue
        position = int(received.id.rpartition("-")[2])
        if position > told.get(record.partition, 0):
            told[record.partition] = position
            latest[record.key] = received.event
    kept = {row["organization_id"]: row for row in left.tables["matching"]["organization"]}
    for event in latest.values():
        row = kept.get(event.organization_id)  # type: ignore[attr-defined]
        if row is None or row["parent_id"] != event.parent_id:  # type: ignore[attr-defined]
            yield f"organization {event.organization_id} is not kept as told"  # type: ignore[attr-defined]


_INVARIANTS = (
    ("I1 replay", _replayed),
    ("I3 promises", _promised),
    ("I5 stream", _in_order),
    ("I6 read models", _folded),
    ("R3 limits", _limited),
    ("R5 answers", _answered),
    ("I7 notifications", notified),
    ("I4 progress", _progressed),
)
