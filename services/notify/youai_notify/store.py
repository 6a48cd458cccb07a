"""All SQL of inboxes: notifications written once each, read marks, preferences. All in the caller's transaction."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from youai_contracts.codec import rfc3339
from youai_contracts.events import Actor, NotificationRead, NotificationSent
from youai_runtime import outbox
from youai_runtime.database import Connection
from youai_runtime.observed import current_traceparent

from youai_notify import SOURCE
from youai_notify.domain.owed import Notice

_COLUMNS = (
    "notification_id, position, kind, subject_id, source_topic, source_id, title_zh, title_en, body_zh, body_en,"
    " occurred_at, sent_at, read_at"
)

MOST_AT_ONCE = 5_000
"""Notifications of one statement: a city's demands read again at once, each told to many, must not outlast it."""


async def tell(connection: Connection, notices: Sequence[Notice]) -> None:
    """Put notices into their inboxes, in order, and an event for each that was not there yet into the outbox.

    Takes the recipients' rows in one order and keeps them to the transaction's end: call it once a transaction.
    """
    if not notices:
        return
    owed = Counter(notice.recipient_id for notice in notices)
    rows = await connection.fetch(
        """
        INSERT INTO recipient (recipient_id, last_position)
        SELECT id, more FROM unnest($1::text[], $2::bigint[]) AS owed (id, more) ORDER BY id
        ON CONFLICT (recipient_id) DO UPDATE SET last_position = recipient.last_position + excluded.last_position
        RETURNING recipient_id, last_position, muted
        """,
        list(owed.keys()),
        list(owed.values()),
    )
    last = {row["recipient_id"]: row["last_position"] - owed[row["recipient_id"]] for row in rows}
    muted = {row["recipient_id"]: frozenset(row["muted"]) for row in rows}
    for begin in range(0, len(notices), MOST_AT_ONCE):
        part = notices[begin : begin + MOST_AT_ONCE]
        positions = []
        for notice in part:
            last[notice.recipient_id] += 1
            positions.append(last[notice.recipient_id])
        fresh = await _insert(connection, part, positions)
        events: list[tuple[NotificationSent, str | None]] = []
        for notice in part:
            if (id_ := notice.id) in fresh:
                fresh.discard(id_)
                sent = _sent(notice, id_, muted=notice.kind in muted[notice.recipient_id])
                events.append((sent, notice.source.traceparent))
        await outbox.add_traced(connection, events, source=SOURCE)


async def _insert(connection: Connection, notices: Sequence[Notice], positions: Sequence[int]) -> set[str]:
    """The ids of those that are new."""
    rows = await connection.fetch(
        """
        INSERT INTO inbox (notification_id, recipient_id, position, kind, subject_id, source_topic, source_id,
            title_zh, title_en, body_zh, body_en, occurred_at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
        ON CONFLICT (notification_id) DO NOTHING RETURNING notification_id
        """,
        [n.id for n in notices],
        [n.recipient_id for n in notices],
        positions,
        [n.kind for n in notices],
        [n.subject_id for n in notices],
        [n.source.topic for n in notices],
        [n.source.id for n in notices],
        [n.words.title_zh for n in notices],
        [n.words.title_en for n in notices],
        [n.words.body_zh for n in notices],
        [n.words.body_en for n in notices],
        [n.source.at for n in notices],
    )
    return {row["notification_id"] for row in rows}


def _sent(notice: Notice, id_: str, *, muted: bool) -> NotificationSent:
    words, source = notice.words, notice.source
    return NotificationSent(
        notification_id=id_,
        recipient_id=notice.recipient_id,
        kind=notice.kind,
        subject_id=notice.subject_id,
        source_topic=source.topic,
        source_id=source.id,
        title_zh=words.title_zh,
        title_en=words.title_en,
        body_zh=words.body_zh,
        body_en=words.body_en,
        occurred_at=source.at,
        muted=muted,
    )


def view(row: Any) -> dict[str, Any]:
    """A notification's row as it is answered."""
    times = {name: rfc3339(row[name]) if row[name] else None for name in ("occurred_at", "sent_at", "read_at")}
    return dict(row) | times


async def page(
    connection: Connection, recipient_id: str, *, before: int | None, limit: int, unread: bool | None, kind: str | None
) -> list[dict[str, Any]]:
    """At most `limit` notifications of an inbox, the newest first, with positions below `before`."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM inbox
        WHERE recipient_id = $1 AND position < coalesce($2, 9223372036854775807)
            AND ($3::boolean IS NULL OR (read_at IS NULL) = $3) AND ($4::text IS NULL OR kind = $4)
        ORDER BY position DESC LIMIT $5
        """,
        recipient_id,
        before,
        unread,
        kind,
        limit,
    )
    return [view(row) for row in rows]


