"""The verifier against decisions written by hand: true ones pass, and each kind of lie is found and named."""

import copy
import hashlib
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from youai_contracts import codec, topics
from youai_stack.export import line

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "verifier" / "verify.py"
RULE_FILE = ROOT / "services" / "matching" / "youai_matching" / "rules" / "2026-11.json"
RULE_VERSION = hashlib.sha256(RULE_FILE.read_bytes()).hexdigest()
TEXTS = json.loads(RULE_FILE.read_text())["texts"]
NINE = 1_795_510_800_000  # 2026-11-24T09:00:00Z, when booking opens
HOUR = 3_600_000  # booking closes an hour later

Row = dict[str, Any]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("youai_verifier", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


verify = load()


def at(ms: int) -> str:
    return str(verify.rfc3339(ms))


ACTOR = {"subject": "somebody", "organization_id": "v1"}


def opened(capacity: int = 2, waitlist: int | None = None, slot: str = "s") -> Row:
    times = {"opens_at": at(NINE), "closes_at": at(NINE + HOUR), "starts_at": at(NINE), "ends_at": at(NINE)}
    data = {"slot_id": slot, "offer_id": "o", "session_id": slot, "capacity": capacity, "waitlist": waitlist}
    return {"type": "slot-opened", "data": {**data, **times, "rule_version": RULE_VERSION}, "ms": -HOUR}


def ask(number: int, size: int = 1, venue: int | None = None, ms: int = 0, slot: str = "s") -> Row:
    data = {"slot_id": slot, "request_id": f"r{number}", "venue_id": f"v{venue or number}", "town": "杨舍镇"}
    data |= {"party_size": size, "requested_at": at(NINE), "actor": ACTOR}  # type: ignore[dict-item]
    return {"type": "booking-requested", "data": data, "ms": ms, "id": f"r{number}"}


def cancel(number: int, ms: int = 0, slot: str = "s") -> Row:
    data = {"slot_id": slot, "request_id": f"r{number}", "actor": ACTOR}
    return {"type": "booking-cancelled", "data": data, "ms": ms}


def closed(reason: str = "session-cancelled", slot: str = "s") -> Row:
    return {"type": "slot-closed", "data": {"slot_id": slot, "reason": reason}, "ms": 0}


def fired(ms: int = HOUR, due: int = HOUR, kind: str = "closing", subject: str = "", slot: str = "s") -> Row:
    data = {"slot_id": slot, "kind": kind, "due_at": at(NINE + due), "subject": subject}
    return {"type": "timer-fired", "data": data, "ms": ms}


@dataclass
class Export:
    """Two topics as they would be exported; `log` and `published` are lists of rows with offsets set on writing."""

    log: list[Row] = field(default_factory=list)
    published: list[Row] = field(default_factory=list)
    offers: list[Row] = field(default_factory=list)
    chains: dict[str, tuple[int, str]] = field(default_factory=dict)

    def append(self, row: Row, partition: int = 0) -> Row:
        offset = sum(1 for other in self.log if other["partition"] == partition)
        headers = {"ce_id": row.get("id", f"e{offset}"), "ce_type": row["type"]}
        key = row.get("key", row["data"]["slot_id"] if isinstance(row["data"], dict) else "s")
        record = {"partition": partition, "offset": offset, "timestamp": NINE + row["ms"], "key": key}
        self.log.append(record | {"headers": headers, "data": row["data"]})
        return self.log[-1]

    def decide(self, cause: Row, index: int, said: tuple[Any, ...], ms: int, capacity: int, ask: Row) -> None:
        outcome, reason, place, ahead, taken = said
        slot, p = cause["data"]["slot_id"], cause["partition"]
        sequence, previous = self.chains.get(slot, (0, "0" * 64))
        numbers = {"place": place, "ahead": ahead, "capacity": capacity, "party_size": ask["party_size"]}
        numbers["taken"] = taken
        data = numbers | {"decided_at": at(ms), "log_offset": cause["offset"], "log_partition": p}
        data |= {"outcome": outcome, "previous_hash": previous, "reason": reason, "request_id": ask["request_id"]}
        data |= {"rule_version": RULE_VERSION, "sequence": sequence + 1, "slot_id": slot}
        data |= {"venue_id": ask["venue_id"]}
        for language in ("zh", "en"):
            words = TEXTS[reason][language]
            for name, number in numbers.items():
                words = words.replace("{" + name + "}", "" if number is None else str(number))
            data[f"reason_{language}"] = words
        data["hash"] = hashlib.sha256(rfc8785.dumps(data)).hexdigest()
        self.chains[slot] = (sequence + 1, data["hash"])
        offset = sum(1 for other in self.published if other["partition"] == p)
        headers = {"ce_id": f"{p}-{cause['offset']}-{index}", "ce_type": f"booking-{outcome}"}
        record = {"partition": p, "offset": offset, "timestamp": ms, "key": slot, "headers": headers, "data": data}
        self.published.append(record)

    def rechain(self) -> None:
        """A clever liar: sequences and hashes made good again after a change."""
        last: dict[str, tuple[int, str]] = {}
        for row in self.published:
            data = row["data"]
            sequence, previous = last.get(data["slot_id"], (0, "0" * 64))
            data |= {"sequence": sequence + 1, "previous_hash": previous}
            data.pop("hash", None)
            data["hash"] = hashlib.sha256(rfc8785.dumps(data)).hexdigest()
            last[data["slot_id"]] = (sequence + 1, data["hash"])

    def renumber(self) -> None:
        """Published offsets without gaps again."""
        counts: dict[int, int] = {}
        for row in self.published:
            row["offset"] = counts.get(row["partition"], 0)
            counts[row["partition"]] = row["offset"] + 1

    def write(self, folder: Path) -> Path:
        named = {"youai.slot-log.v1": self.log, "youai.booking.v1": self.published, "youai.offer.v1": self.offers}
        for topic, rows in named.items():
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{topic}.jsonl").write_text(text, encoding="utf-8")
        return folder

    def summary(self, folder: Path, accepted: Path | None = None) -> dict[str, Any]:
        verdict = verify.Verdict(self.write(folder), RULE_FILE.parent, accepted)
        summary: dict[str, Any] = json.loads(json.dumps(verdict.summary()))
        return summary


Step = tuple[Row, list[tuple[Any, ...]]]
"""A record and what it must bring: (request, outcome, reason, place, ahead, taken)."""


def export(*slots: list[Step]) -> Export:
    """Each slot on its own partition."""
    made = Export()
    for partition, steps in enumerate(slots):
        asks: dict[str, Row] = {}
        time, capacity = 0, 0
        for row, decisions in steps:
            record = made.append(row, partition)
            if row["type"] == "slot-opened":
                capacity = capacity or row["data"]["capacity"]
            if row["type"] == "booking-requested" and not row.get("refused"):
                asks.setdefault(row["data"]["request_id"], row["data"])
            time = time if row.get("refused") else max(time, record["timestamp"])
            for index, (request, *said) in enumerate(decisions):
                made.decide(record, index, tuple(said), time, capacity, asks[request])
    return made


def yes(number: int, taken: int) -> tuple[Any, ...]:
    return (f"r{number}", "confirmed", "place-free", None, None, taken)


def wait(number: int, place: int, ahead: int, taken: int) -> tuple[Any, ...]:
    return (f"r{number}", "waitlisted", "full", place, ahead, taken)


def no(number: int, reason: str, taken: int = 0) -> tuple[Any, ...]:
    return (f"r{number}", "rejected", reason, None, None, taken)


def promoted(number: int, taken: int) -> tuple[Any, ...]:
    return (f"r{number}", "promoted", "place-freed", None, None, taken)


def released(number: int, reason: str, taken: int) -> tuple[Any, ...]:
    return (f"r{number}", "released", reason, None, None, taken)


def bad(row: Row, **change: Any) -> Row:
    """The row, not to be taken: its time must not count either."""
    return row | {"refused": True, "ms": 2 * HOUR} | change


FULL: list[Step] = [(opened(1), []), (ask(1), [yes(1, 1)]), (ask(2), [wait(2, 1, 0, 1)])]
TRUE: dict[str, list[Step]] = {
    "0 no request before the slot is opened": [(bad(ask(1)), []), (opened(), []), (ask(2), [yes(2, 1)])],
    "0 no key": [(opened(), []), (bad(ask(1), key=None), []), (ask(1), [yes(1, 1)])],
    "0 a key of another slot": [(opened(), []), (bad(ask(1), key="other"), []), (ask(1), [yes(1, 1)])],
    "0 no JSON": [(opened(), []), (bad(ask(1), data=None), []), (ask(1), [yes(1, 1)])],
    "0 no ce_id": [(opened(), []), (bad(ask(1), id=""), []), (ask(1), [yes(1, 1)])],
    "0 an unprintable ce_id": [(opened(), []), (bad(ask(1), id="a\nb"), []), (ask(1), [yes(1, 1)])],
    "0 an unknown type": [(opened(), []), (bad(ask(1), type="booking-demanded"), []), (ask(1), [yes(1, 1)])],
    "0 a party of none": [(opened(), []), (bad(ask(1, size=0)), []), (ask(1), [yes(1, 1)])],
    "1 a slot's time never goes back": [(opened(), []), (ask(1, ms=9), [yes(1, 1)]), (ask(2, ms=3), [yes(2, 2)])],
    "1 what is ignored moves the time": [(opened(), []), (cancel(9, ms=7), []), (ask(1), [yes(1, 1)])],
    "1, 2 a repeat moves the time": [(opened(), []), (ask(1), [yes(1, 1)]), (ask(1, ms=5), []), (ask(2), [yes(2, 2)])],
    "2 a repeat brings nothing": [*FULL, (ask(1), []), (ask(2), []), (cancel(2), [released(2, "cancelled", 1)])],
    "2 another record under a ce_id that was seen": [
        (opened(), []),
        (ask(1), [yes(1, 1)]),
        (ask(2) | {"id": "r1"}, []),
    ],
    "3 a second slot-opened is ignored": [(opened(1), []), (opened(5), []), (ask(1), [yes(1, 1)])],
    "4 a closed slot releases the confirmed, then the waiting": [
        (opened(3), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 2), [wait(2, 1, 0, 2)]),
        (ask(3, 1), [yes(3, 3)]),
        (ask(4, 2), [wait(4, 2, 2, 3)]),
        (cancel(1), [released(1, "cancelled", 1), promoted(2, 3)]),
        (
            closed(),
            [released(number, "session-cancelled", taken) for number, taken in ((2, 1), (3, 0), (4, 0))],
        ),
        (closed("offer-withdrawn"), []),
        (fired(), []),
        (cancel(3), []),
        (ask(5), [no(5, "session-cancelled")]),
    ],
    "4 an offer withdrawn": [(opened(), []), (closed("offer-withdrawn"), []), (ask(1), [no(1, "offer-withdrawn")])],
    "5a closed by timer": [(opened(), []), (fired(), []), (ask(1, ms=HOUR), [no(1, "closed")])],
    "5b early by more than a second": [(opened(), []), (ask(1, ms=-1001), [no(1, "early")])],
    "5b early by a second": [(opened(), []), (ask(1, ms=-1000), [yes(1, 1)])],
    "5c a party too large": [(opened(), []), (ask(1, 3), [no(1, "party-too-large")])],
    "5d live already: confirmed, waiting, promoted": [
        *FULL,
        (ask(3, venue=1), [no(3, "already-live", 1)]),
        (ask(4, venue=2), [no(4, "already-live", 1)]),
        (cancel(1), [released(1, "cancelled", 0), promoted(2, 1)]),
        (ask(5, venue=2), [no(5, "already-live", 1)]),
        (ask(6, venue=1), [wait(6, 1, 0, 1)]),
    ],
    "5d before 5c comes 5b, then 5c": [
        (opened(), []),
        (ask(1, 9, ms=-5000), [no(1, "early")]),
        (ask(2), [yes(2, 1)]),
        (ask(3, 9, venue=2), [no(3, "party-too-large", 1)]),
    ],
    "5e a small party goes in while a large one waits": [
        (opened(3), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 2), [wait(2, 1, 0, 2)]),
        (ask(3, 1), [yes(3, 3)]),
    ],
    "5f a bounded queue": [
        (opened(1, waitlist=1), []),
        (ask(1), [yes(1, 1)]),
        (ask(2), [wait(2, 1, 0, 1)]),
        (ask(3), [no(3, "waitlist-full", 1)]),
        (cancel(2), [released(2, "cancelled", 1)]),
        (ask(4), [wait(4, 1, 0, 1)]),
    ],
    "5f no queue at all": [(opened(1, waitlist=0), []), (ask(1), [yes(1, 1)]), (ask(2), [no(2, "waitlist-full", 1)])],
    "5g places and those ahead": [
        (opened(5), []),
        (ask(1, 5), [yes(1, 5)]),
        (ask(2, 3), [wait(2, 1, 0, 5)]),
        (ask(3, 2), [wait(3, 2, 3, 5)]),
        (cancel(2), [released(2, "cancelled", 5)]),
        (ask(4, 4), [wait(4, 2, 2, 5)]),
    ],
    "5 a request known under another ce_id": [(opened(), []), (ask(1), [yes(1, 1)]), (ask(1) | {"id": "other"}, [])],
    "6 an unknown or ended request": [
        (opened(), []),
        (cancel(1), []),
        (ask(1), [yes(1, 1)]),
        (cancel(1), [released(1, "cancelled", 0)]),
        (cancel(1), []),
        (ask(2, venue=1), [yes(2, 1)]),
    ],
    "6 who fits is promoted, who does not keeps the place": [
        (opened(3), []),
        (ask(1, 2), [yes(1, 2)]),
        (ask(2, 1), [yes(2, 3)]),
        (ask(3, 3), [wait(3, 1, 0, 3)]),
        (ask(4, 1), [wait(4, 2, 3, 3)]),
        (ask(5, 2), [wait(5, 3, 4, 3)]),
        (ask(6, 1), [wait(6, 4, 6, 3)]),
        (cancel(1), [released(1, "cancelled", 1), promoted(4, 2), promoted(6, 3)]),
        (cancel(4), [released(4, "cancelled", 2)]),
        (cancel(6), [released(6, "cancelled", 1), promoted(5, 3)]),
    ],
    "7 closing releases who waits": [
        *FULL,
        (ask(3), [wait(3, 2, 1, 1)]),
        (fired(), [released(2, "closed", 1), released(3, "closed", 1)]),
        (fired(), []),
        (cancel(1, ms=HOUR), [released(1, "cancelled", 0)]),
    ],
    "7 a timer too soon, of another kind, subject or time": [
        *FULL,
        (fired(ms=HOUR - 1), []),
        (fired(kind="hold"), []),
        (fired(subject="r1"), []),
        (fired(due=HOUR - 1), []),
        (ask(3, ms=HOUR), [wait(3, 2, 1, 1)]),
        (fired(), [released(2, "closed", 1), released(3, "closed", 1)]),
    ],
    "7 a slot closed by timer can still be cancelled": [
        *FULL,
        (fired(), [released(2, "closed", 1)]),
        (closed(), [released(1, "session-cancelled", 0)]),
        (ask(3), [no(3, "session-cancelled")]),
    ],
}


