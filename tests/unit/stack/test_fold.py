"""What the demonstration's export says of notifications: who had to be told, counted apart from notify."""

import json
from pathlib import Path
from typing import Any

import pytest
from youai_contracts import topics
from youai_stack.demo.fold import TOPICS, fold

BOOKING, OFFER = topics.BOOKING.name, topics.OFFER.name


class Export:
    """An export's folder, written line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        for topic in (*TOPICS, topics.OFFER):
            (folder / f"{topic.name}.jsonl").touch()

    def add(self, topic: str, type_: str, data: dict[str, Any], at: int = 0) -> str:
        self._count += 1
        id_ = f"id-{self._count}"
        headers = {"ce_id": id_, "ce_type": type_}
        record = {"partition": 0, "offset": self._count, "timestamp": at, "headers": headers, "data": data}
        with (self.folder / f"{topic}.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        return id_

    def booking(self, venue: str, outcome: str, at: int = 0, **more: Any) -> str:
        data = {"request_id": f"r-{venue}", "venue_id": venue, "slot_id": "s", "reason": "x", "place": None, **more}
        return self.add(BOOKING, f"booking-{outcome}", data, at)

    def told(self, venue: str, topic: str, id_: str, kind: str) -> None:
        data = {"recipient_id": venue, "source_topic": topic, "source_id": id_, "kind": kind}
        self.add(topics.NOTIFICATION.name, "notification-sent", data)

    def faults(self) -> tuple[int, int, int]:
        """Missing, unowed, doubled."""
        found = fold(self.folder)
        names = ("notifications_missing", "notifications_unowed", "notifications_doubled")
        missing, unowed, doubled = (found[name] for name in names)
        return missing, unowed, doubled


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path)


@pytest.mark.parametrize(
    ("outcome", "reason", "owed"),
    [
        ("entered", "entered", True),
        ("confirmed", "accepted", True),
        ("promoted", "place-freed", True),
        ("lapsed", "hold-lapsed", True),
        ("displaced", "capacity-cut", True),
        ("released", "not-accepted", True),
        ("released", "limit", True),
        ("released", "cancelled-late", True),
        ("released", "declined", False),
        ("released", "cancelled", False),
    ],
)
def test_what_a_decision_owes(export: Export, outcome: str, reason: str, owed: bool) -> None:
    id_ = export.booking("v", outcome, reason=reason)
    assert export.faults() == (int(owed), 0, 0)
    export.told("v", BOOKING, id_, f"booking-{outcome}")
    assert export.faults() == (0, int(not owed), 0)
    export.told("v", BOOKING, id_, f"booking-{outcome}")
    assert export.faults()[2] == 1


def decide(export: Export, venue: str, outcome: str, at: int, **more: Any) -> None:
    """A decision whose own notification is there, where it owes one."""
    id_ = export.booking(venue, outcome, at, **more)
    if more.get("reason") != "cancelled":
        export.told(venue, BOOKING, id_, f"booking-{outcome}")


def test_who_is_there_before_a_change_and_stays_must_be_told_of_it_once(export: Export) -> None:
    decide(export, "here", "confirmed", 1)
    decide(export, "waits", "waitlisted", 1, place=1)
    decide(export, "lapsed", "promoted", 1)
    decide(export, "lapsed", "lapsed", 2, place=2)
    decide(export, "left", "confirmed", 1)
    decide(export, "left", "released", 2, reason="cancelled")
    decide(export, "out", "promoted", 1)
    decide(export, "out", "lapsed", 2)
    decide(export, "never", "rejected", 1)
    decide(export, "later", "confirmed", 9)
    change = export.add(OFFER, "session-revised", {"slot_id": "s"}, 5)
    export.add(OFFER, "session-revised", {"slot_id": "another"}, 5)
    assert export.faults() == (3, 0, 0)
    for venue in ("here", "waits", "lapsed"):
        export.told(venue, OFFER, change, "session-revised")
    assert export.faults() == (0, 0, 0)
    for venue in ("left", "later", "out"):  # there at some time: in whose order the two were read, nobody can say
        export.told(venue, OFFER, change, "session-revised")
    assert export.faults() == (0, 0, 0)
    export.told("never", OFFER, change, "session-revised")
    export.told("stranger", OFFER, change, "session-revised")
    export.told("here", OFFER, change, "session-revised")
    assert export.faults() == (0, 2, 1)
