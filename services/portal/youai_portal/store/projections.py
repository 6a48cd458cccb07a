"""What lanes write: whole batches, one or two statements a table, rows as one JSON parameter.

Every statement may run again for the same rows: what is there already stays, or is written alike.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from youai_contracts.events import Event
from youai_runtime.database import Connection

from youai_portal.domain import Claim, Demand

Row = dict[str, Any]


def row(event: Event) -> Row:
    """An event's fields, as JSON has them."""
    found: Row = msgspec.to_builtins(event)
    return found


def _json(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()


async def put_organizations(connection: Connection, rows: Sequence[Row]) -> None:
    """Write whole states; the latest stands."""
    await connection.execute(
        """
        INSERT INTO organization (organization_id, parent_id, kind, level, name, town, categories)
        SELECT organization_id, parent_id, kind, level, name, town, coalesce(categories, '{}')
        FROM jsonb_to_recordset($1::jsonb) AS r (organization_id text, parent_id text, kind text, level text,
            name text, town text, categories text[])
        ON CONFLICT (organization_id) DO UPDATE SET parent_id = excluded.parent_id, kind = excluded.kind,
            level = excluded.level, name = excluded.name, town = excluded.town, categories = excluded.categories
        """,
        _json(rows),
    )


async def put_offers(connection: Connection, offers: Sequence[Row], withdrawn: Sequence[Row]) -> None:
    """Write offers that were published, then note those that were taken back."""
    if offers:
        await connection.execute(
            """
            INSERT INTO offer (offer_id, provider_id, provider_name, category, title, description, towns, audience,
                mode, published_at)
            SELECT offer_id, provider_id, provider_name, category, title, coalesce(description, ''),
                coalesce(towns, '{}'), coalesce(audience, ''), coalesce(mode, 'arrival'), published_at
            FROM jsonb_to_recordset($1::jsonb) AS r (offer_id text, provider_id text, provider_name text,
                category text, title text, description text, towns text[], audience text, mode text,
                published_at timestamptz)
            ON CONFLICT (offer_id) DO NOTHING
            """,
            _json(offers),
        )
    if withdrawn:
        await connection.execute(
            """
            UPDATE offer SET state = 'withdrawn', reason = r.reason
            FROM jsonb_to_recordset($1::jsonb) AS r (offer_id text, reason text) WHERE offer.offer_id = r.offer_id
            """,
            _json(withdrawn),
        )


async def put_sessions(
    connection: Connection, sessions: Sequence[Row], revised: Sequence[Row], cancelled: Sequence[Row]
) -> None:
    """Write sessions that were opened, then what changed of some, then note those that were cancelled."""
    if sessions:
        await connection.execute(
            """
            INSERT INTO session (slot_id, session_id, offer_id, capacity, opens_at, closes_at, starts_at, ends_at,
                waitlist, venue_name, mode, town_shares)
            SELECT slot_id, session_id, offer_id, capacity, opens_at, closes_at, starts_at, ends_at, waitlist,
                venue_name, coalesce(mode, 'arrival'), coalesce(town_shares, '{}')
            FROM jsonb_to_recordset($1::jsonb) AS r (slot_id text, session_id text, offer_id text, capacity int,
                opens_at timestamptz, closes_at timestamptz, starts_at timestamptz, ends_at timestamptz,
                waitlist bigint, venue_name text, mode text, town_shares jsonb)
            ON CONFLICT (slot_id) DO NOTHING
            """,
            _json(sessions),
        )
    if revised:
        await connection.execute(
            """
            UPDATE session AS s SET capacity = coalesce(r.capacity, s.capacity),
                opens_at = coalesce(r.opens_at, s.opens_at), closes_at = coalesce(r.closes_at, s.closes_at),
                starts_at = coalesce(r.starts_at, s.starts_at), ends_at = coalesce(r.ends_at, s.ends_at),
                venue_name = coalesce(r.venue_name, s.venue_name), revised_at = r.revised_at,
                revised_reason = r.reason
            FROM jsonb_to_recordset($1::jsonb) AS r (slot_id text, capacity int, opens_at timestamptz,
                closes_at timestamptz, starts_at timestamptz, ends_at timestamptz, venue_name text, reason text,
                revised_at timestamptz)
            WHERE s.slot_id = r.slot_id
            """,
            _json(revised),
        )
    if cancelled:
        await connection.execute(
            """
            UPDATE session SET state = 'cancelled', reason = r.reason
            FROM jsonb_to_recordset($1::jsonb) AS r (slot_id text, reason text) WHERE session.slot_id = r.slot_id
            """,
            _json(cancelled),
        )


async def put_bookings(connection: Connection, bookings: Sequence[Row]) -> None:
    """Write each request's latest decision; its first one's time stays."""
    await connection.execute(
        """
        INSERT INTO booking (request_id, slot_id, venue_id, party_size, status, reason, reason_zh, reason_en, sequence,
            queued_at, first_at, decided_at, hold_until)
        SELECT request_id, slot_id, venue_id, party_size, status, reason, reason_zh, reason_en, sequence, queued_at,
            first_at, decided_at, hold_until
        FROM jsonb_to_recordset($1::jsonb) AS r (request_id text, slot_id text, venue_id text, party_size int,
            status text, reason text, reason_zh text, reason_en text, sequence bigint, queued_at bigint,
            first_at timestamptz, decided_at timestamptz, hold_until timestamptz)
        ON CONFLICT (request_id) DO UPDATE SET status = excluded.status, reason = excluded.reason,
            reason_zh = excluded.reason_zh, reason_en = excluded.reason_en, sequence = excluded.sequence,
            queued_at = excluded.queued_at, decided_at = excluded.decided_at, hold_until = excluded.hold_until
        WHERE booking.sequence < excluded.sequence
        """,
        _json(bookings),
    )


async def put_overrides(connection: Connection, overrides: Sequence[Row]) -> None:
    """Add what the guidance center gave."""
    if overrides:
        await connection.execute(
            """
            INSERT INTO override_given SELECT slot_id, sequence, request_id, venue_id, party_size, reason_zh, reason_en,
                decided_at
            FROM jsonb_populate_recordset(NULL::override_given, $1::jsonb) ON CONFLICT DO NOTHING
            """,
            _json(overrides),
        )


async def put_attendance(connection: Connection, attended: Sequence[Row]) -> None:
    """Write how many came; the latest word stands."""
    if attended:
        await connection.execute(
            """
            INSERT INTO attendance SELECT request_id, slot_id, attended, recorded_at
            FROM jsonb_populate_recordset(NULL::attendance, $1::jsonb)
            ON CONFLICT (request_id) DO UPDATE SET attended = excluded.attended, recorded_at = excluded.recorded_at
            """,
            _json(attended),
        )


async def put_slots(connection: Connection, slots: Sequence[Row]) -> None:
    """Write slots' sums after their last decision, counted from bookings and overrides (write those first)."""
    await connection.execute(
        """
        INSERT INTO slot (slot_id, capacity, capacity_since, taken, sequence, decided_at, waiting, waiting_places,
            entered, overrides)
        SELECT r.slot_id, r.capacity,
            CASE WHEN r.capacity_changed OR r.capacity <> before.capacity THEN r.capacity_since
                ELSE before.capacity_since END,
            r.taken, r.sequence, r.decided_at, q.waiting, q.places, e.entered,
            (SELECT count(*) FROM override_given AS o WHERE o.slot_id = r.slot_id)
        FROM jsonb_to_recordset($1::jsonb) AS r (slot_id text, capacity int, capacity_since timestamptz,
            capacity_changed boolean, taken int, sequence bigint, decided_at timestamptz)
        LEFT JOIN slot AS before ON before.slot_id = r.slot_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS waiting, coalesce(sum(b.party_size), 0) AS places
            FROM booking AS b WHERE b.slot_id = r.slot_id AND b.status = 'waitlisted'
        ) AS q
        CROSS JOIN LATERAL (
            SELECT count(*) AS entered FROM booking AS b WHERE b.slot_id = r.slot_id AND b.status = 'entered'
        ) AS e
        ON CONFLICT (slot_id) DO UPDATE SET capacity = excluded.capacity,
            capacity_since = excluded.capacity_since, taken = excluded.taken, sequence = excluded.sequence,
            decided_at = excluded.decided_at, waiting = excluded.waiting, waiting_places = excluded.waiting_places,
            entered = excluded.entered, overrides = excluded.overrides
        WHERE slot.sequence <= excluded.sequence
        """,
        _json(slots),
    )


async def demands(connection: Connection, ids: Sequence[str]) -> dict[str, Demand]:
    """Demands as they stand, by id."""
    rows = await connection.fetch(
        "SELECT to_jsonb(demand) - 'teams' AS data FROM demand WHERE demand_id = ANY($1)", list(ids)
    )
    return {one.demand_id: one for one in (_demand(found["data"]) for found in rows)}


def _demand(data: str) -> Demand:
    fields = msgspec.json.decode(data)
    return Demand(**fields | {"claims": tuple(Claim(**claim) for claim in fields["claims"])})


async def put_demands(connection: Connection, demands: Sequence[Demand]) -> None:
    """Write demands as they are now."""
    if not demands:
        return
    rows = [msgspec.to_builtins(demand) | {"teams": demand.teams} for demand in demands]
    await connection.execute(
        """
        INSERT INTO demand SELECT demand_id, venue_id, venue_name, town, category, title, description, residents,
            wanted_from, wanted_until, places_wanted, for_resident, state, claims, teams, rating, residents_served,
            posted_at, changed_at
        FROM jsonb_populate_recordset(NULL::demand, $1::jsonb)
        ON CONFLICT (demand_id) DO UPDATE SET state = excluded.state, claims = excluded.claims, teams = excluded.teams,
            rating = excluded.rating, residents_served = excluded.residents_served, changed_at = excluded.changed_at
        """,
        _json(rows),
    )


async def put_demand_events(connection: Connection, lines: Sequence[Row]) -> None:
    """Add lines to timelines."""
    await connection.execute(
        """
        INSERT INTO demand_event SELECT demand_id, log_offset, type, at, organization_id, details
        FROM jsonb_populate_recordset(NULL::demand_event, $1::jsonb) ON CONFLICT DO NOTHING
        """,
        _json(lines),
    )


async def put_claim_requests(connection: Connection, requests: Sequence[Row]) -> None:
    """Add claims that were asked for."""
    if requests:
        await connection.execute(
            """
            INSERT INTO claim_request SELECT claim_id, demand_id, provider_id, provider_name, asked_at
            FROM jsonb_populate_recordset(NULL::claim_request, $1::jsonb) ON CONFLICT DO NOTHING
            """,
            _json(requests),
        )


async def put_claims(connection: Connection, claims: Sequence[Row]) -> None:
    """Write each claim's latest decision."""
    await connection.execute(
        """
        INSERT INTO claim SELECT claim_id, demand_id, provider_id, status, reason, reason_zh, reason_en, winner_name,
            sequence, decided_at
        FROM jsonb_populate_recordset(NULL::claim, $1::jsonb)
        ON CONFLICT (claim_id) DO UPDATE SET status = excluded.status, reason = excluded.reason,
            reason_zh = excluded.reason_zh, reason_en = excluded.reason_en, winner_name = excluded.winner_name,
            sequence = excluded.sequence, decided_at = excluded.decided_at
        WHERE claim.sequence < excluded.sequence
        """,
        _json(claims),
    )


async def put_notifications(connection: Connection, sent: Sequence[Row], read: Sequence[Row]) -> None:
    """Put notifications into inboxes, then mark those that were read."""
    if sent:
        await connection.execute(
            """
            INSERT INTO notification SELECT notification_id, recipient_id, kind, subject_id, source_topic, title_zh,
                title_en, body_zh, body_en, occurred_at, NULL, coalesce(muted, false)
            FROM jsonb_populate_recordset(NULL::notification, $1::jsonb) ON CONFLICT DO NOTHING
            """,
            _json(sent),
        )
    if read:
        await connection.execute(
            """
            UPDATE notification AS n SET read_at = coalesce(n.read_at, r.read_at)
            FROM jsonb_to_recordset($1::jsonb) AS r (notification_id text, recipient_id text, read_at timestamptz)
            WHERE n.notification_id = r.notification_id AND n.recipient_id = r.recipient_id
            """,
            _json(read),
        )


async def put_resources(connection: Connection, resources: Sequence[Row], retired: Sequence[str]) -> None:
    """Write resources' whole states, then note those that left the pool."""
    if resources:
        await connection.execute(
            """
            INSERT INTO resource SELECT resource_id, owner_id, owner_name, kind, title, coalesce(description, ''),
                coalesce(skills, '{}'), coalesce(categories, '{}'), town, capacity, coalesce(windows, '[]'), 'listed',
                listed_at
            FROM jsonb_populate_recordset(NULL::resource, $1::jsonb)
            ON CONFLICT (resource_id) DO UPDATE SET owner_name = excluded.owner_name, kind = excluded.kind,
                title = excluded.title, description = excluded.description, skills = excluded.skills,
                categories = excluded.categories, town = excluded.town, capacity = excluded.capacity,
                windows = excluded.windows
            """,
            _json(resources),
        )
    if retired:
        await connection.execute(
            "UPDATE resource SET state = 'retired' WHERE resource_id = ANY($1)",
            list(retired),
        )


async def put_asks(connection: Connection, asks: Sequence[Row], answers: Sequence[Row]) -> None:
    """Add asks for resources, then their answers."""
    if asks:
        await connection.execute(
            """
            INSERT INTO resource_ask SELECT ask_id, resource_id, asker_id, asker_name, coalesce(message, ''),
                wanted_from, asked_at, NULL, NULL, NULL
            FROM jsonb_populate_recordset(NULL::resource_ask, $1::jsonb) ON CONFLICT DO NOTHING
            """,
            _json(asks),
        )
    if answers:
        await connection.execute(
            """
            UPDATE resource_ask AS a SET accepted = r.accepted, answer = coalesce(r.message, ''),
                answered_at = r.answered_at
            FROM jsonb_to_recordset($1::jsonb) AS r (ask_id text, accepted boolean, message text,
                answered_at timestamptz)
            WHERE a.ask_id = r.ask_id
            """,
            _json(answers),
        )
