"""Routes of slots: how one stands now, and a stream of it."""

import time
from typing import Annotated, Any

import asyncpg
import msgspec
from fastapi import Depends, FastAPI, Header, Response
from youai_runtime import description
from youai_runtime.auth import Authenticator, Principal
from youai_runtime.live import LiveStream, State

from youai_matching import admission, answers, desk, requests
from youai_matching.desk import Desk
from youai_matching.forms import PathId

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID")]


def add(app: FastAPI, at: Desk, authenticate: Authenticator) -> None:
    """Add the routes."""
    caller = Annotated[Principal, Depends(authenticate)]

    @app.get("/v1/slots/{slot_id}")
    async def read_slot(slot_id: PathId, who: caller) -> dict[str, Any]:
        row = await known(slot_id)
        opens_in_ms = max(0, row["opens_at"] - int(time.time() * 1000))
        return answers.slot(row) | {"opens_in_ms": opens_in_ms, "server_time": desk.server_time()}

    @app.get("/v1/slots/{slot_id}/events", response_class=Response, responses=description.STREAM)
    async def slot_events(slot_id: PathId, who: caller, last: LastEventId = None) -> Response:
        await known(slot_id)
        listener = at.listen(slot_id)

        async def look() -> State:
            row = await known(slot_id)
            return State("slot", msgspec.json.encode(answers.slot(row)).decode(), str(row["sequence"]))

        return LiveStream(at.listeners, listener, look, last)

    async def known(slot_id: str) -> asyncpg.Record:
        async with at.pool.acquire() as connection:
            row = await requests.slot(connection, slot_id)
        if row is None:
            raise admission.slot_unknown()
        return row
