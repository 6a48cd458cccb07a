"""Decides an exported slot log again and proves the published decisions, or names the first lie.

    python verifier/verify.py EXPORT_DIR [--rules DIR] [--accepted FILE] [--venue ID] [--json]

A second, plain program: Python 3.11 and the files of this folder, no code in common with what it checks.
Ends with 0 when all is true, 1 when a lie was found, 2 when the call or the export cannot be read.
"""

import argparse
import gc
import hashlib
import json
import re
import sys
from collections import Counter
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # so that it runs from anywhere, by an isolated Python too

from verifier.records import Data, Kept, Record, Unreadable, canonical, read_topic, rfc3339, sift  # noqa: E402
from verifier.replay import Replay  # noqa: E402
from verifier.slots import BOOKING, CLAIM, DECIDED_ON, HOLDING, Request, Slot, loses_rules  # noqa: E402

SLOT_LOG = "youai.slot-log.v1"
TOPICS = (SLOT_LOG, BOOKING, CLAIM, "accepted")  # in this order lies are told; the last is what clients were told
FIRST = ("confirmed", "waitlisted", "rejected")
MOVES = {  # what may be decided on a request in a state; lapsed and displaced with a place are waitlisted again
    "": ("entered", *FIRST),
    "entered": (*FIRST, "released"),
    "waitlisted": ("promoted", "released", "confirmed"),
    "promoted": ("confirmed", "released", "lapsed", "displaced"),
    "confirmed": ("released", "displaced", "ended"),
}
RULES = HERE.parent / "services/matching/youai_matching/rules"


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
    """What must hold whatever is decided. Its slots are what is published, with the log's capacities and sizes.

    It knows no timer: of town shares, draws, and slots whose rules or times were revised it claims less.
    """

    def __init__(self, log: list[Record], kept: dict[str, Kept], rules: dict[str, Data], lies: list[Lie]) -> None:
        self.rules, self.lies, self.chains_verified = rules, lies, True
        self.outcomes: dict[str, Counter[str]] = {topic: Counter() for topic in DECIDED_ON.values()}
        self.firsts = Counter[tuple[str, str]]()  # (slot, request): how many first outcomes; entered is one for now
        self.first_outcomes = Counter[str]()  # of sessions
        self.slots, self.oversold = dict[tuple[int, str], Slot](), set[Slot]()
        for p, group in groupby(log, lambda record: record.partition):
            said = [(tuple(map(int, ce_id.split("-")[1:])), topic, record)
                    for topic in kept for ce_id, record in kept[topic].get(p, {}).items()]  # fmt: skip
            said.sort(key=lambda item: item[0])
            records, number = list(group), 0
            for (at, topic, record), after in zip_longest(said, said[1:]):
                while number < len(records) and records[number].offset <= at[0]:
                    self._log(records[number])
                    number += 1
                self._take(topic, record, records[number - 1] if number else None, not after or after[0][0] != at[0])
        for (_, slot_id), slot in self.slots.items():
            for request in [request for request in slot.requests.values() if request.state == "entered"]:
                self.firsts[slot_id, request.id] += 1
                self.first_outcomes["entered"] += 1

    def _log(self, record: Record) -> None:
        """What the log says of capacities and requests."""
        if record.standing != "new":
            return
        data, where = record.data, (record.partition, record.data["slot_id"])
        slot = self.slots.setdefault(where, Slot(data)) if record.type == "slot-opened" else self.slots[where]
        by_center = record.type == "override-requested" and "override" in self.rules[slot.version]
        if record.type in ("booking-requested", "claim-requested") or by_center:
            slot.requests.setdefault(data["request_id"], Request(record))
            slot.capacity = max(slot.capacity, data.get("capacity") or 0) if by_center else slot.capacity
        elif record.type == "slot-closed":
            slot.ended = slot.ended or data["reason"]
        elif record.type == "slot-revised" and not slot.ended:
            version = data.get("rule_version") or slot.version
            slot.version = slot.version if loses_rules(self.rules[slot.version], self.rules[version]) else version
            slot.revised = slot.revised or bool(data.get("rule_version") or data.get("starts_at"))
            if slot.kind == "session" or (data.get("capacity") or 0) >= slot.taken:
                slot.capacity = data.get("capacity") or slot.capacity

    def _take(self, topic: str, record: Record, cause: Record | None, ends: bool) -> None:
        """A decision, and the record of the log before or at it; `ends`: it is the last that one record caused."""

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
        before, by = request.state, cause.type if cause and cause.data.get("request_id") == request.id else ""
        lawful = outcome in MOVES.get(before, ())
        if outcome == "confirmed" and before in ("waitlisted", "promoted"):
            lawful = lawful and by in ("hold-accepted", "override-requested")
        is_first = (before in ("", "entered") and lawful and outcome != "entered") or (outcome in FIRST and not lawful)
        self.firsts[str(record.key), request.id] += is_first
        self.first_outcomes[outcome] += is_first and slot.kind == "session"
        if outcome in FIRST and not lawful:
            return lie(f"{request.id} has a first outcome already", before, outcome, 0)
        if not lawful:
            return lie(f"{request.id} cannot become this", before, outcome)
        points = self.rules[slot.version].get("points", {"second_class_from": 2**53})
        if not request.rank:
            request.second = request.points >= points["second_class_from"]
        if outcome in HOLDING and before not in HOLDING and by != "override-requested":
            over = [group[0] for group in slot.queue.values() if self._comes_before(slot, group[0], request)]
            if over:
                lie("one who came before and fits is passed over", over[0].id, request.id)
        if data.get("reason") == "claimed" and slot.taken < slot.capacity:
            lie("told that it is claimed, while it is free", slot.capacity, slot.taken)
        state = "waitlisted" if outcome in ("lapsed", "displaced") and data.get("place") is not None else outcome
        slot.move(request, state, head=outcome == "displaced")
        request.decisions.append(data)
        if slot.taken > slot.capacity and (ends or outcome in HOLDING):
            self.oversold.add(slot)
            lie("more places are taken than there are", slot.capacity, slot.taken)
        if ends and (left := self._left_waiting(slot)) is not None:
            lie("places are free, and one who fits is left waiting", left.id, None, later=1)
        return None

    def _comes_before(self, slot: Slot, waiting: Request, request: Request) -> bool:
        """Whether free places are due to one who waits, before the request: it came earlier, in no worse class."""
        earlier = waiting is not request and (not request.rank or waiting.rank < request.rank)
        fits = waiting.size <= slot.capacity - slot.taken and not slot.shares and not slot.revised
        return earlier and fits and waiting.second <= request.second

    def _left_waiting(self, slot: Slot) -> Request | None:
        """Who waits for nothing: under rules that keep places for the first, that can be told of the first alone."""
        if slot.shares or slot.revised or slot.opened.get("mode") == "draw" or not slot.queue:
            return None
        heads = [group[0] for group in slot.queue.values()]
        first = min(heads, key=slot.order)
        may = [first] * (not first.second) if "queue" in self.rules[slot.version] else heads
        return next((request for request in may if request.size <= slot.capacity - slot.taken), None)


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
        sift(log)
        self.standings = Counter(record.standing for record in log)
        files = [path.read_bytes() for path in sorted(rules.glob("*.json"))]
        versions = {hashlib.sha256(raw).hexdigest(): json.loads(raw) for raw in files}
        self.replay = Replay(log, versions)
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
        self.audit = Audit(log, self.kept, versions, lies)
        self.asked = {(key[1], name): slot for key, slot in self.replay.slots.items() for name in slot.requests}
        self.undecided = {request for request in self.asked if not self.audit.firsts[request]}
        self.undecided |= check_answers(answers, self.audit.firsts, lies) if answers else set()
        self.lie = min(lies, key=lambda a: (TOPICS.index(a.topic), a.partition or 0, a.offset, a.weight), default=None)

    def summary(self) -> Data:
        """What was found; requests, decisions and oversold slots are of sessions, all else of demands too."""
        audit, bookings, claims = self.audit, self.audit.outcomes[BOOKING], self.audit.outcomes[CLAIM]
        oversold = Counter(slot.kind for slot in audit.oversold)
        facts: Data = {"ok": self.lie is None, "chains_verified": audit.chains_verified}
        facts |= {"requests": sum(slot.kind == "session" for slot in self.asked.values())}
        facts |= {"decisions": dict(sorted(bookings.items()))}
        facts |= {"first_outcomes": dict.fromkeys(FIRST, 0) | {x: n for x, n in audit.first_outcomes.items() if n}}
        facts |= {"oversold_slots": oversold["session"], "claim_conflicts": oversold["demand"]}
        facts |= {"claims": {name: claims[name] for name in ("confirmed", "rejected", "ended")}}
        facts |= {"duplicate_outcomes": sum(max(0, number - 1) for number in audit.firsts.values())}
        facts |= {"undecided": len(self.undecided), "repeats": self.standings["repeat"]}
        facts |= {"slots": len(self.replay.slots), "refused": self.standings["refused"]}
        facts |= {"duplicates_published": self.dropped}
        return facts | {"lie": self.lie and dict(zip(Lie._fields[:-1], self.lie, strict=False))}


