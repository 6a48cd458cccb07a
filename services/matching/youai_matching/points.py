"""All SQL of points: late cancellations and no-shows, each once, by what it is counted for."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from youai_contracts.events import Decision
from youai_runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Point:
    """What counts against a venue since `at` (ms since 1970). Rule versions say for how long."""

    source: str
    venue_id: str
    points: int
    at: int


def of_no_show(slot_id: str, request_id: str) -> str:
    """The source of a no-show."""
    return f"{slot_id}:{request_id}"


def of_cancellation(event: Decision) -> str:
    """The source of a late cancellation."""
    return f"{event.slot_id}:{event.request_id}:cancelled"


async def add(connection: Connection, counted: Sequence[Point]) -> None:
    """Count points; what is counted already stays as it is."""
    if counted:
        await connection.executemany(
            "INSERT INTO point (source, venue_id, points, at) VALUES ($1, $2, $3, $4) ON CONFLICT (source) DO NOTHING",
            [(point.source, point.venue_id, point.points, point.at) for point in counted],
        )


async def remove(connection: Connection, sources: Sequence[str]) -> None:
    """Take points back; what was not counted is nothing to take back."""
    if sources:
        await connection.execute("DELETE FROM point WHERE source = ANY($1::text[])", list(sources))


async def confirmed(connection: Connection, bookings: Sequence[tuple[str, str]]) -> list[asyncpg.Record]:
    """Those of the bookings (slot and request ids) that have their places, with venue and the slot's rule version."""
    rows: list[asyncpg.Record] = await connection.fetch(
        """
        SELECT b.slot_id, b.request_id, b.venue_id, s.rule_version
        FROM unnest($1::text[], $2::text[]) AS a (slot_id, request_id)
        JOIN booking AS b ON b.slot_id = a.slot_id AND b.request_id = a.request_id AND b.status = 'confirmed'
        JOIN slot AS s ON s.slot_id = b.slot_id AND s.kind = 'session'
        """,
        *map(list, zip(*bookings, strict=True)),
    )
    return rows
