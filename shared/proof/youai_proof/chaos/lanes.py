"""How far every lane, relay and watermark of a stack is: what I4 is measured by, and when a stack is quiet."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from youai_contracts import topics
from youai_contracts.topics import Topic
from youai_stack import provision
from youai_stack.home import Home

from youai_proof.chaos import broker

DECIDER = "matching.decider"
READ = {
    "decider": topics.SLOT_LOG,
    "intake": topics.OFFER,
    "demand-intake": topics.DEMAND,
    "door": topics.BOOKING,
    "attendance": topics.OFFER,
    "organizations": topics.ORGANIZATION,
    "organization": topics.ORGANIZATION,
    "offers": topics.OFFER,
    "offer": topics.OFFER,
    "bookings": topics.BOOKING,
    "booking": topics.BOOKING,
    "demands": topics.DEMAND,
    "demand": topics.DEMAND,
    "claims": topics.CLAIM,
    "claim": topics.CLAIM,
    "resources": topics.RESOURCE,
    "resource": topics.RESOURCE,
    "notifications": topics.NOTIFICATION,
    "notification": topics.NOTIFICATION,
}
"""What a lane reads, by the part of its name after the service's."""
WITH_LANES = ("matching", "demand", "notify", "portal")


class Databases:
    """Statements in the services' own databases, as the services."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def dsn(self, service: str) -> str:
        admin: str = self._home.require_running()["postgres"]["dsn"]
        return provision.service_dsns(admin, {service: self._home.secret(service)})[service]

    @contextlib.asynccontextmanager
    async def connection(self, service: str) -> AsyncIterator[Any]:
        """A connection of its own, closed after the block whatever became of it."""
        connection = await asyncpg.connect(self.dsn(service), timeout=5, command_timeout=120)
        try:
            yield connection
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=2)

    async def ask(self, service: str, sql: str, *arguments: object) -> list[Any]:
        """The rows of one statement."""
        async with self.connection(service) as connection:
            rows: list[Any] = await connection.fetch(sql, *arguments)
            return rows


async def next_offsets(databases: Databases, lane: str) -> dict[int, int]:
    """A lane's progress by partition."""
    rows = await databases.ask(
        lane.partition(".")[0], "SELECT partition, next_offset FROM lane_progress WHERE lane = $1", lane
    )
    return {row["partition"]: row["next_offset"] for row in rows}


async def behind(databases: Databases, bootstrap: str) -> list[str]:
    """What is still to be done anywhere: lanes that are not at their topic's end, outboxes and watermarks; in words."""
    missing: list[str] = []
    progress: dict[str, dict[int, int]] = {}
    for service in ("catalog", *WITH_LANES):
        async with databases.connection(service) as connection:
            for row in await connection.fetch("SELECT lane, partition, next_offset FROM lane_progress"):
                progress.setdefault(row["lane"], {})[row["partition"]] = row["next_offset"]
            waits = await connection.fetchval(
                "SELECT (SELECT count(*) FROM outbox WHERE position IS NULL)"
                " + (SELECT last_position - published_position FROM relay)"
            )
            if waits:
                missing.append(f"{service}'s outbox has {waits} rows to publish")
    async with databases.connection("matching") as connection:
        unsaid = await connection.fetchval(
            "SELECT count(*) FROM lane_progress AS p WHERE lane = $1 AND published_offset <"
            " coalesce((SELECT max(log_offset) FROM decision AS d WHERE d.partition = p.partition), -1)",
            DECIDER,
        )
        open_ = await connection.fetchval(
            "SELECT count(*) FROM request AS r WHERE NOT EXISTS"
            " (SELECT FROM receipt WHERE receipt.slot_id = r.slot_id AND receipt.record_id = r.request_id)"
        )
    async with databases.connection("notify") as connection:
        held = await connection.fetchval("SELECT count(*) FROM held")
    missing += [f"{unsaid} partitions have decisions to publish"] * bool(unsaid)
    missing += [f"{open_} requests have no receipt"] * bool(open_)
    missing += [f"notify holds {held} decisions back"] * bool(held)
    ends = await broker.ends(bootstrap, sorted({_topic(lane) for lane in progress}, key=lambda topic: topic.name))
    for lane, offsets in sorted(progress.items()):
        left = sum(max(end - offsets.get(p, 0), 0) for p, end in ends[_topic(lane).name].items())
        if left:
            missing.append(f"{lane} has {left} records to read")
    return missing


def _topic(lane: str) -> Topic:
    return READ[lane.partition(".")[2]]
