"""What a slot is after some records: its requests, its queue, its timers; and how long a hold lasts."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import count

from verifier.records import EPOCH, Data, Record, instant

BOOKING, CLAIM = "youai.booking.v1", "youai.claim.v1"
DECIDED_ON = {"session": BOOKING, "demand": CLAIM}  # by the kind of the slot
HOLDING = ("confirmed", "promoted")
LIVE = ("entered", "waitlisted", *HOLDING)
PARTS = ("draw", "town_shares", "queue", "hold", "points", "limits", "override", "calendar")
DAY = 86_400_000


class Request:
    """A venue's request or a provider's claim as it was put, the slot as it found it, and what was decided on it."""

    def __init__(self, asked: Record) -> None:
        data, claims, books = asked.data, asked.type == "claim-requested", asked.type == "booking-requested"
        self.id, self.who = str(data["request_id"]), str(data["provider_id" if claims else "venue_id"])
        self.size, self.name = int(data["party_size"]) if not claims else 1, data["provider_name"] if claims else None
        self.town, self.points = "" if claims else str(data["town"]), int(data.get("points", 0)) if books else 0
        self.hours = data.get("working_hours") if books else None
        self.asked, self.state, self.hold = asked, "", Data()  # hold: the rules that its last promotion was under
        self.rank = self.passes = self.lapses = 0  # rank: in the queue, 0 outside it
        self.second = False  # whether it is of the second class
        self.before, self.draw, self.decisions = dict[str, int](), Data(), list[Data]()


class Slot:
    """A slot's state. Times in ms; pending timers are their kind and subject: due time."""

    def __init__(self, opened: Data) -> None:
        self.opened, self.capacity, self.kind = opened, int(opened["capacity"]), str(opened.get("kind", "session"))
        self.version, self.shares = str(opened["rule_version"]), dict[str, int](opened.get("town_shares", {}))
        times = [instant(opened[name]) or 0 for name in ("opens_at", "closes_at", "starts_at")]
        self.opens, self.closes, self.starts = times
        self.timers, self.window = dict[tuple[str, str], int](), list[Request]()  # window: who is drawn by rank
        self.phase, self.ended = "", ""  # phase: window, then reveal, then none; ended: why nothing is given any more
        self.time = self.taken = self.sequence = self.ranks = 0
        self.taken_by, self.last_hash, self.requests = Counter[str](), "0" * 64, dict[str, Request]()
        self.live = set[str]()  # venues, or providers
        # The queue: requests of one town (where towns matter), size and class are alike to the rules but for their
        # order, so the first of each such group stands for all of it.
        self.queue = dict[tuple[str, int, bool], list[Request]]()
        self.revised = False  # for the audit alone

    def move(self, request: Request, state: str, head: bool = False) -> None:
        """Gives or takes back places, or a place in the queue, as the request's state changes."""
        places = request.size * ((state in HOLDING) - (request.state in HOLDING))
        self.taken += places
        self.taken_by[request.town] += places
        if state == "waitlisted" and not request.rank:
            self.join(request, head)
        elif state != "waitlisted" and request.rank:
            self.queue[self._alike(request)].remove(request)
            if not self.queue[self._alike(request)]:
                del self.queue[self._alike(request)]
            request.rank = 0
        if state in LIVE:
            self.live.add(request.who)
        elif request.state in LIVE:
            self.live.discard(request.who)
        if request.state == "promoted":
            self.timers.pop(("hold", request.id), None)
        request.state = state

    def join(self, request: Request, head: bool = False) -> None:
        """Into the queue: at its head, or at the end of its class."""
        self.ranks += 1
        request.rank, request.second = -self.ranks if head else self.ranks, request.second and not head
        group = self.queue.setdefault(self._alike(request), [])
        group.insert(0 if head else len(group), request)

    def _alike(self, request: Request) -> tuple[str, int, bool]:
        return request.town if self.shares else "", request.size, request.second

    def order(self, request: Request) -> tuple[bool, int]:
        """Where in the queue it stands: while that rule holds, the second class behind all others."""
        return request.second and ("class", "") in self.timers, request.rank

    def line(self) -> list[Request]:
        return sorted((request for group in self.queue.values() for request in group), key=self.order)

    def waiting(self) -> int:
        return sum(map(len, self.queue.values()))

    def wanted(self) -> int:
        return sum(size * len(group) for (_, size, _), group in self.queue.items())

    def standing(self, request: Request) -> tuple[int, int]:
        """The number of who just joined, and the places wanted before it."""
        if request.rank < 0:
            return 1, 0
        front = (
            "class",
            "",
        ) in self.timers and not request.second  # all others are before it, but for the second class
        groups = [(len(group), size) for (_, size, second), group in self.queue.items() if not (front and second)]
        return sum(number for number, _ in groups), sum(number * size for number, size in groups) - request.size

    def entitled(self, town: str) -> int:
        """The places that a request of the town may have now."""
        free = self.capacity - self.taken
        if ("shares", "") in self.timers:
            free -= sum(max(0, n - self.taken_by[other]) for other, n in self.shares.items() if other != town)
        return free

    def takes(self, request: Request, first: Request) -> bool:
        """Whether the request's places are such as the first in the queue could have."""
        own = max(0, self.shares.get(request.town, 0) - self.taken_by[request.town])
        return ("shares", "") not in self.timers or request.town == first.town or request.size > own


def loses_rules(before: Data, after: Data) -> bool:
    """Whether a rule version lacks a part of another: then no slot changes to it."""
    return any(part in before and part not in after for part in PARTS)


def working_hours(calendar: Data, hours: list[str], since: int) -> Iterator[tuple[int, int]]:
    """From and until when there is work, day by day from that of `since` on."""
    begin, end = ((int(text[:2]) * 60 + int(text[3:])) * 60_000 - calendar["utc_offset_ms"] for text in hours)
    for day in count((since + calendar["utc_offset_ms"]) // DAY):
        date = EPOCH + timedelta(days=day)
        name = f"{date:%Y-%m-%d}"
        if name in calendar["working_days"] or (date.weekday() < 5 and name not in calendar["days_off"]):
            yield day * DAY + begin, day * DAY + end


def hold_until(rules: Data, slot: Slot, request: Request) -> int:
    """When a hold that begins now ends."""
    hold, calendar, now, ahead = rules["hold"], rules["calendar"], slot.time, slot.starts - slot.time
    hours = [text for text in request.hours or [] if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text, re.ASCII)]
    hours = hours if len(hours) == 2 and hours[0] < hours[1] else calendar["working_hours"]
    due: int = now + (hold["far_ms"] if ahead > hold["far_over_ms"] else hold["near_ms"])
    if hold["near_under_ms"] <= ahead <= hold["far_over_ms"]:
        left = hold["middle_working_ms"]
        for begin, end in working_hours(calendar, hours, now):
            due = max(begin, now) + left
            if due <= end:
                break
            left -= max(0, end - max(begin, now))
    begin, end = next(span for span in working_hours(calendar, hours, due) if due <= span[1])
    if due <= begin:  # it would end outside working hours
        due = begin + min(hold["after_opening_ms"], end - begin)
    return min(due, slot.closes)