@pytest.mark.parametrize("name", TRUE)
def test_each_rule_as_written_by_hand(name: str, tmp_path: Path) -> None:
    summary = export(TRUE[name]).summary(tmp_path)
    assert summary["lie"] is None
    assert summary["ok"]
    assert summary["chains_verified"]
    counted = {"undecided", "duplicate_outcomes", "oversold_slots", "duplicates_published"}
    assert {summary[name] for name in counted} == {0}
    assert summary["refused"] == sum(1 for row, _ in TRUE[name] if row.get("refused"))


def test_the_counts_of_all_rules_together(tmp_path: Path) -> None:
    slots = [json.loads(json.dumps(steps).replace('"s"', f'"s{n}"')) for n, steps in enumerate(TRUE.values())]
    made = export(*slots)
    summary = made.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert summary["slots"] == len(TRUE)
    firsts = summary["first_outcomes"]
    assert summary["requests"] == sum(firsts.values())
    assert sum(summary["decisions"].values()) == len(made.published)
    assert summary["repeats"] == 4


RUSH: list[Step] = [
    (opened(2), []),
    (ask(1), [yes(1, 1)]),
    (ask(2), [yes(2, 2)]),
    (ask(3), [wait(3, 1, 0, 2)]),
    (ask(4), [wait(4, 2, 1, 2)]),
    (cancel(1), [released(1, "cancelled", 1), promoted(3, 2)]),
]


