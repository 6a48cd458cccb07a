"""Who joins the queue before others may free places for them: the whole queue is walked, not the newcomer alone."""

from msgspec import structs

from tests.unit.matching.fakes import RULES
from tests.unit.matching.records import ask, at, cancel, opened
from tests.unit.matching.steps import S, Step, play, told

VERSION = RULES.named("2027-01").version
DAY = 86_400.0
OPENED = structs.replace(
    opened(4, rules=VERSION), closes_at=at(9 * DAY), starts_at=at(10 * DAY), ends_at=at(10 * DAY + 3600)
)


def second(request: str, size: int = 1) -> Step:
    return S(structs.replace(ask(request, size), points=3), "")


def test_a_clean_request_before_one_who_is_kept_for_lets_others_have_what_was_kept() -> None:
    steps = [
        S(OPENED, "applied"),
        *(S(ask(name), "") for name in "abcd"),
        second("large", 3),
        *(second(f"s{number}") for number in range(1, 5)),
        *(S(cancel(name), "") for name in "abc"),  # three pass the large one, and the next place is kept for it
        S(cancel("d"), ""),
        S(ask("clean", 4), ""),
    ]
    verdicts = play(steps)
    assert told(verdicts[-2]) == [("d", "released", "cancelled", None, None, 3)]
    assert told(verdicts[-1]) == [
        ("s4", "promoted", "place-freed", None, None, 4),
        ("clean", "waitlisted", "full", 1, 0, 4),
    ]
