"""A request in a slot: what it asks for, its state, and what may become of it."""

from functools import lru_cache
from typing import Literal

import msgspec

from youai_matching.domain.keys import Key, id_of

MOVES: dict[str, frozenset[str]] = {
    "": frozenset({"confirmed", "entered", "waitlisted", "rejected"}),
    "entered": frozenset({"confirmed", "waitlisted", "rejected", "released"}),
    "waitlisted": frozenset({"promoted", "confirmed", "released"}),
    "promoted": frozenset({"confirmed", "released", "lapsed", "displaced"}),
    "confirmed": frozenset({"released", "displaced", "ended"}),
    "rejected": frozenset(),
    "released": frozenset(),
    "lapsed": frozenset(),
    "displaced": frozenset(),
    "ended": frozenset(),
}
"""From each state of a request (the empty one: not asked yet), what a decision may say of it.

An outcome is the request's next state, but for `lapsed` and `displaced` into the queue: then it is waitlisted.
"""

HOLDS_PLACES = frozenset({"confirmed", "promoted"})
LIVE = HOLDS_PLACES | {"entered", "waitlisted"}
ENDED = frozenset(status for status, moves in MOVES.items() if not moves)
"""States that nothing leads out of."""

_SHARED = 65_536
_BITS = 32
_NUMBER = (1 << _BITS) - 1


class Common(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """What many requests have in common: what they ask for, but for the venue, and where they stand.

    `status` is the state ("": none yet); `name` is a claim's provider's. `drawn_in` says that it was entered in the
    draw's window, `second` that it waits in the second class, `own` that it came in a record of its own id.
    """

    party_size: int
    status: str = ""
    name: str = ""
    town: str = ""
    points: int = 0
    working_hours: tuple[str, str] | None = None
    drawn_in: bool = False
    second: bool = False
    passes: int = 0
    lapses: int = 0
    own: bool = False


@lru_cache(_SHARED)
def _shared(common: Common) -> Common:
    return common


@lru_cache(_SHARED)
def asked(
    party_size: int, town: str, points: int, working_hours: tuple[str, str] | None, own: bool, name: str = ""
) -> Common:
    """What a request that comes has in common with others."""
    return _shared(Common(party_size, name=name, town=town, points=points, working_hours=working_hours, own=own))


@lru_cache(_SHARED)
def _changed(common: Common, field: str, value: object) -> Common:
    return _shared(msgspec.structs.replace(common, **{field: value}))


class Request(msgspec.Struct, gc=False):
    """A venue's request in a slot, or a provider's claim of a demand.

    A worker remembers millions: `key` stands for the id, `common` is one object for all that are alike, and `numbers`
    are those of `offset` and `rank`, in one.
    """

    key: Key
    venue_id: str
    common: Common
    numbers: int

    @staticmethod
    def of(key: Key, venue_id: str, offset: int, common: Common, rank: int = 0) -> "Request":
        """A request from its facts; `offset` is its place in the log, `rank` as below."""
        assert abs(rank) < 1 << _BITS - 1, "a slot has no more decisions than that"
        return Request(key, venue_id, _shared(common), offset << _BITS | abs(rank) << 1 | (rank < 0))

    @staticmethod
    def new(key: Key, venue_id: str, offset: int, common: Common) -> "Request":
        """A request that the record at `offset` makes, and a decision on it is to give a state."""
        return Request(key, venue_id, common, offset << _BITS)

    def become(self, status: str, number: int) -> None:
        """Take a state, by the slot's decision of this number."""
        self.common = _changed(self.common, "status", status)
        self.numbers = self.numbers >> _BITS << _BITS | number << 1

    def lead(self) -> None:
        """Have a rank at the queue's head."""
        self.numbers |= 1

    def change(self, field: Literal["drawn_in", "second", "passes", "lapses"], value: bool | int) -> None:
        """Give one of the common facts another value."""
        self.common = _changed(self.common, field, value)

    @property
    def is_ahead(self) -> bool:
        """Whether the decision that gave its state put it to the queue's head."""
        return bool(self.numbers & 1)

    @property
    def request_id(self) -> str:
        return id_of(self.key)

    @property
    def party_size(self) -> int:
        return self.common.party_size

    @property
    def town(self) -> str:
        return self.common.town

    @property
    def status(self) -> str:
        return self.common.status

    @property
    def second(self) -> bool:
        return self.common.second

    @property
    def live(self) -> bool:
        return self.common.status in LIVE

    @property
    def offset(self) -> int:
        return self.numbers >> _BITS

    @property
    def since(self) -> int:
        """The number, in its slot, of the decision that gave the request its state."""
        return (self.numbers & _NUMBER) >> 1

    @property
    def rank(self) -> int:
        """What orders it in its class of the queue: `since`, negative if it was put to the head."""
        number = self.numbers & _NUMBER
        return -(number >> 1) if number & 1 else number >> 1
