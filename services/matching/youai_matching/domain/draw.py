"""A draw's order: nobody who picks the seed can choose it, and everybody can compute it once the seed is known."""

import hashlib
from collections.abc import Iterable

from youai_matching.domain.request import Request


def is_seed_of(seed: str, seed_hash: str) -> bool:
    """Whether `seed` (32 bytes in hex) is the one whose SHA-256 was announced."""
    return hashlib.sha256(bytes.fromhex(seed)).hexdigest() == seed_hash


def in_order(requests: Iterable[Request], seed: str) -> list[Request]:
    """All entered requests of a slot as drawn. `requests`: all that it has or had in the window, in log order.

    Rank is SHA-256(seed ‖ SHA-256 of the window's request ids, joined by newline ‖ venue id); who was entered after the
    window comes behind, in log order.
    """
    all_of = list(requests)
    window = "\n".join(request.request_id for request in all_of if request.common.drawn_in)
    prefix = bytes.fromhex(seed) + hashlib.sha256(window.encode()).digest()
    entered = [request for request in all_of if request.status == "entered"]
    drawn = [request for request in entered if request.common.drawn_in]
    drawn.sort(key=lambda request: hashlib.sha256(prefix + request.venue_id.encode()).digest())
    return [*drawn, *(request for request in entered if not request.common.drawn_in)]
