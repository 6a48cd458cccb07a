"""The rush: an open loop of single POSTs at their planned times, by clients that ask again with the same key."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from youai_stack.demo.calls import GIVE_UP_S, Patient
from youai_stack.demo.plan import Send
from youai_stack.demo.watch import Watch

LATE_S = 0.1
"""A send that starts later than this after its planned time counts as late: the generator's fault, not the door's."""


@dataclass
class Tally:
    """What the clients saw. `answers` counts final statuses; `waits` are seconds to the final answer."""

    planned: int = 0
    sent: int = 0
    late: int = 0
    in_flight: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    opened: float = 0.0
    answered: float = 0.0
    """When the rush began, and when the last final answer was there (monotonic)."""
    accepted: dict[str, float] = field(default_factory=dict)
    """Request ids that got 202, with the time (monotonic) of that answer."""
    told: list[dict[str, object]] = field(default_factory=list)
    cancelled: int = 0
    holds_accepted: int = 0
    holds_declined: int = 0


class Rush:
    """Runs a plan against the door and keeps the tally."""

    def __init__(
        self,
        calls: Patient,
        watch: Watch,
        tally: Tally,
    ) -> None:
        self._calls = calls
        self._watch = watch
        self._tally = tally
        self._by_request: dict[str, Send] = {}
        self._answers: set[asyncio.Task[None]] = set()
        watch.on_held = self._held

    async def run(self, sends: list[Send]) -> None:
        """Send everything at its time and return when every client has its answer."""
        self._tally.planned = len(sends)
        started = self._tally.opened = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for send in sends:
                wait = started + send.at - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                elif -wait > LATE_S:
                    self._tally.late += 1
                self._tally.sent += 1
                group.create_task(self._client(send))

    async def _client(self, send: Send) -> None:
        tally = self._tally
        tally.in_flight += 1
        begun = time.monotonic()
        try:
            status, answer = await self._calls.ask(
                "matching",
                "POST",
                "/v1/bookings",
                (send.venue_id, "venue-staff"),
                key=send.key,
                body={
                    "slot_id": send.slot_id,
                    "venue_id": send.venue_id,
                    "party_size": send.party_size,
                    "auto_accept": send.answer == "auto",
                    "overlap_ok": True,
                },
            )
        finally:
            tally.in_flight -= 1
        tally.answered = time.monotonic()
        tally.waits.append(tally.answered - begun)
        tally.answers[status] += 1
        if status != 202:
            return
        request_id = str(answer["request_id"])
        tally.accepted.setdefault(request_id, time.monotonic())
        self._by_request[request_id] = send
        tally.told.append({"request_id": request_id, "slot_id": send.slot_id, "status": 202})
        if send.cancels:
            await self._cancel(send, request_id)

    async def _cancel(self, send: Send, request_id: str) -> None:
        """Change one's mind some seconds after the decision, if there is anything to give back."""
        await asyncio.sleep(random.uniform(2, 10))
        deadline = time.monotonic() + GIVE_UP_S
        while request_id not in self._watch.last and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        if self._watch.last.get(request_id) not in ("confirmed", "promoted", "waitlisted"):
            return
        status, _ = await self._calls.ask(
            "matching",
            "DELETE",
            f"/v1/bookings/{request_id}",
            (send.venue_id, "venue-staff"),
            key=f"{send.key}-cancel",
        )
        if status == 202:
            self._tally.cancelled += 1

    def _held(self, request_id: str) -> None:
        """Places are held for somebody: who answers at all does so some seconds later."""
        send = self._by_request.get(request_id)
        if send is not None and send.answer in ("accept", "decline"):
            task = asyncio.create_task(self._answer(send, request_id))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)

    async def _answer(self, send: Send, request_id: str) -> None:
        await asyncio.sleep(random.uniform(0.5, 4))
        status, _ = await self._calls.ask(
            "matching",
            "POST",
            f"/v1/bookings/{request_id}/{send.answer}",
            (send.venue_id, "venue-staff"),
            key=f"{send.key}-{send.answer}",
        )
        if status == 202:
            self._tally.holds_accepted += send.answer == "accept"
            self._tally.holds_declined += send.answer == "decline"