def quiet(slot: str) -> list[Step]:
    return [(opened(2, slot=slot), []), (ask(7, slot=slot), [yes(7, 1)])]


@pytest.fixture
def rush() -> Export:
    return export(quiet("s0"), copy.deepcopy(RUSH), quiet("s2"))


def here(made: Export, number: int) -> Row:
    """The number-th published decision of the rush."""
    return [row for row in made.published if row["partition"] == 1][number]


def told(summary: dict[str, Any]) -> tuple[Any, ...]:
    lie = summary["lie"]
    assert not summary["ok"]
    return (lie["topic"], lie["partition"], lie["offset"])


def test_a_flipped_outcome(rush: Export, tmp_path: Path) -> None:
    row = here(rush, 2)
    row["data"] |= {"outcome": "rejected"}
    row["headers"]["ce_type"] = "booking-rejected"
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 2)
    assert summary["lie"]["what"] == "1-3-0: outcome"
    assert (summary["lie"]["expected"], summary["lie"]["found"]) == ("waitlisted", "rejected")
    assert summary["chains_verified"]


def test_an_oversold_slot(rush: Export, tmp_path: Path) -> None:
    row = here(rush, 2)
    row["data"] |= {"outcome": "confirmed", "reason": "place-free", "place": None, "ahead": None, "taken": 3}
    row["headers"]["ce_type"] = "booking-confirmed"
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 2)
    assert summary["oversold_slots"] == 1


