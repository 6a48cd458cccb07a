"""A request in a slot: what it asks for, its state, and what may become of it."""

import msgspec

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


class Request(msgspec.Struct, gc=False):
    """A venue's request in a slot, or a provider's claim of a demand (`name` is then the provider's).

    `offset` is its place in the log and `status` its state ("": none yet), given by the slot's decision number `since`.
    `drawn_in` says that it was entered in the draw's window. `rank` orders it in its class (`second` or first) of the
    queue: the number of the decision that put it there, negative if to the head.
    """

    request_id: str
    venue_id: str
    party_size: int
    offset: int
    status: str = ""
    name: str = ""
    town: str = ""
    points: int = 0
    working_hours: tuple[str, str] | None = None
    drawn_in: bool = False
    rank: int = 0
    second: bool = False
    passes: int = 0
    lapses: int = 0
    since: int = 0

    @property
    def live(self) -> bool:
        return self.status in LIVE
