"""Who is refused gets a moment of its own to come back, at the rate at which others are served."""

from youai_runtime.returns import LONGEST_S, Returns


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def served(returns: Returns, clock: Clock, rate: int, seconds: int) -> None:
    for _ in range(rate * seconds):
        clock.now += 1 / rate
        returns.answered()


def test_one_who_is_refused_alone_comes_back_in_a_second() -> None:
    assert Returns(Clock()).seconds() == 1


def test_many_come_back_one_after_the_other_at_the_rate_of_service() -> None:
    clock = Clock()
    returns = Returns(clock)
    served(returns, clock, rate=500, seconds=20)
    told = [returns.seconds() for _ in range(5_000)]
    assert told == sorted(told)
    assert told[0] == 1
    assert 10 <= told[-1] <= 12
    assert max(told.count(second) for second in set(told)) <= 550


def test_later_there_is_room_again() -> None:
    clock = Clock()
    returns = Returns(clock)
    for _ in range(1_000):
        returns.seconds()
    clock.now += 120
    assert returns.seconds() == 1


def test_nobody_is_sent_away_for_more_than_a_minute() -> None:
    returns = Returns(Clock())
    assert max(returns.seconds() for _ in range(10_000)) == LONGEST_S


def test_a_slow_service_is_known_for_it() -> None:
    clock = Clock()
    returns = Returns(clock)
    served(returns, clock, rate=500, seconds=10)
    served(returns, clock, rate=50, seconds=20)
    told = [returns.seconds() for _ in range(500)]
    assert told[-1] >= 9
