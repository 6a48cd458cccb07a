"""Why not me: what matching knows of a booking's story, in plain sentences. Pure."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from youai_portal import words

WITHOUT_PLACES = ("waitlisted", "rejected", "released", "lapsed", "displaced")
SELF_MADE = ("cancelled", "cancelled-late", "declined", "early", "already-live", "party-too-large")
"""Reasons that say all there is to say."""


def sentences(booking: Mapping[str, Any], slot: Mapping[str, Any] | None, lang: str) -> list[str]:
    """Why this booking has no places, sentence by sentence; nothing where it has, or where its reason says it all.

    `booking` as matching answers it (`why`, `number`, `receipts`), `slot` as the portal's page shows it or None.
    What an answer leaves out is not told.
    """
    why = booking.get("why")
    if booking["status"] not in WITHOUT_PLACES or booking.get("reason") in SELF_MADE or not why:
        return []
    english = lang == "en"
    told = [*_first(booking, why, slot), *_later(booking, why, slot)]
    return [en if english else zh for zh, en in told]


def _first(
    booking: Mapping[str, Any], why: Mapping[str, Any], slot: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """What the first answer came from."""
    first = next((one for one in booking.get("receipts", ()) if one["outcome"] != "entered"), None)
    if first is None or first["outcome"] in ("confirmed", "promoted", "released"):
        return
    party, capacity, taken = first["party_size"], first["capacity"], first["taken"]
    draw, number, last = why.get("draw"), booking.get("number"), why.get("last")
    if draw:
        yield (
            f"本场抽签，{draw['drawn']}份点单参加，您排在第{draw['rank']}位。",
            f"{draw['drawn']} bookings were drawn, and yours came out as number {draw['rank']}.",
        )
    elif number:
        yield (
            f"您是本场第{number}个点单的" + (f"，在您之前有{number - 1}份。" if number > 1 else "。"),
            f"Yours was booking number {number} of this session.",
        )
        if last and last.get("number") and taken >= capacity:
            at = _clock(last.get("asked_at"))
            yield (
                f"{capacity}个名额在第{last['number']}份点单{f'（{at}）' if at else ''}时已满。",
                f"All {capacity} places were gone with booking number {last['number']}{f' ({at})' if at else ''}.",
            )
    if taken < capacity:
        yield from _left_over(first["reason"], capacity - taken, party, slot)
    elif draw:
        yield (
            f"轮到您时，{capacity}个名额已经给完。",
            f"All {capacity} places were given to those before you.",
        )


def _left_over(reason: str, left: int, party: int, slot: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Why places that were there were not given."""
    match reason:
        case "shares":
            kept = "、".join(f"{town}{places}个" for town, places in ((slot or {}).get("town_shares") or {}).items())
            yield (
                f"当时还空{left}个，是为其他镇保留的{f'（{kept}）' if kept else ''}；没用完的，临近开始时放开给各镇。",
                f"{left} places were free, kept for other towns; near the session they are opened to all towns.",
            )
        case "kept":
            yield (
                f"当时还空{left}个，是为候补第一位攒的：它要得多，已让过别人多次。",
                f"{left} places were free, saved for the first in the queue, who was passed over several times.",
            )
        case _:
            yield (
                f"当时还空{left}个，不够您要的{party}个；名额不拆开给，您的位次保留。",
                f"{left} places were free, too few for the {party} you asked for; a booking is not split.",
            )


def _later(
    booking: Mapping[str, Any], why: Mapping[str, Any], slot: Mapping[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """What became of it since."""
    if booking.get("reason") in ("capacity-cut", "capacity-cut-closed"):
        yield (
            "名额减少时，先收回还在保留的，再从最晚确认的收起；您的在其中。",
            "When places are cut, holds go first, then the newest confirmed: yours was among them.",
        )
    if why.get("lapses"):
        yield (
            f"您有{why['lapses']}次没有在保留期内确认，因此排到候补末尾或退出候补。",
            f"Places held for you were not accepted in time {why['lapses']} time(s): that put you behind, or out.",
        )
    if why.get("passes"):
        yield (
            f"您让过{why['passes']}次：当时空出的不够您要的{booking['party_size']}个，给了后面要得少的。",
            f"You were passed over {why['passes']} time(s): what was free was too little for you.",
        )
    second = why.get("second")
    if second:
        until = datetime.fromisoformat(second["until"])
        yield (
            f"贵单位近期有临时取消或缺席的记录，按规则在{words.moment(until, 'zh')}之前排在没有记录的单位之后；"
            "过了这个时间，大家按先后一起排。",
            "Your venue cancelled late or did not come of late: it stands behind those that did not until"
            f" {words.moment(until, 'en')}; then all stand in one line.",
        )
    if slot and slot.get("overrides"):
        yield (
            f"指导中心在本场调配过{slot['overrides']}次，次数公开，每次都写明理由。",
            f"The guidance center gave places {slot['overrides']} time(s) here; each is counted and has its reason.",
        )


def _clock(at: Any) -> str:
    """A time of day to the second, of RFC 3339 or of milliseconds since 1970; empty if there is none."""
    if at is None:
        return ""
    there = datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int) else datetime.fromisoformat(str(at))
    return f"{words.local(there):%H:%M:%S}"
