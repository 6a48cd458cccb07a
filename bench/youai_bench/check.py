"""The check, the same for every system: who fails it has no figure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

from youai_bench.system import Order, Outcomes, Told
from youai_bench.work import Work

MOST_FAULTS = 5
"""So many are told of each kind of fault."""


def check(work: Work, ordered_by: Order, found: Outcomes) -> list[str]:
    """What is wrong with what a system made of a work; nothing where all holds.

    Nobody oversold, order kept, one row and one event a request, losers too, and each repeat answered as the first.
    """
    wanted = _asked_of(work)
    rows = _by_slot(found.rows)
    return [
        *_few(_one_each(wanted, rows)),
        *_few(_winners(work, ordered_by, wanted, rows)),
        *_few(_told(found.rows, found.events)),
        *_few(_repeats(work, found)),
    ]


def _asked_of(work: Work) -> dict[str, list[str]]:
    """The request ids of each slot in the order of the log, repeats left out."""
    wanted: dict[str, list[str]] = {slot.slot_id: [] for slot in work.slots}
    for ask in work:
        if not ask.repeat:
            wanted[ask.slot.slot_id].append(ask.request_id)
    return wanted


def _by_slot(told: Iterable[Told]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        found[one.slot_id].append(one)
    return found


def _one_each(wanted: dict[str, list[str]], rows: dict[str, list[Told]]) -> Iterator[str]:
    """One row a request, and none for what nobody asked."""
    for slot_id in sorted(set(wanted) | set(rows)):
        asked = Counter(wanted.get(slot_id, ()))
        told = Counter(row.request_id for row in rows.get(slot_id, ()))
        for request_id in asked.keys() | told.keys() if asked != told else ():
            if asked[request_id] != told[request_id]:
                yield f"{request_id} in {slot_id} has {told[request_id]} rows, not {asked[request_id]}"


def _winners(work: Work, ordered_by: Order, wanted: dict[str, list[str]], rows: dict[str, list[Told]]) -> Iterator[str]:
    """Those who came first have the places, as many as there are, and everybody else has lost."""
    for slot in work.slots:
        own = sorted(rows.get(slot.slot_id, ()), key=lambda row: row.place)
        confirmed = sum(row.outcome == "confirmed" for row in own)
        if confirmed > slot.capacity:
            yield f"{slot.slot_id} is oversold: {confirmed} of {slot.capacity}"
        if any(before.place == after.place for before, after in pairwise(own)):
            yield f"{slot.slot_id} has two requests in one place"
        if ordered_by == "log" and [row.request_id for row in own] != wanted[slot.slot_id]:
            yield f"{slot.slot_id} was not decided in the order of the log"
        for number, row in enumerate(own):
            outcome = "confirmed" if number < slot.capacity else work.loser
            if row.outcome != outcome:
                yield f"{row.request_id}, number {number + 1} of {slot.slot_id}, is {row.outcome}, not {outcome}"


def _told(rows: Sequence[Told], events: Sequence[Told]) -> Iterator[str]:
    """Each row has its event, that says the same, and a slot's events come in its order."""
    missing, extra = Counter(rows), Counter(events)
    for row in (missing - extra).elements():
        yield f"{row.request_id} is {row.outcome} and no event says so"
    for event in (extra - missing).elements():
        yield f"an event says that {event.request_id} is {event.outcome}, and no row does"
    last: dict[str, int] = {}
    for event in events:
        if event.place <= last.get(event.slot_id, -1):
            yield f"an event of {event.slot_id} comes too late: {event.place} after {last[event.slot_id]}"
        last[event.slot_id] = event.place


def _repeats(work: Work, found: Outcomes) -> Iterator[str]:
    """Each repeat was answered with the first outcome."""
    first = {row.request_id: row.outcome for row in found.rows}
    asked = Counter(ask.request_id for ask in work if ask.repeat)
    answered = Counter(request_id for request_id, _ in found.answers)
    for request_id in asked.keys() | answered.keys() if asked != answered else ():
        if asked[request_id] != answered[request_id]:
            yield f"{request_id} was repeated {asked[request_id]} times and answered {answered[request_id]} times"
    for request_id, outcome in found.answers:
        if first.get(request_id) != outcome:
            yield f"a repeat of {request_id} was told {outcome}, the first {first.get(request_id)}"


def _few(faults: Iterator[str]) -> Iterator[str]:
    yield from islice(faults, MOST_FAULTS)
