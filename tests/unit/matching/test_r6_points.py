"""R6: a late cancellation is marked, and who has three points comes after the others until a day before the session."""

import pytest

from tests.unit.matching.scenes import check

POINTS = {
    "a day before the session is not late yet": """
        12-01 09:00 | open 2   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/2
        12-01 09:02 | ask b    | b confirmed place-free 2/2
        12-19 14:00        | cancel a | a released cancelled 1/2
        12-19 14:00:00.001 | cancel b | b released cancelled-late 0/2""",
    "who waits, or has not accepted yet, cancels nothing late": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1
        12-01 09:03 | ask c    | c waitlisted full #2+1 1/1
        12-20 08:00 | cancel c | c released cancelled 1/1
        12-20 08:01 | cancel a | a released cancelled-late 0/1; b promoted place-freed 1/1 until 12-20 09:00
        12-20 08:02 | cancel b | b released cancelled 0/1""",
    "accepted, it is late": """
        12-01 09:00 | open 1   | applied
        12-01 09:01 | ask a    | a confirmed place-free 1/1
        12-01 09:02 | ask b    | b waitlisted full #1+0 1/1
        12-20 08:01 | cancel a | a released cancelled-late 0/1; b promoted place-freed 1/1 until 12-20 09:00
        12-20 08:02 | accept b | b confirmed accepted 1/1
        12-20 08:03 | cancel b | b released cancelled-late 0/1""",
    "after booking has closed it is late too": """
        12-01 09:00 | open 1       | applied
        12-01 09:01 | ask a        | a confirmed place-free 1/1
        12-20 09:00 | fire closing | applied
        12-20 10:00 | cancel a     | a released cancelled-late 0/1""",
    "a session that is moved away makes it early again": """
        12-01 09:00 | open 1       | applied
        12-01 09:01 | ask a        | a confirmed place-free 1/1
        12-20 08:00 | revise starts=12-21_14:00 ends=12-21_16:00 | applied
        12-20 09:00 | cancel a     | a released cancelled 0/1""",
    "three points come behind, two do not": """
        12-01 09:00 | open 1         | applied
        12-01 09:01 | ask a points=9 | a confirmed place-free 1/1
        12-01 09:02 | ask p points=3 | p waitlisted full #1+0 1/1
        12-01 09:03 | ask q points=2 | q waitlisted full #1+0 1/1
        12-01 09:04 | ask r points=4 | r waitlisted full #3+2 1/1
        12-01 09:05 | ask s          | s waitlisted full #2+1 1/1
        12-01 10:00 | cancel a       | a released cancelled 0/1; q promoted place-freed 1/1 until 12-02 10:00
        12-01 10:01 | decline q      | q released declined 0/1; s promoted place-freed 1/1 until 12-02 10:01
        12-01 10:02 | decline s      | s released declined 0/1; p promoted place-freed 1/1 until 12-02 10:02""",
    "a day before the session all stand as they came": """
        12-01 09:00 | open 1         | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/1
        12-01 09:02 | ask p points=3 | p waitlisted full #1+0 1/1
        12-01 09:03 | ask q          | q waitlisted full #1+0 1/1
        12-19 13:59:59.999 | fire class due=12-19_14:00 | ignored
        12-19 14:00 | fire class     | applied
        12-19 14:01 | ask r points=3 | r waitlisted full #3+2 1/1
        12-19 14:02 | ask s          | s waitlisted full #4+3 1/1
        12-19 14:03 | cancel a       | a released cancelled-late 0/1; p promoted place-freed 1/1 until 12-20 09:00
        12-19 14:04 | fire class due=12-19_14:00 | ignored""",
    "a day before the session the class does not begin": """
        12-01 09:00 | open 1 starts=12-02_09:02 closes=12-02_09:00 | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/1
        12-01 09:02 | ask p points=3 | p waitlisted full #1+0 1/1
        12-01 09:03 | ask q          | q waitlisted full #2+1 1/1""",
    "a millisecond earlier it does": """
        12-01 09:00        | open 1 starts=12-02_09:02 closes=12-02_09:00 | applied
        12-01 09:01        | ask a          | a confirmed place-free 1/1
        12-01 09:01:59.999 | ask p points=3 | p waitlisted full #1+0 1/1
        12-01 09:03        | ask q          | q waitlisted full #1+0 1/1""",
    "who lapses goes to the end of its own class": """
        12-01 09:00 | open 1         | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/1
        12-01 09:02 | ask q          | q waitlisted full #1+0 1/1
        12-01 09:03 | ask p points=3 | p waitlisted full #2+1 1/1
        12-01 09:04 | ask s          | s waitlisted full #2+1 1/1
        12-01 10:00 | cancel a       | a released cancelled 0/1; q promoted place-freed 1/1 until 12-02 10:00
        12-02 10:00 | fire hold q    | q lapsed hold-lapsed #2+1 0/1; s promoted place-freed 1/1 until 12-03 10:00
        12-02 10:01 | decline s      | s released declined 0/1; q promoted place-freed 1/1 until 12-03 10:01
        12-02 10:02 | decline q      | q released declined 0/1; p promoted place-freed 1/1 until 12-03 10:02
        12-02 10:03 | ask t          | t waitlisted full #1+0 1/1
        12-02 10:04 | ask u points=5 | u waitlisted full #2+1 1/1
        12-03 10:02 | fire hold p    | p lapsed hold-lapsed #3+2 0/1; t promoted place-freed 1/1 until 12-04 10:02""",
    "the first of the second class is passed, and in the end it is kept for": """
        12-01 09:00 | open 2           | applied
        12-01 09:01 | ask a            | a confirmed place-free 1/2
        12-01 09:02 | ask p 2 points=3 | p waitlisted full #1+0 1/2
        12-01 09:03 | ask b points=3   | b confirmed place-free 2/2
        12-01 09:04 | cancel b         | b released cancelled 1/2
        12-01 09:05 | ask c points=3   | c confirmed place-free 2/2
        12-01 09:06 | cancel c         | c released cancelled 1/2
        12-01 09:07 | ask d points=3   | d confirmed place-free 2/2
        12-01 09:08 | cancel d         | d released cancelled 1/2
        12-01 09:09 | ask e points=3   | e waitlisted kept #2+2 1/2
        12-01 09:10 | ask f            | f confirmed place-free 2/2""",
    "the queue's bound counts both classes": """
        12-01 09:00 | open 1 waitlist=2 | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/1
        12-01 09:02 | ask p points=3 | p waitlisted full #1+0 1/1
        12-01 09:03 | ask q          | q waitlisted full #1+0 1/1
        12-01 09:04 | ask s          | s rejected waitlist-full 1/1""",
    "closing releases the classes one after the other": """
        12-01 09:00 | open 1         | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/1
        12-01 09:02 | ask p points=3 | p waitlisted full #1+0 1/1
        12-01 09:03 | ask q          | q waitlisted full #1+0 1/1
        12-10 09:00 | revise closes=12-10_09:00 | applied
        12-10 09:00 | fire closing   | q released closed 1/1; p released closed 1/1""",
    "a version without points marks nothing": """
        12-01 09:00 | open 1 rules=2026-12 | applied
        12-01 09:01 | ask a          | a confirmed place-free 1/1
        12-01 09:02 | ask p points=3 | p waitlisted full #1+0 1/1
        12-01 09:03 | ask q          | q waitlisted full #2+1 1/1
        12-20 08:00 | cancel a       | a released cancelled 0/1; p promoted place-freed 1/1""",
}


@pytest.mark.parametrize("text", POINTS.values(), ids=POINTS)
def test_points(text: str) -> None:
    check(text)
