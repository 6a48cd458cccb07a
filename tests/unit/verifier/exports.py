"""Exports written by hand: records of the log, and what must be decided on them."""

import hashlib
import importlib.util
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import rfc8785

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "verifier" / "verify.py"
RULE_FILE = ROOT / "services" / "matching" / "youai_matching" / "rules" / "2026-11.json"
RULE_VERSION, OF_CLAIMS, ALL_RULES = (
    hashlib.sha256(RULE_FILE.with_name(f"{name}.json").read_bytes()).hexdigest()
    for name in ("2026-11", "2026-12", "2027-01")
)
VERSIONS = {
    hashlib.sha256(path.read_bytes()).hexdigest(): json.loads(path.read_text())
    for path in RULE_FILE.parent.glob("*.json")
}
NINE = 1_795_510_800_000  # 2026-11-24T09:00:00Z, when booking opens
HOUR = 3_600_000  # booking closes an hour later
DAY = 24 * HOUR

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


DEMAND = "demand:d"


def posted(capacity: int = 1, slot: str = DEMAND) -> Row:
    """A demand's slot, of so many claims."""
    row = opened(capacity, slot=slot)
    demand_id = slot.removeprefix("demand:")
    row["data"] |= {"kind": "demand", "offer_id": demand_id, "session_id": demand_id, "rule_version": OF_CLAIMS}
    return row


def claim(number: int, provider: int | None = None, ms: int = 0, slot: str = DEMAND, name: str = "") -> Row:
    data = {"slot_id": slot, "request_id": f"c{number}", "demand_id": slot.removeprefix("demand:"), "actor": ACTOR}
    data |= {"provider_id": f"p{provider or number}", "provider_name": name or f"队{provider or number}"}
    return {"type": "claim-requested", "data": data, "ms": ms, "id": f"c{number}"}


def give_back(number: int, reason: str = "handed-back", ms: int = 0, slot: str = DEMAND) -> Row:
    data = {"slot_id": slot, "request_id": f"c{number}", "demand_id": slot.removeprefix("demand:"), "actor": ACTOR}
    return {"type": "claim-end-requested", "data": data | {"reason": reason}, "ms": ms}


