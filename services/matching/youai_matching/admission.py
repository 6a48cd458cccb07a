"""What the door refuses before anything is written, and in which words."""

import time

from youai_runtime import problems
from youai_runtime.problems import Problem

from youai_matching.domain.receipts import instant
from youai_matching.requests import Facts


def admit(known: Facts, party_size: int) -> None:
    """Refuse what cannot be a request, before anything is written."""
    if known.venue_kind is None and not known.in_scope:
        raise Problem(
            404, "venue-unknown", "没有这个单位。", "There is no such venue, or it was not read yet.", after(1)
        )
    if not known.in_scope:
        raise problems.forbidden(
            "只能为本单位或下级单位点单。", "You can book for your own organization and those below it alone."
        )
    if known.venue_kind is None:
        raise Problem(
            404,
            "venue-unknown",
            "本单位还没有登记。",
            "Your organization is not registered, or was not read yet.",
            after(1),
        )
    if known.venue_kind != "venue":
        raise Problem(
            422, "not-a-venue", "只有基层阵地可以点单。", "Only venues book; this organization is a provider."
        )
    if known.phase is None:
        raise slot_unknown()
    if known.phase == "cancelled":
        raise Problem(409, "slot-cancelled", "本场活动已取消。", "This session was cancelled.")
    now_ms = time.time() * 1000
    if known.phase == "closed" or now_ms >= known.closes_at:
        raise Problem(409, "slot-closed", "本场预约已截止。", "Booking of this session has closed.")
    if now_ms < known.opens_at:
        opens = instant(known.opens_at)
        wait = min(int((known.opens_at - now_ms) / 1000) + 1, 3600)
        raise Problem(425, "early", f"预约将于 {opens} 开放。", f"Booking opens at {opens}.", after(wait))
    if party_size > known.capacity:
        raise Problem(
            422,
            "party-too-large",
            f"要{party_size}个名额，而本场一共只有{known.capacity}个。",
            f"You ask for {party_size} places and the session has {known.capacity} in all.",
        )


def unknown() -> Problem:
    """Whether it was taken in is not known; asking again with the same key tells, and does nothing twice."""
    return Problem(
        504,
        "unknown",
        "暂时无法确认，请用同一个键再问一次；请求不会丢失，也不会重复。",
        "Unknown: ask again with the same key. Nothing is lost and nothing is done twice.",
        after(2),
    )


def slot_unknown() -> Problem:
    return Problem(
        404,
        "slot-unknown",
        "没有这个场次，或它刚发布、还在登记。",
        "There is no such slot, or it was not read yet.",
        after(1),
    )


def same_body(first: bytes, now: bytes) -> None:
    """Raise 409 if a key that was used for one request comes with another."""
    if first != now:
        raise Problem(
            409,
            "key-reused",
            "这个键已用于另一个请求，请换一个新键。",
            "This key was used for another request: take a new one.",
        )


def after(seconds: int) -> dict[str, str]:
    """The Retry-After header."""
    return {"Retry-After": str(seconds)}
