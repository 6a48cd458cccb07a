"""A slot's life as text: a line is a record and what becomes of it, so that a table reads like docs/rules.md.

    12-01 09:00:00 | open 2                 | applied
    12-01 09:00:01 | ask a 2                | a confirmed place-free 2/2
    12-01 09:00:02 | ask b                  | b waitlisted full #1+0 2/2
    12-01 10:00    | cancel a               | a released cancelled 0/2; b promoted place-freed 1/2 until 12-02 10:00

Times are local (UTC+8), of 2026 unless a year stands before them. A decision is its request, outcome and reason; `#`
its place `+` the places ahead, if it is in the queue; taken/capacity; and until when it is held. Records:

    open CAPACITY [opens= closes= starts= ends= waitlist= shares=TOWN:PLACES,... rules=NAME] [draw | unseeded]
    ask REQUEST [PARTY] [venue= town= points= hours=FROM-TO]      cancel REQUEST       accept REQUEST
    decline REQUEST [limit]      fire KIND [REQUEST] [due=]       reveal SEED          close [REASON]
    override REQUEST [PARTY] [venue= town= capacity=]             revise [capacity= opens= closes= starts= ends= rules=]
    post CLAIMS [rules=]         claim REQUEST [provider=]        end REQUEST [REASON]

A request's venue is `v-` and its name, a claim's provider `p-` and its name, unless given; a timer's due is the line's
time unless given; `id=` gives any record a CloudEvents id. The moment of a value is written with `_` for the blank:
`starts=12-20_14:00`. A slot that begins with `post` is a demand's; a claim that lost names who won.
"""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

from msgspec import structs
from youai_contracts.events import (
    BookingCancelled,
    BookingRequested,
    ClaimDecision,
    Decision,
    DrawRevealed,
    HoldAccepted,
    HoldDeclined,
    OverrideRequested,
    SlotClosed,
    SlotOpened,
    SlotRecord,
    SlotRevised,
    TimerFired,
)
from youai_matching.domain.state import Slot, Verdict

from tests.unit.matching.fakes import RULES
from tests.unit.matching.records import ACTOR, DEMAND, NINE, SLOT, claim, give_back, posted
from tests.unit.matching.steps import Step
from tests.unit.matching.steps import play as _play

LOCAL = timezone(timedelta(hours=8))
SEED = "5a" * 32
SEED_HASH = hashlib.sha256(bytes.fromhex(SEED)).hexdigest()
TOWN = "杨舍镇"
OPENED = {"opens": "12-01_09:00", "closes": "12-20_09:00", "starts": "12-20_14:00", "ends": "12-20_16:00"}
"""An opening's times unless it gives them: a Sunday afternoon nineteen days after booking opens."""


def moment(text: str) -> datetime:
    """`MM-DD HH:MM[:SS[.mmm]]` local, or with a year before it."""
    date, _, time = text.replace("_", " ").partition(" ")
    return datetime.fromisoformat(f"{date if date.count('-') == 2 else f'2026-{date}'}T{time}").replace(tzinfo=LOCAL)