def test_a_changed_reason(rush: Export, tmp_path: Path) -> None:
    here(rush, 3)["data"]["reason"] = "waitlist-full"
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 3)
    assert summary["lie"]["what"] == "1-4-0: reason"


def test_one_character_of_a_text(rush: Export, tmp_path: Path) -> None:
    here(rush, 0)["data"]["reason_zh"] += " "
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 0)
    assert summary["lie"]["what"] == "1-1-0: reason_zh"
    assert not summary["chains_verified"]


@pytest.mark.parametrize("name", ["hash", "previous_hash"])
def test_a_forged_hash(name: str, rush: Export, tmp_path: Path) -> None:
    here(rush, 1)["data"][name] = "f" * 64
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 1)
    assert summary["lie"]["what"] == f"1-2-0: {name}"
    assert summary["lie"]["found"] == "f" * 64
    assert not summary["chains_verified"]


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_a_number_of_another_type(value: object, rush: Export, tmp_path: Path) -> None:
    here(rush, 0)["data"]["taken"] = value
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 0)
    assert summary["lie"]["what"] == "1-1-0: taken"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda row: row["data"].pop("venue_id"), "venue_id"),
        (lambda row: row["data"].update(extra=1), "extra"),
        (lambda row: row.update(key="s2"), "key"),
        (lambda row: row["headers"].update(ce_type="booking-waitlisted"), "ce_type"),
    ],
)
def test_fields_key_and_type(change: Any, what: str, rush: Export, tmp_path: Path) -> None:
    change(here(rush, 1))
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 1)
    assert summary["lie"]["what"] == f"1-2-0: {what}"


