"""Decides an exported slot log again and proves the published decisions, or names the first lie.

    python verifier/verify.py EXPORT_DIR [--rules DIR] [--accepted FILE] [--venue ID] [--json]

A second, plain program: Python 3.11 and nothing else, no code in common with what it checks.
Ends with 0 when all is true, 1 when a lie was found, 2 when the call or the export cannot be read.
"""

import argparse
import base64
import gc
import hashlib
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

SLOT_LOG, BOOKING, OFFER, ORGANIZATION = map("youai.{}.v1".format, ("slot-log", "booking", "offer", "organization"))
TOPICS = (SLOT_LOG, BOOKING, "accepted")  # in this order lies are told; the last is what clients were told
FIRST, HOLDING = ("confirmed", "waitlisted", "rejected"), ("confirmed", "promoted")
LIVE = ("waitlisted", *HOLDING)
MOVES = {"": FIRST, "waitlisted": ("promoted", "released")} | dict.fromkeys(HOLDING, ("released",))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RULES = Path(__file__).resolve().parent.parent / "services/matching/youai_matching/rules"
Data = dict[str, Any]
Kept = dict[int, dict[str, "Record"]]  # partition -> ce_id -> record, in order


class Unreadable(Exception):
    """The export, a rule file or the list of answers cannot be read; the message says where."""


@dataclass(slots=True)
class Record:
    """An exported record: the broker's time in ms; `data` None where the value is no JSON."""

    partition: int
    offset: int
    timestamp: int
    key: str | None
    id: Any
    type: Any
    data: Any
    standing: str = ""  # refused, repeat or new: see sift()


_decoder = json.JSONDecoder(  # numbers far out of all bounds need no exact value, and must not become infinite
    parse_int=lambda digits: int(digits) if len(digits) < 40 else 1e300,
    parse_float=lambda digits: max(-1e300, min(float(digits), 1e300)),
)
_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(data: Any) -> bytes:
    """RFC 8785 for decisions (ASCII names, no floats); ValueError for NaN and half a surrogate pair: no JSON."""
    return _encoder.encode(data).encode()


def read_record(line: str) -> Record:
    """A line of an export; ValueError and the like where it is none."""
    row = _decoder.decode(line)
    numbers = (row["partition"], row["offset"], row["timestamp"])
    if any(type(number) is not int for number in numbers) or not isinstance(row["key"], str | None):
        raise ValueError("partition, offset, timestamp or key is of a wrong type")
    raw = row.get("value_base64")
    try:
        data = row["data"] if raw is None else _decoder.decode(base64.b64decode(raw).decode())
        canonical(data)
    except (ValueError, RecursionError):
        data = None
    return Record(*numbers, row["key"], row["headers"].get("ce_id"), row["headers"].get("ce_type"), data)


def read_topic(path: Path) -> list[Record]:
    """A topic's records, by partition and offset."""
    records: list[Record] = []
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            records.extend(map(read_record, lines))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"{path}, line {len(records) + 1}: {error!r}") from error
    return sorted(records, key=lambda record: (record.partition, record.offset))


def read_rules(folder: Path) -> dict[str, Data]:
    """The rule versions of a folder, by the SHA-256 of their files' bytes."""
    files = [path.read_bytes() for path in sorted(folder.glob("*.json"))]
    return {hashlib.sha256(raw).hexdigest(): json.loads(raw) for raw in files}


ZONED = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)"


