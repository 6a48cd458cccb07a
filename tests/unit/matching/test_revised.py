"""slot-revised: what changes of a slot, which timers move with it, and that a slot never loses a rule."""

import pytest

from tests.unit.matching.fakes import RULES
from tests.unit.matching.scenes import SEED, check, play

REVISED = {
    "null fields change nothing": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | revise   | applied
        12-01 09:02 | ask a 2  | a rejected party-too-large 0/1
        12-20 09:00 | fire closing | applied""",
    "closing moves, and holds that would end later end then": """
        12-01 09:00 | open 2   | applied
        12-01 09:01 | ask a 2  | a confirmed place-free 2/2
        12-01 09:02 | ask b    | b waitlisted full #1+0 2/2
        12-01 09:03 | ask c    | c waitlisted full #2+1 2/2
        12-01 10:00 | cancel a | a released cancelled 0/2; b promoted place-freed 1/2 until 12-02 10:00;
                    |          | c promoted place-freed 2/2 until 12-02 10:00
        12-01 11:00 | revise closes=12-02_09:30 | applied
        12-02 09:30 | fire hold b    | b lapsed hold-lapsed #1+0 1/2; b promoted place-freed 2/2 until 12-02 09:30
        12-02 09:30 | fire closing   | b released not-accepted 1/2; c released not-accepted 0/2
        12-20 09:00 | fire closing   | ignored""",
    "a hold that ends before the new closing stays as it was": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1
        12-01 10:00 | cancel a | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00
        12-01 11:00 | revise closes=12-02_10:00:00.001 | applied
        12-01 12:00 | revise closes=12-19_09:00 starts=12-19_14:00 | applied
        12-02 10:00 | fire hold b | b lapsed hold-lapsed #1+0 0/1; b promoted place-freed 1/1 until 12-03 10:00
        12-19 09:00 | fire closing | b released not-accepted 0/1""",
    "a closing in the past is due at once": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-02 09:00 | revise closes=12-01_12:00 | applied
        12-02 09:00 | fire closing due=12-20_09:00 | ignored
        12-02 09:00 | fire closing due=12-01_12:00 | applied
        12-02 09:01 | ask b    | b rejected closed 1/1""",
    "booking that has closed stays closed": """
        12-01 09:00 | open 1       | applied
        12-20 09:00 | fire closing | applied
        12-20 09:01 | revise closes=12-20_13:00 | applied
        12-20 09:02 | ask a        | a rejected closed 0/1
        12-20 13:00 | fire closing | ignored""",
    "opening moves until it has come": """
        11-30 10:00        | open 1 | applied
        11-30 11:00        | revise opens=12-02_09:00 | applied
        12-01 09:00        | ask a  | a rejected early 0/1
        12-01 10:00        | revise opens=12-01_12:00 | applied
        12-01 12:00        | revise opens=12-03_12:00 | applied
        12-01 12:00        | ask b  | b confirmed place-free 1/1""",
    "a window moves with its opening": f"""
        11-30 10:00 | open 1 draw              | applied
        12-01 08:59:59.500 | ask a             | a entered entered 0/1
        12-01 08:59:59.600 | revise opens=12-01_10:00 | applied
        12-01 09:01 | fire window              | ignored
        12-01 09:02 | ask b                    | b rejected early 0/1
        12-01 10:00 | ask c                    | c entered entered 0/1
        12-01 10:00:01 | revise opens=12-01_11:00 | applied
        12-01 10:01 | fire window              | applied
        12-01 10:01 | revise opens=12-01_11:00 | applied
        12-01 10:01 | reveal {SEED}            | a confirmed drawn 1/1; c waitlisted drawn-behind #1+0 1/1""",
    "an opening that is brought forward into the past begins the window now": f"""
        11-30 10:00    | open 1 draw              | applied
        11-30 10:00:10 | revise opens=11-29_09:00 | applied
        11-30 10:00:20 | ask a                    | a entered entered 0/1
        11-30 10:01    | fire window              | ignored
        11-30 10:01:10 | fire window              | applied
        11-30 10:01:11 | reveal {SEED}            | a confirmed drawn 1/1""",
    "the session moves: shares, class and what is kept end so long before the new start": """
        12-01 09:00 | open 4 shares=大新镇:1 | applied
        12-01 09:01 | ask p points=3 | p confirmed place-free 1/4
        12-01 09:02 | ask b 3       | b waitlisted shares #1+0 1/4
        12-01 09:03 | ask c         | c confirmed place-free 2/4
        12-01 09:04 | cancel c      | c released cancelled 1/4
        12-01 09:05 | ask d         | d confirmed place-free 2/4
        12-01 09:06 | cancel d      | d released cancelled 1/4
        12-01 09:07 | ask e         | e confirmed place-free 2/4
        12-01 09:08 | ask f         | f waitlisted kept #2+3 2/4
        12-01 10:00 | revise starts=12-22_10:00 ends=12-22_12:00 closes=12-22_09:00 | applied
        12-17 14:00 | fire shares       | ignored
        12-18 14:00 | fire accumulation | ignored
        12-19 14:00 | fire class        | ignored
        12-19 10:00 | fire shares due=12-19_10:00 | applied
        12-20 10:00 | fire accumulation | f promoted place-freed 3/4 until 12-21 13:00
        12-21 10:00 | fire class        | applied""",
    "moved so near that they are due at once": """
        12-01 09:00 | open 2 shares=大新镇:2 | applied
        12-01 09:01 | ask a         | a waitlisted shares #1+0 0/2
        12-01 10:00 | revise starts=12-03_10:00 closes=12-03_09:00 ends=12-03_12:00 | applied
        12-01 10:00 | ask b         | b waitlisted shares #2+1 0/2
        12-01 10:01 | fire shares due=11-30_10:00 | a promoted place-freed 1/2 until 12-01 10:31;
                    |                             | b promoted place-freed 2/2 until 12-01 10:31""",
    "new times hold for what is promoted from then on": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1
        12-01 10:00 | revise starts=12-05_10:00 closes=12-05_09:00 | applied
        12-01 10:00 | revise capacity=2 | b promoted place-freed 2/2 until 12-01 14:00
        12-01 10:01 | revise starts=12-20_10:00 | applied
        12-01 14:00 | fire hold b | b lapsed hold-lapsed #1+0 1/2; b promoted place-freed 2/2 until 12-02 14:00""",
    "a newer version is taken, and gives what follows its rules": """
        12-01 09:00 | open 1 rules=2026-12 | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1
        12-01 09:03 | ask c    | c waitlisted full #2+1 1/1
        12-01 10:00 | cancel a | a released cancelled 0/1; b promoted place-freed 1/1
        12-01 10:01 | revise rules=2027-01 | applied
        12-01 10:02 | accept b | ignored
        12-01 10:03 | cancel b | b released cancelled 0/1; c promoted place-freed 1/1 until 12-02 10:03
        12-01 10:04 | revise rules=2026-12 | applied
        12-02 10:03 | fire hold c | c lapsed hold-lapsed #1+0 0/1; c promoted place-freed 1/1 until 12-03 10:03""",
    "a promotion that was final comes after holds in a cut, by its decision": """
        12-01 09:00 | open 3 rules=2026-12 | applied
        12-01 09:01 | ask a 2  | a confirmed place-free 2/3
        12-01 09:02 | ask z    | z confirmed place-free 3/3
        12-01 09:03 | ask b    | b waitlisted full #1+0 3/3
        12-01 09:04 | ask c    | c waitlisted full #2+1 3/3
        12-01 09:05 | cancel z | z released cancelled 2/3; b promoted place-freed 3/3
        12-01 09:06 | revise rules=2027-01 capacity=4 | c promoted place-freed 4/4 until 12-02 09:06
        12-01 09:07 | revise capacity=2 | c displaced capacity-cut #1+0 3/2; b displaced capacity-cut #1+0 2/2""",
    "one that lacks a rule is not, and what else is revised is": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1
        12-01 10:00 | revise rules=2026-12 capacity=2 | b promoted place-freed 2/2 until 12-02 10:00""",
    "an old version gets no window, shares or class by becoming new": f"""
        12-01 09:00 | open 2 draw rules=2026-12 shares=大新镇:2 | applied
        12-01 09:01 | revise rules=2027-01 | applied
        12-01 09:02 | ask a         | a confirmed place-free 1/2
        12-01 09:03 | fire window   | ignored
        12-01 09:04 | reveal {SEED} | ignored""",
    "on a slot that was closed it is ignored": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | close    | applied
        12-01 09:02 | revise capacity=3 closes=12-02_09:00 | ignored
        12-01 09:03 | ask a    | a rejected session-cancelled 0/1""",
}


