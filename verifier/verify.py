"""Decides an exported slot log again and proves the published decisions, or names the first lie.

    python verifier/verify.py EXPORT_DIR [--rules DIR] [--venue ID] [--json]

A second, plain program, written from docs/rules.md: this file and Python 3.11, no code in common with what it checks.
Ends with 0 when all is true, 1 when a lie was found, 2 when the call or the export cannot be read.
"""

import argparse
import base64
import gc
import hashlib
import json
import re
import sys
from collections import Counter, namedtuple
from datetime import UTC, datetime, timedelta
from itertools import count, groupby, zip_longest
from operator import attrgetter
from pathlib import Path
from typing import Any

TOPICS = SLOT_LOG, BOOKING, CLAIM = "youai.slot-log.v1", "youai.booking.v1", "youai.claim.v1"  # as lies are told
DECIDED_ON = {"session": BOOKING, "demand": CLAIM}  # by the kind of the slot
RULES = Path(__file__).resolve().parent.parent / "services/matching/youai_matching/rules"
UNSURE = ("entered", "waitlisted", "promoted")
HOLDING, LIVE, FIRST = ("promoted", "confirmed"), (*UNSURE, "confirmed"), ("confirmed", "waitlisted", "rejected")
PARTS = ("draw", "town_shares", "queue", "hold", "points", "limits", "override", "calendar")
BEFORE_START = {  # timers that are set so long before the session: the part of the rules, and its setting
    "shares": ("town_shares", "until_ms_before"),
    "class": ("points", "second_class_until_ms_before"),
    "accumulation": ("queue", "kept_until_ms_before"),
}
DAY, EPOCH, NONE, TIMES = 86_400_000, datetime(1970, 1, 1, tzinfo=UTC), "0" * 64, ("opens", "closes", "starts")
ORDER, ABSENT = attrgetter("second", "rank"), ("absent",)  # the queue's order; no field, which no JSON is
ZONED = r"\A(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)\Z"
Data = dict[str, Any]
Record = namedtuple("Record", "partition offset timestamp key id type data")  # times in ms; data None: no JSON
Lie = namedtuple("Lie", "topic partition offset what expected found")
Kept = dict[int, dict[str, Record]]  # partition -> ce_id -> record, in order; of one topic

_decoder = json.JSONDecoder(  # numbers far out of all bounds need no exact value, and must not become infinite
    parse_int=lambda digits: int(digits) if len(digits) < 40 else 1e300,
    parse_float=lambda digits: max(-1e300, min(float(digits), 1e300)),
)
_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(data: Any) -> bytes:  # RFC 8785 for decisions; ValueError: no JSON (NaN, half a pair)
    return _encoder.encode(data).encode()


def read_record(line: str) -> Record:  # ValueError and the like where it is none
    row = _decoder.decode(line)
    numbers, raw = (row["partition"], row["offset"], row["timestamp"]), row.get("value_base64")
    if any(type(number) is not int for number in numbers) or not isinstance(row["key"], str | None):
        raise ValueError("partition, offset, timestamp or key is of a wrong type")
    try:
        data = row["data"] if raw is None else _decoder.decode(base64.b64decode(raw).decode())
        data = data if canonical(data) and nesting(data) <= 100 else None
    except (ValueError, RecursionError):
        data = None
    return Record(*numbers, row["key"], row["headers"].get("ce_id"), row["headers"].get("ce_type"), data)


def read_topic(folder: Path, topic: str, lies: list[Lie]) -> list[Record]:  # by partition and offset
    records, path = list[Record](), folder / f"{topic}.jsonl"
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            records.extend(map(read_record, lines))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}, line {len(records) + 1}: {error!r}") from error
    records.sort(key=lambda record: (record.partition, record.offset))
    for p, run in groupby(records, lambda record: record.partition):
        lies += [Lie(topic, p, r.offset, "offsets jump", n, r.offset) for n, r in enumerate(run) if r.offset != n]
    return records


