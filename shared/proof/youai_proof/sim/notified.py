"""I7: who is owed a notification has it, once."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from youai_contracts import topics
from youai_notify.domain.known import Claim, Known, Session
from youai_notify.domain.owed import Source, owed, subject_elsewhere
from youai_notify.streams import _source
from youai_runtime.work import Record

from youai_proof.sim.left import Left, Published, decoded, id_of

_NAMED = ("recipient_id", "kind", "source_topic", "source_id")
"""What makes a notification the one that is owed."""


def notified(left: Left, published: Published) -> Iterator[str]:
    """I7: for each decision, who is owed a notification has it, once; and it is told of, once and in order."""
    if not left.notify:
        return
    inbox = {row["notification_id"]: row for row in left.tables["notify"]["inbox"]}
    expected = {(n.recipient_id, n.kind, n.source.topic, n.source.id): n for n in _owed(left, published)}
    kept = Counter(tuple(row[name] for name in _NAMED) for row in inbox.values())
    yield from (f"{at} is in the inbox {count} times" for at, count in kept.items() if count > 1)
    for named, notice in expected.items():
        if named not in kept:
            yield f"{notice.recipient_id} was never told: {notice.kind} of {notice.subject_id} ({notice.source.id})"
    for row in inbox.values():
        of_decision = row["kind"].startswith(("booking-", "claim-")) or row["kind"] == "demand-claimed"
        if of_decision and tuple(row[name] for name in _NAMED) not in expected:
            yield f"{row['recipient_id']} was told of nothing: {row['kind']} ({row['source_id']})"
    positions = Counter((row["recipient_id"], row["position"]) for row in inbox.values())
    yield from (f"two notifications have one position: {at}" for at, count in positions.items() if count > 1)
    told: dict[int, int] = {}
    ids: Counter[str] = Counter()
    for record in left.logs[topics.NOTIFICATION.name]:
        position = int(id_of(record).rpartition("-")[2])
        if position > told.get(record.partition, 0):
            told[record.partition] = position
            ids[json.loads(record.value or b"{}")["notification_id"]] += 1
    yield from (f"{id_} was told of {count} times" for id_, count in ids.items() if count > 1)
    yield from (f"{id_} is in the inbox and nobody was told" for id_ in inbox if id_ not in ids)


def _owed(left: Left, published: Published) -> Iterator[Any]:
    known = Known(sessions=_sessions(left.logs[topics.OFFER.name]), claims=_claims(left.logs[topics.DEMAND.name]))
    for record, received in published.kept.values():
        topic = topics.CLAIM if received.event.type.startswith("claim") else topics.BOOKING
        if subject_elsewhere(received.event) is not None:
            source: Source = _source(topic, record, received)
            yield from owed(received.event, source, known)


def _sessions(records: Iterable[Record]) -> dict[str, Session]:
    found = {}
    for received in decoded(topics.OFFER, records):
        if received.event.type == "session-opened":
            event: Any = received.event
            found[event.slot_id] = Session(event.venue_name, event.starts_at, event.venue_name, event.offer_id)
    return found


def _claims(records: Iterable[Record]) -> dict[str, Claim]:
    return {
        received.event.claim_id: Claim(received.event.venue_id, "", "", received.event.provider_name)  # type: ignore[attr-defined]
        for received in decoded(topics.DEMAND, records)
        if received.event.type == "demand-claim-requested"
    }
