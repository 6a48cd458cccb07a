"""Many bookings in one call: each item has its own key and its own answer, as if it had come alone."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from pydantic import BaseModel, ConfigDict, Field
from youai_contracts.codec import Message
from youai_runtime.auth import Principal
from youai_runtime.problems import Problem

from youai_matching import admission, bookings, direct, door
from youai_matching.desk import Desk
from youai_matching.direct import Wanted
from youai_matching.forms import BookingBody
from youai_matching.reservations import Asked

PATH = "/v1/bookings:batch"
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


_Short = Annotated[str, Meta(min_length=1, max_length=200)]


class Item(Wanted, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """BatchItem, read at once; what its texts must not have in them is looked for in all items together."""

    slot_id: _Short
    venue_id: _Short | None = None
    idempotency_key: _Short


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    items: Annotated[list[Item], Meta(min_length=1, max_length=MOST_ITEMS)]


class _Taken(Struct, gc=False):
    idempotency_key: str
    status: int
    request_id: str


_decoder = msgspec.json.Decoder(_Body)
_NO_ID = re.compile(r"[\x00-\x20\x7f]")


def read(content_type: str, body: bytes) -> list[Item] | None:
    """The items of a body that fits; None leaves it to the documented form to say what is wrong."""
    if not direct.is_json(content_type.encode("latin-1")):
        return None
    try:
        items = _decoder.decode(body).items
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    keys = "".join([item.idempotency_key for item in items])
    names = "".join([item.slot_id + (item.venue_id or "") for item in items])
    return None if not keys.isascii() or _NO_ID.search(keys) or _NO_ID.search(names) else items


def items_of(body: BatchBody) -> list[Item]:
    """The items of the documented form."""
    return [Item(**item.model_dump()) for item in body.items]


async def take(at: Desk, who: Principal, items: Sequence[Item], english: bool) -> bytes:
    """Take a batch in: one statement, then all appends side by side.

    Answers `{"results": [{idempotency_key, status, request_id | problem}]}` in the order of the items; `status` is what
    the item would have been answered alone (202, 404, 409, 425 …). Raises 503 if nothing was written.
    """
    asking = bookings.Asking(at, who)
    asked = [asking(item, asking.id_of(item.idempotency_key)) for item in items]
    firsts: dict[str, int] = {}
    first_of = [firsts.setdefault(one.event.request_id, place) for place, one in enumerate(asked)]
    fresh = list(firsts.values())
    problems: dict[int, Problem] = {}
    taken: list[tuple[int, bytes]] = []
    for place, answer in zip(fresh, await at.collector.take_all([asked[place] for place in fresh]), strict=True):
        try:
            admission.accept(answer, asked[place].body_hash, items[place].party_size)
        except Problem as problem:
            problems[place] = problem
        if answer.data is not None:
            taken.append((place, answer.data))
    for place in await _append(at, asked, taken):
        problems[place] = admission.unknown()
    for place, first in enumerate(first_of):
        if asked[first].body_hash != asked[place].body_hash:
            problems[place] = admission.key_reused()
        elif first in problems:
            problems[place] = problems[first]
    results = [
        _refused(item, problems[place], english)
        if place in problems
        else _Taken(item.idempotency_key, 202, asked[place].event.request_id)
        for place, item in enumerate(items)
    ]
    return msgspec.json.encode({"results": results})


async def _append(at: Desk, asked: Sequence[Asked], taken: Sequence[tuple[int, bytes]]) -> list[int]:
    """Append what was taken in, or may never have been appended, partition by partition side by side.

    Returns the places of those that were not acknowledged.
    """
    whole = door.Wholes()
    lines: dict[int, tuple[list[int], list[Message]]] = defaultdict(lambda: ([], []))
    for place, data in taken:
        one = asked[place]
        places, messages = lines[one.partition]
        places.append(place)
        messages.append(whole(one.event, data, one.traceparent))
    appends = (at.appender.append_line(partition, messages) for partition, (_, messages) in lines.items())
    return [
        place
        for (places, _), acknowledged in zip(lines.values(), await asyncio.gather(*appends), strict=True)
        for place, known in zip(places, acknowledged, strict=True)
        if not known
    ]


def _refused(item: Item, problem: Problem, english: bool) -> dict[str, Any]:
    answer = {
        "idempotency_key": item.idempotency_key,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.en if english else problem.zh,
    }
    after = problem.headers.get("Retry-After")
    return answer if after is None else {**answer, "retry_after": int(after)}
