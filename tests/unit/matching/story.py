"""The decisions that stand as examples in contracts: what the domain says to the slot log's examples.

`python -m tests.unit.matching.story` writes those that are not there yet.
"""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from youai_contracts import codec, topics
from youai_contracts.events import SlotRecord
from youai_matching.domain.slot import decide
from youai_matching.domain.state import At, Decided, Slot

from tests.unit.matching.fakes import RULES

EXAMPLES = Path(codec.__file__).parent / "examples"
PARTITION, FIRST_OFFSET = 41, 1207

LOG = [
    ("slot-opened/1", "2026-11-24T09:00:00.000Z"),
    ("slot-opened/2", "2026-11-24T09:00:00.001Z"),
    ("booking-requested/1", "2026-12-01T01:00:00.015Z"),
    ("booking-requested/2", "2026-12-01T01:00:00.022Z"),
    ("booking-requested/3", "2026-12-01T01:00:00.033Z"),
    ("booking-requested/4", "2026-12-01T01:00:00.047Z"),
    ("booking-requested/12", "2026-12-01T01:00:00.061Z"),
    ("booking-requested/5", "2026-12-01T01:00:07.503Z"),
    ("booking-requested/6", "2026-12-01T01:02:00.004Z"),
    ("booking-requested/7", "2026-12-01T01:00:00.023Z"),
    ("booking-requested/8", "2026-12-01T01:00:00.024Z"),
    ("booking-cancelled/1", "2026-12-03T06:21:44.900Z"),
    ("timer-fired/1", "2026-12-19T09:00:00.250Z"),
    ("booking-requested/9", "2026-12-19T09:00:10.007Z"),
    ("slot-closed/1", "2026-12-20T02:30:00.000Z"),
    ("slot-closed/2", "2026-12-08T00:00:00.000Z"),
    ("slot-opened/6", "2026-12-01T00:30:00.004Z"),
    ("claim-requested/1", "2026-12-01T00:30:04.120Z"),
    ("claim-requested/2", "2026-12-01T00:30:04.121Z"),
    ("claim-requested/3", "2026-12-01T00:30:09.077Z"),
    ("claim-end-requested/1", "2026-12-04T02:11:36.900Z"),
    ("claim-requested/4", "2026-12-04T02:12:01.300Z"),
    ("slot-closed/5", "2026-12-06T01:00:00.250Z"),
    ("claim-requested/5", "2026-12-06T01:00:02.006Z"),
    ("slot-opened/7", "2026-12-05T00:10:00.090Z"),
    ("claim-requested/6", "2026-12-05T00:10:12.400Z"),
    ("claim-requested/7", "2026-12-05T00:11:00.010Z"),
    ("claim-requested/8", "2026-12-05T00:11:00.011Z"),
    ("claim-end-requested/2", "2026-12-19T00:10:13.000Z"),
    ("claim-end-requested/3", "2026-12-19T06:00:00.000Z"),
    ("slot-closed/6", "2026-12-20T16:00:05.000Z"),
    ("slot-opened/9", "2026-11-25T02:00:00.000Z"),
    ("booking-requested/13", "2026-12-01T01:00:00.120Z"),
    ("booking-requested/14", "2026-12-01T01:00:09.120Z"),
    ("booking-requested/15", "2026-12-01T01:00:18.120Z"),
    ("booking-requested/16", "2026-12-01T01:00:27.120Z"),
    ("booking-requested/17", "2026-12-01T01:00:36.120Z"),
    ("timer-fired/5", "2026-12-01T01:01:00.180Z"),
    ("draw-revealed/4", "2026-12-01T01:01:00.420Z"),
    ("booking-cancelled/4", "2026-12-02T03:00:00.000Z"),
    ("timer-fired/6", "2026-12-03T03:00:00.210Z"),
    ("hold-accepted/4", "2026-12-03T06:12:08.500Z"),
    ("slot-revised/5", "2026-12-05T02:00:00.000Z"),
    ("booking-cancelled/5", "2026-12-07T03:00:00.000Z"),
    ("timer-fired/7", "2026-12-08T03:00:00.210Z"),
    ("timer-fired/8", "2026-12-09T03:00:00.420Z"),
    ("timer-fired/9", "2026-12-10T03:00:00.630Z"),
]
"""The records of three sessions' (the last is drawn) and two demands' slots: an example, and its stamp."""


def decisions() -> list[Decided]:
    """What is decided on the log, in order."""
    slots: dict[str, Slot] = {}
    decided: list[Decided] = []
    for offset, (example, stamp) in enumerate(LOG, FIRST_OFFSET):
        type_ = example.partition("/")[0]
        value = (EXAMPLES / f"{example}.json").read_bytes()
        key = json.loads(value)["slot_id"]
        headers = codec.headers(id=example, type=type_, source="/youai/matching", time=stamp)
        event = codec.decode(topics.SLOT_LOG, key.encode(), value, headers).event
        assert isinstance(event, SlotRecord)
        at = At(PARTITION, offset, round(datetime.fromisoformat(stamp).timestamp() * 1000), example)
        decided += decide(slots.setdefault(key, Slot(key)), at, event, RULES.by_version).decisions
    return decided


def examples() -> dict[str, dict[str, Any]]:
    """The decisions as examples: `type/number` to data."""
    numbers: Counter[str] = Counter()
    found = {}
    for decision in decisions():
        numbers[decision.event.type] += 1
        found[f"{decision.event.type}/{numbers[decision.event.type]}"] = json.loads(decision.data)
    return found


def write() -> None:
    for name, data in examples().items():
        path = EXAMPLES / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