async def since(connection: Connection, recipient_id: str, position: int, limit: int) -> list[dict[str, Any]]:
    """At most `limit` notifications after `position` that are not muted, the oldest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM inbox WHERE recipient_id = $1 AND position > $2
            AND kind <> ALL (coalesce((SELECT muted FROM recipient WHERE recipient_id = $1), '{{}}'))
        ORDER BY position LIMIT $3
        """,
        recipient_id,
        position,
        limit,
    )
    return [view(row) for row in rows]


async def count(connection: Connection, recipient_id: str) -> dict[str, Any]:
    """What the badge shows: unread ones that are not muted, in all and by kind, and the inbox's last position."""
    row = await connection.fetchrow(
        """
        SELECT r.last_position, (
            SELECT coalesce(json_object_agg(kind, n ORDER BY kind), '{}') FROM (
                SELECT kind, count(*) AS n FROM inbox AS i
                WHERE i.recipient_id = $1 AND read_at IS NULL AND kind <> ALL (r.muted) GROUP BY kind
            ) AS counted
        )::text AS by_kind
        FROM recipient AS r WHERE r.recipient_id = $1
        """,
        recipient_id,
    )
    by_kind: dict[str, int] = msgspec.json.decode(row["by_kind"]) if row else {}
    return {"unread": sum(by_kind.values()), "by_kind": by_kind, "last": row["last_position"] if row else 0}


async def mark_read(connection: Connection, recipient_id: str, notification_id: str, actor: Actor) -> Any:
    """Note that a notification was read, once; returns its row, None if the inbox has no such one."""
    marked = await connection.fetchval(
        "UPDATE inbox SET read_at = now() WHERE notification_id = $1 AND recipient_id = $2 AND read_at IS NULL"
        " RETURNING true",
        notification_id,
        recipient_id,
    )
    if marked:
        event = NotificationRead(notification_id=notification_id, recipient_id=recipient_id, actor=actor)
        await outbox.add(connection, [event], source=SOURCE, traceparent=current_traceparent())
    return await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM inbox WHERE notification_id = $1 AND recipient_id = $2", notification_id, recipient_id
    )


async def mark_all_read(
    connection: Connection, recipient_id: str, until: int | datetime, most: int, actor: Actor
) -> int:
    """Note of at most `most` notifications up to a position (or a time of arrival) that they were read; how many."""
    up_to = "position <= $2::bigint" if isinstance(until, int) else "sent_at <= $2::timestamptz"
    rows = await connection.fetch(
        f"""
        UPDATE inbox SET read_at = now() WHERE notification_id IN (
            SELECT notification_id FROM inbox WHERE recipient_id = $1 AND read_at IS NULL AND {up_to}
            ORDER BY position LIMIT $3 FOR UPDATE)
        RETURNING notification_id, position
        """,
        recipient_id,
        until,
        most,
    )
    events = [
        NotificationRead(notification_id=row["notification_id"], recipient_id=recipient_id, actor=actor)
        for row in sorted(rows, key=lambda row: row["position"])
    ]
    await outbox.add(connection, events, source=SOURCE, traceparent=current_traceparent())
    return len(rows)


async def muted(connection: Connection, recipient_id: str) -> list[str]:
    """The kinds that do not count for an organization's badge."""
    return await connection.fetchval("SELECT muted FROM recipient WHERE recipient_id = $1", recipient_id) or []


async def mute(connection: Connection, recipient_id: str, kinds: Sequence[str]) -> None:
    """Set the kinds that do not count for an organization's badge."""
    await connection.execute(
        "INSERT INTO recipient (recipient_id, muted) VALUES ($1, $2)"
        " ON CONFLICT (recipient_id) DO UPDATE SET muted = excluded.muted",
        recipient_id,
        list(kinds),
    )


async def is_below(connection: Connection, organization_id: str, target_id: str) -> bool:
    """True if `target_id` stands below the organization."""
    found: bool = await connection.fetchval(
        """
        WITH RECURSIVE above AS (
            SELECT organization_id, parent_id, 0 AS depth FROM organization WHERE organization_id = $2
            UNION ALL
            SELECT o.organization_id, o.parent_id, above.depth + 1
            FROM organization AS o JOIN above ON o.organization_id = above.parent_id WHERE above.depth < 16
        )
        SELECT EXISTS (SELECT FROM above WHERE organization_id = $1 AND depth > 0)
        """,
        organization_id,
        target_id,
    )
    return found