def test_a_dropped_decision(rush: Export, tmp_path: Path) -> None:
    rush.published.remove(here(rush, 2))
    rush.renumber()
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 2)
    assert summary["lie"]["what"] == "the decision 1-3-0 is missing"
    assert summary["lie"]["expected"]["request_id"] == "r3"
    assert summary["undecided"] == 1


def test_the_last_decision_dropped(rush: Export, tmp_path: Path) -> None:
    rush.published.remove(here(rush, 5))
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 5)
    assert summary["lie"]["what"] == "the decision 1-5-1 is missing"
    assert summary["lie"]["found"] is None


def test_published_records_deleted(rush: Export, tmp_path: Path) -> None:
    rush.published.remove(here(rush, 0))
    assert told(rush.summary(tmp_path)) == ("youai.booking.v1", 1, 1)


def test_two_swapped(rush: Export, tmp_path: Path) -> None:
    one, other = here(rush, 1), here(rush, 2)
    for name in ("headers", "data"):
        one[name], other[name] = other[name], one[name]
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 1)
    assert summary["lie"]["expected"]["request_id"] == "r2"
    assert summary["lie"]["found"]["request_id"] == "r3"


def test_who_is_promoted_swapped(rush: Export, tmp_path: Path) -> None:
    here(rush, 5)["data"] |= {"request_id": "r4", "venue_id": "v4"}
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 5)
    assert summary["lie"]["what"] == "1-5-1: request_id"


@pytest.mark.parametrize("removed", [0, 3, 5])
def test_a_missing_record_of_the_log(removed: int, rush: Export, tmp_path: Path) -> None:
    rush.log.remove([row for row in rush.log if row["partition"] == 1][removed])
    summary = rush.summary(tmp_path)
    if removed == 5:  # the end of the log cut off: what was decided on it is left without a cause
        assert told(summary) == ("youai.booking.v1", 1, 4)
        assert summary["lie"]["what"] == "the log calls for no decision 1-5-0"
    else:
        assert told(summary) == ("youai.slot-log.v1", 1, removed + 1)
        assert (summary["lie"]["expected"], summary["lie"]["found"]) == (removed, removed + 1)


def test_an_offset_twice_in_the_log(rush: Export, tmp_path: Path) -> None:
    rush.log.append(copy.deepcopy(rush.log[0]))
    assert told(rush.summary(tmp_path)) == ("youai.slot-log.v1", 0, 0)


def test_a_duplicate_publication_is_no_lie(rush: Export, tmp_path: Path) -> None:
    first = rush.published.index(here(rush, 0))
    again = copy.deepcopy(rush.published[first : first + 4])
    rush.published[first + 4 : first + 4] = again
    rush.renumber()
    summary = rush.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert summary["duplicates_published"] == 4
    assert summary["duplicate_outcomes"] == 0


def test_a_duplicate_with_other_words_is_one(rush: Export, tmp_path: Path) -> None:
    again = copy.deepcopy(here(rush, 0))
    again["data"]["outcome"] = "rejected"
    rush.published.append(again)
    rush.renumber()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 6)
    assert "again with other words" in summary["lie"]["what"]


def test_a_first_outcome_doubled_under_another_ce_id(rush: Export, tmp_path: Path) -> None:
    again = copy.deepcopy(here(rush, 1))
    again["headers"]["ce_id"] = "1-9-0"
    rush.published.append(again)
    rush.renumber()
    rush.rechain()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 6)
    assert summary["lie"]["what"] == "r2 has a first outcome already"
    assert summary["duplicate_outcomes"] == 1


