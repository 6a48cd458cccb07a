"""R2: in a draw all requests of the opening window tie, and a seed that was announced before orders them.

The ranks of the tables, by `rank` below and the seed 5a…5a, for venues v-a, v-b, …: of the window a, b, c they are
a, b, c; of a, b, c, d they are d, c, b, a.
"""

import hashlib

import pytest

from tests.unit.matching.scenes import SEED, check, play

WRONG = "5b" * 32

DRAWS = {
    "the window's last millisecond; a wrong seed; who is entered late": f"""
        11-30 10:00        | open 2 draw                  | applied
        12-01 08:59:58.999 | ask z                        | z rejected early 0/2
        12-01 08:59:59     | ask a                        | a entered entered 0/2
        12-01 09:00:00     | ask b                        | b entered entered 0/2
        12-01 09:00:30     | reveal {SEED}                | ignored
        12-01 09:00:59.999 | fire window due=12-01_09:01  | ignored
        12-01 09:00:59.999 | ask c                        | c entered entered 0/2
        12-01 09:01:00     | ask d                        | d entered entered 0/2
        12-01 09:01:00     | fire window                  | applied
        12-01 09:01:00     | ask e                        | e entered entered 0/2
        12-01 09:01:01     | fire window due=12-01_09:01  | ignored
        12-01 09:01:05     | reveal {WRONG}               | ignored
        12-01 09:01:05     | reveal {SEED}                | d confirmed drawn 1/2; c confirmed drawn 2/2;
                           |                              | b waitlisted drawn-behind #1+0 2/2;
                           |                              | a waitlisted drawn-behind #2+1 2/2;
                           |                              | e waitlisted drawn-behind #3+2 2/2
        12-01 09:01:06     | reveal {SEED}                | ignored
        12-01 09:01:07     | ask f                        | f waitlisted full #4+3 2/2
        12-01 10:00        | cancel d                     | d released cancelled 1/2;
                           |                              | b promoted place-freed 2/2 until 12-02 10:00""",
    "a slot that is told of after its opening has a whole window": f"""
        12-01 10:00:00     | open 1 draw                  | applied
        12-01 10:00:30     | ask a                        | a entered entered 0/1
        12-01 10:00:59.999 | fire window due=12-01_10:01  | ignored
        12-01 10:01        | fire window                  | applied
        12-01 10:01        | reveal {SEED}                | a confirmed drawn 1/1""",
    "who cancels is released, before the window ends and after": f"""
        12-01 09:00 | open 1 draw   | applied
        12-01 09:00 | ask a         | a entered entered 0/1
        12-01 09:00 | ask b         | b entered entered 0/1
        12-01 09:00 | cancel a      | a released cancelled 0/1
        12-01 09:00 | ask a2 venue=v-a | a2 entered entered 0/1
        12-01 09:01 | fire window   | applied
        12-01 09:01 | cancel b      | b released cancelled 0/1
        12-01 09:01 | reveal {SEED} | a2 confirmed drawn 1/1""",
    "nobody is in it": f"""
        12-01 09:00 | open 1 draw   | applied
        12-01 09:01 | fire window   | applied
        12-01 09:01 | reveal {SEED} | applied
        12-01 09:02 | ask a         | a confirmed place-free 1/1""",
    "the second class comes behind all, those who were late too": f"""
        12-01 09:00 | open 9 draw    | applied
        12-01 09:00 | ask a          | a entered entered 0/9
        12-01 09:00 | ask b          | b entered entered 0/9
        12-01 09:00 | ask c points=3 | c entered entered 0/9
        12-01 09:00 | ask d points=4 | d entered entered 0/9
        12-01 09:01 | fire window    | applied
        12-01 09:01 | ask e          | e entered entered 0/9
        12-01 09:02 | reveal {SEED}  | b confirmed drawn 1/9; a confirmed drawn 2/9; e confirmed drawn 3/9;
                    |                | d confirmed drawn 4/9; c confirmed drawn 5/9""",
    "a day before the session there is no second class any more": f"""
        12-01 09:00 | open 9 draw starts=12-02_09:02 | applied
        12-01 09:00 | ask a          | a entered entered 0/9
        12-01 09:00 | ask b          | b entered entered 0/9
        12-01 09:00 | ask c points=3 | c entered entered 0/9
        12-01 09:00 | ask d points=4 | d entered entered 0/9
        12-01 09:01 | fire window    | applied
        12-01 09:02 | reveal {SEED}  | d confirmed drawn 1/9; c confirmed drawn 2/9; b confirmed drawn 3/9;
                    |                | a confirmed drawn 4/9""",
    "each joins the queue as if it came then: large ones are passed, a full queue refuses": f"""
        12-01 09:00 | open 2 draw waitlist=1 | applied
        12-01 09:00 | ask a          | a entered entered 0/2
        12-01 09:00 | ask b          | b entered entered 0/2
        12-01 09:00 | ask c 2        | c entered entered 0/2
        12-01 09:00 | ask d          | d entered entered 0/2
        12-01 09:01 | fire window    | applied
        12-01 09:02 | reveal {SEED}  | d confirmed drawn 1/2; c waitlisted drawn-behind #1+0 1/2;
                    |                | b confirmed drawn 2/2; a rejected waitlist-full 2/2""",
    "town shares hold in a draw": f"""
        12-01 09:00 | open 2 draw shares=大新镇:1 | applied
        12-01 09:00 | ask a town=大新镇 | a entered entered 0/2
        12-01 09:00 | ask b          | b entered entered 0/2
        12-01 09:00 | ask c          | c entered entered 0/2
        12-01 09:00 | ask d          | d entered entered 0/2
        12-01 09:01 | fire window    | applied
        12-01 09:02 | reveal {SEED}  | d confirmed drawn 1/2; c waitlisted drawn-behind #1+0 1/2;
                    |                | b waitlisted drawn-behind #2+1 1/2; a confirmed drawn 2/2""",
    "the slot's end releases who is entered, in the log's order": f"""
        12-01 09:00 | open 2 draw    | applied
        12-01 09:00 | ask b          | b entered entered 0/2
        12-01 09:00 | ask a          | a entered entered 0/2
        12-01 09:00 | close offer-withdrawn | b released offer-withdrawn 0/2; a released offer-withdrawn 0/2
        12-01 09:01 | fire window    | ignored
        12-01 09:02 | reveal {SEED}  | ignored""",
    "closing releases who is entered": f"""
        12-01 09:00 | open 2 draw closes=12-01_09:01 | applied
        12-01 09:00 | ask b          | b entered entered 0/2
        12-01 09:00 | ask a          | a entered entered 0/2
        12-01 09:01 | fire closing   | b released closed 0/2; a released closed 0/2
        12-01 09:01 | fire window    | ignored
        12-01 09:02 | reveal {SEED}  | ignored
        12-01 09:02 | ask c          | c rejected closed 0/2""",
    "without a seed that was announced there is no draw": """
        12-01 09:00 | open 1 unseeded | applied
        12-01 09:00 | ask a          | a confirmed place-free 1/1
        12-01 09:01 | fire window    | ignored""",
    "nor in a version that has none": f"""
        12-01 09:00 | open 1 draw rules=2026-12 | applied
        12-01 09:00 | ask a          | a confirmed place-free 1/1
        12-01 09:01 | fire window    | ignored
        12-01 09:02 | reveal {SEED}  | ignored""",
}