def rfc3339(ms: int) -> str:
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(value: Any) -> int | None:  # RFC 3339 to whole ms, rounded down (microseconds to the nearest)
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
    "text": lambda value: isinstance(value, str) and 1 <= len(value) <= 1000 and "\x00" not in value,
    "label": lambda value: value == "" or CHECKS["name"](value),
    "places": lambda value: type(value) is int and 1 <= value <= 100_000,
    "count": lambda value: type(value) is int and 0 <= value < 2**53,
    "hash": lambda value: isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)),
    "time": lambda value: instant(value) is not None,
    "flag": lambda value: isinstance(value, bool),
    "hours": lambda value: isinstance(value, list) and [type(item) for item in value] == [str, str],
    "ids": lambda value: isinstance(value, list) and len(value) <= 1000 and all(map(CHECKS["id"], value)),
    "amounts": lambda value: isinstance(value, dict) and len(value) <= 50 and all(map(CHECKS["amount"], value.items())),
    "amount": lambda item: CHECKS["name"](item[0]) and CHECKS["places"](item[1]),
    "actor": lambda value: isinstance(value, dict) and has_shape(value, "subject=id organization_id=id"),
}
ASKS = "request_id=id actor=actor "
SHAPES = {  # `?`: may be left out, `~`: or null; what is no check by name is a pattern. All have a slot_id.
    "slot-opened": "offer_id=id session_id=id capacity=places rule_version=hash opens_at=time closes_at=time "
    "starts_at=time ends_at=time mode?=arrival|draw town_shares?=amounts waitlist~=count invited?=ids "
    "invited_until~=time seed_hash~=hash kind?=session|demand",
    "slot-revised": "capacity~=places rule_version~=hash opens_at~=time closes_at~=time starts_at~=time ends_at~=time",
    "slot-closed": "reason=session-cancelled|offer-withdrawn|demand-withdrawn|demand-expired",
    "booking-requested": ASKS + "venue_id=id town=label party_size=places auto_accept?=flag points?=count "
    "losses?=count wins?=count working_hours~=hours requested_at=time",
    "booking-cancelled": ASKS,
    "hold-accepted": ASKS + "held~=count",
    "hold-declined": ASKS + "reason?=declined|limit held~=count",
    "override-requested": ASKS + "venue_id=id town=label party_size=places capacity~=places explanation=text",
    "draw-revealed": "seed=hash",
    "claim-requested": ASKS + "demand_id=id provider_id=id provider_name=name",
    "claim-end-requested": ASKS + "demand_id=id reason=handed-back|lapsed|center",
    "timer-fired": "kind=hold|window|shares|closing|class|accumulation|invited due_at=time subject?=label",
}
ONLY_OF = {"booking": "session", "hold": "session", "override": "session", "claim": "demand"}  # how a type begins: kind


def has_shape(data: Data, shape: str) -> bool:
    for name, check in (item.split("=") for item in shape.split()):
        key, value = name.rstrip("?~"), data.get(name.rstrip("?~"))
        fits = CHECKS[check](value) if check in CHECKS else isinstance(value, str) and re.fullmatch(check, value)
        may_be = name != key and (key not in data or (value is None and name[-1] == "~"))
        if not may_be and (key not in data or not fits):
            return False
    return True


def nesting(value: Any) -> int:  # RecursionError far beyond what is allowed
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(nesting, inner), default=0)


def is_refused(record: Record) -> bool:  # whatever came before it
    named = isinstance(record.id, str) and 0 < len(record.id) <= 200 and record.id.isprintable()
    fits = named and record.type in [*SHAPES] and isinstance(record.data, dict)
    fits = fits and has_shape(record.data, "slot_id=id " + SHAPES[record.type])
    return not fits or record.key != record.data["slot_id"]


class Request:
    def __init__(self, asked: Record) -> None:  # as a venue or a provider put it; then, what is decided on it
        data, claims, books = asked.data, asked.type == "claim-requested", asked.type == "booking-requested"
        self.id, self.who = str(data["request_id"]), str(data["provider_id" if claims else "venue_id"])
        self.size, self.town = (1, "") if claims else (int(data["party_size"]), str(data["town"]))
        self.points, self.hours = data.get("points", 0) * books, data.get("working_hours") if books else None
        self.asked, self.state, self.hold = asked, "", Data()  # hold: the rules of its last one
        self.rank = self.passes = self.lapses = 0  # rank: in the queue, 0 outside it
        self.second, self.draw, self.decisions = False, Data(), list[Record]()  # second: of the second class
        self.told, self.firsts = "", list[str]()  # as published: its state, and its first outcomes


