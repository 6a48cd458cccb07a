"""A slot's queue: who waits, in which order, for how many places, and from which towns."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from youai_matching.domain.request import Request


@dataclass(slots=True)
class Queue:
    """Who waits: first everybody of the first class, then of the second, each by rank.

    `sizes` counts the waiting by town and party size, so that a long queue in which nobody fits is not walked.
    """

    first: dict[str, Request] = field(default_factory=dict)
    second: dict[str, Request] = field(default_factory=dict)
    places_first: int = 0
    places_second: int = 0
    sizes: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __iter__(self) -> Iterator[Request]:
        yield from self.first.values()
        yield from self.second.values()

    @property
    def places(self) -> int:
        """The sum of all waiting parties."""
        return self.places_first + self.places_second

    def before_end(self, second: bool) -> Request | None:
        """The first in the queue, as somebody sees it who joins at the end of a class."""
        found = next(iter(self.first.values()), None)
        return found or next(iter(self.second.values()), None) if second else found

    def append(self, request: Request, second: bool, number: int) -> None:
        """Put a request at the end of its class; `number` counts the slot's decisions."""
        request.rank, request.second = number, second
        (self.second if second else self.first)[request.request_id] = request
        self._count(request, 1)

    def prepend(self, request: Request, number: int) -> None:
        """Put a request before all others; it is of the first class then."""
        request.rank, request.second = -number, False
        self.first = {request.request_id: request, **self.first}
        self._count(request, 1)

    def restore(self, request: Request) -> None:
        """Put a stored request back. Call in the order of ranks."""
        (self.second if request.second else self.first)[request.request_id] = request
        self._count(request, 1)

    def remove(self, request: Request) -> None:
        """Take a request out."""
        del (self.second if request.second else self.first)[request.request_id]
        self._count(request, -1)

    def merge(self) -> list[Request]:
        """End the second class: all stand by rank. Returns those who were of it."""
        moved = list(self.second.values())
        for request in moved:
            request.second = False
        self.first = {r.request_id: r for r in sorted([*self.first.values(), *moved], key=lambda r: r.rank)}
        self.second = {}
        self.places_first, self.places_second = self.places, 0
        return moved

    def place(self, request: Request) -> tuple[int, int]:
        """The place (from 1) and the sum of parties before it, of a request that was put into the queue just now."""
        if request.rank < 0:
            return 1, 0
        if request.second:
            return len(self), self.places - request.party_size
        return len(self.first), self.places_first - request.party_size

    def _count(self, request: Request, number: int) -> None:
        places = request.party_size * number
        if request.second:
            self.places_second += places
        else:
            self.places_first += places
        key = (request.town, request.party_size)
        self.sizes[key] += number
        if not self.sizes[key]:
            del self.sizes[key]
