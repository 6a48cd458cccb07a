"""Reads an export, and says which records of the slot log count."""

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONED = r"\A(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):?[0-5]\d)\Z"
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


def rfc3339(ms: int) -> str:
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    "text": lambda value: isinstance(value, str) and 1 <= len(value) <= 1000 and "\x00" not in value,
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
    "slot-revised": "slot_id=id capacity?=places|null rule_version?=hash|null opens_at?=time|null closes_at?=time|null "
    "starts_at?=time|null ends_at?=time|null",
    "slot-closed": "slot_id=id reason=session-cancelled|offer-withdrawn|demand-withdrawn|demand-expired",
    "booking-requested": "slot_id=id request_id=id venue_id=id town=label party_size=places auto_accept?=flag "
    "points?=count losses?=count wins?=count working_hours?=hours|null requested_at=time actor=actor",
    "booking-cancelled": "slot_id=id request_id=id actor=actor",
    "hold-accepted": "slot_id=id request_id=id actor=actor",
    "hold-declined": "slot_id=id request_id=id reason?=declined|limit actor=actor",
    "override-requested": "slot_id=id request_id=id venue_id=id town=label party_size=places capacity?=places|null "
    "explanation=text actor=actor",
    "draw-revealed": "slot_id=id seed=hash",
    "claim-requested": "slot_id=id request_id=id demand_id=id provider_id=id provider_name=name actor=actor",
    "claim-end-requested": "slot_id=id request_id=id demand_id=id reason=handed-back|lapsed|center actor=actor",
    "timer-fired": "slot_id=id kind=hold|window|shares|closing|class|accumulation|invited due_at=time subject?=label",
}
ONLY_OF = {
    "booking": "session",
    "hold": "session",
    "override": "session",
    "claim": "demand",
}  # how a type begins: the kind


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
