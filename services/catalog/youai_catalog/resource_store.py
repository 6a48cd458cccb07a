"""All SQL on resources, asks and the calendar's overrides. Every function works in the caller's transaction."""

from datetime import date, datetime
from typing import Any, cast

import asyncpg
import msgspec
from youai_contracts.codec import rfc3339
from youai_runtime.database import Connection

from youai_catalog import words
from youai_catalog.resource_forms import AsksQuery, ResourcesQuery
from youai_catalog.windows import DayKind

_STATE = "title, description, skills, categories, town, capacity, windows"
_RESOURCE = f"resource_id, owner_id, owner_name, kind, {_STATE}, state"
_ASK = "ask_id, resource_id, asker_id, asker_name, message, wanted_from, state, answer, asked_at, answered_at"


def _resource(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row) | {"windows": msgspec.json.decode(row["windows"])}


def _ask(row: asyncpg.Record) -> dict[str, Any]:
    times = {name: rfc3339(row[name]) for name in ("wanted_from", "asked_at", "answered_at") if row[name] is not None}
    return dict(row) | times


def _columns(view: dict[str, Any], names: str) -> list[Any]:
    row = view | {"windows": msgspec.json.encode(view["windows"]).decode()}
    return [row[name] for name in names.split(", ")]


# Resources


async def insert(connection: Connection, view: dict[str, Any], vector: str) -> bool:
    """List a new resource; False if its id is taken."""
    done = await connection.fetchval(
        f"INSERT INTO resource ({_RESOURCE}, words) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
        " $13::text::tsvector) ON CONFLICT (resource_id) DO NOTHING RETURNING true",
        *_columns(view, _RESOURCE),
        vector,
    )
    return done is not None


async def one(connection: Connection, resource_id: str) -> dict[str, Any] | None:
    """A resource, retired ones too; or None."""
    row = await connection.fetchrow(f"SELECT {_RESOURCE} FROM resource WHERE resource_id = $1", resource_id)
    return None if row is None else _resource(row)


async def lock(connection: Connection, acting_for: str, resource_id: str) -> tuple[dict[str, Any], bool] | None:
    """Lock a resource's row; returns it, and whether it is the acting organization's; None if there is none."""
    row = await connection.fetchrow(f"SELECT {_RESOURCE} FROM resource WHERE resource_id = $1 FOR UPDATE", resource_id)
    if row is None:
        return None
    return _resource(row), await is_own(connection, acting_for, row["owner_id"])


async def is_own(connection: Connection, acting_for: str, organization_id: str) -> bool:
    """Whether an organization is the acting one, or below it."""
    return cast(bool, await connection.fetchval("SELECT acts_for($1, $2)", acting_for, organization_id))


async def revise(connection: Connection, view: dict[str, Any], vector: str) -> None:
    """Write a resource's new state."""
    await connection.execute(
        f"UPDATE resource SET ({_STATE}) = ($2, $3, $4, $5, $6, $7, $8), words = $9::text::tsvector,"
        " revised_at = now() WHERE resource_id = $1",
        view["resource_id"],
        *_columns(view, _STATE),
        vector,
    )


async def retire(connection: Connection, resource_id: str) -> None:
    """Take a resource out of the pool."""
    await connection.execute("UPDATE resource SET state = 'retired' WHERE resource_id = $1", resource_id)


async def listed(
    connection: Connection, query: ResourcesQuery, match: str | None, some: str, after: tuple[str, str], limit: int
) -> list[dict[str, Any]]:
    """At most `limit` listed resources, by their rank (a text, best first) and id, after the given rank and id.

    `match`: the tsquery that they fit (None: any); `some`: the one that ranks them. Without them every rank is 0.
    """
    ranked = "0::real" if match is None else f"ts_rank('{words.RANKS}', words, $9::text::tsquery)"
    fits = "$8::text IS NULL AND $9::text = ''" if match is None else "words @@ $8::text::tsquery"
    rows = await connection.fetch(
        f"""
        SELECT {_RESOURCE}, rank::text FROM (
            SELECT {_RESOURCE}, {ranked} AS rank FROM resource
            WHERE state = 'listed' AND {fits} AND ($1::text IS NULL OR $1 = ANY(categories))
                AND ($2::text IS NULL OR town IN ($2, '')) AND ($3::text IS NULL OR kind = $3)
                AND ($4::text IS NULL OR owner_id = $4)
        ) AS found
        WHERE rank < $5::text::real OR rank = $5::text::real AND resource_id > $6
        ORDER BY found.rank DESC, resource_id LIMIT $7
        """,
        query.category,
        query.town,
        query.kind,
        query.owner_id,
        *after,
        limit,
        match,
        some,
    )
    return [_resource(row) for row in rows]