def shown(at: datetime | str) -> str:
    """A time as the tables write it."""
    local = (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(LOCAL)
    text = local.strftime("%m-%d %H:%M" if local.year == 2026 else "%Y-%m-%d %H:%M")
    if local.second or local.microsecond:
        text += local.strftime(":%S")
    return f"{text}.{local.microsecond // 1000:03}" if local.microsecond else text


def record(text: str, at: datetime, slot: str = SLOT) -> SlotRecord:
    """The record that a line's middle means."""
    verb, *rest = text.split()
    words = [word for word in rest if "=" not in word]
    values = dict(word.split("=", 1) for word in rest if "=" in word)
    if verb in ("post", "claim", "end"):
        return _of_claim(verb, words, values)
    if verb == "open":
        return _opened(words, values, slot)
    if verb == "revise":
        rules = RULES.named(values["rules"]).version if "rules" in values else None
        capacity = int(values["capacity"]) if "capacity" in values else None
        return SlotRevised(slot_id=slot, capacity=capacity, rule_version=rules, **_times(values))
    if verb == "close":
        return SlotClosed(slot_id=slot, reason=cast(Any, (words or ["session-cancelled"])[0]))
    if verb == "reveal":
        return DrawRevealed(slot_id=slot, seed=words[0])
    if verb == "fire":
        due = moment(values["due"]) if "due" in values else at
        kind, *subject = words
        return TimerFired(slot_id=slot, kind=cast(Any, kind), due_at=due, subject="".join(subject))
    return _of_request(verb, words, values, slot)


def _of_claim(verb: str, words: list[str], values: dict[str, str]) -> SlotRecord:
    if verb == "post":
        rules = RULES.named(values.get("rules", "2027-01")).version
        return structs.replace(posted(int(words[0])), rule_version=rules)
    if verb == "claim":
        return claim(words[0], provider=values.get("provider", ""))
    return give_back(words[0], cast(Any, (words[1:] or ["handed-back"])[0]))


def _of_request(verb: str, words: list[str], values: dict[str, str], slot: str) -> SlotRecord:
    who: dict[str, Any] = {"slot_id": slot, "request_id": words[0], "actor": ACTOR}
    if verb == "cancel":
        return BookingCancelled(**who)
    held = int(values["held"]) if "held" in values else None
    if verb == "accept":
        return HoldAccepted(**who, held=held)
    if verb == "decline":
        return HoldDeclined(**who, held=held, reason=cast(Any, (words[1:] or ["declined"])[0]))
    who |= {"venue_id": values.get("venue", f"v-{words[0]}"), "town": values.get("town", TOWN)}
    who["party_size"] = int((words[1:] or ["1"])[0])
    if verb == "ask":
        start, _, end = values.get("hours", "").partition("-")
        hours = (start, end) if "hours" in values else None
        points = int(values.get("points", "0"))
        return BookingRequested(**who, points=points, working_hours=hours, requested_at=moment(OPENED["opens"]))
    assert verb == "override", verb
    capacity = int(values["capacity"]) if "capacity" in values else None
    return OverrideRequested(**who, capacity=capacity, explanation="联席会议同意。")


def _times(values: dict[str, str]) -> dict[str, Any]:
    names = ("opens", "closes", "starts", "ends")
    return {f"{name}_at": moment(values[name]).astimezone(UTC) for name in names if name in values}


def _opened(words: list[str], values: dict[str, str], slot: str) -> SlotOpened:
    shares = dict(share.split(":") for share in values.get("shares", "").split(",") if share)
    return SlotOpened(
        slot_id=slot,
        offer_id="offer-1",
        session_id=slot,
        capacity=int(words[0]),
        mode="draw" if {"draw", "unseeded"} & set(words) else "arrival",
        seed_hash=SEED_HASH if "draw" in words else None,
        town_shares={town: int(places) for town, places in shares.items()},
        waitlist=int(values["waitlist"]) if "waitlist" in values else None,
        rule_version=RULES.named(values.get("rules", "2027-01")).version,
        **_times(OPENED | values),
    )


def said(verdict: Verdict) -> str:
    """What a line's end says of its record: the decisions, or what else became of it."""
    if verdict.kind != "decided":
        assert verdict.decisions == ()
        return verdict.kind
    return "; ".join(_told(decided.event) for decided in verdict.decisions)


def _told(event: Decision | ClaimDecision) -> str:
    text = f"{event.request_id} {event.outcome} {event.reason}"
    if event.place is not None:
        text += f" #{event.place}+{event.ahead}"
    text += f" {event.taken}/{event.capacity}"
    if isinstance(event, ClaimDecision):
        return f"{text} won by {event.winner_id}" if event.winner_id else text
    return f"{text} until {shown(event.hold_until)}" if isinstance(event.hold_until, str) else text


def lines(text: str) -> list[tuple[str, str, str]]:
    """Time, record and outcome of each line; a line that begins with a blank time says more of the one before."""
    found: list[tuple[str, str, str]] = []
    for line in text.strip().splitlines():
        time, what, becomes = (part.strip() for part in line.split("|"))
        if time:
            found.append((time, what, becomes))
        else:
            found[-1] = (*found[-1][:2], f"{found[-1][2]} {becomes}")
    return found


def steps(text: str) -> list[Step]:
    """The lines as steps, which name their times in seconds after nine and say nothing of what becomes of them."""
    demand = lines(text)[0][1].startswith("post")
    found = []
    for time, what, _ in lines(text):
        at = moment(time)
        id_ = next((word[3:] for word in what.split() if word.startswith("id=")), "")
        found.append(Step(record(what, at, DEMAND if demand else SLOT), [], (at - NINE).total_seconds(), id_))
    return found


def play(text: str, slot: Slot | None = None) -> list[Verdict]:
    """What becomes of each line's record, in one slot."""
    return _play(steps(text), slot)


def check(text: str) -> None:
    """Play the lines, and see that what becomes of each is what it says."""
    verdicts = play(text)
    expected = [f"{time} | {what} | {becomes}" for time, what, becomes in lines(text)]
    told = zip(lines(text), verdicts, strict=True)
    found = [f"{time} | {what} | {said(verdict)}" for (time, what, _), verdict in told]
    assert "\n".join(found) == "\n".join(expected)
