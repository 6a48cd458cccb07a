"""Bookings taken in and reserved, many a statement, and reserved again for a hold: functions of migration 0004."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from youai_contracts import codec
from youai_contracts.events import BookingRequested
from youai_runtime.database import Connection

from youai_matching import requests
from youai_matching.domain.rules import RuleVersion
from youai_matching.requests import Facts, Kept

_APART = "\x1f"
"""Stands between texts that go to the database as one, and in none of them: asyncpg looks at each element of a list
for lists in it."""
_COLUMNS = "tttt------tttn"
"""Of a booking's row: t a text, n a text or null."""
_AS = {"t": "string_to_array(${}, $22)", "n": "string_to_array(${}, $22, '')", "-": "${}"}
_ARGUMENTS = ["-"] * 7 + list(_COLUMNS)
_TAKE = f"SELECT * FROM take_bookings({', '.join(_AS[kind].format(n) for n, kind in enumerate(_ARGUMENTS, 1))})"
_KEEP = """
    UPDATE request AS r SET reserved = true, reserved_since = greatest(r.reserved_since, d.sequence),
        offer_id = s.offer_id, starts_at = s.starts_at, ends_at = s.ends_at
    FROM unnest($1::text[], $2::bigint[]) AS d (request_id, sequence), slot AS s
    WHERE r.request_id = d.request_id AND s.slot_id = r.slot_id
        AND (NOT r.reserved OR (r.starts_at, r.ends_at) IS DISTINCT FROM (s.starts_at, s.ends_at))
    RETURNING r.slot_id
    """
_AGAIN = "SELECT * FROM reserve_again($1, $2, $3, $4, $5)"


class Asked(Struct, frozen=True, gc=False):
    """A booking that is asked for. `is_open` says that its part of the log takes appends.

    `event` lacks `town` and `points`, which the database puts in.
    """

    event: BookingRequested
    partition: int
    overlap_ok: bool
    is_open: bool
    body_hash: bytes
    traceparent: str | None


class Answer(Struct, frozen=True, gc=False):
    """What became of it: `taken` with the record's data; else why not, for admission.py to say in words.

    known: the id is there already, with data where it may not be in the log, and is to be appended again; unsure: the
    same, and its log takes nothing now; refused: by `facts`; obstacle: a limit or another session; shut: the log is.
    """

    verdict: Literal["known", "unsure", "refused", "obstacle", "shut", "taken"]
    facts: Facts
    now_ms: int
    obstacle: dict[str, Any] | None
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Again:
    """A booking that was to be reserved again: taken, obstacle (and which), or not-held."""

    request_id: str
    verdict: Literal["taken", "obstacle", "not-held"]
    obstacle: dict[str, Any] | None


class Numbers:
    """Limits and points of every rule version, as the database takes them: null where a version has none."""

    def __init__(self, versions: Iterable[RuleVersion]) -> None:
        known = [version for version in versions if version.limits is not None or version.points is not None]
        self._points = [version.points for version in known]
        self._forgiven = [None if points is None else points.forgiven for points in self._points]
        offsets = [version.calendar.utc_offset_ms if version.calendar else 0 for version in known]
        self.limits = (
            [version.version for version in known],
            [version.limits.per_offer if version.limits else None for version in known],
            [version.limits.per_month if version.limits else None for version in known],
            offsets,
        )

    def at(self, now_ms: int) -> tuple[list[Any], ...]:
        """Limits, since when a point counts, and how many are forgiven."""
        since = [None if points is None else now_ms - points.gone_after_ms for points in self._points]
        return *self.limits, since, self._forgiven


async def take(connection: Connection, numbers: Numbers, asked: Sequence[Asked]) -> list[Answer]:
    """Take bookings in, in order, all in one transaction; the answers are in the order of `asked`."""
    now_ms = int(time.time() * 1000)
    columns = zip(_COLUMNS, zip(*map(_row, asked), strict=True), strict=True)
    lists = [list(column) if kind == "-" else _together(column) for kind, column in columns]
    rows = await connection.fetch(_TAKE, now_ms, *numbers.at(now_ms), *lists, _APART)
    answers = [
        Answer(
            verdict,
            Facts(kind, in_scope, phase, capacity or 0, opens_at or 0, closes_at or 0, first_body),
            now_ms,
            obstacle and msgspec.json.decode(obstacle),
            data,
        )
        for verdict, kind, in_scope, phase, capacity, opens_at, closes_at, first_body, obstacle, data in rows
    ]
    known = [one.event.request_id for one, answer in zip(asked, answers, strict=True) if answer.verdict == "known"]
    if not known:
        return answers
    kept = await requests.kept(connection, known)
    return [_known(one, answer, kept) for one, answer in zip(asked, answers, strict=True)]


