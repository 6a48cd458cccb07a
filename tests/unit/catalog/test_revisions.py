"""What may be changed of a session, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from youai_catalog import revisions

NOW = datetime(2026, 12, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def session(**more: Any) -> dict[str, Any]:
    """A session that opens in an hour, closes a day later, and is held the day after."""
    times = {"opens_at": NOW + HOUR, "closes_at": NOW + 25 * HOUR, "starts_at": NOW + 49 * HOUR}
    return {**times, "ends_at": NOW + 51 * HOUR, "capacity": 5, "venue_name": "站", "state": "open", **more}


def refused(session: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(revisions.Refused) as caught:
        revisions.changes(session, wanted, NOW)
    return caught.value.code, caught.value.field


def test_what_is_so_already_is_no_change() -> None:
    wanted = {"capacity": 5, "venue_name": "所", "starts_at": NOW + 49 * HOUR}
    assert revisions.changes(session(), wanted, NOW) == {"venue_name": "所"}
    assert revisions.changes(session(), session(), NOW) == {}


def test_a_session_moves_as_a_whole() -> None:
    there = {name: at + 24 * HOUR for name, at in session().items() if name.endswith("_at")}
    assert revisions.changes(session(), there, NOW) == there


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"opens_at": NOW + 25 * HOUR}, "opens_at"),
        ({"closes_at": NOW + 50 * HOUR}, "closes_at"),
        ({"starts_at": NOW + 20 * HOUR}, "starts_at"),
        ({"starts_at": NOW + 51 * HOUR}, "starts_at"),
        ({"ends_at": NOW + 49 * HOUR}, "ends_at"),
        ({"ends_at": NOW}, "ends_at"),
        ({"starts_at": NOW - HOUR}, "starts_at"),
    ],
)
def test_times_keep_their_order_and_lie_ahead(wanted: dict[str, Any], field: str) -> None:
    assert refused(session(), wanted) == ("invalid", field)


def test_opening_stays_once_booking_has_opened_and_closing_once_it_has_closed() -> None:
    later = {"opens_at": NOW + 2 * HOUR, "closes_at": NOW + 26 * HOUR}
    assert revisions.changes(session(), later, NOW) == later
    opened = session(opens_at=NOW)
    assert refused(opened, later) == ("booking-open", None)
    assert revisions.changes(opened, {"closes_at": later["closes_at"]}, NOW) == {"closes_at": later["closes_at"]}
    closed = session(opens_at=NOW - HOUR, closes_at=NOW)
    assert refused(closed, {"closes_at": later["closes_at"]}) == ("booking-closed", None)
    assert revisions.changes(closed, {"capacity": 1, "closes_at": NOW}, NOW) == {"capacity": 1}


def test_what_is_cancelled_or_over_stays() -> None:
    assert refused(session(state="cancelled"), {"capacity": 6}) == ("session-cancelled", None)
    over = session(opens_at=NOW - 9 * HOUR, closes_at=NOW - 8 * HOUR, starts_at=NOW - 2 * HOUR, ends_at=NOW)
    assert refused(over, {"capacity": 6}) == ("session-ended", None)
    assert refused(over, {"ends_at": NOW + HOUR}) == ("session-ended", None)
    running = over | {"ends_at": NOW + HOUR}
    assert revisions.changes(running, {"ends_at": NOW + 2 * HOUR}, NOW) == {"ends_at": NOW + 2 * HOUR}
