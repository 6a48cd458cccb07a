"""Rule versions: named by their bytes, whole, and refused where they are none."""

import hashlib
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from youai_matching.domain import rules
from youai_matching.domain.rules import RuleVersion, Text
from youai_matching.rule_files import RuleBook
from youai_matching.settings import Settings

BOOKINGS = {
    "place-free", "full", "place-freed", "cancelled", "session-cancelled", "offer-withdrawn", "closed", "early",
    "party-too-large", "already-live", "waitlist-full",
}  # fmt: skip
PARTS = {
    "shares", "kept", "entered", "drawn", "drawn-behind", "accepted", "declined", "limit", "hold-lapsed",
    "hold-lapsed-again", "not-accepted", "capacity-cut", "capacity-cut-closed", "override", "override-full",
    "cancelled-late",
}  # fmt: skip
CLAIMS = {
    "claim-free", "claimed", "already-yours", "handed-back", "lapsed", "center", "demand-withdrawn", "demand-expired",
}  # fmt: skip
EVERY = BOOKINGS | CLAIMS | PARTS
VERSIONS = {
    "2026-11": "0bde3d0391c0fa9ee4ccd9ed0e346a66956560467de7dc46f12f832496f67009",
    "2026-12": "51073d583229f3429f3ffd4a5707978015016414946d63f3e08f9989bac3a0ec",
    "2027-01": "e042551e801e9cc221fff5ac5cd5403348836eec843127cf354916f3f7f428b4",
}


TEXTS = {code: {"zh": "满", "en": "full"} for code in BOOKINGS}


def raw(**changes: Any) -> bytes:
    whole = {"name": "x", "early_tolerance_ms": 1000, "texts": TEXTS}
    return json.dumps({name: value for name, value in (whole | changes).items() if value is not None}).encode()


def test_a_version_is_the_hash_of_its_bytes() -> None:
    assert rules.parse(raw()).version == hashlib.sha256(raw()).hexdigest()
    assert rules.parse(raw() + b"\n").version != rules.parse(raw()).version


def test_a_version_never_changes() -> None:
    """Decisions name it; whoever replays them needs these very bytes. A change is a new file, with a line here."""
    assert {version.name: version.version for version in RuleBook().by_version.values()} == VERSIONS


def test_new_slots_come_under_the_newest_version() -> None:
    assert Settings.model_fields["rules"].default == max(VERSIONS)


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"{", b"\xff", b"[]", b"null", b"1", b'"x"', raw(name=None), raw(early_tolerance_ms=None),
        raw(texts=None), raw(texts=[]), raw(texts={"full": {}}), raw(texts={"full": {"zh": "满"}}),
        raw(texts={"full": "x"}), raw(texts={"full": {"zh": 1, "en": "x"}}), raw(name=7),
        raw(early_tolerance_ms="1000"), raw(early_tolerance_ms=1.5), raw(early_tolerance_ms=-1),
        raw(early_tolerance_ms=True),
    ],
)  # fmt: skip
def test_what_is_no_rule_version_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match=r"no rule version|utf-8"):
        rules.parse(bad)


def test_every_version_has_a_text_for_every_reason_in_both_languages() -> None:
    names = ("place", "ahead", "capacity", "party_size", "taken", "winner", "hold_until", "explanation")
    numbers: dict[str, int | str | None] = dict.fromkeys(names, 7)
    for version in RuleBook().by_version.values():
        assert set(version.texts) == {"2026-11": BOOKINGS, "2026-12": BOOKINGS | CLAIMS}.get(version.name, EVERY)
        for reason in version.texts:
            said = version.say(reason, numbers)
            assert said.zh
            assert said.en
            assert not {"{", "}"} & set(said.zh + said.en)


def test_numbers_go_into_their_places_and_null_leaves_none() -> None:
    version = RuleVersion("v", "x", 0, {"full": Text("第{place}位，{place}/{ahead}{other}", "{place} of {ahead}")})
    said = version.say("full", {"place": 3, "ahead": None})
    assert said == Text("第3位，3/{other}", "3 of ")


