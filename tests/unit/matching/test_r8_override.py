"""R8: the guidance center's word stands above the queue, but never above capacity without a change on record."""

import pytest
from youai_matching.domain.state import Slot

from tests.unit.matching.records import SLOT
from tests.unit.matching.scenes import SEED, check, play

FULL = """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1"""

OVERRIDES = {
    "into a full slot: only with more capacity": f"""{FULL}
        12-01 09:02 | ask b                   | b waitlisted full #1+0 1/1
        12-01 10:00 | override x              | x rejected override-full 1/1
        12-01 10:01 | override y capacity=2   | y confirmed override 2/2
        12-01 10:02 | ask c                   | c waitlisted full #2+1 2/2""",
    "what the new capacity leaves goes to the queue": f"""{FULL}
        12-01 09:02 | ask b                   | b waitlisted full #1+0 1/1
        12-01 10:00 | override x capacity=3   | x confirmed override 2/3;
                    |                         | b promoted place-freed 3/3 until 12-02 10:00""",
    "capacity that is not more changes nothing": f"""{FULL}
        12-01 10:00 | override x capacity=1   | x rejected override-full 1/1
        12-01 10:01 | revise capacity=3       | applied
        12-01 10:02 | override y 2 capacity=2 | y confirmed override 3/3""",
    "a new capacity stays, though the party does not fit it": f"""{FULL}
        12-01 10:00 | override x 3 capacity=2 | x rejected party-too-large 1/2
        12-01 10:01 | override y 2 capacity=2 | y rejected override-full 1/2
        12-01 10:02 | ask b                   | b confirmed place-free 2/2""",
    "one that waits, past the others": """
        12-01 09:00 | open 2   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/2
        12-01 09:02 | ask b 2  | b waitlisted full #1+0 1/2
        12-01 09:03 | ask c    | c confirmed place-free 2/2
        12-01 09:04 | ask d    | d waitlisted full #2+2 2/2
        12-01 10:00 | override d            | ignored
        12-01 10:01 | override d capacity=3 | d confirmed override 3/3
        12-01 10:02 | override b            | ignored
        12-01 10:03 | override b capacity=5 | b confirmed override 5/5""",
    "a known one has its own party, and its own venue": f"""{FULL}
        12-01 09:02 | ask b                                | b waitlisted full #1+0 1/1
        12-01 10:00 | override b venue=v-x capacity=1      | ignored
        12-01 10:01 | override b 7 capacity=2              | b confirmed override 2/2
        12-01 10:02 | override a                           | ignored
        12-01 10:03 | cancel a                             | a released cancelled 1/2
        12-01 10:04 | override a                           | ignored""",
    "a hold becomes sure, and its timer is gone": f"""{FULL}
        12-01 09:02 | ask b       | b waitlisted full #1+0 1/1
        12-01 10:00 | cancel a    | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00
        12-01 10:01 | override b  | b confirmed override 1/1
        12-01 10:02 | accept b    | ignored
        12-02 10:00 | fire hold b | ignored""",
    "in a draw's window, one who is entered and one who is not": f"""
        12-01 09:00 | open 3 draw   | applied
        12-01 09:00 | ask a         | a entered entered 0/3
        12-01 09:00 | ask b         | b entered entered 0/3
        12-01 09:00 | ask c         | c entered entered 0/3
        12-01 09:00 | ask d         | d entered entered 0/3
        12-01 09:00 | override a    | a confirmed override 1/3
        12-01 09:00 | override x    | x confirmed override 2/3
        12-01 09:01 | fire window   | applied
        12-01 09:01 | reveal {SEED} | d confirmed drawn 3/3; c waitlisted drawn-behind #1+0 3/3;
                    |               | b waitlisted drawn-behind #2+1 3/3""",
    "a capacity that is raised in the window gives nothing before the draw": f"""
        12-01 09:00 | open 1 draw             | applied
        12-01 09:00 | ask a                   | a entered entered 0/1
        12-01 09:00 | override x capacity=3   | x confirmed override 1/3
        12-01 09:01 | fire window             | applied
        12-01 09:01 | reveal {SEED}           | a confirmed drawn 2/3""",
    "before opening and after closing": """
        11-30 10:00 | open 2       | applied
        11-30 10:01 | override x   | x confirmed override 1/2
        12-20 09:00 | fire closing | applied
        12-20 10:00 | override y   | y confirmed override 2/2
        12-20 10:01 | override z   | z rejected override-full 2/2
        12-20 10:02 | override z2 capacity=3 | z2 confirmed override 3/3""",
    "not into a slot that was closed": f"""{FULL}
        12-01 10:00 | close        | a released session-cancelled 0/1
        12-01 10:01 | override x   | x rejected session-cancelled 0/1""",
    "past shares, which it uses up": """
        12-01 09:00 | open 2 shares=大新镇:1   | applied
        12-01 09:01 | override x             | x confirmed override 1/2
        12-01 09:02 | ask a                  | a waitlisted shares #1+0 1/2
        12-01 09:03 | override y town=大新镇  | y confirmed override 2/2
        12-01 09:04 | cancel x               | x released cancelled 1/2;
                    |                        | a promoted place-freed 2/2 until 12-02 09:04""",
    "past what is kept": """
        12-01 09:00 | open 2     | applied
        12-01 09:01 | ask a      | a confirmed place-free 1/2
        12-01 09:02 | ask big 2  | big waitlisted full #1+0 1/2
        12-01 09:03 | ask b      | b confirmed place-free 2/2
        12-01 09:04 | cancel b   | b released cancelled 1/2
        12-01 09:05 | ask c      | c confirmed place-free 2/2
        12-01 09:06 | cancel c   | c released cancelled 1/2
        12-01 09:07 | ask d      | d confirmed place-free 2/2
        12-01 09:08 | cancel d   | d released cancelled 1/2
        12-01 09:09 | ask e      | e waitlisted kept #2+2 1/2
        12-01 09:10 | override x | x confirmed override 2/2""",
    "not for a venue that has something here already": f"""{FULL}
        12-01 10:00 | override x venue=v-a capacity=2 | x rejected already-live 1/2""",
    "a request that was refused stays refused; the venue gets another": f"""{FULL}
        12-01 10:00 | override x                         | x rejected override-full 1/1
        12-01 10:01 | override x capacity=1              | ignored
        12-01 10:02 | override x2 venue=v-x capacity=2   | x2 confirmed override 2/2""",
    "it is clean: a lapse or a cut counts nothing, and it can be cancelled": f"""{FULL}
        12-01 10:00 | override x capacity=2   | x confirmed override 2/2
        12-01 10:01 | revise capacity=1       | x displaced capacity-cut #1+0 1/1
        12-01 10:02 | cancel a                | a released cancelled 0/1; x promoted place-freed 1/1 until 12-02 10:02
        12-01 10:03 | cancel x                | x released cancelled 0/1""",
    "a version without overrides ignores them, and their capacity": """
        12-01 09:00 | open 1 rules=2026-12    | applied
        12-01 09:01 | override x capacity=5   | ignored
        12-01 09:02 | ask a 2                 | a rejected party-too-large 0/1""",
}


@pytest.mark.parametrize("text", OVERRIDES.values(), ids=OVERRIDES)
def test_override(text: str) -> None:
    check(text)


def test_the_reason_that_the_center_gives_stands_in_the_decision_and_no_other() -> None:
    text = f"""{FULL}
        12-01 09:02 | ask b                 | b waitlisted full #1+0 1/1
        12-01 10:00 | override x capacity=3 | """
    override, promotion = (decided.event for decided in play(text)[-1].decisions)
    assert "联席会议同意。" in override.reason_zh
    assert "联席会议同意。" in override.reason_en
    assert "联席会议同意。" not in promotion.reason_zh


def test_a_slot_counts_its_overrides_that_gave_places() -> None:
    slot = Slot(SLOT)
    play(
        f"{FULL}\n12-01 10:00 | override x | \n12-01 10:01 | override y capacity=3 | \n12-01 10:02 | override z |", slot
    )
    assert slot.overrides == 2
