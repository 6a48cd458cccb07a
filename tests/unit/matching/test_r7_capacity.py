"""R7: fewer places are never silent: holds go first, the newest first, then the confirmed, to the head of the queue."""

import pytest

from tests.unit.matching.scenes import check

MIXED = """
        12-01 09:00 | open 6   | applied
        12-01 09:01 | ask a 2  | a confirmed place-free 2/6
        12-01 09:02 | ask b    | b confirmed place-free 3/6
        12-01 09:03 | ask c 3  | c confirmed place-free 6/6
        12-01 09:04 | ask d 2  | d waitlisted full #1+0 6/6
        12-01 09:05 | ask e    | e waitlisted full #2+2 6/6
        12-01 10:00 | cancel c | c released cancelled 3/6; d promoted place-freed 5/6 until 12-02 10:00;
                    |          | e promoted place-freed 6/6 until 12-02 10:00"""

CUTS = {
    "holds of several sizes go before the confirmed, and keep their order": f"""{MIXED}
        12-01 10:01 | ask f             | f waitlisted full #1+0 6/6
        12-01 11:00 | revise capacity=2 | e displaced capacity-cut #1+0 5/2; d displaced capacity-cut #1+0 3/2;
                    |                   | b displaced capacity-cut #1+0 2/2
        12-01 11:01 | ask g             | g waitlisted full #5+5 2/2
        12-02 10:00 | fire hold d       | ignored
        12-02 11:00 | revise capacity=7 | b promoted place-freed 3/7 until 12-03 11:00;
                    |                   | d promoted place-freed 5/7 until 12-03 11:00;
                    |                   | e promoted place-freed 6/7 until 12-03 11:00;
                    |                   | f promoted place-freed 7/7 until 12-03 11:00""",
    "a hold goes before one that was confirmed after it": """
        12-01 09:00 | open 2   | applied
        12-01 09:01 | ask a 2  | a confirmed place-free 2/2
        12-01 09:02 | ask b    | b waitlisted full #1+0 2/2
        12-01 10:00 | cancel a | a released cancelled 0/2; b promoted place-freed 1/2 until 12-02 10:00
        12-01 10:01 | ask c    | c confirmed place-free 2/2
        12-01 11:00 | revise capacity=1 | b displaced capacity-cut #1+0 1/1""",
    "no more go than must": f"""{MIXED}
        12-01 11:00 | revise capacity=5 | e displaced capacity-cut #1+0 5/5
        12-01 11:01 | revise capacity=4 | d displaced capacity-cut #1+0 3/4;
                    |                   | e promoted place-freed 4/4 until 12-02 11:01""",
    "a cut that takes nobody's place": """
        12-01 09:00 | open 6   | applied
        12-01 09:01 | ask a 2  | a confirmed place-free 2/6
        12-01 09:02 | revise capacity=2 | applied
        12-01 09:03 | ask b    | b waitlisted full #1+0 2/2
        12-01 09:04 | ask c 3  | c rejected party-too-large 2/2""",
    "newest is by the decision: who accepted last was confirmed last": f"""{MIXED}
        12-01 10:30 | accept d          | d confirmed accepted 6/6
        12-01 10:31 | accept e          | e confirmed accepted 6/6
        12-01 11:00 | revise capacity=3 | e displaced capacity-cut #1+0 5/3; d displaced capacity-cut #1+0 3/3""",
    "it counts no lapse": f"""{MIXED}
        12-01 11:00 | revise capacity=5 | e displaced capacity-cut #1+0 5/5
        12-01 11:01 | revise capacity=6 | e promoted place-freed 6/6 until 12-02 11:01
        12-02 11:01 | fire hold e       | e lapsed hold-lapsed #1+0 5/6; e promoted place-freed 6/6 until 12-03 11:01
        12-03 11:01 | fire hold e       | e lapsed hold-lapsed-again 5/6""",
    "what is freed beyond the cut goes to who fits": """
        12-01 09:00 | open 4   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/4
        12-01 09:02 | ask b 3  | b confirmed place-free 4/4
        12-01 09:03 | ask c 2  | c waitlisted full #1+0 4/4
        12-01 11:00 | revise capacity=3 | b displaced capacity-cut #1+0 1/3;
                    |                   | c promoted place-freed 3/3 until 12-02 11:00""",
    "a party larger than what is left waits, and nothing is kept for it": """
        12-01 09:00 | open 3   | applied
        12-01 09:01 | ask a 3  | a confirmed place-free 3/3
        12-01 11:00 | revise capacity=2 | a displaced capacity-cut #1+0 0/2
        12-01 11:01 | ask b    | b confirmed place-free 1/2
        12-01 11:02 | cancel b | b released cancelled 0/2
        12-01 11:03 | ask c    | c confirmed place-free 1/2
        12-01 11:04 | cancel c | c released cancelled 0/2
        12-01 11:05 | ask d    | d confirmed place-free 1/2
        12-01 11:06 | cancel d | d released cancelled 0/2
        12-01 11:07 | ask e    | e confirmed place-free 1/2
        12-01 11:08 | cancel e | e released cancelled 0/2
        12-01 11:09 | revise capacity=3 | a promoted place-freed 3/3 until 12-02 11:09""",
    "who is displaced is of the first class, whatever its points": """
        12-01 09:00 | open 2         | applied
        12-01 09:01 | ask p points=3 | p confirmed place-free 1/2
        12-01 09:02 | ask q points=3 | q confirmed place-free 2/2
        12-01 09:03 | ask a          | a waitlisted full #1+0 2/2
        12-01 09:04 | revise capacity=1 | q displaced capacity-cut #1+0 1/1
        12-01 09:05 | cancel p       | p released cancelled 0/1; q promoted place-freed 1/1 until 12-02 09:05""",
    "the queue's bound does not keep out who is displaced": """
        12-01 09:00 | open 2 waitlist=0 | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/2
        12-01 09:02 | ask b          | b confirmed place-free 2/2
        12-01 09:04 | revise capacity=1 | b displaced capacity-cut #1+0 1/1""",
    "after closing there is no queue: it is for good": """
        12-01 09:00 | open 3         | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/3
        12-01 09:02 | ask b 2        | b confirmed place-free 3/3
        12-20 09:00 | fire closing   | applied
        12-20 10:00 | revise capacity=2 | b displaced capacity-cut-closed 1/2
        12-20 10:01 | cancel b       | ignored
        12-20 10:02 | revise capacity=9 | applied
        12-20 11:00 | close          | a released session-cancelled 0/9""",
    "a cut in a draw's window: the displaced waits before all who are drawn": """
        12-01 09:00 | open 2 draw    | applied
        12-01 09:00 | override x 2   | x confirmed override 2/2
        12-01 09:00 | ask a          | a entered entered 2/2
        12-01 09:00 | revise capacity=1 | x displaced capacity-cut #1+0 0/1
        12-01 09:00 | cancel x       | x released cancelled 0/1""",
    "a cancelled session tells the confirmed, the held and the waiting": f"""{MIXED}
        12-01 11:00 | revise capacity=5 | e displaced capacity-cut #1+0 5/5
        12-01 11:01 | close          | a released session-cancelled 3/5; b released session-cancelled 2/5;
                    |                | d released session-cancelled 0/5; e released session-cancelled 0/5
        12-01 11:02 | revise capacity=9 | ignored
        12-01 11:03 | ask g          | g rejected session-cancelled 0/5""",
}


@pytest.mark.parametrize("text", CUTS.values(), ids=CUTS)
def test_cuts(text: str) -> None:
    check(text)
