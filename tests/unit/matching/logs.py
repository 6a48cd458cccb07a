"""Logs of all kinds, by hypothesis and by seed: few slots, requests, organizations and ids, so that they meet."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, get_args

from hypothesis import strategies as st
from youai_contracts.events import ClaimEnd, SlotRecord, demand_slot

from tests.unit.matching.fakes import LogRecord
from tests.unit.matching.records import (
    CLOSES,
    Closing,
    ask,
    cancel,
    claim,
    close,
    fire,
    give_back,
    on_log,
    opened,
    posted,
)

MOMENTS = (-30.0, -1.001, -1.0, 0.0, 1.0, 2.5, CLOSES - 0.001, CLOSES, CLOSES + 9)
D1, D2 = demand_slot("d1"), demand_slot("d2")
REASONS: tuple[Closing, ...] = get_args(Closing)
ENDS: tuple[ClaimEnd, ...] = get_args(ClaimEnd)

slots = st.sampled_from(["s1"] * 14 + ["s2"] * 2 + [D1])
demands = st.sampled_from([D1] * 14 + [D2] * 2 + ["s1"])
anywhere = st.sampled_from(["s1"] * 4 + ["s2"] + [D1] * 3 + [D2])
requests = st.sampled_from([f"r{n}" for n in range(12)])
claim_ids = st.sampled_from([f"c{n}" for n in range(8)])
venues = st.sampled_from([""] * 4 + ["v1", "v2"])
sizes = st.sampled_from([1, 1, 1, 2, 2, 3, 4, 6])
dues = st.sampled_from([CLOSES, CLOSES, CLOSES, CLOSES - 1])

openings = st.builds(
    opened,
    st.integers(1, 6),
    waitlist=st.sampled_from([None] * 5 + [0, 1, 2]),
    slot=st.sampled_from(["s1", "s1", "s2"]),
)
postings = st.builds(posted, st.sampled_from([1, 1, 1, 2, 3]), slot=st.sampled_from([D1, D1, D2]))
asks = st.builds(lambda r, n, v, s: ask(r, n, venue=v, slot=s), requests, sizes, venues, slots)
cancels = st.builds(lambda r, s: cancel(r, slot=s), requests, slots)
claims = st.builds(lambda r, p, s: claim(r, provider=p, slot=s), claim_ids, venues, demands)
ends = st.builds(lambda r, e, s: give_back(r, e, slot=s), claim_ids, st.sampled_from(ENDS), demands)
rare = st.one_of(
    st.builds(lambda r, s: close(r, slot=s), st.sampled_from(REASONS), anywhere),
    st.builds(lambda d, u, s: fire(d, subject=u, slot=s), dues, st.sampled_from(["", "", "x"]), anywhere),
    openings,
    postings,
)
kinds = [asks] * 8 + [cancels] * 5 + [claims] * 5 + [ends] * 3 + [rare]
events: st.SearchStrategy[SlotRecord] = st.sampled_from(kinds).flatmap(lambda kind: kind)
ids = st.sampled_from([None] * 15 + ["i1", "i2", "i3"])
BAD: dict[str, dict[str, Any]] = {
    "no key": {"key": None},
    "another key": {"key": b"s9"},
    "no value": {"value": None},
    "no JSON": {"value": b"{"},
    "no UTF-8": {"value": b'{"slot_id":"s1","reason":"session-cancelled","x":"\xff"}'},
    "no headers": {"headers": ()},
    "an unknown type": {"headers": (("ce_id", b"i1"), ("ce_type", b"slot-exploded"))},
    "another topic's type": {"headers": (("ce_id", b"i1"), ("ce_type", b"booking-confirmed"))},
    "an id that is no UTF-8": {"headers": (("ce_id", b"i\xff"), ("ce_type", b"slot-closed"))},
    "nested too deeply": {
        "value": b'{"slot_id":"s1","reason":"session-cancelled","x":' + b"[" * 100 + b"]" * 100 + b"}",
        "headers": (("ce_id", b"i1"), ("ce_type", b"slot-closed")),
        "key": b"s1",
    },
    "a control character": {"headers": (("ce_id", b"i\x07"), ("ce_type", b"slot-closed"))},
}


@dataclass(frozen=True)
class Item:
    """A record to be, when it is stamped, under which id (None: one of its own), and what is wrong with it."""

    event: SlotRecord
    at: float
    id: str | None
    wrong: str | None = None


items = st.builds(
    Item,
    events,
    st.sampled_from(MOMENTS[3:6] * 8 + MOMENTS),
    ids,
    st.sampled_from([None] * 150 + [*BAD]),
)
logs = st.builds(
    lambda first, second, rest: [Item(first, -30.0, None), Item(second, -30.0, None), *rest],
    openings,
    postings,
    st.lists(items, min_size=10, max_size=60),
)


def build(log: Iterable[Item], partition: int = 7) -> list[LogRecord]:
    records = []
    for offset, item in enumerate(log):
        record = on_log(item.event, item.id or f"own-{offset}", item.at, partition, offset)
        records.append(replace(record, **BAD[item.wrong]) if item.wrong else record)
    return records


def rush(rnd: random.Random) -> list[Item]:
    """Bookings in a rush while demands are claimed: the records of each in their order, one among the other."""
    waiting = [bookings(rnd), races(rnd)]
    log: list[Item] = []
    while any(waiting):
        log.append(rnd.choice([items for items in waiting if items]).pop(0))
    return log


def bookings(rnd: random.Random) -> list[Item]:
    """A hundred records as they are in a rush: most are requests that meet an open slot, some cancel, few are odd."""
    log = [
        Item(opened(rnd.randint(2, 9), waitlist=rnd.choice([None, None, None, 3]), slot=s), -30.0, None)
        for s in ("s1", "s2")
    ]
    asked: list[tuple[str, str]] = []
    for number in range(100):
        slot = rnd.choice(["s1", "s1", "s2"])
        event: SlotRecord
        if rnd.random() < 0.6 or not asked:
            event = ask(f"r{number}", rnd.choice([1, 1, 1, 2, 2, 3, 5]), venue=f"v{rnd.randrange(60)}", slot=slot)
            asked.append((event.request_id, slot))
        elif rnd.random() < 0.95:
            request, slot = rnd.choice(asked[-40:])
            event = cancel(request, slot=slot)
        else:
            reason = rnd.choice(REASONS[:2])
            odd: list[SlotRecord] = [close(reason, slot=slot), fire(slot=slot), fire(slot=slot)]
            event = rnd.choice([*odd, fire(CLOSES - 1, slot=slot), opened(9, slot=slot)])
        seconds = CLOSES if event.type == "timer-fired" and rnd.random() < 0.8 else number - 3.0
        twice = rnd.random() < 0.1
        id_ = f"id-{number if rnd.random() < 0.95 else rnd.randrange(number + 1)}"  # some take another record's id
        log += [Item(event, seconds, id_)] * (2 if twice else 1)
        if rnd.random() < 0.05:
            log.append(Item(event, seconds, None, rnd.choice([*BAD])))
    return log


def races(rnd: random.Random) -> list[Item]:
    """Sixty records on two demands: many claim, some hand back, few are of another kind, one ends it."""
    log = [Item(posted(rnd.choice([1, 1, 2]), slot=slot), -30.0, None) for slot in (D1, D2)]
    asked: list[tuple[str, str]] = []
    for number in range(60):
        slot, dice = rnd.choice([D1, D1, D2]), rnd.random()
        event: SlotRecord
        if dice < 0.55 or not asked:
            event = claim(f"c{number}", provider=f"p{rnd.randrange(9)}", slot=slot)
            asked.append((f"c{number}", slot))
        elif dice < 0.92:
            request, slot = rnd.choice(asked[-12:])
            event = give_back(request, rnd.choice(ENDS), slot=slot)
        elif dice < 0.98:
            odd: list[SlotRecord] = [fire(slot=slot), posted(9, slot=slot), opened(9, slot=slot)]
            event = rnd.choice([*odd, ask(f"c{number}", slot=slot), cancel(asked[0][0], slot=slot)])
        elif number > 30:
            event = close(rnd.choice(REASONS[2:]), slot=slot)
        else:
            event = claim(f"c{number}", slot="s1")
        id_ = f"id-{number if rnd.random() < 0.95 else rnd.randrange(number + 1)}"
        log += [Item(event, number - 3.0, id_)] * (2 if rnd.random() < 0.1 else 1)
        if rnd.random() < 0.03:
            log.append(Item(event, number - 3.0, None, rnd.choice([*BAD])))
    return log
