"""Reads a department's own bookings from Youai's topics and prints them as CSV.

A starting point for a department's engineer: copy this file and change it. It needs Python 3.11 or newer and aiokafka,
and nothing of Youai: the topics' contract is all that it knows. Each run goes on where the last one stopped, reads up
to the topics' ends as they are now, and prints the department's bookings as they stand.
"""

import argparse
import asyncio
import contextlib
import csv
import json
import os
import sqlite3
import ssl
import sys
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

OFFERS, BOOKINGS = "youai.offer.v1", "youai.booking.v1"

TABLES = """
CREATE TABLE IF NOT EXISTS progress (topic TEXT, partition INTEGER, next_offset INTEGER, high_water TEXT,
    PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS session (slot_id TEXT PRIMARY KEY, title TEXT, starts_at TEXT, venue_name TEXT);
CREATE TABLE IF NOT EXISTS offer (offer_id TEXT PRIMARY KEY, title TEXT);
CREATE TABLE IF NOT EXISTS booking (slot_id TEXT, request_id TEXT, venue_id TEXT, party_size INTEGER, outcome TEXT,
    reason TEXT, decided_at TEXT, sequence INTEGER, PRIMARY KEY (slot_id, request_id));
"""

# The last outcome of every request in the department's own sessions, in the order in which a slot was decided.
REPORT = """
SELECT session.slot_id, session.title, session.starts_at, session.venue_name, booking.venue_id, booking.party_size,
    booking.outcome, booking.reason, booking.decided_at, booking.request_id
FROM booking JOIN session USING (slot_id) ORDER BY session.starts_at, session.slot_id, booking.sequence
"""


def position(topic: str, partition: int, ce_id: str) -> list[int]:
    """Where an event stands at its source, by which what is published twice is known; empty for any other id.

    A decision's id is `{partition}-{offset}-{index}` of the record that caused it, an offer's `catalog-{number}`.
    """
    source, *numbers = ce_id.split("-")
    if source != (str(partition) if topic == BOOKINGS else "catalog") or not all(n.isdecimal() for n in numbers):
        return []
    return [int(number) for number in numbers]


class Store:
    """What was read, in one SQLite file. A batch and its progress are one transaction: both are there or neither."""

    def __init__(self, path: str, provider: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(TABLES)
        self._provider = provider

    def next_offset(self, topic: str, partition: int) -> int:
        """The first offset that was not yet read."""
        return self._progress(topic, partition)[0]

    def _progress(self, topic: str, partition: int) -> tuple[int, list[int]]:
        row = self._db.execute(
            "SELECT next_offset, high_water FROM progress WHERE topic = ? AND partition = ?", (topic, partition)
        ).fetchone()
        return (row[0], json.loads(row[1])) if row else (0, [])

    def take(self, topic: str, partition: int, records: Sequence[Any]) -> None:
        """Store a batch. Events are published at least once: those at or below the high-water mark came before."""
        self._db.execute("BEGIN")
        try:
            _, high_water = self._progress(topic, partition)
            for record in records:
                try:
                    headers = {name: (value or b"").decode() for name, value in record.headers}
                    kind, here, data = headers["ce_type"], headers["ce_id"], json.loads(record.value or b"null")
                    at = position(topic, partition, here)
                    if at and at <= high_water:
                        continue
                    self._apply(kind, data)
                except (KeyError, TypeError, ValueError, RecursionError) as error:
                    print(f"passed over {topic} {partition}/{record.offset}: {error!r}", file=sys.stderr)
                    continue
                high_water = at or high_water
            progress = (topic, partition, records[-1].offset + 1, json.dumps(high_water))
            self._db.execute("INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?)", progress)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _apply(self, kind: str, data: dict[str, Any]) -> None:
        """One event. Kinds and fields that are not known here are passed over: a contract may gain some."""
        if kind == "offer-published" and data["provider_id"] == self._provider:
            self._db.execute("INSERT OR REPLACE INTO offer VALUES (?, ?)", (data["offer_id"], data["title"]))
        elif kind == "session-opened":
            # An offer and its sessions have one key, hence one partition, hence their order.
            self._db.execute(
                "INSERT OR REPLACE INTO session SELECT ?, title, ?, ? FROM offer WHERE offer_id = ?",
                (data["slot_id"], data["starts_at"], data["venue_name"], data["offer_id"]),
            )
        elif kind.startswith("booking-"):
            # Kept for every slot: whose session it is may stand in the other topic and be read later.
            fields = (
                "slot_id",
                "request_id",
                "venue_id",
                "party_size",
                "outcome",
                "reason_zh",
                "decided_at",
                "sequence",
            )
            self._db.execute(
                "INSERT OR REPLACE INTO booking VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [data[name] for name in fields]
            )

    def report(self) -> sqlite3.Cursor:
        """The rows of the CSV; its columns are in `description`."""
        return self._db.execute(REPORT)


def connection_settings() -> dict[str, Any]:
    """Where the broker is and who we are, from the environment: YOUAI_KAFKA, and KAFKA_USER where it asks for it."""
    settings: dict[str, Any] = {"bootstrap_servers": os.environ.get("YOUAI_KAFKA", "127.0.0.1:9092")}
    if user := os.environ.get("KAFKA_USER"):
        settings |= {
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=os.environ.get("KAFKA_CA_FILE")),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": os.environ["KAFKA_PASSWORD"],
        }
    return settings


