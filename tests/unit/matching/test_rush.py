"""What an operator sees of a rush: the hottest slots by windows."""

from youai_matching.rush import MOST_SLOTS, WINDOW_S, Rush


def test_the_last_whole_window_is_told() -> None:
    rush = Rush()
    rush.note(["a", "b", "a"], 100.0)
    assert rush.hottest(101.0) == []
    rush.note(["a"], 100.0 + WINDOW_S - 0.1)
    assert rush.hottest(100.0 + WINDOW_S) == [("a", 3), ("b", 1)]


def test_a_rush_that_is_over_is_not_told_for_ever() -> None:
    rush = Rush()
    rush.note(["a"], 100.0)
    assert rush.hottest(100.0 + 2 * WINDOW_S) == []


def test_only_the_hottest_are_told() -> None:
    rush = Rush()
    rush.note([f"slot-{n}" for n in range(100) for _ in range(n)], 100.0)
    told = rush.hottest(100.0 + WINDOW_S)
    assert len(told) == MOST_SLOTS
    assert told[0] == ("slot-99", 99)