def test_an_invented_decision(rush: Export, tmp_path: Path) -> None:
    more = copy.deepcopy(here(rush, 5))
    more["headers"]["ce_id"] = "1-5-2"
    more["data"]["request_id"] = "nobody"
    rush.published.append(more)
    rush.renumber()
    summary = rush.summary(tmp_path)
    assert told(summary) == ("youai.booking.v1", 1, 6)
    assert summary["lie"]["what"] == "the log calls for no decision 1-5-2"


@pytest.mark.parametrize("ce_id", ["", "1-6", "2-5-2", "1-05-2", "x", None, 7])
def test_a_ce_id_that_names_no_record(ce_id: object, rush: Export, tmp_path: Path) -> None:
    here(rush, 0)["headers"]["ce_id"] = ce_id
    assert told(rush.summary(tmp_path)) == ("youai.booking.v1", 1, 0)


def test_a_venue_with_two_live_requests_does_not_stop_the_audit(tmp_path: Path) -> None:
    made = export(TRUE["5d live already: confirmed, waiting, promoted"])
    row = made.published[2]
    row["data"] |= {"outcome": "waitlisted", "reason": "full", "place": 2, "ahead": 1}
    made.rechain()
    assert told(made.summary(tmp_path)) == ("youai.booking.v1", 0, 2)


def test_invariants_are_checked_apart_from_the_replay(tmp_path: Path) -> None:
    """Lies that keep every chain whole are seen by the audit alone, without the replay."""
    passed_over = export(copy.deepcopy(RUSH))
    passed_over.published[5]["data"] |= {"request_id": "r4", "venue_id": "v4"}
    left = export(copy.deepcopy(RUSH))
    del left.published[5]
    for made, what in ((passed_over, "passed over"), (left, "left waiting")):
        made.rechain()
        made.write(tmp_path)
        log = verify.read_topic(tmp_path / "youai.slot-log.v1.jsonl")
        verify.sift(log)
        lies: list[Any] = []
        kept, _ = verify.deduplicate(verify.read_topic(tmp_path / "youai.booking.v1.jsonl"), lies)
        audit = verify.Audit(log, kept, lies)
        assert audit.chains_verified
        assert [lie.what for lie in lies if what in lie.what]


def answers(folder: Path, *rows: tuple[str | None, Any]) -> Path:
    path = folder / "answers.jsonl"
    lines = [json.dumps({"request_id": name, "slot_id": "s", "status": status}) for name, status in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_answers_that_hold(rush: Export, tmp_path: Path) -> None:
    rows = (("r1", 202), ("r2", 503), ("r2", 202), ("r3", 504), ("r8", 504), ("r9", 429), (None, 422))
    summary = rush.summary(tmp_path, answers(tmp_path, *rows))
    assert summary["ok"], summary["lie"]


@pytest.mark.parametrize(
    ("row", "line_number", "expected", "found"),
    [(("r9", 202), 2, 1, 0), (("r2", 409), 2, 0, 1)],
)
def test_answers_that_do_not_hold(
    row: tuple[str, int], line_number: int, expected: int, found: int, rush: Export, tmp_path: Path
) -> None:
    summary = rush.summary(tmp_path, answers(tmp_path, ("r1", 202), row))
    assert told(summary) == ("accepted", None, line_number)
    assert (summary["lie"]["expected"], summary["lie"]["found"]) == (expected, found)
    assert summary["undecided"] == expected


def test_the_market(tmp_path: Path) -> None:
    made = export(copy.deepcopy(RUSH), [(opened(4, slot="t"), []), (closed(slot="t"), [])])
    offer = {"offer_id": "o", "provider_id": "p", "provider_name": "市妇联", "category": "教育服务"}
    sessions = [{"offer_id": "o", "slot_id": slot, "capacity": 2} for slot in ("s", "unbooked", "cancelled", "t")]
    events = [("offer-published", offer), *(("session-opened", session) for session in sessions)]
    events.append(("session-cancelled", {"offer_id": "o", "slot_id": "cancelled"}))
    for offset, (type_, data) in enumerate(events):
        row = {"partition": 0, "offset": offset, "timestamp": 0, "key": "o", "headers": {"ce_type": type_}}
        made.offers.append(row | {"data": data})
    summary = made.summary(tmp_path)
    assert summary["ok"], summary["lie"]
    assert summary["booking_rate_by_provider"] == [
        {"provider_id": "p", "provider_name": "市妇联", "places_offered": 4, "places_booked": 2, "rate": 0.5}
    ]
    row = {"category": "教育服务", "requests": 1, "places": 1, "reasons": {"full": 1}}
    assert summary["unmet_by_category"] == [row]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As a stranger runs it: an isolated Python with no site-packages."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8", timeout=60)


