"""R3: some places are kept for towns until three days before the session; the others go to whoever comes."""

import pytest

from tests.unit.matching.scenes import check

SHARES = {
    "a share is kept from others, and just used up it is kept from nobody": """
        12-01 09:00 | open 4 shares=大新镇:2 | applied
        12-01 09:01 | ask a 2              | a confirmed place-free 2/4
        12-01 09:02 | ask b                | b waitlisted shares #1+0 2/4
        12-01 09:03 | ask c town=大新镇     | c confirmed place-free 3/4
        12-01 09:04 | ask d 2 town=大新镇   | d waitlisted full #2+1 3/4
        12-01 09:05 | ask e town=大新镇     | e confirmed place-free 4/4
        12-01 10:00 | cancel a             | a released cancelled 2/4; b promoted place-freed 3/4 until 12-02 10:00
        12-01 10:01 | ask f                | f confirmed place-free 4/4""",
    "a town may have more than its share": """
        12-01 09:00 | open 4 shares=大新镇:2 | applied
        12-01 09:01 | ask a 4 town=大新镇   | a confirmed place-free 4/4
        12-01 09:02 | ask b                | b waitlisted full #1+0 4/4
        12-01 10:00 | cancel a             | a released cancelled 0/4; b promoted place-freed 1/4 until 12-02 10:00""",
    "what a town gives back is kept for it again": """
        12-01 09:00 | open 2 shares=大新镇:1 | applied
        12-01 09:01 | ask a town=大新镇     | a confirmed place-free 1/2
        12-01 09:02 | ask b                | b confirmed place-free 2/2
        12-01 09:03 | cancel a             | a released cancelled 1/2
        12-01 09:04 | ask c                | c waitlisted shares #1+0 1/2
        12-01 09:05 | ask d town=大新镇     | d confirmed place-free 2/2""",
    "a party that is larger than what is left for all": """
        12-01 09:00 | open 4 shares=大新镇:1,凤凰镇:1 | applied
        12-01 09:01 | ask a 3              | a waitlisted shares #1+0 0/4
        12-01 09:02 | ask b 4 town=大新镇   | b waitlisted shares #2+3 0/4
        12-01 09:03 | ask c 3 town=大新镇   | c confirmed place-free 3/4
        12-01 09:04 | ask d                | d waitlisted shares #3+7 3/4
        12-01 09:05 | ask e town=凤凰镇     | e confirmed place-free 4/4""",
    "three days before the session what is left is everybody's": """
        12-01 09:00        | open 2 shares=大新镇:2      | applied
        12-01 09:01        | ask a                      | a waitlisted shares #1+0 0/2
        12-01 09:02        | ask b                      | b waitlisted shares #2+1 0/2
        12-17 13:59:59.999 | fire shares due=12-17_14:00 | ignored
        12-17 14:00        | fire shares                | a promoted place-freed 1/2 until 12-18 09:30;
                           |                            | b promoted place-freed 2/2 until 12-18 09:30
        12-17 14:01        | decline a                  | a released declined 1/2
        12-17 14:02        | ask c                      | c confirmed place-free 2/2
        12-17 14:03        | fire shares due=12-17_14:00 | ignored""",
    "a slot that is told of three days before has no shares": """
        12-01 09:00 | open 1 shares=大新镇:1 starts=12-04_09:00 | applied
        12-01 09:01 | ask a                | a confirmed place-free 1/1""",
    "a millisecond earlier it has": """
        12-01 09:00 | open 1 shares=大新镇:1 starts=12-04_09:00:00.001 | applied
        12-01 09:00 | ask a                | a waitlisted shares #1+0 0/1""",
    "a hold counts as taken from its town's share": """
        12-01 09:00 | open 1 shares=大新镇:1 | applied
        12-01 09:01 | ask a town=大新镇     | a confirmed place-free 1/1
        12-01 09:02 | ask b                | b waitlisted full #1+0 1/1
        12-01 09:03 | ask c town=大新镇     | c waitlisted full #2+1 1/1
        12-01 10:00 | cancel a             | a released cancelled 0/1; c promoted place-freed 1/1 until 12-02 10:00
        12-01 10:01 | revise capacity=2    | b promoted place-freed 2/2 until 12-02 10:01""",
    "what is of a town's own share passes nobody: the first in the queue could not have had it": """
        12-01 09:00 | open 5 shares=大新镇:4 | applied
        12-01 09:01 | ask a 2              | a waitlisted shares #1+0 0/5
        12-01 09:02 | ask b town=大新镇     | b confirmed place-free 1/5
        12-01 09:03 | ask c town=大新镇     | c confirmed place-free 2/5
        12-01 09:04 | ask d town=大新镇     | d confirmed place-free 3/5
        12-01 09:05 | ask e town=大新镇     | e confirmed place-free 4/5
        12-01 09:06 | ask f                | f confirmed place-free 5/5""",
    "a town's share is its own, even while what is freed is kept for the first in the queue": """
        12-01 09:00 | open 5 shares=大新镇:2 | applied
        12-01 09:01 | ask a                | a confirmed place-free 1/5
        12-01 09:02 | ask big 3            | big waitlisted shares #1+0 1/5
        12-01 09:03 | ask b                | b confirmed place-free 2/5
        12-01 09:04 | ask c                | c confirmed place-free 3/5
        12-01 09:05 | cancel b             | b released cancelled 2/5
        12-01 09:06 | ask d                | d confirmed place-free 3/5
        12-01 09:07 | cancel c             | c released cancelled 2/5
        12-01 09:08 | ask e                | e waitlisted kept #2+3 2/5
        12-01 09:09 | ask f town=大新镇     | f confirmed place-free 3/5
        12-01 09:10 | ask g town=大新镇     | g confirmed place-free 4/5
        12-01 09:11 | ask h town=大新镇     | h waitlisted kept #3+4 4/5""",
    "a version without shares keeps nothing": """
        12-01 09:00 | open 1 shares=大新镇:1 rules=2026-12 | applied
        12-01 09:01 | ask a                | a confirmed place-free 1/1""",
}


@pytest.mark.parametrize("text", SHARES.values(), ids=SHARES)
def test_shares(text: str) -> None:
    check(text)