@pytest.mark.parametrize("text", REVISED.values(), ids=REVISED)
def test_revised(text: str) -> None:
    check(text)


def test_each_decision_names_the_version_that_it_was_made_under() -> None:
    text = """
        12-01 09:00 | open 1 rules=2026-12 |
        12-01 09:01 | ask a                |
        12-01 09:02 | revise rules=2027-01 |
        12-01 09:03 | ask b                |
        12-01 09:04 | revise rules=2026-12 |
        12-01 09:05 | ask c                |"""
    versions = [decided.event.rule_version for verdict in play(text) for decided in verdict.decisions]
    old, new = RULES.named("2026-12").version, RULES.named("2027-01").version
    assert versions == [old, new, new]


@pytest.mark.parametrize("version", ["2026-11", "2026-12"])
def test_a_cut_under_a_version_without_a_text_for_it_is_decided_all_the_same(version: str) -> None:
    text = f"""
        12-01 09:00 | open 2 rules={version} | applied
        12-01 09:01 | ask a                  | a confirmed place-free 1/2
        12-01 09:02 | ask b                  | b confirmed place-free 2/2
        12-01 09:03 | revise capacity=1      | b displaced capacity-cut #1+0 1/1"""
    check(text)
    event = play(text)[-1].decisions[0].event
    assert (event.reason_zh, event.reason_en) == ("", "")
