"""R9: a demand has so many claims as it asks for; they end by their lease, their provider or the center alone.

The same under every version that knows claims; test_claims.py has the records one by one.
"""

import pytest

from tests.unit.matching.scenes import SEED, check

CLAIMS = {
    "one provider for each place, in the log's order": """
        12-01 09:00:00 | post 2  | applied
        12-01 09:00:02 | claim a | a confirmed claim-free 1/2
        12-01 09:00:01 | claim b | b confirmed claim-free 2/2
        12-01 09:00:03 | claim c | c rejected claimed 2/2 won by p-a""",
    "nobody waits: what is handed back goes to whoever claims next": """
        12-01 09:00 | post 1         | applied
        12-01 09:01 | claim a        | a confirmed claim-free 1/1
        12-01 09:02 | claim b        | b rejected claimed 1/1 won by p-a
        12-02 09:00 | end a          | a ended handed-back 0/1
        12-02 09:01 | claim c        | c confirmed claim-free 1/1
        12-02 09:02 | claim b        | ignored
        12-02 09:03 | claim b2 provider=p-b | b2 rejected claimed 1/1 won by p-c
        12-15 09:00 | end c lapsed   | c ended lapsed 0/1
        12-15 09:01 | claim b3 provider=p-b | b3 confirmed claim-free 1/1
        12-15 09:02 | end b3 center  | b3 ended center 0/1
        12-15 09:03 | end b3 center  | ignored""",
    "a provider has one claim at a time": """
        12-01 09:00 | post 3                | applied
        12-01 09:01 | claim a               | a confirmed claim-free 1/3
        12-01 09:02 | claim a2 provider=p-a | a2 rejected already-yours 1/3
        12-01 09:03 | end a2                | ignored
        12-01 09:04 | end a                 | a ended handed-back 0/3
        12-01 09:05 | claim a3 provider=p-a | a3 confirmed claim-free 1/3""",
    "more claims may be wanted, and fewer as long as nobody loses one": """
        12-01 09:00 | post 1            | applied
        12-01 09:01 | claim a           | a confirmed claim-free 1/1
        12-01 09:02 | revise capacity=2 | applied
        12-01 09:03 | claim b           | b confirmed claim-free 2/2
        12-01 09:04 | revise capacity=1 | applied
        12-01 09:05 | claim c           | c rejected claimed 2/2 won by p-a
        12-01 09:06 | end a             | a ended handed-back 1/2
        12-01 09:07 | revise capacity=1 | applied
        12-01 09:08 | claim d           | d rejected claimed 1/1 won by p-b""",
    "a demand has no timers, no draw and no bookings": f"""
        12-01 09:00 | post 1        | applied
        12-01 09:01 | reveal {SEED} id=x | ignored
        12-01 09:01 | reveal {SEED} id=x | repeat
        12-01 10:00 | fire closing  | ignored
        12-01 10:01 | override x    | refused
        12-01 10:02 | accept x      | refused
        12-01 10:03 | decline x     | refused
        12-01 10:04 | ask x         | refused
        12-01 10:05 | cancel x      | refused
        12-01 10:06 | claim a       | a confirmed claim-free 1/1""",
    "its end ends the claims, in the order of asking": """
        12-01 09:00 | post 2                 | applied
        12-01 09:01 | claim a                | a confirmed claim-free 1/2
        12-01 09:02 | claim b                | b confirmed claim-free 2/2
        12-01 09:03 | close demand-withdrawn | a ended demand-withdrawn 1/2; b ended demand-withdrawn 0/2
        12-01 09:04 | claim c                | c rejected demand-withdrawn 0/2
        12-01 09:05 | revise capacity=5      | ignored
        12-01 09:06 | close demand-expired   | ignored
        12-01 09:07 | end a                  | ignored""",
}


@pytest.mark.parametrize("version", ["2026-12", "2027-01"])
@pytest.mark.parametrize("text", CLAIMS.values(), ids=CLAIMS)
def test_claims(text: str, version: str) -> None:
    check(text.replace("| applied", f"rules={version} | applied", 1))


@pytest.mark.parametrize("what", ["claim a", "end a"])
def test_a_session_takes_no_claims(what: str) -> None:
    check(f"""
        12-01 09:00 | open 1     | applied
        12-01 09:01 | {what}     | refused
        12-01 09:02 | ask a      | a confirmed place-free 1/1""")
