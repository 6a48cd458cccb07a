"""What must hold after every fault: the invariants I1 to I7, from the exported log and from what the databases say."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from youai_contracts import topics
from youai_stack import export
from youai_stack.demo import fold, verdict
from youai_stack.home import Home

from youai_proof.chaos.lanes import Databases

LAG_ZERO_S = 10.0
DECIDED = (topics.BOOKING, topics.CLAIM)
Broken = dict[str, str]
"""Invariants that do not hold, each with what was found."""


class Export:
    """An export of the topics that grows: each time only what is new is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next: dict[str, dict[int, int]] = {}
        folder.mkdir(exist_ok=True)

    async def grow(self, bootstrap: str) -> int:
        """Append what the topics have got since; returns how many records that were."""
        count = 0
        for topic in verdict.TOPICS:
            reached = self._next.setdefault(topic.name, {})
            with (self.folder / f"{topic.name}.jsonl").open("ab") as file:
                async for r in export.records(bootstrap, topic.name, reached):
                    file.write(export.line(r.partition, r.offset, r.timestamp, r.key, r.headers, r.value) + b"\n")
                    reached[r.partition] = r.offset + 1
                    count += 1
        return count


async def check(
    home: Home, exported: Export, rules: Path, told: list[dict[str, object]], *, forgot: bool = False
) -> Broken:
    """Everything but I4, which is a time. An empty answer is a good one.

    `forgot`: an older database was restored, which cannot know what it has told: that may be on the topic twice (in
    the inboxes it may not).
    """
    found = await verdict.verify(exported.folder, told, rules)
    notified = fold.fold(exported.folder)
    databases = Databases(home)
    broken: Broken = {}
    if not (found["ok"] and found["chains_verified"]):
        broken["I1"] = f"the verifier's first lie: {json.dumps(found['lie'], ensure_ascii=False)}"
    if found["oversold_slots"]:
        broken["I2"] = f"{found['oversold_slots']} slots are oversold"
    if found["undecided"] or found["duplicate_outcomes"]:
        broken["I3"] = f"{found['undecided']} undecided, {found['duplicate_outcomes']} decided twice"
    broken |= await _published(databases, exported.folder)
    broken |= await _read_models(databases, exported.folder)
    wrong = {name: notified[f"notifications_{name}"] for name in ("missing", "unowed", *(["doubled"] * (not forgot)))}
    if any(wrong.values()):
        broken["I7"] = f"notifications: {wrong}"
    inbox = await databases.ask("notify", "SELECT notification_id FROM inbox")
    sent = {data["notification_id"] for _, type_, data in _once(exported.folder, topics.NOTIFICATION.name)
            if type_ == "notification-sent"}  # fmt: skip
    if len(inbox) != len(sent) or {row["notification_id"] for row in inbox} != sent:
        broken["I7"] = broken.get("I7", "") + f" {len(inbox)} in the inboxes, {len(sent)} told"
    return broken


def once_decided(exported: Export, accepted: Iterable[str]) -> Broken:
    """I3 from the published decisions alone: whoever was accepted is decided, and nobody's numbers repeat."""
    numbers: dict[tuple[str, int], str] = {}
    decided: set[str] = set()
    for id_, _, data in _once(exported.folder, topics.BOOKING.name):
        decided.add(data["request_id"])
        other = numbers.setdefault((data["slot_id"], data["sequence"]), id_)
        if other != id_:
            return {"I1": f"two decisions are number {data['sequence']} of {data['slot_id']}: {other} and {id_}"}
    missing = set(accepted) - decided
    return {"I3": f"{len(missing)} accepted and never decided, as {sorted(missing)[0]}"} if missing else {}