@dataclass
class Export:
    """Topics as they would be exported: lists of rows with offsets set on writing."""

    log: list[Row] = field(default_factory=list)
    published: list[Row] = field(default_factory=list)
    claims: list[Row] = field(default_factory=list)
    offers: list[Row] = field(default_factory=list)
    chains: dict[str, tuple[int, str]] = field(default_factory=dict)

    def append(self, row: Row, partition: int = 0) -> Row:
        offset = sum(1 for other in self.log if other["partition"] == partition)
        headers = {"ce_id": row.get("id", f"e{offset}"), "ce_type": row["type"]}
        key = row.get("key", row["data"]["slot_id"] if isinstance(row["data"], dict) else "s")
        record = {"partition": partition, "offset": offset, "timestamp": NINE + row["ms"], "key": key}
        self.log.append(record | {"headers": headers, "data": row["data"]})
        return self.log[-1]

    def decide(
        self, cause: Row, index: int, said: tuple[Any, ...], ms: int, opened: Row, ask: Row, winner: Row | None
    ) -> None:
        """Publish what was said on `ask`; a claim lost to another names that as its winner."""
        outcome, reason, place, ahead, taken, *held = said
        capacity, of_claims, version = opened["capacity"], "provider_id" in ask, opened["rule_version"]
        slot, p = cause["data"]["slot_id"], cause["partition"]
        sequence, previous = self.chains.get(slot, (0, "0" * 64))
        numbers = {
            "place": place,
            "ahead": ahead,
            "capacity": capacity,
            "party_size": 1 if of_claims else ask["party_size"],
        }
        numbers["taken"] = taken
        data = numbers | {"decided_at": at(ms), "log_offset": cause["offset"], "log_partition": p}
        data |= {"outcome": outcome, "previous_hash": previous, "reason": reason, "request_id": ask["request_id"]}
        data |= {"rule_version": version, "sequence": sequence + 1}
        values = numbers
        if of_claims:
            data |= {name: ask[name] for name in ("demand_id", "provider_id")}
            data |= {f"winner_{name}": winner and winner[f"provider_{name}"] for name in ("id", "name")}
            values = {"capacity": capacity, "taken": taken, "winner": winner and winner["provider_name"]}
        else:
            data |= {"slot_id": slot, "venue_id": ask["venue_id"]}
            data |= {"hold_until": at(in_ms(held[0]))} if held else {}
            values = numbers | {"hold_until": held[0] if held else None}
            values["explanation"] = cause["data"].get("explanation")
        for language in ("zh", "en"):
            words = VERSIONS[version]["texts"][reason][language]
            for name, value in values.items():
                words = words.replace("{" + name + "}", "" if value is None else str(value))
            data[f"reason_{language}"] = words
        data["hash"] = hashlib.sha256(rfc8785.dumps(data)).hexdigest()
        self.chains[slot] = (sequence + 1, data["hash"])
        published = self.claims if of_claims else self.published
        offset = sum(1 for other in published if other["partition"] == p)
        ce_type = f"{'claim' if of_claims else 'booking'}-{outcome}"
        headers = {"ce_id": f"{p}-{cause['offset']}-{index}", "ce_type": ce_type}
        record = {"partition": p, "offset": offset, "timestamp": ms, "key": slot, "headers": headers, "data": data}
        published.append(record)

    def rechain(self) -> None:
        """A clever liar: sequences and hashes made good again after a change."""
        last: dict[str, tuple[int, str]] = {}
        for row in [*self.published, *self.claims]:
            data, slot = row["data"], row["key"]
            sequence, previous = last.get(slot, (0, "0" * 64))
            data |= {"sequence": sequence + 1, "previous_hash": previous}
            data.pop("hash", None)
            data["hash"] = hashlib.sha256(rfc8785.dumps(data)).hexdigest()
            last[slot] = (sequence + 1, data["hash"])

    def renumber(self) -> None:
        """Published offsets without gaps again."""
        for rows in (self.published, self.claims):
            counts: dict[int, int] = {}
            for row in rows:
                row["offset"] = counts.get(row["partition"], 0)
                counts[row["partition"]] = row["offset"] + 1

    def write(self, folder: Path) -> Path:
        named = {"youai.slot-log.v1": self.log, "youai.booking.v1": self.published, "youai.offer.v1": self.offers}
        if self.claims:
            named["youai.claim.v1"] = self.claims
        for topic, rows in named.items():
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{topic}.jsonl").write_text(text, encoding="utf-8")
        return folder

    def summary(self, folder: Path) -> dict[str, Any]:
        verdict = verify.Verdict(self.write(folder), RULE_FILE.parent)
        summary: dict[str, Any] = json.loads(json.dumps(verdict.summary()))
        return summary


Step = tuple[Row, list[tuple[Any, ...]]]
"""A record and what it must bring: (request, outcome, reason, place, ahead, taken[, winning claim | hold's end])."""
ASKING = ("booking-requested", "claim-requested", "override-requested")


def export(*slots: list[Step]) -> Export:
    """Each slot on its own partition."""
    made = Export()
    for partition, steps in enumerate(slots):
        asks: dict[str, Row] = {}
        time, slot = 0, Row()
        for row, decisions in steps:
            record = made.append(row, partition)
            if row["type"] == "slot-opened":
                slot = slot or row["data"]
            slot = slot | row.get("now", {})
            if row["type"] in ASKING and not row.get("refused"):
                asks.setdefault(row["data"]["request_id"], row["data"])
            time = time if row.get("refused") else max(time, record["timestamp"])
            for index, (request, *said) in enumerate(decisions):
                of_claim = row["type"] == "claim-requested"
                winner = asks[said.pop()] if of_claim and len(said) > 5 else None
                made.decide(record, index, tuple(said), time, slot, asks[request], winner)
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


def mine(number: int, taken: int) -> tuple[Any, ...]:
    return (f"c{number}", "confirmed", "claim-free", None, None, taken)