class Slot:
    """A slot as its records leave it, decided by docs/rules.md in the plainest way; decisions are put into `calls`."""

    def __init__(self, record: Record, versions: dict[str, Data], calls: dict[str, Kept]) -> None:
        data, self.opened, self.versions, self.calls = record.data, record.data, versions, calls
        self.shares: dict[str, int] = data.get("town_shares", {})
        self.capacity, self.kind, self.time = int(data["capacity"]), str(data.get("kind", "session")), record.timestamp
        self.opens, self.closes, self.starts = (instant(data[f"{name}_at"]) or 0 for name in TIMES)
        self.closed, self.ended, self.phase = False, "", ""  # ended: why; phase: window, then reveal, then none
        self.taken = self.sequence = self.ranks = self.repeats = 0
        self.rules, self.taken_by, self.last_hash, self.window = Data(), Counter[str](), NONE, list[Request]()
        self.told = (0, NONE, 0)  # as published: sequence, last hash, places taken
        self.requests, self.live, self.seen = dict[str, Request](), set[str](), {record.id}  # live: venues or providers
        # The queue is in groups, alike to the rules but for their order: the first of each stands for all of it.
        self.timers, self.queue = dict[tuple[str, str], int](), dict[tuple[str, int, bool], list[Request]]()
        self._use(data["rule_version"])
        if self.kind == "session":
            self.timers["closing", ""] = self.closes
            if "draw" in self.rules and data.get("mode") == "draw" and data.get("seed_hash"):
                self.phase = "window"
                self.timers["window", ""] = max(self.opens, self.time) + self.rules["draw"]["window_ms"]
            self._set("shares")

    def _use(self, version: str) -> None:
        if version not in self.versions:
            raise ValueError(f"no file of the rules given is rule version {version}")
        if all(part in self.versions[version] for part in PARTS if part in self.rules):  # a slot never loses a rule
            self.version, self.rules = version, self.versions[version]

    def _set(self, kind: str, moves: bool = False) -> bool:  # so long before the session, if that is later than now
        part, name = BEFORE_START[kind] if kind != "shares" or self.shares else ("", "")
        if part in self.rules and (moves or self.starts - self.rules[part][name] > self.time):
            self.timers[kind, ""] = self.starts - self.rules[part][name]
        return (kind, "") in self.timers

    def take(self, record: Record) -> None:  # one that is not refused
        self.time = max(self.time, record.timestamp)
        if record.id in self.seen:
            self.repeats += 1
            return
        self.seen.add(record.id)
        self.record, self.index, self.passed, kind, data = record, 0, dict[str, Request](), record.type, record.data
        request = self.requests.get(data["request_id"]) if ASKS in SHAPES[kind] else None
        if kind == "timer-fired":
            self._fire((data["kind"], data.get("subject", "")), instant(data["due_at"]) or 0)
        elif kind == "draw-revealed" and self.phase == "reveal":
            self._reveal(bytes.fromhex(data["seed"]))
        elif kind == "slot-revised" and not self.ended:
            self._revise(data)
        elif kind == "slot-closed" and not self.ended:
            self.ended = data["reason"]
            self._end([request for request in self.requests.values() if request.state in HOLDING], self.ended)
        elif kind == "override-requested" and "override" in self.rules:
            self.capacity = max(self.capacity, data.get("capacity") or 0)
            free = self.capacity - self.taken + (request.size if request and request.state == "promoted" else 0)
            if request is None:
                self._ask()
            elif request.state in UNSURE and request.who == data["venue_id"] and request.size <= free:
                self._decide(request, "confirmed", "override")
        elif kind in ("booking-requested", "claim-requested") and request is None:
            self._ask()
        elif kind == "booking-cancelled" and request and request.state in LIVE:
            late = self.rules["points"]["late_ms_before"] if "points" in self.rules else -(2**63)
            is_late = request.state == "confirmed" and self.starts - self.time < late
            self._decide(request, "released", "cancelled-late" if is_late else "cancelled")
        elif kind == "claim-end-requested" and request and request.state in LIVE:
            self._decide(request, "ended", data["reason"])
        elif request and ("hold", request.id) in self.timers and kind in ("hold-accepted", "hold-declined"):
            said = {"hold-accepted": ("confirmed", "accepted")}.get(kind, ("released", data.get("reason", "declined")))
            if data.get("held") in (None, request.decisions[-1].data["sequence"]):
                self._decide(request, *said)
        self._scan()  # where nothing was freed it reaches nobody
        for request in [request for request in self.passed.values() if request.state == "waitlisted"]:
            request.passes += 1
            if request.passes >= self.rules["queue"]["most_passes"] and ("accumulation", "") not in self.timers:
                self._set("accumulation")

    def _end(self, holding: list[Request], reason: str) -> None:  # releases these, then who is entered, then the queue
        self.timers.clear()
        line = sorted((request for group in self.queue.values() for request in group), key=ORDER)
        for request in [*holding, *(r for r in self.requests.values() if r.state == "entered"), *line]:
            why = "not-accepted" if reason == "closed" and request.state == "promoted" else reason
            self._decide(request, "released" if self.kind == "session" else "ended", why)

    def _ask(self) -> None:  # a new request: the first case that holds refuses it
        request = Request(self.record)
        self.requests[request.id] = request
        kind, free, live = self.record.type.partition("-")[0], self.capacity - self.taken, request.who in self.live
        early = kind == "booking" and self.time + self.rules["early_tolerance_ms"] < self.opens
        ended, too_large = (bool(self.ended), self.ended), (request.size > self.capacity, "party-too-large")
        cases: dict[str, tuple[tuple[bool, str], ...]] = {
            "booking": (ended, (self.closed, "closed"), (early, "early"), too_large, (live, "already-live")),
            "override": (ended, too_large, (live, "already-live"), (request.size > free, "override-full")),
            "claim": (ended, (live, "already-yours"), (free <= 0, "claimed")),
        }
        refused = next((reason for holds, reason in cases[kind] if holds), None)
        if refused:
            self._decide(request, "rejected", refused)
        elif kind != "booking":
            self._decide(request, "confirmed", "override" if kind == "override" else "claim-free")
        elif self.phase:
            self.window += [request] if self.phase == "window" else []
            self._decide(request, "entered", "entered")
        else:
            self._join(request, "place-free")

    def _fire(self, timer: tuple[str, str], due: int) -> None:
        if self.timers.get(timer) != due or self.time < due:
            return
        del self.timers[timer]
        if timer[0] == "closing":
            self.closed = True
            self._end([request for request in self.requests.values() if ("hold", request.id) in self.timers], "closed")
        elif timer[0] == "window":
            self.phase = "reveal"
        elif timer[0] == "hold":
            request = self.requests[timer[1]]
            request.lapses += 1
            again = "-again" if request.lapses >= request.hold["most_lapses"] else ""
            self._decide(request, "lapsed", f"hold-lapsed{again}")
        elif timer[0] == "class":  # who waits is of the first class from now on, by rank among all
            line, self.queue = [request for group in self.queue.values() for request in group], {}
            for request in sorted(line, key=lambda request: request.rank):
                request.second = False
                self._group(request).append(request)

    def _reveal(self, seed: bytes) -> None:
        if hashlib.sha256(seed).hexdigest() != self.opened["seed_hash"]:
            return
        self.phase = ""
        self._scan()  # for who was displaced in the window
        among = hashlib.sha256("\n".join(request.id for request in self.window).encode()).digest()
        ranks = {r.id: hashlib.sha256(seed + among + r.who.encode()).hexdigest() for r in self.window}
        drawn = [request for request in self.requests.values() if request.state == "entered"]
        drawn.sort(key=lambda r: (self._is_second(r), r.id not in ranks, ranks.get(r.id, "")))  # hex sorts as bytes do
        facts = {"seed": seed.hex(), "among": among.hex(), "drawn": len(drawn)}
        for number, request in enumerate(drawn, 1):
            request.draw = facts | {"rank": ranks.get(request.id, "–"), "number": number}
            self._join(request, "drawn", "drawn-behind")

    def _revise(self, data: Data) -> None:
        self._use(data.get("rule_version") or self.version)
        if self.kind == "session" or (data.get("capacity") or 0) >= self.taken:
            self.capacity = data.get("capacity") or self.capacity
        opens, closes, starts = (instant(data.get(f"{name}_at")) if self.kind == "session" else None for name in TIMES)
        if starts is not None:
            self.starts = starts
            for kind in BEFORE_START.keys() & {kind for kind, _ in self.timers}:
                self._set(kind, moves=True)
        if closes is not None and not self.closed:
            self.closes = self.timers["closing", ""] = closes
            self.timers |= {timer: min(due, closes) for timer, due in self.timers.items() if timer[0] == "hold"}
        if opens is not None and not self.closed and self.time < self.opens:
            self.opens = opens
            if self.phase == "window" and "draw" in self.rules:
                self.timers["window", ""] = max(opens, self.time) + self.rules["draw"]["window_ms"]
        holding = [request for request in self.requests.values() if request.state in HOLDING]
        holding.sort(key=lambda r: (("hold", r.id) in self.timers, r.decisions[-1].data["sequence"]))
        while self.taken > self.capacity:
            self._decide(holding.pop(), "displaced", "capacity-cut-closed" if self.closed else "capacity-cut")

    def _group(self, request: Request) -> list[Request]:
        return self.queue.setdefault((request.town if self.shares else "", request.size, request.second), [])

    def _is_second(self, request: Request) -> bool:  # if it joins now; the first such sets the timer
        heavy = "points" in self.rules and request.points >= self.rules["points"]["second_class_from"]
        return heavy and (("class", "") in self.timers or self._set("class"))

    def _move(self, request: Request, state: str, head: bool = False) -> None:
        self.taken_by[request.town] += request.size * ((state in HOLDING) - (request.state in HOLDING))
        self.taken = self.taken_by.total()
        if state == "waitlisted" and not request.rank:
            self.ranks += 1
            request.rank, request.second = (-self.ranks, False) if head else (self.ranks, self._is_second(request))
            self._group(request).insert(0 if head else self.ranks, request)
        elif state != "waitlisted" and request.rank:
            self._group(request).remove(request)
            self.queue, request.rank = {key: group for key, group in self.queue.items() if group}, 0
        if state in LIVE:
            self.live.add(request.who)
        elif request.state in LIVE:
            self.live.discard(request.who)
        self.timers.pop(("hold", request.id), None)
        request.state = state

    def _join(self, request: Request, given: str, waits: str = "") -> None:  # the reasons for places and for none
        bound, before = self.opened.get("waitlist"), sum(map(len, self.queue.values()))
        self._move(request, "waitlisted")
        self._scan(request, given)
        if request.state == "waitlisted" and bound is not None and before >= bound:
            self._decide(request, "rejected", "waitlist-full")
        elif request.state == "waitlisted":
            short = "shares" if request.size > self._entitled(request.town) else "kept"
            short = "full" if request.size > self.capacity - self.taken else short
            self._decide(request, "waitlisted", waits or short)

    def _own(self, town: str) -> int:  # left of a town's share
        return max(0, self.shares.get(town, 0) - self.taken_by[town]) if ("shares", "") in self.timers else 0

    def _entitled(self, town: str) -> int:
        return self.capacity - self.taken - sum(self._own(other) for other in self.shares if other != town)

    def _scan(self, joined: Request | None = None, given: str = "") -> None:
        rule = self.rules.get("queue")
        while self.queue and self.taken < self.capacity and not (self.closed or self.ended or self.phase):
            heads = [group[0] for group in self.queue.values()]
            entitled = {town: self._entitled(town) for town in {request.town for request in heads}}
            first, fitting = min(heads, key=ORDER), [r for r in heads if r.size <= entitled[r.town]]
            takes = [r for r in fitting if r is not first and (r.town == first.town or r.size > self._own(r.town))]
            could = first.size <= self.capacity
            if rule and could and first.passes >= rule["most_passes"] and ("accumulation", "") in self.timers:
                fitting = [r for r in fitting if r not in takes]  # places are kept for the first
            if not fitting:
                return
            request = min(fitting, key=ORDER)
            if rule and could and entitled[first.town] > 0 and request in takes:
                self.passed[first.id] = first
            # Nobody is entitled to more by that: the first who is reached, again and again, is one walk of the queue.
            self._decide(request, *(("confirmed", given) if request is joined else ("promoted", "place-freed")))

    def _decide(self, request: Request, outcome: str, reason: str) -> None:  # as it must be published
        record, place, ahead, waits = self.record, None, None, reason in ("hold-lapsed", "capacity-cut")
        self._move(request, "waitlisted" if waits else outcome, head=outcome == "displaced")
        self.sequence += 1
        if request.rank:  # it is the head, or the last of its class
            before = [(len(group), size) for (_, size, second), group in self.queue.items() if second <= request.second]
            place, ahead = sum(n for n, _ in before), sum(n * size for n, size in before) - request.size
            place, ahead = (place, ahead) if request.rank > 0 else (1, 0)
        data: Data = {"place": place, "ahead": ahead, "capacity": self.capacity}
        data |= {"party_size": request.size, "taken": self.taken}
        if self.kind == "demand":
            winner = next(r for r in self.requests.values() if r.state in HOLDING) if reason == "claimed" else None
            data |= {"demand_id": self.opened["offer_id"], "provider_id": request.who}
            data |= {"winner_id": winner and winner.who, "winner_name": winner and winner.asked.data["provider_name"]}
            values = {"capacity": self.capacity, "taken": self.taken, "winner": data["winner_name"]}
        else:
            values = data | {"hold_until": None, "explanation": record.data.get("explanation")}  # an override's
            data |= {"slot_id": record.key, "venue_id": request.who}
            if outcome == "promoted" and "hold" in self.rules:
                request.hold, hold = self.rules["hold"], hold_until(self, request)
                self.timers["hold", request.id] = hold
                data["hold_until"] = rfc3339(hold)
                values["hold_until"] = rfc3339(hold + self.rules["calendar"]["utc_offset_ms"])[:16].replace("T", " ")
        for language in ("zh", "en"):
            said = self.rules["texts"].get(reason, {}).get(language, "")
            for name, value in values.items():
                said = said.replace("{" + name + "}", "" if value is None else str(value))
            data[f"reason_{language}"] = said
        data |= {"reason": reason, "outcome": outcome, "request_id": request.id, "rule_version": self.version}
        data |= {"log_partition": record.partition, "log_offset": record.offset, "decided_at": rfc3339(self.time)}
        data |= {"sequence": self.sequence, "previous_hash": self.last_hash}
        self.last_hash = data["hash"] = hashlib.sha256(canonical(data)).hexdigest()
        topic, ce_id = DECIDED_ON[self.kind], f"{record.partition}-{record.offset}-{self.index}"
        decision = Record(record.partition, -1, -1, record.key, ce_id, f"{topic.split('.')[1]}-{outcome}", data)
        self.calls[topic].setdefault(record.partition, {})[ce_id] = decision
        request.decisions.append(decision)
        self.index += 1