def test_the_command_on_the_standard_library_alone(rush: Export, tmp_path: Path) -> None:
    folder = str(rush.write(tmp_path))
    true = run(folder, "--json")
    assert (true.returncode, json.loads(true.stdout)["ok"], true.stderr) == (0, True, "")
    proof = run(folder, "--venue", "v3")
    assert proof.returncode == 0
    receipt = here(rush, 2)["data"]["hash"]
    for words in ("候补，第 1 位", "waitlisted, number 1", "promoted", receipt, "点单 2 份", "2 of 2 places taken"):
        assert words in proof.stdout
    here(rush, 2)["data"]["place"] = 9
    rush.write(tmp_path)
    lie = run(folder, "--venue", "v3")
    assert lie.returncode == 1
    assert 'partition: 1\noffset: 2\nwhat: "1-3-0: place"\nexpected: 1\nfound: 9\n不实' in lie.stdout
    assert "NOT published so" in lie.stdout


@pytest.mark.parametrize("broken", ["no such folder", "no line of JSON", "a line without offset", "an unknown rule"])
def test_what_cannot_be_read_ends_with_2(broken: str, rush: Export, tmp_path: Path) -> None:
    if broken == "an unknown rule":
        rush.log[0]["data"]["rule_version"] = "0" * 64
    folder, rules = rush.write(tmp_path), RULE_FILE.parent
    lines = {"no line of JSON": "{", "a line without offset": '{"partition": 0}'}
    if broken in lines:
        (folder / "youai.booking.v1.jsonl").write_text(lines[broken])
    result = run(str(folder if broken != "no such folder" else folder / "none"), "--rules", str(rules))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("verify.py: ")


def test_usage_ends_with_2() -> None:
    assert run().returncode == 2


def test_it_imports_the_standard_library_alone_and_stays_short() -> None:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    imported = {text.split()[1].split(".")[0] for text in lines if text.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names
    assert len(lines) < 600


# What the codec refuses, the verifier refuses, and nothing else.

IDS = st.sampled_from(["s", "r1", "张家港", "a b", "a\n", "\x7f", "", "x" * 200, "x" * 201, "\x85", "😀" * 200])
TIMES = st.one_of(
    st.sampled_from(
        [
            "2026-11-24T09:00:00Z",
            "2026-11-24 09:00:00z",
            "2026-11-24t09:00:00.123456789+08:00",
            "2026-11-24T09:00:00",
            "2026-02-29T09:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T23:59:60Z",
            "2026-11-24T09:00:00+24:00",
            "2026-11-24T09:00:00+0800",
            "2026-11-24T09:00:00-08",
            "0001-01-01T00:00:00+08:00",
            "9999-12-31T23:59:59-01:00",
            "9999-12-31T23:59:59.9999999Z",
            "0000-01-01T00:00:00Z",
            "2026-11-24T09:00:00.Z",
            "2026-11-24",
            " 2026-11-24",
        ]
    ),
    st.from_regex(
        r"\A[0129][0-9]{3}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
        r"(\.[0-9]{0,9})?(Z|z|[+-][0-2][0-9]:?[0-6][0-9])\Z"
    ),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 100_000, 100_001, 2**53 - 1, 2**53, 2**64, 10**50, 0.0, 1.0, 1.5, -0.0, 1e300]),
    st.text(max_size=5),
    IDS,
    TIMES,
    st.sampled_from(["arrival", "draw", "closing", "session-cancelled", "0" * 64, "f" * 64 + "\n", "F" * 64]),
)
HOSTILE = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("subject"), inner, max_size=3)
    ),
    max_leaves=4,
)
VALID: dict[str, Row] = {
    "slot-opened": opened()["data"]
    | {"mode": "draw", "town_shares": {"杨舍镇": 1}, "waitlist": 3, "invited": ["v1"], "invited_until": at(NINE)}
    | {"seed_hash": "0" * 64},
    "slot-closed": closed()["data"],
    "booking-requested": ask(1)["data"]
    | {"auto_accept": True, "points": 1, "losses": 2, "wins": 3, "working_hours": ["08:30", "17:00"]},
    "booking-cancelled": cancel(1)["data"],
    "timer-fired": fired()["data"],
}


def both_refuse(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> tuple[bool, bool]:
    """What the codec says of a record, and what the verifier says of it as it is exported."""
    try:
        codec.decode(topics.SLOT_LOG, key, value, headers)
        codec_refuses = False
    except codec.Undecodable:
        codec_refuses = True
    record = verify.read_record(line(0, 0, NINE, key, headers, value).decode())
    return codec_refuses, bool(verify.is_refused(record))


@st.composite
def hostile_records(draw: st.DrawFn) -> tuple[str, Any]:
    type_ = draw(st.sampled_from(sorted(VALID)))
    data = copy.deepcopy(VALID[type_])
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([*sorted(VALID[type_]), "unknown"]))
        match draw(st.sampled_from(["drop", "put", "into"])):
            case "drop":
                data.pop(name, None)
            case "into" if isinstance(data.get(name), dict):
                data[name][draw(st.sampled_from(["subject", "organization_id", "other"]))] = draw(HOSTILE)
            case "into" if isinstance(data.get(name), list):
                data[name].append(draw(HOSTILE))
            case _:
                data[name] = draw(HOSTILE)
    return type_, draw(st.sampled_from([data] * 9 + [[data], None]))