@pytest.mark.parametrize("text", DRAWS.values(), ids=DRAWS)
def test_draw(text: str) -> None:
    check(text)


def rank(window: list[str], venue: str) -> bytes:
    """As docs/rules.md has it: SHA-256(seed ‖ SHA-256 of the window's request ids joined by newline ‖ venue)."""
    drawn = hashlib.sha256("\n".join(window).encode()).digest()
    return hashlib.sha256(bytes.fromhex(SEED) + drawn + venue.encode()).digest()


def drawn(window: list[str], cancelled: str = "") -> list[str]:
    asks = [f"12-01 09:00 | ask {request} | " for request in window]
    gone = [f"12-01 09:00 | cancel {cancelled} | "] if cancelled else []
    text = "\n".join([
        "12-01 09:00 | open 99 draw | ", *asks, *gone, "12-01 09:01 | fire window | ", f"12-01 09:01 | reveal {SEED} | "
    ])  # fmt: skip
    return [decided.event.request_id for decided in play(text)[-1].decisions]


@pytest.mark.parametrize("number", range(1, 40))
def test_the_rank_is_the_pages(number: int) -> None:
    window = [f"r{n}" for n in range(number)]
    assert drawn(window) == sorted(window, key=lambda request: rank(window, f"v-{request}"))


def test_who_cancelled_since_still_counts_in_everybodys_rank() -> None:
    window = [f"r{n}" for n in range(20)]
    left = [request for request in window if request != "r7"]
    assert drawn(window, "r7") == sorted(left, key=lambda request: rank(window, f"v-{request}"))
    assert drawn(window, "r7") != sorted(left, key=lambda request: rank(left, f"v-{request}"))
