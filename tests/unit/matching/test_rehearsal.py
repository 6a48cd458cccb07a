"""Rehearsal: the same past under other rules, with time and answers made up as it says."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from youai_contracts.events import SlotRecord
from youai_matching import rule_tool
from youai_matching.domain import rules
from youai_matching.domain.state import At
from youai_matching.rehearsal import Past, Rehearsal, rehearse
from youai_matching.rule_files import RuleBook

from tests.unit.matching.fakes import RULES
from tests.unit.matching.records import ask, at, cancel, close, opened

LATER, EARLIER = RULES.named("2027-01"), RULES.named("2026-12")
HOUR = timedelta(hours=1)


def past(*events: tuple[float, SlotRecord]) -> list[Past]:
    return [
        Past(At(3, offset, round(at(seconds).timestamp() * 1000), f"id-{offset}"), event)
        for offset, (seconds, event) in enumerate(events)
    ]


def run(log: list[Past], trial: rules.RuleVersion, *, answers_after: timedelta = HOUR) -> Rehearsal:
    return rehearse(log, RULES.by_version, trial, since=at(-100), answers_after=answers_after)


def had(result: Rehearsal) -> dict[str, tuple[bool, bool]]:
    return {fate.request_id: (fate.then, fate.now) for fate in result.fates.values()}


OPENED = structs.replace(opened(1), starts_at=at(30 * 86_400), closes_at=at(29 * 86_400))
FREED = past((-60, OPENED), (1, ask("a")), (2, ask("b")), (3, ask("c")), (60, cancel("a")), (3 * 86_400, cancel("zz")))


def test_under_its_own_rules_nothing_changes() -> None:
    result = run(FREED, EARLIER)
    assert had(result) == {"a": (True, True), "b": (True, True), "c": (False, False)}
    assert result.then == result.now
    assert result.slots == 1


def test_a_venue_that_answers_in_time_gets_what_would_be_held_for_it() -> None:
    assert had(run(FREED, LATER)) == {"a": (True, True), "b": (True, True), "c": (False, False)}


def test_a_venue_that_answers_too_late_loses_it_to_the_next() -> None:
    """A hold of a session a month away lasts a day: who answers after two lapses, twice, and so does the next."""
    result = run(FREED, LATER, answers_after=timedelta(days=2))
    assert had(result) == {"a": (True, True), "b": (True, False), "c": (False, False)}
    assert result.now["lapsed"] >= 2


def test_a_draw_is_drawn_though_its_seed_was_never_revealed() -> None:
    drawn = structs.replace(OPENED, mode="draw", seed_hash="0" * 64)
    log = past((-60, drawn), *((n, ask(f"r{n}")) for n in range(9)), (90, cancel("zz")))
    result = run(log, LATER)
    assert result.now["entered"] == 9
    assert sum(now for _, now in had(result).values()) == 1
    assert had(result)["r0"][0]


def test_sessions_opened_before_are_left_out() -> None:
    assert rehearse(FREED, RULES.by_version, LATER, since=at(0), answers_after=HOUR).fates == {}


def test_a_cancelled_session_frees_nobody() -> None:
    log = past((-60, OPENED), (1, ask("a")), (2, ask("b")), (3, close()))
    assert had(run(log, LATER)) == {"a": (True, True), "b": (False, False)}


def test_the_report_sums_by_town_and_venue_the_best_first() -> None:
    told = rule_tool.report(LATER, run(FREED, LATER, answers_after=timedelta(days=2)))
    assert told["towns"] == [{"name": "杨舍镇", "requests": 3, "then": 2, "now": 1, "change": -1}]
    assert [(row["name"], row["change"]) for row in told["venues"]] == [("v-a", 0), ("v-c", 0), ("v-b", -1)]


def test_a_new_version_takes_its_base_and_the_citys_days(tmp_path: Path) -> None:
    table = tmp_path / "days.csv"
    table.write_text("date,kind,note\n2027-01-04,off,本市\n2027-01-09,works,补班\n", encoding="utf-8")
    made = rule_tool.make(rule_tool._file("2027-01"), "2027-02", table, [(date(2027, 1, 1), True)])
    version = rules.parse(made)
    assert version.name == "2027-02"
    assert version.calendar is not None
    assert version.calendar.days_off == {date(2027, 1, 1), date(2027, 1, 4)}
    assert version.calendar.working_days == {date(2027, 1, 9)}
    assert version.texts == LATER.texts
    assert version.hold == LATER.hold


@pytest.mark.parametrize("line", ["2027-13-01,off,", "2027-01-01,holiday,", "off", ",off,"])
def test_a_line_of_the_table_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    table = tmp_path / "days.csv"
    table.write_text(f"date,kind,note\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        rule_tool.make(rule_tool._file("2027-01"), "2027-02", table, [])


def test_the_command_reads_an_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).parent / "golden" / "2026-12" / "youai.slot-log.v1.jsonl"
    assert rule_tool.main(["rehearse", str(golden), "--rules", "2027-01", "--since", "2026-01-01"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["requests"] > 10
    assert told["rules"] == "2027-01"
    assert rule_tool.main(["rehearse", str(golden), "--rules", "2099-01", "--since", "2026-01-01"]) == 1
    assert "2099-01" in capsys.readouterr().err


def test_a_citys_own_versions_are_in_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log names a version that the program does not bring; it may be the one on trial, too."""
    (tmp_path / "ours.json").write_bytes(rule_tool.make(rule_tool._file("2027-01"), "ours", None, []))
    ours = RuleBook(tmp_path).named("ours").version
    golden = Path(__file__).parent / "golden" / "2027-01" / "youai.slot-log.v1.jsonl"
    theirs = RuleBook().named("2027-01").version
    log = tmp_path / "log.jsonl"
    log.write_text(golden.read_text().replace(theirs, ours))
    rehearsal = ["rehearse", str(log), "--rules", "ours", "--since", "2026-01-01"]
    assert rule_tool.main(["--folder", str(tmp_path), *rehearsal]) == 0
    assert json.loads(capsys.readouterr().out)["rules"] == "ours"
    rehearsal[3] = "2027-01"
    assert rule_tool.main(rehearsal) == 1
    assert "name the folder" in capsys.readouterr().err
