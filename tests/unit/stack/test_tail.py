"""Following a topic: what a point in time may be, and types that a topic does not have."""

from datetime import UTC, datetime

import pytest
from youai_stack import tail
from youai_stack.errors import StackError

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01T09:00:00+08:00", "2026-12-01T01:00:00+00:00"),
        ("2026-12-01T01:00:00Z", "2026-12-01T01:00:00+00:00"),
        ("90s", "2026-12-01T08:58:30+00:00"),
        ("10m", "2026-12-01T08:50:00+00:00"),
        ("2h", "2026-12-01T07:00:00+00:00"),
        ("1d", "2026-11-30T09:00:00+00:00"),
        ("1900-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_points_in_time(text: str, at: str) -> None:
    assert tail.since(text, NOW) == int(datetime.fromisoformat(at).timestamp() * 1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "10",
        "10 m",
        "-10m",
        "10w",
        "١٠m",
        "9999999d",
        "2026-12-01",
        "2026-12-01T09:00:00",
        "2026-13-01T09:00:00Z",
    ],
)
def test_what_is_no_point_in_time(text: str) -> None:
    with pytest.raises(StackError, match="is no time"):
        tail.since(text, NOW)


def test_the_future_is_refused() -> None:
    with pytest.raises(StackError, match="yet to come"):
        tail.since("2026-12-01T09:00:01Z", NOW)


def test_types_of_a_topic() -> None:
    tail.check_types("youai.offer.v1", ["offer-published"])
    tail.check_types("youai.catalog.dead-letter.v1", ["whatever"])
    tail.check_types("somebody.else", ["whatever"])
    with pytest.raises(StackError, match="has no type `demand-posted`: it has offer-published"):
        tail.check_types("youai.offer.v1", ["demand-posted"])
