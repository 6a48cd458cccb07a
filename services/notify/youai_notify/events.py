"""The badge's stream: the count of unread notifications, and new ones as they come, as Server-Sent Events."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send
from youai_runtime import logs
from youai_runtime.database import Pool
from youai_runtime.errors import is_database_transient
from youai_runtime.live import GAP_S, HEARTBEAT_S, LIFETIME_S, Listener, Listeners

from youai_notify import store

log = logs.get(__name__)

MOST_OF_ONE = 20
"""Open streams of one organization: its clerks' tabs, and none is left without because of another's."""
MOST_AT_ONCE = 100
MOST_BEHIND = 200
"""Positions that a client which comes back is told of; for what is older there is the inbox."""


class BadgeStream(EventSourceResponse):
    """The response; its listener leaves when it ends, however it ends."""

    def __init__(self, listeners: Listeners, listener: Listener, content: AsyncIterator[ServerSentEvent]) -> None:
        super().__init__(content, ping=HEARTBEAT_S, send_timeout=10, sep="\n")
        self._listeners = listeners
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._listeners.leave(self._listener)


async def opened(pool: Pool, listeners: Listeners, listener: Listener, after: int | None) -> BadgeStream:
    """The stream of an inbox, from position `after` on (None: from now on). The listener must be listening already.

    The state is read here first, so that a database that is away is an honest 503 and not a stream that breaks off.
    """
    async with pool.acquire() as connection:
        last = (await store.count(connection, listener.key))["last"]
    start = last if after is None else max(min(after, last), last - MOST_BEHIND)
    return BadgeStream(listeners, listener, _events(pool, listener, start))


async def _events(pool: Pool, listener: Listener, after: int) -> AsyncIterator[ServerSentEvent]:
    ends = time.monotonic() + LIFETIME_S
    told: dict[str, Any] | None = None
    try:
        while time.monotonic() < ends:
            listener.wake.clear()  # before the state is read: what comes while it is read wakes again
            async with pool.acquire() as connection:
                count = await store.count(connection, listener.key)
                fresh = await store.since(connection, listener.key, after, MOST_AT_ONCE)
            for item in fresh:
                after = item["position"]
                yield ServerSentEvent(msgspec.json.encode(item).decode(), event="notification", id=str(after))
            if count != told:
                told = count
                yield ServerSentEvent(msgspec.json.encode(count).decode(), event="count", id=str(after), retry=2_000)
            if len(fresh) < MOST_AT_ONCE:
                await asyncio.sleep(GAP_S)
                await listener.woken(HEARTBEAT_S)
    except Exception as error:
        if not is_database_transient(error):
            raise
        log.warning("stream-ends", error=repr(error))  # the client comes back, and is told 503 if it is still away
