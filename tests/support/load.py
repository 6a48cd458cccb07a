"""A small open-loop load of bookings: sent on time whatever comes back, asked again by the same key where it may."""

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.support.client import Venue, problem
from tests.support.stack import Stack

ASK_AGAIN = (503, 504)
PATIENCE_S = 60.0


@dataclass
class Load:
    """What became of a load: the request ids that were accepted, the final refusals, and every answer counted."""

    accepted: dict[str, str] = field(default_factory=dict)
    refused: list[httpx.Response] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    sent: int = 0


async def rush(
    stack: Stack, venues: Sequence[Venue], slots: Sequence[str], *, number: int, per_second: float, load: Load
) -> Load:
    """Send `number` bookings of different venues and slots, `per_second` of them; every sender ends with an answer.

    Every fifth is sent twice at once with the same key. An answer that is neither 202, nor a refusal that fits, nor
    503 or 504 with Retry-After, is noted in `faults`.
    """
    assert number <= len(venues) * len(slots), "each venue asks once in each slot"
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.TaskGroup() as group:
        for index in range(number):
            await _until(begun + index / per_second)
            venue = venues[index % len(venues)]
            slot = slots[(index + index // math.lcm(len(venues), len(slots))) % len(slots)]
            key = uuid.uuid4().hex
            for _ in range(2 if index % 5 == 0 else 1):
                group.create_task(_send(stack, venue, slot, 1 + index % 2, key, load))
            load.sent += 1
    return load


async def _until(at: float) -> None:
    """Pace: come back when the loop's clock says `at` (an open loop has a timetable; it waits for nothing else)."""
    loop = asyncio.get_running_loop()
    if at > loop.time():
        due = loop.create_future()
        loop.call_at(at, due.set_result, None)
        await due


async def _send(stack: Stack, venue: Venue, slot: str, size: int, key: str, load: Load) -> None:
    deadline = time.monotonic() + PATIENCE_S
    again = 0.1
    while True:
        assert time.monotonic() < deadline, f"no answer within {PATIENCE_S} s: {load.answers}"
        try:
            answer = await venue.post("/v1/bookings", {"slot_id": slot, "party_size": size}, key=key)
        except httpx.TransportError as error:
            load.answers[type(error).__name__] += 1
        else:
            load.answers[f"{answer.status_code} {problem(answer)}".strip()] += 1
            if answer.status_code == 202:
                request_id = answer.json()["request_id"]
                if request_id not in load.accepted:
                    load.accepted[request_id] = slot
                    stack.accepted.append({"request_id": request_id, "slot_id": slot, "status": 202})
                return
            if answer.status_code not in ASK_AGAIN:
                if problem(answer) not in ("slot-unknown", "venue-unknown"):
                    load.refused.append(answer)
                    if answer.status_code >= 500:
                        load.faults.append(f"{answer.status_code} {answer.text[:300]}")
                    return
            elif "retry-after" not in answer.headers:
                load.faults.append(f"{answer.status_code} without Retry-After")
        await _until(asyncio.get_running_loop().time() + again)
        again = min(again * 2, 1.0)
