"""What the door refuses before anything is written, and in which words."""

import random
from typing import Any

from youai_runtime import problems
from youai_runtime.problems import Problem

from youai_matching.domain.receipts import instant
from youai_matching.requests import Facts
from youai_matching.reservations import Answer


def accept(answer: Answer, digest: bytes, party_size: int) -> bool:
    """Whether a booking was taken in just now; False for one whose key was used for the same before.

    Raises the problem that says why it was not taken.
    """
    match answer.verdict:
        case "taken":
            return True
        case "known":
            assert answer.facts.body_hash is not None
            same_body(answer.facts.body_hash, digest)
            return False
        case "unsure":
            raise unknown()
        case "obstacle":
            assert answer.obstacle is not None
            raise in_the_way(answer.obstacle)
        case "refused":
            admit(answer.facts, party_size, answer.now_ms)
    raise problems.unavailable(soon())


def admit(known: Facts, party_size: int, now_ms: int) -> None:
    """Refuse what cannot be a request; the database's function has the same conditions, without the words."""
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
        raise slot_cancelled()
    if known.phase == "closed" or now_ms >= known.closes_at:
        raise Problem(409, "slot-closed", "本场预约已截止。", "Booking of this session has closed.")
    if now_ms < known.opens_at:
        opens = instant(known.opens_at)
        wait = min((known.opens_at - now_ms) // 1000, 3600) + soon()
        raise Problem(
            425,
            "early",
            f"预约将于 {opens} 开放。",
            f"Booking opens at {opens}.",
            after(wait),
            {"opens_at": opens, "server_time": instant(now_ms)},
        )
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


def in_the_way(obstacle: dict[str, Any]) -> Problem:
    """409 with what stands in the way of a booking: a limit and its numbers, or the other session."""
    told = {name: value for name, value in obstacle.items() if name != "code"}
    booked, most = obstacle.get("booked"), obstacle.get("most")
    match obstacle["code"]:
        case "limit-offer":
            zh = f"每个单位在同一项目最多点{most}场，贵单位已有{booked}场。取消一场后可以再点。"
            en = f"A venue may have {most} sessions of one offer, and yours has {booked}. Cancel one to book another."
        case "limit-month":
            zh = f"每个单位每月最多点{most}场，贵单位在{obstacle['month']}已有{booked}场。"
            en = f"A venue may have {most} sessions a month, and yours has {booked} in {obstacle['month']}."
        case _:
            told |= {name: instant(obstacle[name]) for name in ("starts_at", "ends_at")}
            zh = f"贵单位在同一时间已有另一场（{told['starts_at']} 起）。确实要同时参加，请注明允许时间重叠。"
            en = f"Your venue has another session then (from {told['starts_at']}). If you mean it, say overlap_ok."
    return Problem(409, obstacle["code"], zh, en, extra=told)


def not_held() -> Problem:
    return Problem(
        409,
        "not-held",
        "现在没有为贵单位保留的名额。",
        "No places are held for this booking now.",
    )


def slot_cancelled() -> Problem:
    return Problem(409, "slot-cancelled", "本场活动已取消。", "This session was cancelled.")


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
        raise key_reused()


def key_reused() -> Problem:
    return Problem(
        409,
        "key-reused",
        "这个键已用于另一个请求，请换一个新键。",
        "This key was used for another request: take a new one.",
    )


def undecided() -> Problem:
    return Problem(
        409,
        "undecided",
        "这份点单还没有裁定，请稍后再试。",
        "Not decided yet: ask again once it is.",
        after(1),
    )


def soon() -> int:
    """Seconds to wait before asking again, spread by chance so that not everybody comes back at once."""
    return random.randint(1, 3)


def after(seconds: int) -> dict[str, str]:
    """The Retry-After header."""
    return {"Retry-After": str(seconds)}