def hold_until(slot: Slot, request: Request) -> int:  # when a hold that begins now ends
    hold, calendar = slot.rules["hold"], slot.rules["calendar"]
    hours = [text for text in request.hours or [] if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII)]
    hours = hours if len(hours) == 2 and hours[0] < hours[1] else calendar["working_hours"]
    since, until = ((int(text[:2]) * 60 + int(text[3:])) * 60_000 - calendar["utc_offset_ms"] for text in hours)
    ahead, left, due = slot.starts - slot.time, 0, int(slot.time)  # left: of working time from then on
    if hold["near_under_ms"] <= ahead <= hold["far_over_ms"]:
        left = hold["middle_working_ms"]
    else:
        due += hold["far_ms"] if ahead > hold["far_over_ms"] else hold["near_ms"]
    for day in count((due + calendar["utc_offset_ms"]) // DAY):
        date, begin, end = EPOCH + timedelta(days=day), day * DAY + since, day * DAY + until
        works = date.weekday() < 5 and f"{date:%Y-%m-%d}" not in calendar["days_off"]
        if not works and f"{date:%Y-%m-%d}" not in calendar["working_days"]:
            continue
        if max(begin, due) + left <= end:  # without any left, if that is before its hours it ends some time within them
            due = max(begin, due) + left if left or due > begin else begin + min(hold["after_opening_ms"], end - begin)
            break
        left -= min(left, max(0, end - max(begin, due)))
    return min(due, slot.closes)


def deduplicate(topic: str, published: list[Record], lies: list[Lie]) -> Kept:  # keeps what a reader keeps
    kept, highest = Kept(), dict[int, tuple[int, int]]()
    for record in published:
        p, ce_id, here = record.partition, str(record.id), kept.setdefault(record.partition, {})
        match = re.fullmatch(rf"{p}-(0|[1-9]\d*)-(0|[1-9]\d*)", ce_id, re.ASCII)
        position = (int(match[1]), int(match[2])) if match else (-1, -1)
        if position > highest.get(p, (-1, -1)):
            highest[p], here[ce_id] = position, record
        elif ce_id not in here or canonical(record.data) != canonical(here[ce_id].data):
            what = f"{ce_id} is published again with other words" if ce_id in here else f"readers drop {ce_id} here"
            lies.append(Lie(topic, p, record.offset, what, ce_id in here and here[ce_id].data, record.data))
    return kept


def compare(topic: str, calls: dict[str, Record], kept: dict[str, Record], end: tuple[int, int]) -> list[Lie]:
    """The first place where a partition's decisions are not what the log calls for. `end`: its next offset."""
    for call, ce_id in zip_longest(calls, kept):
        due, record = calls.get(call), kept.get(ce_id)
        p, offset = record[:2] if record else end
        if due is None or record is None or call != ce_id:
            missing = due is not None and (record is None or ce_id in calls)
            what = f"the decision {call} is missing" if missing else f"the log calls for no decision {ce_id}"
            return [Lie(topic, p, offset, what, due and due.data, record and record.data)]
        wanted, found = due.data, record.data if isinstance(record.data, dict) else {}
        first = ("request_id", "outcome", "reason", "place", "ahead", "taken")  # what means most to people
        names = (*first, *sorted((wanted.keys() | found.keys()) - {*first, "hash"}), "hash")
        pairs = [(name, wanted.get(name, ABSENT), found.get(name, ABSENT)) for name in names]
        for name, one, other in [*pairs, ("key", due.key, record.key), ("ce_type", due.type, record.type)]:
            if one != other or type(one) is not type(other):
                return [Lie(topic, p, offset, f"{ce_id}: {name}", one, other)]
    return []


class Verdict:
    """All that one run found out: `lie` is the first, or None; `proof` tells what `who` was told, if one is named."""

    def __init__(self, folder: Path, rules: Path, who: str | None = None) -> None:
        versions = {hashlib.sha256(x).hexdigest(): json.loads(x) for x in map(Path.read_bytes, rules.glob("*.json"))}
        self.slots, called = dict[tuple[int, str], Slot](), {BOOKING: Kept(), CLAIM: Kept()}
        self.oversold, self.chains_verified, self.refused, self.dropped = set[Slot](), True, 0, 0
        lies, self.kept, self.said = list[Lie](), dict[str, Kept](), {topic: Counter[str]() for topic in called}
        for record in read_topic(folder, SLOT_LOG, lies):
            where, begins = (record.partition, record.key), str(record.type).partition("-")[0]
            kind = self.slots[where].kind if where in self.slots else None
            if is_refused(record) or ONLY_OF.get(begins, kind) != kind or not (kind or record.type == "slot-opened"):
                self.refused += 1
            elif kind is None:
                self.slots[where] = Slot(record, versions, called)
            else:
                self.slots[where].take(record)
        for topic, calls in called.items():  # an export without claims needs no file of them
            needed = calls or topic == BOOKING or (folder / f"{topic}.jsonl").exists()
            published = read_topic(folder, topic, lies) if needed else []
            kept = self.kept[topic] = deduplicate(topic, published, lies)
            self.dropped += len(published) - sum(map(len, kept.values()))
            ends = {record.partition: record.offset + 1 for record in published}
            for p in calls.keys() | kept.keys():
                lies += compare(topic, calls.get(p, {}), kept.get(p, {}), (p, ends.get(p, 0)))
                self._count(topic, kept.get(p, {}), calls.get(p, {}))
        self.oversold |= {slot for slot in self.slots.values() if slot.told[2] > slot.capacity}
        self.lie = min(lies, key=lambda lie: (TOPICS.index(lie.topic), lie.partition, lie.offset), default=None)
        self.proof = proof(self, who) if who else ""

    def _count(self, topic: str, kept: dict[str, Record], calls: dict[str, Record]) -> None:
        for ce_id, record in kept.items():
            data, where = record.data if isinstance(record.data, dict) else {}, (record.partition, record.key)
            slot, outcome = self.slots.get(where), str(data.get("outcome"))
            request = slot.requests.get(str(data.get("request_id"))) if slot else None
            self.said[topic][outcome] += 1
            if slot is None or request is None or DECIDED_ON[slot.kind] != topic:
                self.chains_verified = False  # a decision on no request of the log
                continue
            (sequence, last, taken), before = slot.told, request.told
            body = canonical({name: value for name, value in data.items() if name != "hash"})
            links = (sequence + 1, last, hashlib.sha256(body).hexdigest())
            self.chains_verified &= links == (data.get("sequence"), data.get("previous_hash"), data.get("hash"))
            again = before in ("waitlisted", "promoted") and data.get("reason") in ("accepted", "override")
            if (outcome in FIRST and not again) or (before, outcome) == ("entered", "released"):
                request.firsts.append(outcome)
                outcome = outcome if before in ("", "entered") else before  # a second one changes nothing
            waits = outcome in ("lapsed", "displaced") and data.get("place") is not None
            request.told = "waitlisted" if waits else outcome
            taken += request.size * ((request.told in HOLDING) - (before in HOLDING))
            slot.told = (sequence + 1, str(data.get("hash")), taken)
            capacity = calls[ce_id].data["capacity"] if ce_id in calls else slot.capacity
            if taken > capacity and outcome != "displaced":  # a cut displaces one after the other
                self.oversold.add(slot)

    def summary(self) -> Data:
        """What was found; requests, decisions and oversold slots are of sessions, all else of demands too."""
        asked = [(slot.kind, request) for slot in self.slots.values() for request in slot.requests.values()]
        sessions = [request for kind, request in asked if kind == "session"]
        firsts = Counter(first for r in sessions for first in r.firsts or ["entered"] * (r.told == "entered"))
        oversold = Counter(slot.kind for slot in self.oversold)
        facts: Data = {"ok": self.lie is None, "chains_verified": self.chains_verified, "requests": len(sessions)}
        facts |= {"decisions": dict(sorted(self.said[BOOKING].items()))}
        facts |= {"first_outcomes": dict.fromkeys(FIRST, 0) | firsts, "refused": self.refused, "slots": len(self.slots)}
        facts |= {"oversold_slots": oversold["session"], "claim_conflicts": oversold["demand"]}
        facts |= {"claims": {name: self.said[CLAIM][name] for name in ("confirmed", "rejected", "ended")}}
        facts |= {"duplicate_outcomes": sum(max(0, len(request.firsts) - 1) for _, request in asked)}
        facts |= {"undecided": sum(not request.firsts and request.told != "entered" for _, request in asked)}
        facts |= {"repeats": sum(slot.repeats for slot in self.slots.values()), "duplicates_published": self.dropped}
        return facts | {"lie": self.lie and self.lie._asdict()}


NAMES = {"entered": "已进入抽签", "confirmed": "已确认", "waitlisted": "候补", "promoted": "已递补", "ended": "已终止"}
NAMES |= {"rejected": "未获名额", "lapsed": "保留已过期", "released": "已让出", "displaced": "名额已收回"}
ASKED = "{0} {1} · {2} 收到，要 {3} 个名额：日志分区 {4} 第 {5} 号 · {3} places asked, partition {4}, offset {5}"
SAID = """  {decided_at} {0}：{reason_zh}名额已占 {taken}/{capacity}。凭证第 {sequence} 号 {hash}，{1}
    {outcome}: {reason_en} {taken} of {capacity} places taken. Receipt {sequence}, by log offset {log_offset}"""
DRAWN = """  抽签 draw：在 {drawn} 份中排第 {number}, number {number} of {drawn}；签号 rank {rank}
    = SHA-256(种子 seed {seed} ‖ 窗口摘要 digest {among} ‖ 单位编号 the venue's id)"""


def proof(verdict: Verdict, who: str) -> str:  # every outcome of a venue or a provider in plain words
    lines = [f"单位 {who} 的点单、接单与裁定 · What was decided on the requests and claims of {who}"]
    asks = [(slot, r) for slot in verdict.slots.values() for r in slot.requests.values() if r.who == who]
    for slot, request in asks:
        (p, offset, at, key, *_), kept = request.asked, verdict.kept[DECIDED_ON[slot.kind]]
        lines.append(ASKED.format(key, request.id, rfc3339(at), request.size, p, offset))
        for due in request.decisions:
            found, published = kept.get(p, {}).get(due.id), "没有这样发布！NOT published so"
            if found and found.data == due.data:
                published = f"已照此发布 published so, offset {found.offset}"
            lines += [DRAWN.format(**request.draw)] if due.data["reason"].startswith("drawn") else []
            lines.append(SAID.format(NAMES[due.data["outcome"]], published, **due.data))
    return "\n".join([*lines, "没有点单，也没有接单。 · Nothing was asked for." if not asks else "", "", ""])


def main() -> int:
    parser = argparse.ArgumentParser(prog="verify.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("export_dir", type=Path, help="folder with the exported topics, a file (TOPIC.jsonl) each")
    parser.add_argument("--rules", type=Path, default=RULES, metavar="DIR", help="the rule versions' files")
    parser.add_argument("--venue", metavar="ID", help="prove every outcome of this venue or provider in plain words")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    options = parser.parse_args()
    gc.disable()  # nothing here is cyclic, and looking for cycles costs a third of the time
    try:
        verdict = Verdict(options.export_dir, options.rules, options.venue)
        summary = verdict.summary()
    except Exception as error:  # whatever it is, nothing was proved and no lie was found
        print(f"verify.py: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    said = json.dumps(summary | ({"proof": verdict.proof} if options.venue else {}), ensure_ascii=False)
    if not options.json:
        facts = (summary | (summary.pop("lie") or {})).items()
        said = verdict.proof + "".join(f"{name}: {json.dumps(x, ensure_ascii=False)}\n" for name, x in facts)
        true = "属实：发布的裁定与按日志重算的逐字一致。\nTrue: what was published is what the log calls for."
        said += "不实：第一处如上。\nA lie: the first is told above." if verdict.lie else true
    print(said.encode(errors="backslashreplace").decode())
    return 1 if verdict.lie else 0


if __name__ == "__main__":
    sys.exit(main())
