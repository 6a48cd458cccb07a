"""R4: a place that becomes free goes to the queue in the decision that frees it; the first is passed three times."""

import pytest

from tests.unit.matching.scenes import check

PASSED_TWICE = """
        12-01 09:00 | open 3    | applied
        12-01 09:01 | ask a     | a confirmed place-free 1/3
        12-01 09:02 | ask big 3 | big waitlisted full #1+0 1/3
        12-01 09:03 | ask b     | b confirmed place-free 2/3
        12-01 09:04 | ask c     | c confirmed place-free 3/3
        12-01 10:00 | cancel a  | a released cancelled 2/3"""
KEPT = f"""{PASSED_TWICE}
        12-01 10:01 | ask d     | d confirmed place-free 3/3
        12-01 10:02 | cancel b  | b released cancelled 2/3
        12-01 10:03 | ask e     | e waitlisted kept #2+3 2/3"""

PROMOTION = {
    "the freed place is given in the same decision, before whoever comes next": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1
        12-01 10:00 | cancel a | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00
        12-01 10:00 | ask c    | c waitlisted full #1+0 1/1""",
    "more capacity, a decline and a lapse free places too": """
        12-01 09:00 | open 1            | applied
        12-01 09:01 | ask a             | a confirmed place-free 1/1
        12-01 09:02 | ask b             | b waitlisted full #1+0 1/1
        12-01 09:03 | ask c             | c waitlisted full #2+1 1/1
        12-01 09:04 | ask d             | d waitlisted full #3+2 1/1
        12-01 10:00 | revise capacity=2 | b promoted place-freed 2/2 until 12-02 10:00
        12-01 11:00 | decline b         | b released declined 1/2; c promoted place-freed 2/2 until 12-02 11:00
        12-02 11:00 | fire hold c       | c lapsed hold-lapsed #2+1 1/2;
                    |                   | d promoted place-freed 2/2 until 12-03 11:00""",
    "a party too large is passed over, keeps its place, and has its turn": """
        12-01 09:00 | open 2   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/2
        12-01 09:02 | ask b    | b confirmed place-free 2/2
        12-01 09:03 | ask c 2  | c waitlisted full #1+0 2/2
        12-01 09:04 | ask d    | d waitlisted full #2+2 2/2
        12-01 09:05 | ask e    | e waitlisted full #3+3 2/2
        12-01 10:00 | cancel a | a released cancelled 1/2; d promoted place-freed 2/2 until 12-02 10:00
        12-01 10:01 | cancel d | d released cancelled 1/2; e promoted place-freed 2/2 until 12-02 10:01
        12-01 10:02 | cancel b | b released cancelled 1/2
        12-01 10:03 | cancel e | e released cancelled 0/2; c promoted place-freed 2/2 until 12-02 10:03""",
    "after three passes what is freed is kept until it suffices": f"""{KEPT}
        12-01 10:04 | cancel c  | c released cancelled 1/3
        12-01 10:05 | cancel d  | d released cancelled 0/3; big promoted place-freed 3/3 until 12-02 10:05
        12-01 10:06 | decline big | big released declined 0/3; e promoted place-freed 1/3 until 12-02 10:06""",
    "it is kept until two days before the session": f"""{KEPT}
        12-18 13:59:59.999 | fire accumulation due=12-18_14:00 | ignored
        12-18 14:00        | fire accumulation | e promoted place-freed 3/3 until 12-20 09:00
        12-18 14:01        | cancel c          | c released cancelled 2/3
        12-18 14:02        | ask f             | f confirmed place-free 3/3""",
    "the one that it is kept for leaves: the next has it": f"""{KEPT}
        12-01 10:04 | cancel big | big released cancelled 2/3; e promoted place-freed 3/3 until 12-02 10:04""",
    "the one that it is kept for becomes too large: the next has it": f"""{KEPT}
        12-01 10:04 | cancel c          | c released cancelled 1/3
        12-01 10:05 | revise capacity=2 | e promoted place-freed 2/2 until 12-02 10:05
        12-01 10:06 | cancel e          | e released cancelled 1/2
        12-01 10:07 | ask f             | f confirmed place-free 2/2
        12-01 10:08 | revise capacity=3 | applied
        12-01 10:09 | ask g             | g waitlisted kept #2+3 2/3""",
    "it is kept from large and small": f"""{KEPT}
        12-01 10:04 | cancel c  | c released cancelled 1/3
        12-01 10:05 | ask f 2   | f waitlisted kept #3+4 1/3
        12-01 10:06 | ask g 3   | g waitlisted full #4+6 1/3""",
    "only the first counts passes": """
        12-01 09:00 | open 3      | applied
        12-01 09:01 | ask a       | a confirmed place-free 1/3
        12-01 09:02 | ask big 3   | big waitlisted full #1+0 1/3
        12-01 09:03 | ask large 3 | large waitlisted full #2+3 1/3
        12-01 09:04 | ask b       | b confirmed place-free 2/3
        12-01 09:05 | ask c       | c confirmed place-free 3/3
        12-01 09:06 | cancel big  | big released cancelled 3/3
        12-01 09:07 | cancel a    | a released cancelled 2/3
        12-01 09:08 | ask d       | d confirmed place-free 3/3
        12-01 09:09 | cancel b    | b released cancelled 2/3
        12-01 09:10 | ask e       | e confirmed place-free 3/3
        12-01 09:11 | cancel c    | c released cancelled 2/3
        12-01 09:12 | ask f       | f confirmed place-free 3/3
        12-01 09:13 | cancel d    | d released cancelled 2/3
        12-01 09:14 | ask g       | g waitlisted kept #2+3 2/3""",
    "however many pass it in one record, it is one pass": """
        12-01 09:00 | open 4    | applied
        12-01 09:01 | ask a 3   | a confirmed place-free 3/4
        12-01 09:02 | ask z     | z confirmed place-free 4/4
        12-01 09:03 | ask big 4 | big waitlisted full #1+0 4/4
        12-01 09:04 | ask b     | b waitlisted full #2+4 4/4
        12-01 09:05 | ask c     | c waitlisted full #3+5 4/4
        12-01 09:06 | ask d     | d waitlisted full #4+6 4/4
        12-01 10:00 | cancel a  | a released cancelled 1/4; b promoted place-freed 2/4 until 12-02 10:00;
                    |           | c promoted place-freed 3/4 until 12-02 10:00;
                    |           | d promoted place-freed 4/4 until 12-02 10:00
        12-01 10:01 | cancel b  | b released cancelled 3/4
        12-01 10:02 | ask e     | e confirmed place-free 4/4
        12-01 10:03 | cancel c  | c released cancelled 3/4
        12-01 10:04 | ask f     | f confirmed place-free 4/4
        12-01 10:05 | cancel d  | d released cancelled 3/4
        12-01 10:06 | ask g     | g waitlisted kept #2+4 3/4""",
    "passes stay with a request through a lapse": f"""{KEPT}
        12-01 10:04 | cancel c  | c released cancelled 1/3
        12-01 10:05 | cancel d  | d released cancelled 0/3; big promoted place-freed 3/3 until 12-02 10:05
        12-02 10:05 | fire hold big | big lapsed hold-lapsed #2+1 0/3; e promoted place-freed 1/3 until 12-03 10:05
        12-02 10:06 | ask f     | f waitlisted kept #2+3 1/3""",
    "within two days of the session nothing is kept": """
        12-01 09:00 | open 2 starts=12-03_09:00 closes=12-03_08:00 | applied
        12-01 09:01 | ask a     | a confirmed place-free 1/2
        12-01 09:02 | ask big 2 | big waitlisted full #1+0 1/2
        12-01 09:03 | ask b     | b confirmed place-free 2/2
        12-01 09:04 | cancel b  | b released cancelled 1/2
        12-01 09:05 | ask c     | c confirmed place-free 2/2
        12-01 09:06 | cancel c  | c released cancelled 1/2
        12-01 09:07 | ask d     | d confirmed place-free 2/2
        12-01 09:08 | cancel d  | d released cancelled 1/2
        12-01 09:09 | ask e     | e confirmed place-free 2/2""",
    "nothing is given once booking has closed; who waits is released in the queue's order": f"""{KEPT}
        12-20 09:00 | fire closing | big released closed 2/3; e released closed 2/3
        12-20 09:01 | cancel c     | c released cancelled-late 1/3
        12-20 09:02 | revise capacity=9 | applied
        12-20 09:03 | ask f        | f rejected closed 1/9""",
    "the queue's bound counts requests, and one who has the place does not wait": """
        12-01 09:00 | open 2 waitlist=1 | applied
        12-01 09:01 | ask a 2  | a confirmed place-free 2/2
        12-01 09:02 | ask b 2  | b waitlisted full #1+0 2/2
        12-01 09:03 | ask c    | c rejected waitlist-full 2/2
        12-01 09:04 | revise capacity=3 | applied
        12-01 09:05 | ask d    | d confirmed place-free 3/3""",
    "a version without the rule counts no passes": """
        12-01 09:00 | open 2 rules=2026-12 | applied
        12-01 09:01 | ask a     | a confirmed place-free 1/2
        12-01 09:02 | ask big 2 | big waitlisted full #1+0 1/2
        12-01 09:03 | ask b     | b confirmed place-free 2/2
        12-01 09:04 | cancel b  | b released cancelled 1/2
        12-01 09:05 | ask c     | c confirmed place-free 2/2
        12-01 09:06 | cancel c  | c released cancelled 1/2
        12-01 09:07 | ask d     | d confirmed place-free 2/2
        12-01 09:08 | cancel d  | d released cancelled 1/2
        12-01 09:09 | ask e     | e confirmed place-free 2/2""",
}


@pytest.mark.parametrize("text", PROMOTION.values(), ids=PROMOTION)
def test_promotion(text: str) -> None:
    check(text)
