"""Every state and reason that the rules know has words in both languages."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
import youai_matching
from youai_contracts.events import Mode
from youai_contracts.topics import BOOKING
from youai_portal import domain, words

RULES = sorted((Path(youai_matching.__file__).parent / "rules").glob("*.json"))
OF_CLAIMS = {
    "claim-free",
    "claimed",
    "already-yours",
    "handed-back",
    "lapsed",
    "center",
    "demand-withdrawn",
    "demand-expired",
}
"""Reasons that decisions on claims have and bookings have not."""


def has_words(zh: str, en: str) -> bool:
    return not zh.isascii() and en.isascii() and bool(en)


@pytest.mark.parametrize("state", [*domain.LIVE, *domain.ENDED])
def test_every_state_of_a_booking_has_words(state: str) -> None:
    assert has_words(words.booking_state(state, "zh"), words.booking_state(state, "en"))
    assert f"booking-{state}" in BOOKING.event_types


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_reason_of_every_rule_version_has_words(path: Path) -> None:
    reasons = set(json.loads(path.read_text("utf-8"))["texts"]) - OF_CLAIMS
    assert reasons
    for code in reasons:
        assert has_words(words.booking_reason(code, "zh"), words.booking_reason(code, "en")), code


def test_every_mode_has_words() -> None:
    for mode in get_args(Mode):
        assert has_words(words.mode(mode, "zh"), words.mode(mode, "en"))


def test_what_has_no_words_is_shown_as_it_is() -> None:
    assert words.booking_reason("later", "zh") == "later"


@pytest.mark.parametrize(
    ("ms", "zh", "en"),
    [
        (0, "0秒", "0 s"),
        (1, "1秒", "1 s"),
        (59_001, "1分00秒", "1 min 00 s"),
        (125_000, "2分05秒", "2 min 05 s"),
        (3_600_000, "1小时00分", "1 h 00 min"),
        (86_399_000, "23小时59分", "23 h 59 min"),
        (90_000_000, "1天1小时", "1 d 1 h"),
        (-5, "0秒", "0 s"),
    ],
)
def test_how_long_it_still_is(ms: int, zh: str, en: str) -> None:
    assert (words.remaining(ms, "zh"), words.remaining(ms, "en")) == (zh, en)


def test_places_that_are_held_are_not_told_as_won() -> None:
    held = {"status": "promoted", "hold_until": "2026-12-05T01:00:00Z"}
    assert (words.standing(held, "zh"), words.standing(held | {"hold_until": None}, "zh")) == (
        "已为您保留",
        words.booking_state("promoted", "zh"),
    )


def test_a_short_time_has_its_year_where_it_would_be_taken_for_another() -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert words.short_moment("2027-01-05T01:00:00Z", now) == "01-05 09:00"
    assert words.short_moment("2026-03-05T01:00:00Z", now) == "03-05 09:00"
    assert words.short_moment("2098-05-03T01:00:00Z", now) == "2098-05-03 09:00"
    assert words.short_moment("2025-11-25T01:00:00Z", now) == "2025-11-25 09:00"