async def _published(databases: Databases, folder: Path) -> Broken:
    """I5: what is on the topics, each once, is what was decided, in its order."""
    decided: dict[int, list[tuple[str, str]]] = {}
    for row in await databases.ask(
        "matching",
        "SELECT partition, log_offset, index, convert_from(data, 'UTF8')::json ->> 'hash' AS hash FROM decision"
        " ORDER BY partition, log_offset, index",
    ):
        id_ = f"{row['partition']}-{row['log_offset']}-{row['index']}"
        decided.setdefault(row["partition"], []).append((id_, row["hash"]))
    published: dict[int, list[tuple[str, str]]] = {}
    for topic in DECIDED:
        positions: dict[int, tuple[int, ...]] = {}
        for record in _lines(folder, topic.name):
            id_ = str(record["headers"]["ce_id"])
            partition, *position = map(int, id_.split("-"))
            if tuple(position) > positions.get(partition, (-1,)):
                positions[partition] = tuple(position)
                published.setdefault(partition, []).append((id_, record["data"]["hash"]))
    for partition, found in published.items():
        found.sort(key=lambda one: tuple(map(int, one[0].split("-"))))  # two topics, each in its order
        if found != decided.get(partition, []):
            return {"I5": f"partition {partition}: {len(found)} published, {len(decided.get(partition, []))} decided"}
    missing = {partition: len(rows) for partition, rows in decided.items() if partition not in published}
    return {"I5": f"never published: {missing}"} if missing else {}


async def _read_models(databases: Databases, folder: Path) -> Broken:
    """I6: matching's and portal's tables are what the decisions make of them."""
    last: dict[str, dict[str, Any]] = {}
    for _, _, data in _once(folder, topics.BOOKING.name):
        last[data["request_id"]] = data
    status = {id_: _status(data) for id_, data in last.items()}
    bookings = await databases.ask(
        "matching",
        "SELECT b.request_id, b.status, r.reserved FROM booking AS b LEFT JOIN request AS r USING (request_id)"
        " JOIN slot AS s ON s.slot_id = b.slot_id AND s.kind = 'session'",
    )
    shown = await databases.ask("portal", "SELECT request_id, status FROM booking")
    broken = {row["request_id"] for row in bookings if row["status"] != status.get(row["request_id"])}
    broken |= {row["request_id"] for row in shown if row["status"] != status.get(row["request_id"])}
    broken |= {row["request_id"] for row in bookings} ^ set(status)
    broken |= {row["request_id"] for row in shown} ^ set(status)
    if broken:
        some = sorted(broken)[0]
        return {"I6": f"{len(broken)} bookings are not what was decided, as {some}: {status.get(some)}"}
    reserved = {"confirmed": True, "entered": True, "waitlisted": False, "rejected": False, "released": False}
    wrong = Counter(
        row["status"]
        for row in bookings
        if row["reserved"] is not None and reserved.get(row["status"], row["reserved"]) != row["reserved"]
    )
    if wrong:
        return {"I6": f"reservations are not what was decided: {dict(wrong)}"}
    places = {data["slot_id"]: (data["sequence"], data["taken"]) for data in last.values()}
    for data in (data for _, _, data in _once(folder, topics.BOOKING.name)):
        places[data["slot_id"]] = max(places[data["slot_id"]], (data["sequence"], data["taken"]))
    for row in await databases.ask("portal", "SELECT slot_id, sequence, taken FROM slot"):
        if row["slot_id"] in places and (row["sequence"], row["taken"]) != places[row["slot_id"]]:
            return {"I6": f"portal shows {row['slot_id']} as {tuple(row)[1:]}, not {places[row['slot_id']]}"}
    return {}


def _status(data: dict[str, Any]) -> str:
    """What a booking is after its last decision: who lapsed or was displaced into the queue waits again."""
    outcome: str = data["outcome"]
    if outcome in ("lapsed", "displaced"):
        return "waitlisted" if data["place"] is not None else outcome
    return outcome


def _lines(folder: Path, topic: str) -> Iterator[dict[str, Any]]:
    with (folder / f"{topic}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _once(folder: Path, topic: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Id, type and data of each event, each once."""
    seen: set[str] = set()
    for record in _lines(folder, topic):
        id_ = record["headers"].get("ce_id")
        if id_ and id_ not in seen and record["data"] is not None:
            seen.add(id_)
            yield id_, str(record["headers"].get("ce_type")), record["data"]
