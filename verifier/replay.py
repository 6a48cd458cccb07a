"""Decides a slot log again, in the plainest way that the rules can be followed."""

import hashlib

from verifier.records import SHAPES, Data, Kept, Record, Unreadable, canonical, instant, rfc3339
from verifier.slots import DECIDED_ON, HOLDING, LIVE, Request, Slot, hold_until, loses_rules

BEFORE_START = {  # timers that are set so long before the session: the part of the rules, and its setting
    "shares": ("town_shares", "until_ms_before"),
    "class": ("points", "second_class_until_ms_before"),
    "accumulation": ("queue", "kept_until_ms_before"),
}


class Replay:
    """The decisions that the log calls for, in the plainest way, as records that must be published (`offset` apart).

    A record of type slot-closed is `_slot_closed`'s, and so on: each gets its data and the request that it names.
    """

    def __init__(self, log: list[Record], rules: dict[str, Data]) -> None:
        self.versions = rules
        self.slots: dict[tuple[int, str], Slot] = {}
        self.decisions: dict[str, Kept] = {topic: {} for topic in DECIDED_ON.values()}
        for record in [record for record in log if record.standing != "refused"]:
            self._take(record)

    def _take(self, record: Record) -> None:
        where, data = (record.partition, record.data["slot_id"]), record.data
        opens = where not in self.slots
        if opens:
            self.slots[where] = Slot(data)
        slot = self.slots[where]
        slot.time = max(slot.time, record.timestamp)
        if record.standing == "repeat" or (record.type == "slot-opened" and not opens):
            return
        self.record, self.slot, self.index, self.passed = record, slot, 0, dict[str, Request]()
        self._use(slot.version)
        request = slot.requests.get(data["request_id"]) if "request_id=" in SHAPES[record.type] else None
        getattr(self, "_" + record.type.replace("-", "_"))(data, request)
        for request in [request for request in self.passed.values() if request.state == "waitlisted"]:
            request.passes += 1
            if request.passes >= self.rules["queue"]["most_passes"] and ("accumulation", "") not in slot.timers:
                self._set("accumulation")

    def _use(self, version: str) -> None:
        if version not in self.versions:
            raise Unreadable(f"no file of the rules given is rule version {version}")
        self.slot.version, self.rules = version, self.versions[version]

    def _set(self, kind: str, moves: bool = False) -> bool:
        """Sets the timer so long before the session as the rules say, if they do and that is later than now."""
        part, name = BEFORE_START[kind]
        due = self.slot.starts - self.rules[part][name] if part in self.rules else 0
        if part in self.rules and (moves or due > self.slot.time):
            self.slot.timers[kind, ""] = due
        return (kind, "") in self.slot.timers

    def _slot_opened(self, data: Data, _: None) -> None:
        slot = self.slot
        if slot.kind == "demand":
            return
        slot.timers["closing", ""] = slot.closes
        if "draw" in self.rules and data.get("mode") == "draw" and data.get("seed_hash"):
            slot.phase = "window"
            slot.timers["window", ""] = max(slot.opens, slot.time) + self.rules["draw"]["window_ms"]
        if slot.shares:
            self._set("shares")

    def _new(self) -> Request:
        slot, request = self.slot, Request(self.record)
        request.before = {"before": len(slot.requests), "taken": slot.taken, "capacity": slot.capacity}
        request.before |= {"waiting": slot.waiting(), "places": slot.wanted()}
        slot.requests[request.id] = request
        return request

    def _booking_requested(self, _: Data, request: Request | None) -> None:
        if request is not None:
            return
        slot, request = self.slot, self._new()
        if slot.ended:
            self._decide(request, "rejected", slot.ended)
        elif slot.time + self.rules["early_tolerance_ms"] < slot.opens:
            self._decide(request, "rejected", "early")
        elif request.size > slot.capacity:
            self._decide(request, "rejected", "party-too-large")
        elif request.who in slot.live:
            self._decide(request, "rejected", "already-live")
        elif slot.phase:
            slot.window += [request] if slot.phase == "window" else []
            self._decide(request, "entered", "entered")
        else:
            self._join(request, "place-free")

    def _booking_cancelled(self, _: Data, request: Request | None) -> None:
        if request is not None and request.state in LIVE:
            late = self.rules["points"]["late_ms_before"] if "points" in self.rules else -(2**63)
            is_late = request.state == "confirmed" and self.slot.starts - self.slot.time < late
            self._decide(request, "released", "cancelled-late" if is_late else "cancelled")
            self._scan()

    def _hold_accepted(self, _: Data, request: Request | None) -> None:
        if request is not None and ("hold", request.id) in self.slot.timers:
            self._decide(request, "confirmed", "accepted")

    def _hold_declined(self, data: Data, request: Request | None) -> None:
        if request is not None and ("hold", request.id) in self.slot.timers:
            self._decide(request, "released", data.get("reason", "declined"))
            self._scan()

    def _timer_fired(self, data: Data, _: None) -> None:
        slot, timer, due = self.slot, (data["kind"], data.get("subject", "")), instant(data["due_at"]) or 0
        if slot.timers.get(timer) != due or slot.time < due:
            return
        del slot.timers[timer]
        if data["kind"] == "closing":
            holds = [request for request in slot.requests.values() if ("hold", request.id) in slot.timers]
            entered, waiting = [r for r in slot.requests.values() if r.state == "entered"], slot.line()
            slot.ended = "closed"
            slot.timers.clear()
            for request in holds + entered + waiting:
                self._decide(request, "released", "closed" if request.state != "promoted" else "not-accepted")
        elif data["kind"] == "window":
            slot.phase = "reveal"
        elif data["kind"] == "hold":
            request = slot.requests[timer[1]]
            request.lapses += 1
            if request.lapses >= request.hold["most_lapses"]:
                self._decide(request, "lapsed", "hold-lapsed-again")
            else:
                self._decide(request, "lapsed", "hold-lapsed", "waitlisted")
        self._scan()

    def _draw_revealed(self, data: Data, _: None) -> None:
        slot, seed = self.slot, bytes.fromhex(data["seed"])
        if slot.phase != "reveal" or hashlib.sha256(seed).hexdigest() != slot.opened["seed_hash"]:
            return
        slot.phase = ""
        among = hashlib.sha256("\n".join(request.id for request in slot.window).encode()).digest()
        ranks = {r.id: hashlib.sha256(seed + among + r.who.encode()).hexdigest() for r in slot.window}
        drawn = [request for request in slot.requests.values() if request.state == "entered"]
        drawn.sort(key=lambda r: (self._is_second(r), r.id not in ranks, ranks.get(r.id, "")))  # hex sorts as bytes do
        facts = {"seed": data["seed"], "seed_hash": slot.opened["seed_hash"], "among": among.hex()}
        facts |= {"entered": len(slot.window), "drawn": len(drawn), "log_offset": self.record.offset}
        for number, request in enumerate(drawn, 1):
            request.draw = {"rank": ranks.get(request.id, "–"), "number": number} | facts
            self._join(request, "drawn", "drawn-behind")

    def _slot_closed(self, data: Data, _: None) -> None:
        slot = self.slot
        if slot.ended not in ("", "closed"):
            return
        by_state = [[r for r in slot.requests.values() if r.state in states] for states in (HOLDING, ("entered",))]
        waiting, slot.ended = slot.line(), data["reason"]
        slot.timers.clear()
        for request in [*by_state[0], *by_state[1], *waiting]:
            self._decide(request, "released" if slot.kind == "session" else "ended", data["reason"])

    def _slot_revised(self, data: Data, _: None) -> None:
        slot, capacity = self.slot, data.get("capacity") or self.slot.capacity
        if slot.ended not in ("", "closed"):
            return
        version, before = slot.version, self.rules
        self._use(data.get("rule_version") or slot.version)
        if loses_rules(before, self.rules):
            self._use(version)
        if slot.kind == "demand":
            slot.capacity = capacity if capacity >= slot.taken else slot.capacity
            return
        opens, closes, starts = (instant(data.get(f"{name}_at")) for name in ("opens", "closes", "starts"))
        if starts is not None:
            slot.starts = starts
            for kind in BEFORE_START.keys() & {kind for kind, _ in slot.timers}:
                self._set(kind, moves=True)
        if closes is not None and not slot.ended:
            slot.closes = slot.timers["closing", ""] = closes
            slot.timers |= {timer: min(due, closes) for timer, due in slot.timers.items() if timer[0] == "hold"}
        if opens is not None and not slot.ended and slot.time < slot.opens:
            slot.opens = opens
            if slot.phase == "window" and "draw" in self.rules:
                slot.timers["window", ""] = max(opens, slot.time) + self.rules["draw"]["window_ms"]
        slot.capacity = capacity
        holding = [request for request in slot.requests.values() if request.state in HOLDING]
        holding.sort(key=lambda r: (("hold", r.id) in slot.timers, r.decisions[-1]["sequence"]))
        while slot.taken > slot.capacity:
            if slot.ended:
                self._decide(holding.pop(), "displaced", "capacity-cut-closed")
            else:
                self._decide(holding.pop(), "displaced", "capacity-cut", "waitlisted")
        self._scan()

    def _override_requested(self, data: Data, request: Request | None) -> None:
        slot = self.slot
        if "override" not in self.rules:
            return
        slot.capacity = max(slot.capacity, data.get("capacity") or 0)
        if request is None:
            request = self._new()
            cases = (
                (slot.ended not in ("", "closed"), slot.ended),
                (request.size > slot.capacity, "party-too-large"),
                (request.who in slot.live, "already-live"),
                (request.size > slot.capacity - slot.taken, "override-full"),
            )
            refused = next((reason for holds, reason in cases if holds), None)
            self._decide(request, "rejected" if refused else "confirmed", refused or "override")
        elif request.state in ("entered", "waitlisted", "promoted") and request.who == data["venue_id"]:
            free = slot.capacity - slot.taken + (request.size if request.state == "promoted" else 0)
            if request.size <= free:
                self._decide(request, "confirmed", "override")
        self._scan()

    def _claim_requested(self, _: Data, request: Request | None) -> None:
        if request is not None:
            return
        slot, request = self.slot, self._new()
        cases = (
            (slot.ended != "", slot.ended),
            (request.who in slot.live, "already-yours"),
            (slot.taken >= slot.capacity, "claimed"),
        )
        refused = next((reason for holds, reason in cases if holds), None)
        self._decide(request, "rejected" if refused else "confirmed", refused or "claim-free")

    def _claim_end_requested(self, data: Data, request: Request | None) -> None:
        if request is not None and request.state in LIVE:
            self._decide(request, "ended", data["reason"])

    def _is_second(self, request: Request) -> bool:
        """Whether it is of the second class if it joins the queue now; the first such sets the timer."""
        points = self.rules.get("points")
        return (
            points is not None
            and request.points >= points["second_class_from"]
            and (("class", "") in self.slot.timers or self._set("class"))
        )

    def _join(self, request: Request, given: str, waits: str = "") -> None:
        """The request joins the queue and is decided on: `given` and `waits` are the reasons."""
        slot, bound, before = self.slot, self.slot.opened.get("waitlist"), self.slot.waiting()
        request.second = self._is_second(request)
        slot.join(request)
        self._scan(request, given)
        if bound is not None and before >= bound and request.state != "confirmed":
            self._decide(request, "rejected", "waitlist-full")
        elif request.state != "confirmed":
            short = "shares" if request.size > slot.entitled(request.town) else "kept"
            short = "full" if request.size > slot.capacity - slot.taken else short
            self._decide(request, "waitlisted", waits or short)

    def _scan(self, joined: Request | None = None, given: str = "") -> None:
        """Gives places to whoever in the queue is reached; `given` is the reason for the one that just joined.

        Places given make nobody else's entitlement more: the first who is reached, again and again, is one walk.
        """
        slot, rule = self.slot, self.rules.get("queue")
        while slot.queue and slot.taken < slot.capacity and not slot.ended and not slot.phase:
            heads = [group[0] for group in slot.queue.values()]
            entitled = {town: slot.entitled(town) for town in {request.town for request in heads}}
            first, fitting = min(heads, key=slot.order), [r for r in heads if r.size <= entitled[r.town]]
            could = first.size <= slot.capacity
            if could and rule and first.passes >= rule["most_passes"] and ("accumulation", "") in slot.timers:
                fitting = [r for r in fitting if r is first or not slot.takes(r, first)]  # places are kept for it
            if not fitting:
                return
            request = min(fitting, key=slot.order)
            passed = rule and could and request is not first and slot.takes(request, first)
            if passed and entitled[first.town] > 0:
                self.passed[first.id] = first
            if request is joined:
                self._decide(request, "confirmed", given)
            else:
                self._decide(request, "promoted", "place-freed")

    def _decide(self, request: Request, outcome: str, reason: str, state: str = "") -> None:
        slot, record = self.slot, self.record
        if outcome == "lapsed":
            request.second = self._is_second(request)
        slot.move(request, state or outcome, head=outcome == "displaced")
        slot.sequence += 1
        place, ahead = slot.standing(request) if request.rank else (None, None)
        data: Data = {"place": place, "ahead": ahead, "capacity": slot.capacity}
        data |= {"party_size": request.size, "taken": slot.taken}
        texts = self.rules["texts"].get(reason, {"zh": "", "en": ""})
        if slot.kind == "demand":
            winner = next(r for r in slot.requests.values() if r.state in HOLDING) if reason == "claimed" else None
            values = {"capacity": slot.capacity, "taken": slot.taken, "winner": winner and winner.name}
            data |= {"demand_id": slot.opened["offer_id"], "provider_id": request.who}
            data |= {"winner_id": winner and winner.who, "winner_name": winner and winner.name}
        else:
            values = data | {"hold_until": None}
            data |= {"slot_id": record.key, "venue_id": request.who}
            if outcome == "promoted" and "hold" in self.rules:
                request.hold, due = self.rules["hold"], hold_until(self.rules, slot, request)
                slot.timers["hold", request.id] = due
                data["hold_until"] = rfc3339(due)
                values["hold_until"] = rfc3339(due + self.rules["calendar"]["utc_offset_ms"])[:16].replace("T", " ")
            values["explanation"] = record.data["explanation"] if record.type == "override-requested" else None
        for language in ("zh", "en"):
            data[f"reason_{language}"] = texts[language]
            for name, value in values.items():
                said = "" if value is None else str(value)
                data[f"reason_{language}"] = data[f"reason_{language}"].replace("{" + name + "}", said)
        data |= {"reason": reason, "outcome": outcome, "request_id": request.id, "rule_version": slot.version}
        data |= {"log_partition": record.partition, "log_offset": record.offset, "decided_at": rfc3339(slot.time)}
        data |= {"sequence": slot.sequence, "previous_hash": slot.last_hash}
        slot.last_hash = data["hash"] = hashlib.sha256(canonical(data)).hexdigest()
        topic, p, ce_id = DECIDED_ON[slot.kind], record.partition, f"{record.partition}-{record.offset}-{self.index}"
        due_record = Record(p, -1, slot.time, record.key, ce_id, f"{topic.split('.')[1]}-{outcome}", data)
        self.decisions[topic].setdefault(p, {})[ce_id] = due_record
        request.decisions.append(data)
        self.index += 1