async def read(store: Store, group: str) -> None:
    """Read both topics from where the store stands to their ends as they are now."""
    everything = await partitions()
    consumer = AIOKafkaConsumer(
        **connection_settings(),
        group_id=group,
        enable_auto_commit=False,  # progress is in the store; what is committed to Kafka only shows our lag
        auto_offset_reset="none",  # an offset that is gone is to be seen, not skipped
    )
    try:
        await consumer.start()
        ends = await consumer.end_offsets(everything)
        left = {part for part in everything if store.next_offset(part.topic, part.partition) < ends[part]}
        consumer.assign(sorted(left))
        for part in left:
            consumer.seek(part, store.next_offset(part.topic, part.partition))
        while left:
            for part, records in (await consumer.getmany(*left, timeout_ms=1000, max_records=5000)).items():
                store.take(part.topic, part.partition, records)
                if store.next_offset(part.topic, part.partition) >= ends[part]:
                    left.discard(part)
                    consumer.pause(part)
        if read_now := consumer.assignment():
            with contextlib.suppress(KafkaError):
                await consumer.commit({part: ends[part] for part in read_now})
    finally:
        await consumer.stop()


async def partitions() -> list[TopicPartition]:
    """All partitions of both topics. Exits where there is no such topic, or it is not ours to read."""
    admin = AIOKafkaAdminClient(**connection_settings())
    try:
        await admin.start()
        described = await admin.describe_topics([OFFERS, BOOKINGS])
    finally:
        await admin.close()
    for topic in described:
        if not topic["partitions"]:
            sys.exit(f"there is no topic {topic['topic']}, or this principal may not read it")
    return [TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]]


def main() -> None:
    """Read, then print the CSV."""
    parser = argparse.ArgumentParser(description="Print a department's bookings as CSV.")
    parser.add_argument("--provider", required=True, help="id of the department, e.g. dept-women-federation")
    parser.add_argument("--state", default="bookings.sqlite", help="SQLite file that keeps what was read")
    parser.add_argument("--group", help="consumer group (default: the department's id, dot, bookings)")
    arguments = parser.parse_args()
    store = Store(arguments.state, arguments.provider)
    try:
        asyncio.run(read(store, arguments.group or f"{arguments.provider}.bookings"))
    except (KafkaError, OSError) as error:
        sys.exit(f"reading stopped: {error!r}; what was read is kept, run it again")
    rows = store.report()
    writer = csv.writer(sys.stdout)
    writer.writerow(column[0] for column in rows.description)
    writer.writerows(rows)


if __name__ == "__main__":
    main()