# Asks


async def insert_ask(connection: Connection, view: dict[str, Any], wanted_from: datetime | None, at: datetime) -> None:
    """Write a new ask (a view)."""
    await connection.execute(
        "INSERT INTO resource_ask (ask_id, resource_id, asker_id, asker_name, message, wanted_from, asked_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(view[name] for name in ("ask_id", "resource_id", "asker_id", "asker_name", "message")),
        wanted_from,
        at,
    )


async def ask(connection: Connection, resource_id: str, ask_id: str) -> dict[str, Any] | None:
    """An ask for that resource, or None."""
    row = await connection.fetchrow(
        f"SELECT {_ASK} FROM resource_ask WHERE ask_id = $1 AND resource_id = $2", ask_id, resource_id
    )
    return None if row is None else _ask(row)


async def answer(connection: Connection, ask_id: str, state: str, message: str, at: datetime) -> None:
    """Note an ask's answer."""
    await connection.execute(
        "UPDATE resource_ask SET state = $2, answer = $3, answered_at = $4 WHERE ask_id = $1",
        ask_id,
        state,
        message,
        at,
    )


async def asks(
    connection: Connection, resource_id: str, query: AsksQuery, after: tuple[str, str], limit: int
) -> list[dict[str, Any]]:
    """At most `limit` of a resource's asks, newest first, before the given time (RFC 3339) and id."""
    rows = await connection.fetch(
        f"SELECT {_ASK} FROM resource_ask WHERE resource_id = $1 AND ($2::text IS NULL OR state = $2)"
        " AND (asked_at, ask_id) < ($3::text::timestamptz, $4) ORDER BY asked_at DESC, ask_id DESC LIMIT $5",
        resource_id,
        query.state,
        *after,
        limit,
    )
    return [_ask(row) for row in rows]


# The calendar


async def acts_for_the_city(connection: Connection, acting_for: str) -> bool:
    """Whether it acts for the center, and so for everybody."""
    found = await connection.fetchval(
        "SELECT acts_for($1, organization_id) FROM organization WHERE parent_id IS NULL", acting_for
    )
    return bool(found)


async def overrides(connection: Connection, first: date, last: date) -> dict[date, tuple[DayKind, str]]:
    """The overrides from first to last (included): kind and note by day."""
    rows = await connection.fetch(
        "SELECT day, kind, note FROM calendar_override WHERE day BETWEEN $1 AND $2", first, last
    )
    return {row["day"]: (row["kind"], row["note"]) for row in rows}


async def listed_overrides(connection: Connection, after: date, limit: int) -> list[dict[str, Any]]:
    """At most `limit` overrides after that day, by day."""
    rows = await connection.fetch(
        "SELECT day::text, kind, note FROM calendar_override WHERE day > $1 ORDER BY day LIMIT $2", after, limit
    )
    return [dict(row) for row in rows]


async def override(connection: Connection, day: date, kind: str, note: str, subject: str, organization: str) -> None:
    """Write what a day is."""
    await connection.execute(
        "INSERT INTO calendar_override (day, kind, note, subject, organization_id) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (day) DO UPDATE SET kind = excluded.kind, note = excluded.note, subject = excluded.subject,"
        " organization_id = excluded.organization_id, changed_at = now()",
        day,
        kind,
        note,
        subject,
        organization,
    )


async def drop_override(connection: Connection, day: date) -> None:
    """Leave a day to the announced calendar again."""
    await connection.execute("DELETE FROM calendar_override WHERE day = $1", day)