def _together(texts: Sequence[str]) -> str:
    text = _APART.join(texts)
    assert text.count(_APART) == len(texts) - 1, "what the door lets in has no control character"
    return text


def _known(asked: Asked, answer: Answer, kept: Mapping[str, Kept]) -> Answer:
    """The answer to a repeat: who may not be in the log yet goes there before anybody is told that it was taken."""
    first = kept.get(asked.event.request_id) if answer.verdict == "known" else None
    if first is None or first.is_in_the_log or first.body_hash != asked.body_hash:
        return answer
    return replace(answer, data=first.data) if asked.is_open else replace(answer, verdict="unsure")


def _row(asked: Asked) -> tuple[Any, ...]:
    event = asked.event
    # A quote inside a string is escaped, so these are the fields themselves, wherever they stand.
    head, _, rest = codec.encode_data(event).decode().partition('"town":""')
    middle, points, tail = rest.partition('"points":0')
    assert points, "the event has its town or points already"
    return (
        event.request_id,
        event.actor.organization_id,
        event.venue_id,
        event.slot_id,
        asked.partition,
        event.party_size,
        event.auto_accept,
        asked.overlap_ok,
        asked.is_open,
        asked.body_hash,
        head + '"town":',
        middle + '"points":',
        tail,
        asked.traceparent or "",
    )


async def again(connection: Connection, numbers: Numbers, request_ids: Sequence[str]) -> list[Again]:
    """Reserve bookings whose places are held once more, in the transaction at hand; one answer each."""
    rows = await connection.fetch(_AGAIN, *numbers.limits, list(request_ids))
    return [
        Again(row["held_id"], row["verdict"], row["obstacle"] and msgspec.json.decode(row["obstacle"])) for row in rows
    ]


async def follow(connection: Connection, decided: dict[str, tuple[int, bool]]) -> None:
    """Keep reservations as decided: by request, the last sequence that spoke of it, and whether it is reserved then.

    What was reserved again after that decision stays. A confirmed one stands in its session's own time. What is given
    back is decided, so the sweeper need not look at it either: one write in place of two.
    """
    cleared = [(request_id, sequence) for request_id, (sequence, reserved) in decided.items() if not reserved]
    kept = [(request_id, sequence) for request_id, (sequence, reserved) in decided.items() if reserved]
    if cleared:
        await connection.execute(
            """
            UPDATE request AS r SET reserved = false, settled = true
            FROM unnest($1::text[], $2::bigint[]) AS d (request_id, sequence)
            WHERE r.request_id = d.request_id AND r.reserved AND r.reserved_since < d.sequence
            """,
            *map(list, zip(*cleared, strict=True)),
        )
    if kept:
        columns = [list(column) for column in zip(*kept, strict=True)]
        moved = await connection.fetch(_KEEP, *columns)
        if moved:
            # The decider may be moving the session in this moment, and sees only what was reserved before: wait for it,
            # then look again. Whoever moves it later waits for this transaction, and takes these along.
            slots = sorted({row["slot_id"] for row in moved})
            await connection.execute(
                "SELECT FROM slot WHERE slot_id = ANY($1::text[]) ORDER BY slot_id FOR SHARE", slots
            )
            await connection.fetch(_KEEP, *columns)


async def auto_accepts(connection: Connection, request_ids: Sequence[str]) -> dict[str, Any]:
    """Those of the requests whose venue wants holds accepted for it: slot, partition, organization, venue, size."""
    rows = await connection.fetch(
        """
        SELECT request_id, slot_id, partition, organization_id, venue_id, party_size, traceparent FROM request
        WHERE request_id = ANY($1::text[]) AND auto_accept
        """,
        list(request_ids),
    )
    return {row["request_id"]: row for row in rows}
