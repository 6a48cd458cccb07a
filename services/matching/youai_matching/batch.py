"""Many bookings in one call: each item has its own key and its own answer, as if it had come alone."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from youai_contracts.codec import Message
from youai_runtime.auth import Principal
from youai_runtime.problems import Problem

from youai_matching import admission, bookings, door, ids
from youai_matching.desk import Desk
from youai_matching.direct import Wanted
from youai_matching.forms import BookingBody
from youai_matching.reservations import Answer, Asked

MOST_ITEMS = 1_000
MOST_BYTES = 512 * 1024
ITEMS_A_WRITE = 10
"""So many items count as one write of the organization: together they cost about as much."""


class BatchItem(BookingBody):
    """One booking of a batch, under its own key."""

    idempotency_key: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")


class BatchBody(BaseModel):
    """Up to MOST_ITEMS bookings."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: list[BatchItem] = Field(min_length=1, max_length=MOST_ITEMS)


@dataclass
class _Item:
    body: BatchItem
    asked: Asked
    problem: Problem | None = None
    twin: "_Item | None" = None


async def take(at: Desk, who: Principal, body: BatchBody, english: bool) -> dict[str, Any]:
    """Take a batch in: one statement, then all appends side by side.

    Answers `{"results": [{idempotency_key, status, request_id | problem}]}` in the order of the items; `status` is what
    the item would have been answered alone (202, 404, 409, 425 …). Raises 503 if nothing was written.
    """
    items = [_item(at, who, item) for item in body.items]
    first: dict[str, _Item] = {}
    for item in items:
        item.twin = first.setdefault(item.asked.event.request_id, item)
        if item.twin is item:
            item.twin = None
        elif item.twin.asked.body_hash != item.asked.body_hash:
            item.problem = admission.key_reused()
    fresh = list(first.values())
    answers = await at.collector.take_all([item.asked for item in fresh])
    for item, answer in zip(fresh, answers, strict=True):
        item.problem = _problem(item, answer)
    await _append(at, [(item, answer) for item, answer in zip(fresh, answers, strict=True) if answer.data is not None])
    return {"results": [_answer(item, english) for item in items]}


def _item(at: Desk, who: Principal, body: BatchItem) -> _Item:
    request_id = ids.command_id("booking", who.organization_id, "bookings", body.idempotency_key)
    wanted = Wanted(**body.model_dump(exclude={"idempotency_key"}))
    return _Item(body, bookings.asked(at, who, wanted, request_id))


def _problem(item: _Item, answer: Answer) -> Problem | None:
    try:
        admission.accept(answer, item.asked.body_hash, item.body.party_size)
    except Problem as problem:
        return problem
    return None


async def _append(at: Desk, taken: list[tuple[_Item, Answer]]) -> None:
    """Append what was taken in, or may never have been appended, partition by partition side by side."""
    lines: dict[int, list[tuple[_Item, Message]]] = defaultdict(list)
    for item, answer in taken:
        assert answer.data is not None
        message = door.whole(item.asked.event, answer.data, item.asked.traceparent)
        lines[item.asked.partition].append((item, message))
    appends = (at.appender.append_line(p, [message for _, message in line]) for p, line in lines.items())
    for line, acknowledged in zip(lines.values(), await asyncio.gather(*appends), strict=True):
        for (item, _), known in zip(line, acknowledged, strict=True):
            if not known:
                item.problem = admission.unknown()


def _answer(item: _Item, english: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"idempotency_key": item.body.idempotency_key}
    problem = item.problem or (item.twin.problem if item.twin else None)
    if problem is None:
        return {**answer, "status": 202, "request_id": item.asked.event.request_id}
    after = {"retry_after": int(problem.headers["Retry-After"])} if "Retry-After" in problem.headers else {}
    detail = problem.en if english else problem.zh
    return {**answer, "status": problem.status, "code": problem.code, "detail": detail, **after}