NAMES = {
    "entered": "已进入抽签",
    "confirmed": "已确认",
    "waitlisted": "候补",
    "rejected": "未获名额",
    "promoted": "已递补",
}
NAMES |= {"lapsed": "保留已过期", "released": "已让出", "displaced": "名额已收回", "ended": "已终止"}
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
DRAWN = """  抽签：在 {drawn} 份中排第 {number}。签号 {rank}，小者在前。
    签号 = SHA-256(种子 32 字节 ‖ 窗口摘要 32 字节 ‖ 单位编号)。
    种子 {seed}，其 SHA-256 即开放前公布的 {seed_hash}。
    窗口摘要 {among}：窗口内 {entered} 份点单的编号按日志次序以换行相连，再取 SHA-256。
    窗口之后才到的没有签号，按先后排在其后；第二类（有失约记录）排在所有其他点单之后。
  Draw: number {number} of {drawn}. Rank {rank}, lowest first.
    Rank = SHA-256(seed, 32 bytes ‖ the window's digest, 32 bytes ‖ the venue's id).
    The seed's SHA-256 was announced before the opening.
    The digest: SHA-256 of the ids of the window's {entered} requests, in the log's order, joined by newlines.
    Who came after the window has no rank and stands behind, in the log's order; the second class behind all."""


