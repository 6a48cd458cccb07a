"""Every state and reason that the rules know has words in both languages."""

import json
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