@settings(deadline=None)
@given(hostile_records())
def test_the_codec_and_the_verifier_refuse_the_same(record: tuple[str, Any]) -> None:
    type_, data = record
    key = data.get("slot_id") if isinstance(data, dict) else "s"
    key_bytes = key.encode() if isinstance(key, str) else b"s"
    headers = [("ce_id", b"e1"), ("ce_type", type_.encode())]
    codec_refuses, verifier_refuses = both_refuse(key_bytes, json.dumps(data, ensure_ascii=False).encode(), headers)
    assert codec_refuses == verifier_refuses


@settings(deadline=None)
@given(st.text(max_size=210) | st.just("é" * 201), st.sampled_from(sorted(VALID)) | st.text(max_size=20), IDS)
def test_headers_and_keys_are_refused_alike(ce_id: str, ce_type: str, key: str) -> None:
    data = VALID.get(ce_type, VALID["slot-closed"])
    headers = [("ce_id", ce_id.encode()), ("ce_type", ce_type.encode())]
    codec_refuses, verifier_refuses = both_refuse(key.encode(), json.dumps(data).encode(), headers)
    assert codec_refuses == verifier_refuses


CLOSED = '{"slot_id":"s","reason":"session-cancelled"'


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        (CLOSED.encode() + b"}", False),
        (b" \n\t" + CLOSED.encode() + b"\r\n} ", False),
        (CLOSED.encode() + b',"x":1e999}', False),
        (CLOSED.encode() + b',"x":' + b"1" * 5000 + b"}", False),
        (CLOSED.encode() + b',"x":"\\ud83d\\ude00"}', False),
        (CLOSED.encode() + b',"x":"\\ud83d"}', True),
        (CLOSED.encode() + b',"x":"\xff"}', True),
        (CLOSED.encode() + b',"x":' + b"[" * 99 + b"]" * 99 + b"}", False),
        (CLOSED.encode() + b',"x":' + b"[" * 100 + b"]" * 100 + b"}", True),
        (CLOSED.encode() + b',"x":' + b'{"x":' * 99 + b"[]" + b"}" * 99 + b"}", True),
        (CLOSED.encode() + b',"x":' + b"[" * 900 + b"]" * 900 + b"}", True),
        (CLOSED.encode() + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", True),
        (CLOSED.encode() + b',"x":"' + b"[" * 200 + b'"}', False),
        (CLOSED.encode() + b',"x":NaN}', True),
        (CLOSED.encode() + b',"x":-Infinity}', True),
        (CLOSED.encode() + b',"x":01}', True),
        (CLOSED.encode() + b',"x":"a\tb"}', True),
        (CLOSED.encode() + b",}", True),
        (CLOSED.encode(), True),
        (b"\xef\xbb\xbf" + CLOSED.encode() + b"}", True),
        (b'{"slot_id":"s","reason":"session-cancelled\xff"}', True),
        (b"", True),
        (b"null", True),
        (b"[]", True),
        (b"7", True),
        (None, True),
    ],
)
def test_bytes_that_are_and_are_no_json(value: bytes | None, refused: bool) -> None:
    assert both_refuse(b"s", value, [("ce_id", b"e1"), ("ce_type", b"slot-closed")]) == (refused, refused)


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"t", b"s\n"])
def test_keys_that_are_refused(key: bytes | None) -> None:
    headers = [("ce_id", b"e1"), ("ce_type", b"slot-closed")]
    assert both_refuse(key, CLOSED.encode() + b"}", headers) == (True, True)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii"), max_size=9),
        st.none() | st.booleans() | st.text() | st.integers(-(2**53) + 1, 2**53 - 1),
    )
)
def test_its_canonical_json_is_rfc_8785(data: dict[str, Any]) -> None:
    assert verify.canonical(data) == rfc8785.dumps(data)


@settings(deadline=None)
@given(TIMES)
def test_its_times_are_those_of_the_codec(text: str) -> None:
    data = VALID["timer-fired"] | {"due_at": text}
    headers = [("ce_id", b"e1"), ("ce_type", b"timer-fired")]
    try:
        event: Any = codec.decode(topics.SLOT_LOG, b"s", json.dumps(data).encode(), headers).event
    except codec.Undecodable:
        assert verify.instant(text) is None
        return
    assert verify.instant(text) == (event.due_at - verify.EPOCH) // verify.timedelta(milliseconds=1)
