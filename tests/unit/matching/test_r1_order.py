"""R1: one log a slot, whose order is the only order; one live request a venue, whatever the number of taps."""

import pytest

from tests.unit.matching.scenes import check

ORDER = {
    "the log orders, and no clock does": """
        12-01 09:00:00     | open 2  | applied
        12-01 09:00:05     | ask a   | a confirmed place-free 1/2
        12-01 09:00:01     | ask b   | b confirmed place-free 2/2
        12-01 09:00:00     | ask c   | c waitlisted full #1+0 2/2
        12-01 08:00        | ask d   | d waitlisted full #2+1 2/2""",
    "a second early is in time, a millisecond more is not": """
        11-30 10:00        | open 2  | applied
        12-01 08:59:58.999 | ask a   | a rejected early 0/2
        12-01 08:59:59     | ask b   | b confirmed place-free 1/2""",
    "a tap that comes again gets no second answer": """
        12-01 09:00 | open 2         | applied
        12-01 09:01 | ask a id=tap   | a confirmed place-free 1/2
        12-01 09:01 | ask a id=tap   | repeat
        12-01 09:01 | ask a          | ignored
        12-01 09:01 | ask b venue=v-a | b rejected already-live 1/2""",
    "a venue that waits, or has a hold, is live": """
        12-01 09:00 | open 1           | applied
        12-01 09:01 | ask a            | a confirmed place-free 1/1
        12-01 09:02 | ask b            | b waitlisted full #1+0 1/1
        12-01 09:03 | ask b2 venue=v-b | b2 rejected already-live 1/1
        12-01 10:00 | cancel a         | a released cancelled 0/1; b promoted place-freed 1/1 until 12-02 10:00
        12-01 10:01 | ask b3 venue=v-b | b3 rejected already-live 1/1""",
    "a venue that is entered is live": """
        12-01 09:00 | open 1 draw      | applied
        12-01 09:00 | ask a            | a entered entered 0/1
        12-01 09:00 | ask a2 venue=v-a | a2 rejected already-live 0/1""",
    "after cancelling, declining or being refused a venue may ask again": """
        12-01 09:00 | open 2           | applied
        12-01 09:01 | ask a 3          | a rejected party-too-large 0/2
        12-01 09:02 | ask a2 2 venue=v-a | a2 confirmed place-free 2/2
        12-01 09:03 | ask b 2          | b waitlisted full #1+0 2/2
        12-01 10:00 | cancel a2        | a2 released cancelled 0/2; b promoted place-freed 2/2 until 12-02 10:00
        12-01 10:01 | decline b        | b released declined 0/2
        12-01 10:02 | ask b2 venue=v-b | b2 confirmed place-free 1/2
        12-01 10:03 | ask a3 venue=v-a | a3 confirmed place-free 2/2""",
    "what is refused comes in one order: closed, early, too large, already live": """
        11-30 10:00 | open 1                    | applied
        12-01 08:00 | ask a 2                   | a rejected early 0/1
        12-01 09:00 | ask b                     | b confirmed place-free 1/1
        12-01 09:01 | ask b2 2 venue=v-b        | b2 rejected party-too-large 1/1
        12-20 09:00 | fire closing              | applied
        12-20 09:00 | ask b3 2 venue=v-b        | b3 rejected closed 1/1
        12-20 10:00 | close                     | b released session-cancelled 0/1
        12-20 10:01 | ask b4 2 venue=v-b        | b4 rejected session-cancelled 0/1""",
}


@pytest.mark.parametrize("text", ORDER.values(), ids=ORDER)
def test_order(text: str) -> None:
    check(text)
