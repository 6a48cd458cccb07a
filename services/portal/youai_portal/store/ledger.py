"""Both ledgers: what people want and what the city has, summed by category, town, month and provider."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from youai_runtime.database import Connection

from youai_portal.domain import ENDED, UNMET_REASONS
from youai_portal.store.places import CAPACITY


@dataclass(frozen=True, slots=True)
class Scope:
    """What is summed: a category, a town (empty: all), and from when to when (None: always)."""

    category: str = ""
    town: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def values(self) -> tuple[str, str, datetime | None, datetime | None]:
        """As the statements take them."""
        return self.category, self.town, self.since, self.until


_IN_MONTH = "($3::timestamptz IS NULL OR {at} >= $3) AND ($4::timestamptz IS NULL OR {at} < $4)"

_WANTED = f"""
    SELECT category, town, to_char(posted_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month, state, residents
    FROM demand WHERE state <> 'withdrawn' AND ($1 = '' OR category = $1) AND ($2 = '' OR town = $2)
        AND {_IN_MONTH.format(at="posted_at")}
"""
# A session stands in the town of the venue that it is held at.
_HELD = f"""
    SELECT s.slot_id, {CAPACITY} AS capacity, coalesce(t.taken, 0) AS taken, o.category, o.offer_id, o.provider_id,
        o.provider_name, coalesce(v.town, '') AS town, s.starts_at > now() AS coming,
        to_char(s.starts_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month
    FROM session AS s JOIN offer AS o USING (offer_id) LEFT JOIN slot AS t USING (slot_id)
    LEFT JOIN (SELECT name, max(town) AS town FROM organization WHERE kind = 'venue' GROUP BY name) AS v
        ON v.name = s.venue_name
    WHERE s.state = 'open' AND ($1 = '' OR o.category = $1) AND ($2 = '' OR v.town = $2)
        AND {_IN_MONTH.format(at="s.starts_at")}
"""
_ENDED = ", ".join(f"'{status}'" for status in ENDED)
# Unmet: still waiting, or without places in the end: a full queue, lost in the draw, never promoted before closing, a
# hold lapsed twice, places taken back.
_UNMET = f"""
    SELECT o.category, coalesce(v.town, '') AS town, b.party_size,
        to_char(s.starts_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month
    FROM booking AS b JOIN session AS s USING (slot_id) JOIN offer AS o USING (offer_id)
    LEFT JOIN organization AS v ON v.organization_id = b.venue_id
    WHERE (b.status = 'waitlisted' OR (b.status IN ({_ENDED}) AND b.reason = ANY($5::text[])))
        AND ($1 = '' OR o.category = $1) AND ($2 = '' OR v.town = $2) AND {_IN_MONTH.format(at="s.starts_at")}
"""


async def balance(connection: Connection, scope: Scope) -> dict[str, list[dict[str, Any]]]:
    """Both sides summed by category and by town (the largest gap first) and by month, read in one pass."""
    sets = "GROUP BY GROUPING SETS ((category), (town), (month))"
    which = "CASE WHEN GROUPING(category) = 0 THEN 'category' WHEN GROUPING(town) = 0 THEN 'town' ELSE 'month' END"
    name = "CASE WHEN GROUPING(category) = 0 THEN category WHEN GROUPING(town) = 0 THEN town ELSE month END"
    rows = await connection.fetch(
        f"""
        WITH w AS (SELECT {which} AS which, {name} AS name, count(*) AS demands,
                count(*) FILTER (WHERE state IN ('open', 'expired')) AS undone,
                count(*) FILTER (WHERE state = 'fulfilled') AS fulfilled,
                coalesce(sum(residents) FILTER (WHERE state IN ('open', 'expired')), 0) AS residents
              FROM ({_WANTED}) AS wanted {sets}),
        h AS (SELECT {which} AS which, {name} AS name, count(DISTINCT offer_id) AS offers, count(*) AS sessions,
                sum(capacity) AS places, sum(taken) AS taken,
                coalesce(sum(greatest(capacity - taken, 0)) FILTER (WHERE coming), 0) AS free
              FROM ({_HELD}) AS held {sets}),
        u AS (SELECT {which} AS which, {name} AS name, count(*) AS unmet, sum(party_size) AS unmet_places
              FROM ({_UNMET}) AS unmet {sets})
        SELECT which, name, coalesce(demands, 0) AS demands, coalesce(undone, 0) AS undone,
            coalesce(fulfilled, 0) AS fulfilled, coalesce(residents, 0)::bigint AS residents,
            coalesce(unmet, 0) AS unmet, coalesce(unmet_places, 0)::bigint AS unmet_places,
            coalesce(offers, 0) AS offers, coalesce(sessions, 0) AS sessions, coalesce(places, 0)::bigint AS places,
            coalesce(taken, 0)::bigint AS taken, coalesce(free, 0)::bigint AS free,
            (coalesce(residents, 0) + coalesce(unmet_places, 0) - coalesce(free, 0))::bigint AS gap
        FROM w FULL JOIN h USING (which, name) FULL JOIN u USING (which, name)
        ORDER BY gap DESC, name
        """,
        *scope.values(),
        list(UNMET_REASONS),
    )
    found: dict[str, list[dict[str, Any]]] = {"category": [], "town": [], "month": []}
    for row in rows:
        if row["name"] is not None:
            found[row["which"]].append({name: value for name, value in row.items() if name != "which"})
    found["month"].sort(key=lambda row: str(row["name"]))
    return found


async def providers(connection: Connection, scope: Scope, limit: int) -> list[asyncpg.Record]:
    """Providers with what they offer and how much of it is booked, the highest booking rate first."""
    return await connection.fetch(
        f"""
        SELECT provider_id, provider_name, count(DISTINCT offer_id) AS offers, count(*) AS sessions,
            sum(capacity)::bigint AS places, sum(taken)::bigint AS taken
        FROM ({_HELD}) AS held GROUP BY provider_id, provider_name
        ORDER BY sum(taken)::float / sum(capacity) DESC, sum(capacity) DESC, provider_id LIMIT $5
        """,
        *scope.values(),
        limit,
    )


async def months(connection: Connection) -> list[str]:
    """The months that anything is in, the latest first."""
    rows = await connection.fetch(
        "SELECT DISTINCT to_char(at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month FROM"
        " (SELECT posted_at AS at FROM demand UNION ALL SELECT starts_at FROM session) AS times"
        " ORDER BY 1 DESC LIMIT 36"
    )
    return [row["month"] for row in rows]


# What can be booked now has free places; what is full and takes more into its queue is counted apart.
_OPEN_NOW = "s.state = 'open' AND s.opens_at <= now() AND s.closes_at > now()"
_HAS_PLACES = f"coalesce(t.taken, 0) < {CAPACITY}"
_TAKES_MORE = "(s.waitlist IS NULL OR coalesce(t.waiting, 0) < s.waitlist)"


async def headline(connection: Connection, since: datetime, until: datetime) -> asyncpg.Record:
    """The numbers of a month, in both directions; `bookable` and `queueing`: sessions of now, whatever the month."""
    row = await connection.fetchrow(
        f"""
        SELECT
            (SELECT count(*) FROM demand WHERE posted_at >= $1 AND posted_at < $2) AS demands,
            (SELECT count(*) FROM demand WHERE posted_at >= $1 AND posted_at < $2
                AND state IN ('claimed', 'scheduled', 'fulfilled')) AS claimed,
            (SELECT count(*) FROM demand WHERE posted_at >= $1 AND posted_at < $2 AND state = 'fulfilled') AS fulfilled,
            (SELECT count(*) FROM demand WHERE state = 'open') AS open,
            (SELECT count(*) FROM offer WHERE state = 'published') AS offers,
            h.sessions, h.places, h.taken, h.waiting, n.bookable, n.queueing
        FROM (SELECT count(*) FILTER (WHERE {_HAS_PLACES}) AS bookable,
                count(*) FILTER (WHERE NOT {_HAS_PLACES} AND {_TAKES_MORE}) AS queueing
              FROM session AS s LEFT JOIN slot AS t USING (slot_id) WHERE {_OPEN_NOW}) AS n,
            (SELECT count(*) AS sessions, coalesce(sum({CAPACITY}), 0) AS places, coalesce(sum(t.taken), 0) AS taken,
                coalesce(sum(t.waiting), 0) AS waiting
              FROM session AS s LEFT JOIN slot AS t USING (slot_id)
              WHERE s.state = 'open' AND s.starts_at >= $1 AND s.starts_at < $2) AS h
        """,
        since,
        until,
    )
    assert row is not None
    return row


async def opening(connection: Connection, limit: int) -> list[asyncpg.Record]:
    """Sessions that can be booked now and have free places, the fullest first: what is wanted most and still there."""
    return await connection.fetch(
        f"""
        SELECT s.slot_id, s.starts_at, s.ends_at, s.venue_name, {CAPACITY} AS capacity,
            coalesce(t.taken, 0) AS taken, o.offer_id, o.title, o.category, o.provider_name
        FROM session AS s JOIN offer AS o USING (offer_id) LEFT JOIN slot AS t USING (slot_id)
        WHERE {_OPEN_NOW} AND {_HAS_PLACES}
        ORDER BY coalesce(t.taken, 0)::float / {CAPACITY} DESC, s.starts_at LIMIT $1
        """,
        limit,
    )