def test_a_reason_that_an_old_version_has_no_words_for_is_empty() -> None:
    assert RuleBook().named("2026-12").say("capacity-cut", {"capacity": 1}) == Text("", "")


WHOLE = json.loads((resources.files("youai_matching") / "rules" / "2027-01.json").read_bytes())
WORDS = {
    "draw": ["entered", "drawn", "drawn-behind"],
    "town_shares": ["shares"],
    "queue": ["kept"],
    "hold": ["accepted", "declined", "limit", "hold-lapsed", "hold-lapsed-again", "not-accepted", "capacity-cut",
             "capacity-cut-closed"],
    "points": ["cancelled-late"],
    "override": ["override", "override-full"],
}  # fmt: skip


def without(code: str, **changes: Any) -> bytes:
    texts = {name: text for name, text in WHOLE["texts"].items() if name != code}
    return json.dumps(WHOLE | {"texts": texts} | changes).encode()


@pytest.mark.parametrize("code", sorted(BOOKINGS))
def test_every_version_needs_the_texts_of_bookings(code: str) -> None:
    with pytest.raises(ValueError, match=f"no texts for {code}$"):
        rules.parse(without(code))


@pytest.mark.parametrize(("part", "code"), [(part, code) for part, codes in WORDS.items() for code in codes])
def test_a_part_needs_its_texts_and_nobody_else_does(part: str, code: str) -> None:
    with pytest.raises(ValueError, match=f"no texts for {code}$"):
        rules.parse(without(code))
    assert getattr(rules.parse(without(code, **{part: None})), part) is None


@pytest.mark.parametrize("part", ["draw", "town_shares", "queue", "hold", "points", "limits", "override"])
@pytest.mark.parametrize("value", [{}, [], 1, {"window": 1}, {"by": 7}])
def test_a_part_that_is_none_is_refused(part: str, value: Any) -> None:
    with pytest.raises(ValueError, match="no rule version"):
        rules.parse(json.dumps(WHOLE | {part: value}).encode())


@pytest.mark.parametrize("hours", [["9:00", "17:00"], ["17:00", "09:00"], ["09:00", "24:00"], ["09:00", "09:00"]])
def test_a_calendar_needs_hours(hours: list[str]) -> None:
    calendar = WHOLE["calendar"] | {"working_hours": hours}
    with pytest.raises(ValueError, match="working_hours"):
        rules.parse(json.dumps(WHOLE | {"calendar": calendar}).encode())


def test_holds_need_a_calendar() -> None:
    with pytest.raises(ValueError, match="no calendar"):
        rules.parse(json.dumps(WHOLE | {"calendar": None}).encode())


def test_a_slot_never_loses_a_rule() -> None:
    whole = RuleBook().named("2027-01")
    assert whole.covers(whole)
    for part in rules.PARTS:
        gone: Any = {part: None}
        lacking = replace(whole, **gone)
        assert not lacking.covers(whole), part
        assert whole.covers(lacking)
        assert lacking.covers(lacking)


def test_an_unknown_name_lists_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="2026-11"):
        RuleBook().named("1999-01")


def test_a_citys_own_versions_come_from_a_folder(tmp_path: Path) -> None:
    own = RuleBook.file("2027-01").replace(b'"name": "2027-01"', b'"name": "2027-02"')
    (tmp_path / "2027-02.json").write_bytes(own)
    assert RuleBook(tmp_path).named("2027-02").version == hashlib.sha256(own).hexdigest()
    assert RuleBook(tmp_path).named("2026-11") == RuleBook().named("2026-11")


def test_a_name_means_one_version(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(RuleBook.file("2027-01") + b"\n")
    with pytest.raises(ValueError, match=r"x\.json: there is another rule version 2027-01"):
        RuleBook(tmp_path)


def test_a_file_that_is_no_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"{}")
    with pytest.raises(ValueError, match=r"bad\.json: no rule version"):
        RuleBook(tmp_path)
