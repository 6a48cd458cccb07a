"""Rule versions: named by their bytes, whole, and refused where they are none."""

import hashlib
import json
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
CLAIMS = {
    "claim-free", "claimed", "already-yours", "handed-back", "lapsed", "center", "demand-withdrawn", "demand-expired",
}  # fmt: skip
VERSIONS = {
    "2026-11": "0bde3d0391c0fa9ee4ccd9ed0e346a66956560467de7dc46f12f832496f67009",
    "2026-12": "51073d583229f3429f3ffd4a5707978015016414946d63f3e08f9989bac3a0ec",
}


def raw(**changes: Any) -> bytes:
    whole = {"name": "x", "early_tolerance_ms": 1000, "texts": {"full": {"zh": "满", "en": "full"}}}
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
    names = ("place", "ahead", "capacity", "party_size", "taken", "winner")
    numbers: dict[str, int | str | None] = dict.fromkeys(names, 7)
    for version in RuleBook().by_version.values():
        assert set(version.texts) == (BOOKINGS if version.name == "2026-11" else BOOKINGS | CLAIMS)
        for reason in version.texts:
            said = version.say(reason, numbers)
            assert said.zh
            assert said.en
            assert not {"{", "}"} & set(said.zh + said.en)


def test_numbers_go_into_their_places_and_null_leaves_none() -> None:
    version = RuleVersion("v", "x", 0, {"full": Text("第{place}位，{place}/{ahead}{other}", "{place} of {ahead}")})
    said = version.say("full", {"place": 3, "ahead": None})
    assert said == Text("第3位，3/{other}", "3 of ")


def test_an_unknown_reason_is_an_error() -> None:
    with pytest.raises(KeyError):
        rules.parse(raw()).say("nothing", {})


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
