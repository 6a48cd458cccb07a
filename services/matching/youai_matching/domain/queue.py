"""A slot's queue: who waits, in which order, for how many places, and from which towns."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from youai_matching.domain.request import Request

_rank = attrgetter("rank")


@dataclass(slots=True)
class Queue:
    """Who waits: first everybody of the first class, then of the second, each by rank.

    `sizes` counts the waiting by town and party size, so that a long queue in which nobody fits is not walked.
    """

    first: list[Request] = field(default_factory=list)
    second: list[Request] = field(default_factory=list)
    places_first: int = 0
    places_second: int = 0
    sizes: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __iter__(self) -> Iterator[Request]:
        yield from self.first
        yield from self.second

    @property
    def places(self) -> int:
        """The sum of all waiting parties."""
        return self.places_first + self.places_second

    def before_end(self, second: bool) -> Request | None:
        """The first in the queue, as somebody sees it who joins at the end of a class."""
        if self.first:
            return self.first[0]
        return self.second[0] if second and self.second else None

    def append(self, request: Request, second: bool) -> None:
        """Put a request, by the decision that was just made on it, at the end of its class."""
        if request.common.second is not second:
            request.change("second", second)
        (self.second if second else self.first).append(request)
        self._count(request, 1)

    def prepend(self, request: Request) -> None:
        """Put a request, by the decision that was just made on it, before all others, into the first class."""
        request.lead()
        request.change("second", False)
        self.first.insert(0, request)
        self._count(request, 1)

    def restore(self, request: Request) -> None:
        """Put a stored request back. Call in the order of ranks."""
        (self.second if request.second else self.first).append(request)
        self._count(request, 1)

    def remove(self, request: Request) -> None:
        """Take a request out."""
        line = self.second if request.second else self.first
        at = bisect_left(line, request.rank, key=_rank)
        assert line[at] is request
        del line[at]
        self._count(request, -1)

    def merge(self) -> list[Request]:
        """End the second class: all stand by rank. Returns those who were of it."""
        moved, self.second = self.second, []
        for request in moved:
            request.change("second", False)
        self.first = sorted([*self.first, *moved], key=_rank)
        self.places_first, self.places_second = self.places, 0
        return moved

    def place(self, request: Request) -> tuple[int, int]:
        """The place (from 1) and the sum of parties before it, of a request that was put into the queue just now."""
        if request.is_ahead:
            return 1, 0
        common = request.common
        if common.second:
            return len(self), self.places - common.party_size
        return len(self.first), self.places_first - common.party_size

    def _count(self, request: Request, number: int) -> None:
        common = request.common
        places = common.party_size * number
        if common.second:
            self.places_second += places
        else:
            self.places_first += places
        key = (common.town, common.party_size)
        self.sizes[key] += number
        if not self.sizes[key]:
            del self.sizes[key]