def lost(number: int, reason: str, taken: int = 0, to: int | None = None) -> tuple[Any, ...]:
    return (f"c{number}", "rejected", reason, None, None, taken, *([f"c{to}"] if to else []))


def ended(number: int, reason: str, taken: int) -> tuple[Any, ...]:
    return (f"c{number}", "ended", reason, None, None, taken)


def bad(row: Row, **change: Any) -> Row:
    """The row, not to be taken: its time must not count either."""
    return row | {"refused": True, "ms": 2 * HOUR} | change


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


def in_ms(local: str) -> int:
    """`2026-12-03 17:30` in Zhangjiagang, as ms since 1970."""
    moment = datetime.fromisoformat(local).replace(tzinfo=UTC) - timedelta(hours=8)
    return round(moment.timestamp() * 1000)


def session(capacity: int, starts: int = 10 * DAY, closes: int = 10 * DAY - HOUR, **fields: Any) -> Row:
    """A slot under all rules: opens on Tuesday 2026-11-24 at 17:00 in Zhangjiagang; times after that, in ms."""
    row = opened(capacity)
    row["data"] |= {"starts_at": at(NINE + starts), "ends_at": at(NINE + starts + HOUR)}
    row["data"] |= {"closes_at": at(NINE + closes), "rule_version": ALL_RULES} | fields
    return row


def of(row: Row, **fields: Any) -> Row:
    """The record with these fields."""
    return row | {"data": row["data"] | fields}


def accept(number: int, ms: int = 0) -> Row:
    return cancel(number, ms) | {"type": "hold-accepted"}


def decline(number: int, reason: str = "declined", ms: int = 0) -> Row:
    return of(cancel(number, ms) | {"type": "hold-declined"}, reason=reason)


def lapse(number: int, due: int, ms: int | None = None) -> Row:
    return fired(due if ms is None else ms, due, "hold", f"r{number}")


def revise(ms: int = 0, now: Row | None = None, **fields: Any) -> Row:
    """A revision; `now` is what it changes of what decisions name: the capacity given, if nothing is said."""
    now = {name: fields[name] for name in ("capacity", "rule_version") if name in fields} if now is None else now
    return {"type": "slot-revised", "data": {"slot_id": "s"} | fields, "ms": ms, "now": now}


def override(number: int, size: int = 1, venue: int | None = None, capacity: int | None = None, ms: int = 0) -> Row:
    """By the center; its capacity, if one is given, is more than the slot's."""
    data = ask(number, size, venue)["data"] | {"capacity": capacity, "explanation": "老人行动不便 {place}"}
    now = {"capacity": capacity} if capacity else {}
    return {"type": "override-requested", "data": data, "ms": ms, "now": now}


def reveal(seed: str, ms: int = 60_000) -> Row:
    return {"type": "draw-revealed", "data": {"slot_id": "s", "seed": seed}, "ms": ms}


def held(number: int, taken: int, until: str) -> tuple[Any, ...]:
    return (f"r{number}", "promoted", "place-freed", None, None, taken, until)


def said(number: int, words: str, taken: int, place: int | None = None, ahead: int | None = None) -> tuple[Any, ...]:
    """A decision; `words` are its outcome and its reason."""
    outcome, reason = words.split()
    return (f"r{number}", outcome, reason, place, ahead, taken)


def must_hold(steps: list[Step], folder: Path) -> dict[str, Any]:
    """The verifier decides as the steps say, and nothing else is found; returns the summary."""
    summary = export(steps).summary(folder)
    assert summary["lie"] is None
    assert summary["chains_verified"]
    counted = ("undecided", "duplicate_outcomes", "oversold_slots", "claim_conflicts", "duplicates_published")
    assert {summary[name] for name in counted} == {0}
    return summary


def here(made: Export, number: int) -> Row:
    """The number-th published decision of the rush."""
    return [row for row in made.published if row["partition"] == 1][number]


def told(summary: dict[str, Any]) -> tuple[Any, ...]:
    lie = summary["lie"]
    assert not summary["ok"]
    return (lie["topic"], lie["partition"], lie["offset"])
