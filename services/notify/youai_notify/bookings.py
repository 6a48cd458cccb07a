"""All SQL of who has a live booking in a slot, and of the changes of sessions that these are to be told of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from youai_contracts import topics
from youai_contracts.events import Decision, SessionRevised
from youai_runtime.database import Connection

from youai_notify.domain.known import is_live
from youai_notify.domain.owed import Source

Place = tuple[str, str]
"""A slot and a venue: which has at most one live request there."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A session-revised as it was read."""

    event: SessionRevised
    source: Source


async def revise(connection: Connection, revisions: Sequence[Revision]) -> list[Revision]:
    """Keep what changes of sessions and change those that are known; returns the changes that were not read before.

    Takes the sessions' rows, so that who tells of a booking (`knowledge.sessions`) tells either before or after.
    """
    slots = sorted({one.event.slot_id for one in revisions})
    await connection.execute("SELECT FROM session WHERE slot_id = ANY ($1::text[]) ORDER BY slot_id FOR UPDATE", slots)
    rows = await connection.fetch(
        "INSERT INTO revision (slot_id, ce_id, value, at, traceparent)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[], $5::text[])"
        " ON CONFLICT (slot_id, ce_id) DO NOTHING RETURNING ce_id",
        [one.event.slot_id for one in revisions],
        [one.source.id for one in revisions],
        [msgspec.json.encode(one.event) for one in revisions],
        [one.source.at for one in revisions],
        [one.source.traceparent for one in revisions],
    )
    fresh = {row["ce_id"] for row in rows}
    found: list[Revision] = []
    for one in revisions:
        if one.source.id in fresh:
            fresh.discard(one.source.id)
            found.append(one)
    await connection.executemany(
        "UPDATE session SET starts_at = coalesce($2, starts_at), place = coalesce($3, place)"
        " WHERE slot_id = $1 AND title IS NOT NULL",
        [(one.event.slot_id, one.event.starts_at, one.event.venue_name) for one in found],
    )
    return found


async def revisions(connection: Connection, slot_ids: Collection[str]) -> list[Revision]:
    """The changes of these slots' sessions that were read so far, in their order."""
    rows = await connection.fetch(
        "SELECT * FROM revision WHERE slot_id = ANY ($1::text[]) ORDER BY at, ce_id", list(slot_ids)
    )
    return [_revision(row) for row in rows]


def _revision(row: Any) -> Revision:
    event = msgspec.json.decode(row["value"], type=SessionRevised)
    return Revision(event, Source(topics.OFFER.name, row["ce_id"], row["at"], row["traceparent"]))


async def put(connection: Connection, decisions: Sequence[Decision]) -> None:
    """Note who is live after these decisions, and who is no more."""
    latest = {one.request_id: one for one in decisions}
    begun: dict[Place, str] = {(o.slot_id, o.venue_id): o.request_id for o in latest.values() if is_live(o)}
    ended = [one for one in latest.values() if not is_live(one)]
    # Ends first: in one batch a venue may have given its request back and asked again.
    if ended:
        await connection.execute(
            # A rejected request may be the second of a venue whose first is live.
            "DELETE FROM live USING unnest($1::text[], $2::text[], $3::text[], $4::text[])"
            " AS e (slot_id, venue_id, request_id, outcome) WHERE live.slot_id = e.slot_id"
            " AND live.venue_id = e.venue_id"
            " AND (live.request_id = e.request_id OR live.request_id = '' AND e.outcome <> 'rejected')",
            [one.slot_id for one in ended],
            [one.venue_id for one in ended],
            [one.request_id for one in ended],
            [one.outcome for one in ended],
        )
    if begun:
        await connection.execute(
            "INSERT INTO live (slot_id, venue_id, request_id) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"
            " ON CONFLICT (slot_id, venue_id) DO UPDATE SET request_id = excluded.request_id"
            " WHERE live.request_id <> excluded.request_id",
            [slot_id for slot_id, _ in begun],
            [venue_id for _, venue_id in begun],
            list(begun.values()),
        )


async def live(connection: Connection, slot_ids: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """The venues that are live in each slot."""
    rows = await connection.fetch(
        "SELECT slot_id, array_agg(venue_id ORDER BY venue_id) AS venues FROM live"
        " WHERE slot_id = ANY ($1::text[]) GROUP BY slot_id",
        list(slot_ids),
    )
    return {row["slot_id"]: tuple(row["venues"]) for row in rows}
