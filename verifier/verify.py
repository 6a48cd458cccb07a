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

SLOT_LOG, BOOKING, CLAIM = "youai.slot-log.v1", "youai.booking.v1", "youai.claim.v1"
TOPICS = (SLOT_LOG, BOOKING, CLAIM, "accepted")  # in this order lies are told; the last is what clients were told
DECIDED_ON = {"session": BOOKING, "demand": CLAIM}  # by the kind of the slot
FIRST, HOLDING = ("confirmed", "waitlisted", "rejected"), ("confirmed", "promoted")
LIVE = ("waitlisted", *HOLDING)
MOVES = {"": FIRST, "waitlisted": ("promoted", "released")} | dict.fromkeys(HOLDING, ("released", "ended"))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONED = r"\A(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)\Z"
RULES = Path(__file__).resolve().parent.parent / "services/matching/youai_matching/rules"
Data = dict[str, Any]
Kept = dict[int, dict[str, "Record"]]  # partition -> ce_id -> record, in order; of one topic


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


def instant(value: Any) -> int | None:
    """An RFC 3339 time in whole ms since 1970, rounded down (microseconds to the nearest); None for anything else."""
    try:
        [(day, clock, fraction, zone)] = re.findall(ZONED, value, re.ASCII)
        at = datetime.fromisoformat(f"{day}T{clock}{zone.upper()}")
        at += timedelta(microseconds=(int(fraction[:7].ljust(7, "0")) + 5) // 10)
    except (ValueError, TypeError, OverflowError):
        return None
    return (at - EPOCH) // timedelta(milliseconds=1)


CHECKS: dict[str, Any] = {
    "id": lambda value: isinstance(value, str) and bool(re.fullmatch(r"[^\x00-\x20\x7f]{1,200}", value)),
    "name": lambda value: isinstance(value, str) and 1 <= len(value) <= 200 and "\x00" not in value,
    "label": lambda value: value == "" or CHECKS["name"](value),
    "hash": lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
    "places": lambda value: type(value) is int and 1 <= value <= 100_000,
    "count": lambda value: type(value) is int and 0 <= value < 2**53,
    "time": lambda value: instant(value) is not None,
    "flag": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "hours": lambda value: isinstance(value, list) and [type(item) for item in value] == [str, str],
    "ids": lambda value: isinstance(value, list) and all(map(CHECKS["id"], value)),
    "amounts": lambda value: isinstance(value, dict) and all(map(CHECKS["places"], value.values())),
    "actor": lambda value: isinstance(value, dict) and has_shape(value, "subject=id organization_id=id"),
}
SHAPES = {  # `?`: may be left out; a check that is none of the above is a word. Fields not named here are ignored.
    "slot-opened": "slot_id=id offer_id=id session_id=id capacity=places rule_version=hash opens_at=time "
    "closes_at=time starts_at=time ends_at=time mode?=arrival|draw town_shares?=amounts waitlist?=count|null "
    "invited?=ids invited_until?=time|null seed_hash?=hash|null kind?=session|demand",
    "slot-closed": "slot_id=id reason=session-cancelled|offer-withdrawn|demand-withdrawn|demand-expired",
    "booking-requested": "slot_id=id request_id=id venue_id=id town=label party_size=places auto_accept?=flag "
    "points?=count losses?=count wins?=count working_hours?=hours|null requested_at=time actor=actor",
    "booking-cancelled": "slot_id=id request_id=id actor=actor",
    "claim-requested": "slot_id=id request_id=id demand_id=id provider_id=id provider_name=name actor=actor",
    "claim-end-requested": "slot_id=id request_id=id demand_id=id reason=handed-back|lapsed|center actor=actor",
    "timer-fired": "slot_id=id kind=hold|window|shares|closing|class|accumulation|invited due_at=time subject?=label",
}
ONLY_OF = {"booking": "session", "claim": "demand"}  # how a record's type begins: the one kind of slot that takes it


def has_shape(data: Data, shape: str) -> bool:
    for name, checks in (item.split("=") for item in shape.split()):
        key, value = name.rstrip("?"), data.get(name.rstrip("?"))
        fits = any(CHECKS[check](value) if check in CHECKS else value == check for check in checks.split("|"))
        if not (fits if key in data else key != name):
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
    fits = record.type in [*SHAPES] and isinstance(record.data, dict) and nesting(record.data) <= 100
    fits = named and fits and has_shape(record.data, SHAPES[record.type])
    return not fits or record.key != record.data["slot_id"]


def sift(log: list[Record]) -> None:
    """Says of each record whether it is refused, a repeat within its slot, or new."""
    opened: dict[tuple[int, str | None], tuple[str, set[str]]] = {}  # each slot's kind, and the ce_ids seen in it
    for record in log:
        slot, begins = (record.partition, record.key), str(record.type).partition("-")[0]
        kind = opened[slot][0] if slot in opened else None
        if is_refused(record) or (kind is None and record.type != "slot-opened") or ONLY_OF.get(begins, kind) != kind:
            record.standing = "refused"
            continue
        _, seen = opened.setdefault(slot, (record.data.get("kind", "session"), set()))
        record.standing = "repeat" if record.id in seen else "new"
        seen.add(record.id)


class Request:
    """A venue's request or a provider's claim as it was put, the slot as it found it, and what was decided on it."""

    def __init__(self, asked: Record) -> None:
        data, books = asked.data, asked.type == "booking-requested"
        self.id, self.who = str(data["request_id"]), str(data["venue_id" if books else "provider_id"])
        self.size, self.name = int(data["party_size"]) if books else 1, None if books else str(data["provider_name"])
        self.asked, self.state = asked, ""
        self.before, self.decisions = dict[str, int](), list[Data]()


class Slot:
    """A slot's state after the records so far. Times in ms; a timer is its kind, subject and due time."""

    def __init__(self, opened: Data) -> None:
        self.opened, self.capacity, self.kind = opened, int(opened["capacity"]), str(opened.get("kind", "session"))
        self.timer = ("closing", "", instant(opened["closes_at"])) if self.kind == "session" else None
        self.time = self.taken = self.waiting_places = self.sequence = 0
        self.ended, self.last_hash = "", "0" * 64  # ended: why nothing can be booked any more
        self.requests, self.queue = dict[str, Request](), dict[str, Request]()
        self.live: set[str] = set()  # venues, or providers
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
            self.live.add(request.who)
        elif request.state in LIVE:
            self.live.discard(request.who)
        request.state = outcome

    def next_fitting(self) -> Request | None:
        """The first in the queue whose party fits the free places."""
        free = self.capacity - self.taken
        fits = any(number and size <= free for size, number in self.waiting_sizes.items())
        return next((request for request in self.queue.values() if request.size <= free), None) if fits else None


class Replay:
    """The decisions that the log calls for, in the plainest way, as records that must be published (`offset` apart)."""

    def __init__(self, log: list[Record], rules: dict[str, Data]) -> None:
        self.rules = rules
        self.slots: dict[tuple[int, str], Slot] = {}
        self.decisions: dict[str, Kept] = {topic: {} for topic in DECIDED_ON.values()}
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
        request = slot.requests.get(data["request_id"]) if "request_id=" in SHAPES[record.type] else None
        match record.type:
            case "booking-requested" | "claim-requested" if request is None:
                self._requested(slot, Request(record))
            case "booking-cancelled" if request is not None and request.state in LIVE:
                held = request.state in HOLDING
                self._decide(request, "released", "cancelled")
                # Giving places only makes them fewer: the first who fits, again and again, is one scan of the queue.
                while held and not slot.ended and (waiting := slot.next_fitting()) is not None:
                    self._decide(waiting, "promoted", "place-freed")
            case "claim-end-requested" if request is not None and request.state in LIVE:
                self._decide(request, "ended", data["reason"])
            case "slot-closed" if slot.ended in ("", "closed"):
                slot.ended, slot.timer = data["reason"], None
                for request in [r for r in slot.requests.values() if r.state in HOLDING] + [*slot.queue.values()]:
                    self._decide(request, "released" if slot.kind == "session" else "ended", data["reason"])
            case "timer-fired":
                timer = (data["kind"], data.get("subject", ""), instant(data["due_at"]))
                if timer == slot.timer and slot.time >= (timer[2] or 0):
                    slot.ended, slot.timer = "closed", None
                    for request in list(slot.queue.values()):
                        self._decide(request, "released", "closed")

    def _requested(self, slot: Slot, request: Request) -> None:
        waiting, bound, claims = len(slot.queue), slot.opened.get("waitlist"), slot.kind == "demand"
        request.before = {"before": len(slot.requests), "taken": slot.taken}
        request.before |= {"waiting": waiting, "places": slot.waiting_places}
        slot.requests[request.id] = request
        now = slot.time + self.rules[slot.opened["rule_version"]]["early_tolerance_ms"]
        cases = (
            (slot.ended != "", "rejected", slot.ended),
            (not claims and now < (instant(slot.opened["opens_at"]) or 0), "rejected", "early"),
            (request.size > slot.capacity, "rejected", "party-too-large"),
            (request.who in slot.live, "rejected", "already-yours" if claims else "already-live"),
            (request.size <= slot.capacity - slot.taken, "confirmed", "claim-free" if claims else "place-free"),
            (claims, "rejected", "claimed"),
            (bound is not None and waiting >= bound, "rejected", "waitlist-full"),
            (True, "waitlisted", "full"),
        )
        self._decide(request, *next((outcome, reason) for holds, outcome, reason in cases if holds))

    def _decide(self, request: Request, outcome: str, reason: str) -> None:
        slot, record, waits, version = self.slot, self.record, outcome == "waitlisted", self.slot.opened["rule_version"]
        slot.move(request, outcome)
        slot.sequence += 1
        winner = next(r for r in slot.requests.values() if r.state in HOLDING) if reason == "claimed" else None
        place, ahead = (len(slot.queue), slot.waiting_places - request.size) if waits else (None, None)
        data: Data = {"place": place, "ahead": ahead, "capacity": slot.capacity}
        data |= {"party_size": request.size, "taken": slot.taken}
        values, texts = dict(data), self.rules[version]["texts"][reason]
        if slot.kind == "demand":
            values = {"capacity": slot.capacity, "taken": slot.taken, "winner": winner and winner.name}
            data |= {"demand_id": slot.opened["offer_id"], "provider_id": request.who}
            data |= {"winner_id": winner and winner.who, "winner_name": winner and winner.name}
        else:
            data |= {"slot_id": record.key, "venue_id": request.who}
        for language in ("zh", "en"):
            data[f"reason_{language}"] = texts[language]
            for name, value in values.items():
                said = "" if value is None else str(value)
                data[f"reason_{language}"] = data[f"reason_{language}"].replace("{" + name + "}", said)
        data |= {"reason": reason, "outcome": outcome, "request_id": request.id, "rule_version": version}
        data |= {"log_partition": record.partition, "log_offset": record.offset, "decided_at": rfc3339(slot.time)}
        data |= {"sequence": slot.sequence, "previous_hash": slot.last_hash}
        slot.last_hash = data["hash"] = hashlib.sha256(canonical(data)).hexdigest()
        topic, p, ce_id = DECIDED_ON[slot.kind], record.partition, f"{record.partition}-{record.offset}-{self.index}"
        due = Record(p, -1, slot.time, record.key, ce_id, f"{topic.split('.')[1]}-{outcome}", data)
        self.decisions[topic].setdefault(p, {})[ce_id] = due
        request.decisions.append(data)
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
    groups = groupby(records, lambda record: record.partition)
    wrong = [(due, r) for _, group in groups for due, r in enumerate(group) if r.offset != due]
    return [Lie(topic, r.partition, r.offset, "offsets do not follow", due, r.offset, 9) for due, r in wrong]


def deduplicate(topic: str, published: list[Record], lies: list[Lie]) -> Kept:
    """What a reader keeps of a published topic."""
    kept, highest = Kept(), dict[int, tuple[int, int]]()
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
        lies += [Lie(topic, p, record.offset, *lie)] if lie else []
    return kept


def compare(topic: str, calls: dict[str, Record], kept: dict[str, Record], end: tuple[int, int]) -> list[Lie]:
    """The first place where a partition's decisions are not what the log calls for. `end`: its next offset."""
    for call, ce_id in zip_longest(calls, kept):
        if ce_id is None:
            return [Lie(topic, *end, f"the decision {call} is missing", calls[call].data, None)]
        record, here = kept[ce_id], (topic, kept[ce_id].partition, kept[ce_id].offset)
        if call != ce_id:
            what = f"the log calls for no decision {ce_id}"
            if ce_id in calls:
                what = f"the decision {call} " + ("comes too late" if call in kept else "is missing")
            return [Lie(*here, what, calls[call].data if call else None, record.data)]
        due = calls[ce_id]
        wanted, found = due.data, record.data if isinstance(record.data, dict) else {}
        first = ("request_id", "outcome", "reason", "place", "ahead", "taken")  # what means most to people
        for name in (*first, *sorted((wanted.keys() | found.keys()) - {*first, "hash"}), "hash"):
            one, other = wanted.get(name), found.get(name)
            if one != other or type(one) is not type(other) or (name in wanted) != (name in found):
                return [Lie(*here, f"{ce_id}: {name}", one, other)]
        for name, one, other in (("key", due.key, record.key), ("ce_type", due.type, record.type)):
            if one != other:
                return [Lie(*here, f"{ce_id}: {name}", one, other)]
    return []


class Audit:
    """What must hold whatever is decided. Its slots are what is published, with the log's capacities and sizes."""

    def __init__(self, log: list[Record], kept: dict[str, Kept], lies: list[Lie]) -> None:
        self.lies, self.chains_verified = lies, True
        self.outcomes: dict[str, Counter[str]] = {topic: Counter() for topic in DECIDED_ON.values()}
        self.firsts = Counter[tuple[str, str]]()  # (slot, request)
        self.slots, self.oversold = dict[tuple[int, str], Slot](), set[Slot]()
        for record in [record for record in log if record.standing == "new"]:
            where = (record.partition, record.data["slot_id"])
            if record.type == "slot-opened":
                self.slots.setdefault(where, Slot(record.data))
            elif record.type in ("booking-requested", "claim-requested"):
                self.slots[where].requests.setdefault(record.data["request_id"], Request(record))
        for topic, records in [(topic, records) for topic, parts in kept.items() for records in parts.values()]:
            last = {ce_id.rpartition("-")[0]: ce_id for ce_id in records}
            for ce_id, record in records.items():
                self._take(topic, record, last[ce_id.rpartition("-")[0]] == ce_id)

    def _take(self, topic: str, record: Record, ends: bool) -> None:
        """A decision; `ends` says that it is the last that one record of the log caused."""

        def lie(what: str, expected: Any, found: Any, weight: int = 2, later: int = 0) -> None:
            self.lies.append(Lie(topic, record.partition, record.offset + later, what, expected, found, weight))

        data = record.data if isinstance(record.data, dict) else {}
        outcome, slot = str(data.get("outcome")), self.slots.get((record.partition, str(record.key)))
        request = slot.requests.get(str(data.get("request_id"))) if slot else None
        self.outcomes[topic][outcome] += 1
        if slot is None or request is None or DECIDED_ON[slot.kind] != topic:
            self.chains_verified = False
            return lie("a decision on no request of the log", None, record.data)
        slot.sequence += 1
        body = canonical({name: value for name, value in data.items() if name != "hash"})
        links = {"sequence": slot.sequence, "previous_hash": slot.last_hash, "hash": hashlib.sha256(body).hexdigest()}
        for name in [name for name, link in links.items() if data.get(name) != link]:
            self.chains_verified = False
            lie(f"the chain breaks: {name}", links[name], data.get(name))
        slot.last_hash = str(data.get("hash"))
        before, fits = request.state, slot.next_fitting()
        self.firsts[str(record.key), request.id] += outcome in FIRST
        if outcome in FIRST and before:
            return lie(f"{request.id} has a first outcome already", before, outcome, 0)
        if outcome not in MOVES.get(before, ()):
            return lie(f"{request.id} cannot become this", before, outcome)
        if outcome in HOLDING and fits not in (None, request):
            lie("one who came before and fits is passed over", fits and fits.id, request.id)
        if data.get("reason") == "claimed" and slot.taken < slot.capacity:
            lie("told that it is claimed, while it is free", slot.capacity, slot.taken)
        slot.move(request, outcome)
        request.decisions.append(data)
        if slot.taken > slot.capacity:
            self.oversold.add(slot)
            lie("more places are taken than there are", slot.capacity, slot.taken)
        if ends and (left := slot.next_fitting()) is not None:
            lie("places are free, and one who fits is left waiting", left.id, None, later=1)
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
            lies.append(Lie(TOPICS[-1], None, number, f"first outcomes of {request[1]}", due, found))
    return {request for request in told[True] if not firsts[request]}


class Verdict:
    """All that one run found out."""

    def __init__(self, folder: Path, rules: Path, answers: Path | None) -> None:
        log = read_topic(folder / f"{SLOT_LOG}.jsonl")
        paths = [folder / f"youai.{name}.v1.jsonl" for name in ("organization", "offer")]
        self.offers = [record for path in paths if path.exists() for record in read_topic(path)]
        sift(log)
        self.standings = Counter(record.standing for record in log)
        versions = [path.read_bytes() for path in sorted(rules.glob("*.json"))]
        self.replay = Replay(log, {hashlib.sha256(raw).hexdigest(): json.loads(raw) for raw in versions})
        lies, self.kept, self.dropped = gaps(SLOT_LOG, log), dict[str, Kept](), 0
        for topic, calls in self.replay.decisions.items():
            path = folder / f"{topic}.jsonl"  # an export without claims needs no file of them
            published = read_topic(path) if calls or path.exists() or topic == BOOKING else []
            lies += gaps(topic, published)
            kept = self.kept[topic] = deduplicate(topic, published, lies)
            self.dropped += len(published) - sum(map(len, kept.values()))
            ends = {record.partition: record.offset + 1 for record in published}
            for p in calls.keys() | kept.keys():
                lies += compare(topic, calls.get(p, {}), kept.get(p, {}), (p, ends.get(p, 0)))
        self.audit = Audit(log, self.kept, lies)
        self.asked = {(key[1], name): slot for key, slot in self.replay.slots.items() for name in slot.requests}
        self.undecided = {request for request in self.asked if not self.audit.firsts[request]}
        self.undecided |= check_answers(answers, self.audit.firsts, lies) if answers else set()
        self.lie = min(lies, key=lambda a: (TOPICS.index(a.topic), a.partition or 0, a.offset, a.weight), default=None)

    def summary(self) -> Data:
        """What was found; requests, decisions and oversold slots are of sessions, all else of demands too."""
        (rates, unmet), bookings, claims = market(self), self.audit.outcomes[BOOKING], self.audit.outcomes[CLAIM]
        oversold = Counter(slot.kind for slot in self.audit.oversold)
        facts: Data = {"ok": self.lie is None, "chains_verified": self.audit.chains_verified}
        facts |= {"requests": sum(slot.kind == "session" for slot in self.asked.values())}
        facts |= {"decisions": dict(sorted(bookings.items())), "first_outcomes": {x: bookings[x] for x in FIRST}}
        facts |= {"oversold_slots": oversold["session"], "claim_conflicts": oversold["demand"]}
        facts |= {"claims": {name: claims[name] for name in ("confirmed", "rejected", "ended")}}
        facts |= {"duplicate_outcomes": sum(max(0, number - 1) for number in self.audit.firsts.values())}
        facts |= {"undecided": len(self.undecided), "repeats": self.standings["repeat"]}
        facts |= {"slots": len(self.replay.slots), "refused": self.standings["refused"]}
        facts |= {"duplicates_published": self.dropped, "booking_rate_by_provider": rates, "unmet_by_category": unmet}
        return facts | {"lie": self.lie and dict(zip(Lie._fields[:-1], self.lie, strict=False))}


def market(verdict: Verdict) -> tuple[list[Data], list[Data]]:
    """Booking rates by provider (cancelled sessions left out), and what was asked for and not given, by category."""
    names, offers, sessions = dict[str, str](), dict[str, Data](), dict[str, Data]()
    for record in verdict.offers:
        match record.type, record.data:
            case "organization-registered", {"organization_id": str(key), "name": str(name)}:
                names[key] = name
            case "offer-published", {"offer_id": str(key), "provider_id": str(), "category": str()}:
                offers[key] = record.data
            case "session-opened", {"slot_id": str(key), "offer_id": str(), "capacity": int()}:
                sessions[key] = record.data
            case "session-cancelled", {"slot_id": str(key)}:
                sessions.pop(key, None)
    taken, places, unmet = Counter[str](), Counter[str](), dict[str, Counter[str]]()
    for (p, slot_id), slot in [item for item in verdict.audit.slots.items() if item[1].kind == "session"]:
        taken[slot_id] += slot.taken
        if verdict.replay.slots[p, slot_id].ended not in ("", "closed"):
            sessions.pop(slot_id, None)
        kind = str(offers.get(slot.opened["offer_id"], {}).get("category", "未知 unknown"))
        for request in slot.requests.values():
            reason = str(request.decisions[-1].get("reason")) if request.decisions else ""
            left = request.state in ("waitlisted", "rejected") or (request.state, reason) == ("released", "closed")
            if left and reason not in ("already-live", "early"):
                unmet.setdefault(kind, Counter())[reason] += 1
                places[kind] += request.size
    rates = dict[str, Data]()
    for slot_id, session in [item for item in sessions.items() if item[1]["offer_id"] in offers]:
        offer = offers[session["offer_id"]]
        row = {"provider_id": offer["provider_id"], "provider_name": offer.get("provider_name")}
        row = rates.setdefault(offer["provider_id"], row | {"places_offered": 0, "places_booked": 0})
        row["provider_name"] = names.get(offer["provider_id"], row["provider_name"])
        row["places_offered"] += session["capacity"]
        row["places_booked"] += taken[slot_id]
        row["rate"] = round(row["places_booked"] / row["places_offered"], 4)
    most = sorted(unmet.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = [{"category": k, "requests": n.total(), "places": places[k], "reasons": n} for k, n in most]
    return sorted(rates.values(), key=lambda row: (-row["rate"], row["provider_id"])), rows


OUTCOMES = (*FIRST, "promoted", "released", "ended")
NAMES = dict(zip(OUTCOMES, ("已确认", "候补", "未获名额", "已递补", "已让出", "已终止"), strict=True))
WORDS = {"session": ("场次", "点单", "Slot", "request"), "demand": ("需求", "接单", "Demand", "claim")}  # as {0} to {3}
ASKED = """{0} {slot_id}，{1} {request_id} · {2}, {3}
  {at} 收到，要 {size} 个名额：日志分区 {p} 第 {offset} 号，是这里第 {number} 份{1}。
  在此之前：{1} {before} 份；{capacity} 个名额已占 {taken} 个；候补 {waiting} 份，共 {places} 个名额。
  Asked {at} for {size} places: log partition {p}, offset {offset}, {3} {number} here.
  Before it: {before} {3}s; {taken} of {capacity} places taken; {waiting} waiting for {places} places."""
SAID = """  裁定 {decided_at}：{4}{0}。{reason_zh}
    起因：日志第 {log_offset} 号。凭证：第 {sequence} 号 {hash}，{2}。
  {outcome}{1}. {reason_en}
    Caused by log offset {log_offset}. Receipt {sequence}: {hash}, {3}."""


def proof(verdict: Verdict, who: str) -> str:
    """Every outcome of a venue or a provider in plain words, Chinese first."""
    lines = [f"单位 {who} 的点单、接单与裁定 · What was decided on the requests and claims of {who}"]
    slots = verdict.replay.slots.items()
    for (p, slot_id), slot, request in [(k, s, r) for k, s in slots for r in s.requests.values() if r.who == who]:
        facts: Data = request.before | {"p": p, "slot_id": slot_id, "request_id": request.id, "size": request.size}
        facts |= {"at": rfc3339(request.asked.timestamp), "offset": request.asked.offset, "capacity": slot.capacity}
        lines.append(ASKED.format(*WORDS[slot.kind], **facts, number=request.before["before"] + 1))
        kept = verdict.kept[DECIDED_ON[slot.kind]].get(p, {})
        for decision in request.decisions:
            place, ahead = decision["place"], decision["ahead"]
            queue = (f"，第 {place} 位，前面 {ahead} 个名额", f", number {place}, {ahead} places before it")
            published = ("没有这样发布！", "NOT published so")
            for at in [record.offset for record in kept.values() if record.data == decision][:1]:
                published = (f"已照此发布（分区 {p} 第 {at} 号）", f"published so (partition {p}, offset {at})")
            said = (*(queue if place else ("", "")), *published, NAMES[decision["outcome"]])
            lines.append(SAID.format(*said, **decision))
    lines += [] if lines[1:] else ["没有点单，也没有接单。 · Nothing was asked for."]
    return "\n".join([*lines, "", ""])


def tell(summary: Data) -> str:
    """The summary for people."""
    facts = {name: value for name, value in summary.items() if name != "lie"} | (summary["lie"] or {})
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()]
    true = "属实：发布的裁定与按日志重算的逐字一致。\nTrue: what was published is what the log calls for."
    return "\n".join([*lines, true if summary["ok"] else "不实：第一处如上。\nA lie: the first is told above."])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="verify.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("export_dir", type=Path, help="folder with the exported topics, a file (TOPIC.jsonl) each")
    parser.add_argument("--rules", type=Path, default=RULES, metavar="DIR", help="the rule versions' files")
    parser.add_argument("--accepted", type=Path, metavar="FILE", help="what clients were told, JSON lines")
    parser.add_argument("--venue", metavar="ID", help="prove every outcome of this venue or provider in plain words")
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