def proof(verdict: Verdict, who: str) -> str:
    """Every outcome of a venue or a provider in plain words, Chinese first."""
    lines = [f"单位 {who} 的点单、接单与裁定 · What was decided on the requests and claims of {who}"]
    slots = verdict.replay.slots.items()
    for (p, slot_id), slot, request in [(k, s, r) for k, s in slots for r in s.requests.values() if r.who == who]:
        facts: Data = request.before | {"p": p, "slot_id": slot_id, "request_id": request.id, "size": request.size}
        facts |= {"at": rfc3339(request.asked.timestamp), "offset": request.asked.offset}
        lines.append(ASKED.format(*WORDS[slot.kind], **facts, number=request.before["before"] + 1))
        kept, drawn = verdict.kept[DECIDED_ON[slot.kind]].get(p, {}), request.draw
        for decision in request.decisions:
            place, ahead, hold = decision["place"], decision["ahead"], decision.get("hold_until")
            more = (f"，保留到 {hold}", f", held until {hold}") if hold else ("", "")
            if place:
                more = (f"，第 {place} 位，前面 {ahead} 个名额", f", number {place}, {ahead} places before it")
            published = ("没有这样发布！", "NOT published so")
            for at in [record.offset for record in kept.values() if record.data == decision][:1]:
                published = (f"已照此发布（分区 {p} 第 {at} 号）", f"published so (partition {p}, offset {at})")
            lines += [DRAWN.format(**drawn)] if decision["log_offset"] == drawn.get("log_offset") else []
            lines.append(SAID.format(*more, *published, NAMES[decision["outcome"]], **decision))
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