def instant(value: Any) -> int | None:
    """An RFC 3339 time in whole ms since 1970, rounded down (microseconds to the nearest); None for anything else."""
    match = re.fullmatch(ZONED, value, re.ASCII) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        at = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4].upper()}")
        at += timedelta(microseconds=(int((match[3] or "0")[:7].ljust(7, "0")) + 5) // 10)
    except (ValueError, OverflowError):
        return None
    return (at - EPOCH) // timedelta(milliseconds=1)


CHECKS: dict[str, Any] = {
    "id": lambda value: isinstance(value, str) and len(value) <= 200 and bool(re.search(r"^[^\x00-\x20\x7f]+$", value)),
    "label": lambda value: isinstance(value, str) and len(value) <= 200 and "\x00" not in value,
    "hash": lambda value: isinstance(value, str) and bool(re.search("^[0-9a-f]{64}$", value)),
    "places": lambda value: type(value) is int and 1 <= value <= 100_000,
    "count": lambda value: type(value) is int and 0 <= value < 2**53,
    "time": lambda value: instant(value) is not None,
    "flag": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "mode": lambda value: value in ("arrival", "draw"),
    "reason": lambda value: value in ("session-cancelled", "offer-withdrawn"),
    "kind": lambda value: value in ("hold", "window", "shares", "closing", "class", "accumulation", "invited"),
    "hours": lambda value: isinstance(value, list) and [type(item) for item in value] == [str, str],
    "ids": lambda value: isinstance(value, list) and all(map(CHECKS["id"], value)),
    "shares": lambda value: isinstance(value, dict) and all(map(CHECKS["places"], value.values())),
    "actor": lambda value: isinstance(value, dict) and has_shape(value, "subject=id organization_id=id"),
}
SHAPES = {  # `?`: may be left out. Fields that are not named here are ignored.
    "slot-opened": "slot_id=id offer_id=id session_id=id capacity=places rule_version=hash opens_at=time "
    "closes_at=time starts_at=time ends_at=time mode?=mode town_shares?=shares waitlist?=count|null "
    "invited?=ids invited_until?=time|null seed_hash?=hash|null",
    "slot-closed": "slot_id=id reason=reason",
    "booking-requested": "slot_id=id request_id=id venue_id=id town=label party_size=places auto_accept?=flag "
    "points?=count losses?=count wins?=count working_hours?=hours|null requested_at=time actor=actor",
    "booking-cancelled": "slot_id=id request_id=id actor=actor",
    "timer-fired": "slot_id=id kind=kind due_at=time subject?=label",
}


def has_shape(data: Data, shape: str) -> bool:
    for name, checks in (item.split("=") for item in shape.split()):
        key = name.rstrip("?")
        if not (any(CHECKS[check](data[key]) for check in checks.split("|")) if key in data else key != name):
            return False
    return True


def nesting(value: Any) -> int:  # of objects and arrays in each other
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        level, depth = [x for item in level for x in (item.values() if isinstance(item, dict) else item)], depth + 1
    return depth


def is_refused(record: Record) -> bool:
    """Whether a record can be none of the slot log's, whatever came before it."""
    named = isinstance(record.id, str) and 0 < len(record.id) <= 200 and record.id.isprintable()
    if not named or not isinstance(record.data, dict) or record.type not in [*SHAPES] or nesting(record.data) > 100:
        return True
    return not has_shape(record.data, SHAPES[record.type]) or record.key != record.data["slot_id"]


def sift(log: list[Record]) -> None:
    """Says of each record whether it is refused, a repeat within its slot, or new."""
    seen: dict[tuple[int, str | None], set[str]] = {}  # the ce_ids of each slot that was opened
    for record in log:
        slot = (record.partition, record.key)
        if is_refused(record) or (record.type != "slot-opened" and slot not in seen):
            record.standing = "refused"
        else:
            record.standing = "repeat" if record.id in seen.setdefault(slot, set()) else "new"
            seen[slot].add(record.id)


class Request:
    """A request as it was put, the slot as it found it, and what was decided on it."""

    def __init__(self, asked: Record) -> None:
        self.id, self.venue = str(asked.data["request_id"]), str(asked.data["venue_id"])
        self.size, self.asked, self.state = int(asked.data["party_size"]), asked, ""
        self.before: dict[str, int] = {}
        self.decisions: list[Data] = []


class Slot:
    """A slot's state after the records so far. Times in ms; a timer is its kind, subject and due time."""

    def __init__(self, opened: Data) -> None:
        self.opened, self.capacity = opened, int(opened["capacity"])
        self.timers = {("closing", "", instant(opened["closes_at"]))}
        self.time = self.taken = self.waiting_places = self.sequence = 0
        self.ended, self.last_hash = "", "0" * 64  # ended: why nothing can be booked any more
        self.requests: dict[str, Request] = {}
        self.queue: dict[str, Request] = {}
        self.live: set[str] = set()  # venues
        self.waiting_sizes = Counter[int]()  # so that a long queue in which nobody fits is not walked each time

    def move(self, request: Request, outcome: str) -> None:
        """Gives or takes back places, or a place in the queue, as the request's state changes."""
        self.taken += request.size * ((outcome in HOLDING) - (request.state in HOLDING))
        queued = (outcome == "waitlisted") - (request.state == "waitlisted")
        self.waiting_places += request.size * queued
        self.waiting_sizes[request.size] += queued
        if queued > 0:
            self.queue[request.id] = request
        elif queued < 0:
            del self.queue[request.id]
        if outcome in LIVE:
            self.live.add(request.venue)
        elif request.state in LIVE:
            self.live.discard(request.venue)
        request.state = outcome

    def next_fitting(self) -> Request | None:
        """The first in the queue whose party fits the free places."""
        free = self.capacity - self.taken
        fits = any(number and size <= free for size, number in self.waiting_sizes.items())
        return next((request for request in self.queue.values() if request.size <= free), None) if fits else None


class Replay:
    """The decisions that the log calls for, in the plainest way: partition -> ce_id -> decision, in order."""

    def __init__(self, log: list[Record], rules: dict[str, Data]) -> None:
        self.rules = rules
        self.slots: dict[tuple[int, str], Slot] = {}
        self.decisions: dict[int, dict[str, Data]] = {}
        for record in [record for record in log if record.standing != "refused"]:
            self._take(record)

    def _take(self, record: Record) -> None:
        where, data = (record.partition, record.data["slot_id"]), record.data
        if where not in self.slots:
            if data["rule_version"] not in self.rules:
                raise Unreadable(f"no file of the rules given is rule version {data['rule_version']}")
            self.slots[where] = Slot(data)
        slot = self.slots[where]
        slot.time = max(slot.time, record.timestamp)
        if record.standing == "repeat":
            return
        self.record, self.slot, self.index = record, slot, 0
        request = slot.requests.get(data.get("request_id"))
        match record.type:
            case "booking-requested" if request is None:
                self._requested(slot, Request(record))
            case "booking-cancelled" if request is not None and request.state in LIVE:
                held = request.state in HOLDING
                self._decide(request, "released", "cancelled")
                # Giving places only makes them fewer: the first who fits, again and again, is one scan of the queue.
                while held and not slot.ended and (waiting := slot.next_fitting()) is not None:
                    self._decide(waiting, "promoted", "place-freed")
            case "slot-closed" if slot.ended in ("", "closed"):
                slot.ended = data["reason"]
                slot.timers.clear()
                for request in [r for r in slot.requests.values() if r.state in HOLDING] + [*slot.queue.values()]:
                    self._decide(request, "released", data["reason"])
            case "timer-fired":
                timer = (data["kind"], data.get("subject", ""), instant(data["due_at"]))
                if timer in slot.timers and slot.time >= (timer[2] or 0):
                    slot.timers.remove(timer)
                    slot.ended = "closed"
                    for request in list(slot.queue.values()):
                        self._decide(request, "released", "closed")

    def _requested(self, slot: Slot, request: Request) -> None:
        waiting, bound = len(slot.queue), slot.opened.get("waitlist")
        request.before = {"requests": len(slot.requests), "taken": slot.taken}
        request.before |= {"waiting": waiting, "waiting_places": slot.waiting_places}
        slot.requests[request.id] = request
        now = slot.time + self.rules[slot.opened["rule_version"]]["early_tolerance_ms"]
        if slot.ended:
            self._decide(request, "rejected", slot.ended)
        elif now < (instant(slot.opened["opens_at"]) or 0):
            self._decide(request, "rejected", "early")
        elif request.size > slot.capacity:
            self._decide(request, "rejected", "party-too-large")
        elif request.venue in slot.live:
            self._decide(request, "rejected", "already-live")
        elif request.size <= slot.capacity - slot.taken:
            self._decide(request, "confirmed", "place-free")
        elif bound is not None and waiting >= bound:
            self._decide(request, "rejected", "waitlist-full")
        else:
            self._decide(request, "waitlisted", "full", waiting + 1, slot.waiting_places)

    def _decide(self, request: Request, outcome: str, reason: str, place: Any = None, ahead: Any = None) -> None:
        slot, record, index = self.slot, self.record, self.index
        slot.move(request, outcome)
        slot.sequence += 1
        numbers: Data = {"place": place, "ahead": ahead, "capacity": slot.capacity, "party_size": request.size}
        numbers["taken"] = slot.taken
        words = dict(self.rules[slot.opened["rule_version"]]["texts"][reason])
        for name, number in numbers.items():
            for language in ("zh", "en"):
                words[language] = words[language].replace("{" + name + "}", "" if number is None else str(number))
        decision = {**numbers, "reason": reason, "reason_zh": words["zh"], "reason_en": words["en"]}
        decision |= {"request_id": request.id, "venue_id": request.venue, "slot_id": record.key}
        decision |= {"log_partition": record.partition, "log_offset": record.offset, "outcome": outcome}
        decision |= {"decided_at": rfc3339(slot.time), "rule_version": slot.opened["rule_version"]}
        decision |= {"sequence": slot.sequence, "previous_hash": slot.last_hash}
        slot.last_hash = decision["hash"] = hashlib.sha256(canonical(decision)).hexdigest()
        self.decisions.setdefault(record.partition, {})[f"{record.partition}-{record.offset}-{index}"] = decision
        request.decisions.append(decision)
        self.index += 1


def rfc3339(ms: int) -> str:
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Lie(NamedTuple):
    """Where something is not true. Of several at one record, the one of least weight is told."""

    topic: str  # or "accepted": then the partition is None, the offset a line of that file
    partition: int | None
    offset: int
    what: str
    expected: Any
    found: Any
    weight: int = 1


def gaps(topic: str, records: list[Record]) -> list[Lie]:
    """Where offsets do not follow each other from 0, per partition."""
    pairs = [(due, record) for _, group in groupby(records, lambda r: r.partition) for due, record in enumerate(group)]
    return [
        Lie(topic, r.partition, r.offset, "offsets do not follow", due, r.offset, 9)
        for due, r in pairs
        if r.offset != due
    ]


def deduplicate(published: list[Record], lies: list[Lie]) -> tuple[Kept, int]:
    """What a reader keeps of the published topic, and how many records it drops."""
    kept: Kept = {}
    highest, dropped = dict[int, tuple[int, int]](), 0
    for record in published:
        p, ce_id, here, lie = record.partition, str(record.id), kept.setdefault(record.partition, {}), None
        match = re.fullmatch(rf"{p}-(0|[1-9]\d*)-(0|[1-9]\d*)", ce_id, re.ASCII)
        position = (int(match[1]), int(match[2])) if match else (-1, -1)
        if match and position > highest.get(p, (-1, -1)):
            highest[p], here[ce_id] = position, record
        elif match is None:
            lie = ("ce_id", f"{p}-(offset)-(index)", record.id)
        elif ce_id not in here:
            lie = (f"{ce_id} comes after a later decision: every reader drops it", "the log's order", ce_id)
        elif canonical(record.data) != canonical(here[ce_id].data):
            lie = (f"{ce_id} is published again with other words", here[ce_id].data, record.data)
        dropped += here.get(ce_id) is not record
        lies += [Lie(BOOKING, p, record.offset, *lie)] if lie else []
    return kept, dropped


def compare(calls: dict[str, Data], kept: dict[str, Record], end: tuple[int, int]) -> list[Lie]:
    """The first place where a partition's decisions are not what the log calls for. `end`: its next offset."""
    for call, ce_id in zip_longest(calls, kept):
        if ce_id is None:
            return [Lie(BOOKING, *end, f"the decision {call} is missing", calls[call], None)]
        record = kept[ce_id]
        if call != ce_id:
            what = f"the log calls for no decision {ce_id}"
            if ce_id in calls:
                what = f"the decision {call} " + ("comes too late" if call in kept else "is missing")
            return [Lie(BOOKING, record.partition, record.offset, what, calls.get(call), record.data)]
        wanted = {"key": calls[call]["slot_id"], "ce_type": f"booking-{calls[call]['outcome']}", **calls[call]}
        found = {"key": record.key, "ce_type": record.type, **(record.data if isinstance(record.data, dict) else {})}
        first = ("request_id", "outcome", "reason", "place", "ahead", "taken")  # what means most to people
        for name in (*first, *sorted((wanted.keys() | found.keys()) - {*first, "hash"}), "hash"):
            one, other = wanted.get(name), found.get(name)
            if one != other or type(one) is not type(other) or (name in wanted) != (name in found):
                return [Lie(BOOKING, record.partition, record.offset, f"{ce_id}: {name}", one, other)]
    return []


class Audit:
    """What must hold whatever is decided. Its slots are what is published, with the log's capacities and sizes."""

    def __init__(self, log: list[Record], kept: Kept, lies: list[Lie]) -> None:
        self.lies, self.chains_verified = lies, True
        self.outcomes, self.firsts = Counter[str](), Counter[tuple[str, str]]()  # (slot, request)
        self.slots: dict[tuple[int, str], Slot] = {}
        self.oversold: set[Slot] = set()
        for record in [record for record in log if record.standing == "new"]:
            where = (record.partition, record.data["slot_id"])
            if record.type == "slot-opened":
                self.slots.setdefault(where, Slot(record.data))
            elif record.type == "booking-requested":
                self.slots[where].requests.setdefault(record.data["request_id"], Request(record))
        for records in kept.values():
            last = {ce_id.rpartition("-")[0]: ce_id for ce_id in records}
            for ce_id, record in records.items():
                self._take(record, last[ce_id.rpartition("-")[0]] == ce_id)

    def _lie(self, record: Record, what: str, expected: Any, found: Any, weight: int = 2) -> None:
        self.lies.append(Lie(BOOKING, record.partition, record.offset, what, expected, found, weight))

    def _take(self, record: Record, ends: bool) -> None:
        """A decision; `ends` says that it is the last that one record of the log caused."""
        data = record.data if isinstance(record.data, dict) else {}
        outcome, slot = str(data.get("outcome")), self.slots.get((record.partition, str(data.get("slot_id"))))
        request = slot.requests.get(str(data.get("request_id"))) if slot else None
        self.outcomes[outcome] += 1
        if slot is None or request is None:
            self.chains_verified = False
            return self._lie(record, "a decision on no request of the log", None, record.data)
        slot.sequence += 1
        body = canonical({name: value for name, value in data.items() if name != "hash"})
        links = {"sequence": slot.sequence, "previous_hash": slot.last_hash, "hash": hashlib.sha256(body).hexdigest()}
        for name in [name for name, link in links.items() if data.get(name) != link]:
            self.chains_verified = False
            self._lie(record, f"the chain breaks: {name}", links[name], data.get(name))
        slot.last_hash = str(data.get("hash"))
        before, fits = request.state, slot.next_fitting()
        self.firsts[data["slot_id"], request.id] += outcome in FIRST
        if outcome in FIRST and before:
            return self._lie(record, f"{request.id} has a first outcome already", before, outcome, 0)
        if outcome not in MOVES.get(before, ()):
            return self._lie(record, f"{request.id} cannot become this", before, outcome)
        if outcome in HOLDING and fits not in (None, request):
            self._lie(record, "one who came before and fits is passed over", fits and fits.id, request.id)
        slot.move(request, outcome)
        request.decisions.append(data)
        if slot.taken > slot.capacity:
            self.oversold.add(slot)
            self._lie(record, "more places are taken than there are", slot.capacity, slot.taken)
        if ends and (left := slot.next_fitting()) is not None:
            what = "places are free, and one who fits is left waiting"
            self.lies.append(Lie(BOOKING, record.partition, record.offset + 1, what, left.id, None, 2))
        return None


def check_answers(path: Path, firsts: Counter[tuple[str, str]], lies: list[Lie]) -> set[tuple[str, str]]:
    """The requests accepted (202) without an outcome. Whoever was refused has none; 504, 0 and null promise nothing."""
    told: dict[bool, dict[tuple[str, str], int]] = {False: {}, True: {}}
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            row = json.loads(line)
            if row["status"] not in (0, 504, None) and row["request_id"] is not None:
                told[row["status"] == 202].setdefault((row["slot_id"], row["request_id"]), number)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{path}: {error!r}") from error
    for request, number in (told[False] | told[True]).items():  # refused, then accepted under the same key: accepted
        due, found = int(request in told[True]), firsts[request]
        if found != due:
            lies.append(Lie(TOPICS[2], None, number, f"first outcomes of {request[1]}", due, found))
    return {request for request in told[True] if not firsts[request]}


class Verdict:
    """All that one run found out."""

    def __init__(self, folder: Path, rules: Path, answers: Path | None) -> None:
        log, published = read_topic(folder / f"{SLOT_LOG}.jsonl"), read_topic(folder / f"{BOOKING}.jsonl")
        files = [folder / f"{topic}.jsonl" for topic in (ORGANIZATION, OFFER)]
        self.offers = [record for path in files if path.exists() for record in read_topic(path)]
        sift(log)
        self.standings = Counter(record.standing for record in log)
        self.replay = Replay(log, read_rules(rules))
        lies = gaps(SLOT_LOG, log) + gaps(BOOKING, published)
        self.kept, self.dropped = deduplicate(published, lies)
        self.audit = Audit(log, self.kept, lies)
        ends = {record.partition: record.offset + 1 for record in published}
        for p in self.replay.decisions.keys() | self.kept.keys():
            lies += compare(self.replay.decisions.get(p, {}), self.kept.get(p, {}), (p, ends.get(p, 0)))
        self.asked = {(slot[1], name) for slot, state in self.replay.slots.items() for name in state.requests}
        self.undecided = {request for request in self.asked if not self.audit.firsts[request]}
        self.undecided |= check_answers(answers, self.audit.firsts, lies) if answers else set()
        self.lie = min(lies, key=lambda a: (TOPICS.index(a.topic), a.partition or 0, a.offset, a.weight), default=None)

    def summary(self) -> Data:
        audit, (rates, unmet) = self.audit, market(self)
        return {
            "ok": self.lie is None,
            "requests": len(self.asked),
            "decisions": dict(sorted(audit.outcomes.items())),
            "first_outcomes": {outcome: audit.outcomes[outcome] for outcome in FIRST},
            "oversold_slots": len(audit.oversold),
            "undecided": len(self.undecided),
            "duplicate_outcomes": sum(max(0, number - 1) for number in audit.firsts.values()),
            "chains_verified": audit.chains_verified,
            "slots": len(self.replay.slots),
            "repeats": self.standings["repeat"],
            "refused": self.standings["refused"],
            "duplicates_published": self.dropped,
            "booking_rate_by_provider": rates,
            "unmet_by_category": unmet,
            "lie": self.lie and {name: value for name, value in self.lie._asdict().items() if name != "weight"},
        }


def market(verdict: Verdict) -> tuple[list[Data], list[Data]]:
    """Booking rates by provider (cancelled sessions left out), and what was asked for and not given, by category."""
    names, offers = dict[str, str](), dict[str, Data]()
    sessions, cancelled = dict[str, tuple[str, int]](), set[str]()
    for record in verdict.offers:
        match record.type, record.data:
            case "organization-registered", {"organization_id": str(key), "name": str(name)}:
                names[key] = name
            case "offer-published", {"offer_id": str(key), "provider_id": str(), "category": str()}:
                offers[key] = record.data
            case "session-opened", {"slot_id": str(key), "offer_id": str(offer), "capacity": int(size)}:
                sessions[key] = (offer, size)
            case "session-cancelled", {"slot_id": str(key)}:
                cancelled.add(key)
    row: Data
    taken, rates, unmet = Counter[str](), dict[str, Data](), dict[str, Data]()
    for (p, slot_id), slot in verdict.audit.slots.items():
        taken[slot_id] += slot.taken
        if verdict.replay.slots[p, slot_id].ended not in ("", "closed"):
            cancelled.add(slot_id)
        kind = str(offers.get(slot.opened["offer_id"], {}).get("category", "未知 unknown"))
        for request in slot.requests.values():
            reason = str(request.decisions[-1].get("reason")) if request.decisions else ""
            left = request.state in ("waitlisted", "rejected") or (request.state, reason) == ("released", "closed")
            if left and reason not in ("already-live", "early"):
                row = unmet.setdefault(kind, {"category": kind, "requests": 0, "places": 0, "reasons": Counter()})
                row["requests"] += 1
                row["places"] += request.size
                row["reasons"][reason] += 1
    for slot_id, (offer_id, capacity) in sessions.items():
        if slot_id not in cancelled and offer_id in offers:
            key = offers[offer_id]["provider_id"]
            row = {"provider_id": key, "provider_name": names.get(key, offers[offer_id].get("provider_name"))}
            row = rates.setdefault(key, row | {"places_offered": 0, "places_booked": 0})
            row["places_offered"] += capacity
            row["places_booked"] += taken[slot_id]
            row["rate"] = round(row["places_booked"] / row["places_offered"], 4)
    most_unmet = sorted(unmet.values(), key=lambda row: (-row["requests"], row["category"]))
    return sorted(rates.values(), key=lambda row: (-row["rate"], row["provider_id"])), most_unmet


NAMES = dict(zip((*FIRST, "promoted", "released"), ("已确认", "候补", "未获名额", "已递补", "已让出"), strict=True))
ASKED_ZH = """场次 {slot_id}，点单 {request_id}
  {asked} 收到，要 {party_size} 个名额：日志分区 {p} 第 {offset} 号，是本场第 {number} 份点单。
  在此之前：点单 {requests} 份；{capacity} 个名额已占 {taken} 个；候补 {waiting} 份，共 {waiting_places} 个名额。"""
ASKED_EN = """Slot {slot_id}, request {request_id}
  Asked {asked} for {party_size} places: log partition {p}, offset {offset}, request {number} of this slot.
  Before it: {requests} requests; {taken} of {capacity} places taken; {waiting} waiting for {waiting_places} places."""
DECIDED_ZH = """  裁定 {decided_at}：{name}{queue_zh}。{reason_zh}
    起因：日志第 {log_offset} 号。凭证：本场第 {sequence} 号 {hash}，{published_zh}。"""
DECIDED_EN = """  {decided_at}: {outcome}{queue_en}. {reason_en}
    Caused by log offset {log_offset}. Receipt {sequence} of this slot: {hash}, {published_en}."""


def proof(verdict: Verdict, venue_id: str) -> str:
    """Every outcome of a venue in plain words, Chinese first."""
    zh, en = [f"单位 {venue_id} 的点单与裁定"], [f"What was decided on the requests of {venue_id}"]
    slots = verdict.replay.slots.items()
    for p, slot, request in [(k[0], s, r) for k, s in slots for r in s.requests.values() if r.venue == venue_id]:
        facts = {**request.asked.data, **request.before, "number": request.before["requests"] + 1, "p": p}
        facts |= {"asked": rfc3339(request.asked.timestamp), "offset": request.asked.offset, "capacity": slot.capacity}
        zh.append(ASKED_ZH.format_map(facts))
        en.append(ASKED_EN.format_map(facts))
        for decision in request.decisions:
            place, ahead = decision["place"], decision["ahead"]
            queue_zh, queue_en = f"，第 {place} 位，前面 {ahead} 个名额", f", number {place}, {ahead} places before it"
            facts = {**decision, "name": NAMES[decision["outcome"]]}
            facts |= {"queue_zh": queue_zh if place else "", "queue_en": queue_en if place else ""}
            at = [record.offset for record in verdict.kept.get(p, {}).values() if record.data == decision]
            facts["published_zh"] = f"已照此发布（分区 {p} 第 {at[0]} 号）" if at else "没有这样发布！"
            facts["published_en"] = f"published so (partition {p}, offset {at[0]})" if at else "NOT published so"
            zh.append(DECIDED_ZH.format_map(facts))
            en.append(DECIDED_EN.format_map(facts))
    if len(zh) == 1:
        zh, en = [f"单位 {venue_id} 在日志中没有点单。"], [f"The log has no request of {venue_id}."]
    return "\n".join([*zh, "", *en, "", ""])


def tell(summary: Data) -> str:
    """The summary for people."""
    facts = {name: value for name, value in summary.items() if name != "lie"} | (summary["lie"] or {})
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()]
    true = "属实：发布的裁定与按日志重算的逐字一致。\nTrue: what was published is what the log calls for."
    return "\n".join([*lines, true if summary["ok"] else "不实：第一处如上。\nA lie: the first is told above."])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="verify.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("export_dir", type=Path, help=f"folder with {SLOT_LOG}.jsonl and {BOOKING}.jsonl")
    parser.add_argument("--rules", type=Path, default=RULES, metavar="DIR", help="the rule versions' files")
    parser.add_argument("--accepted", type=Path, metavar="FILE", help="what clients were told, JSON lines")
    parser.add_argument("--venue", metavar="ID", help="prove every outcome of this venue in plain words")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args(arguments)
    gc.disable()  # nothing here is cyclic, and looking for cycles costs a third of the time
    try:
        verdict = Verdict(options.export_dir, options.rules, options.accepted)
        summary, told = verdict.summary(), proof(verdict, options.venue) if options.venue else ""
    except Exception as error:  # whatever it is, nothing was proved and no lie was found
        print(f"verify.py: {error if isinstance(error, Unreadable) else repr(error)}", file=sys.stderr)
        return 2
    as_json = json.dumps(summary | ({"proof": told} if told else {}), ensure_ascii=False)
    print((as_json if options.json else told + tell(summary)).encode(errors="backslashreplace").decode())
    return 0 if verdict.lie is None else 1


if __name__ == "__main__":
    sys.exit(main())
