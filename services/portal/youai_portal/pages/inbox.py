"""The inbox: what an organization was told, read marks, and on to what a message is about."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from youai_contracts.codec import rfc3339
from youai_runtime import logs, problems

from youai_portal.clients import Refused
from youai_portal.store import bookings, inbox
from youai_portal.web import Desk, Visit, part, segment

log = logs.get(__name__)

MOST = 30
TOLD_S = 2.0
LOOK_S = 0.05


def add(routes: APIRouter, desk: Desk) -> None:
    """Add the pages."""
    here = Annotated[Visit, Depends(desk.visit)]

    @routes.get("/inbox")
    async def show(visit: here) -> Response:
        return await page(visit)

    @routes.post("/inbox/read-all")
    async def read_all(visit: here) -> Response:
        form = await visit.form()
        until = form.get("until") or rfc3339(datetime.now(UTC))
        try:
            await visit.call("notify", "POST", "/v1/inbox/read-all", body={"until": until})
        except Refused as refused:
            return await page(visit, refused)
        await _until_told(visit, datetime.fromisoformat(until))
        return visit.go("/inbox?done=read")

    @routes.post("/inbox/{notification_id}")
    async def opened(notification_id: str, visit: here) -> Response:
        """Mark a message as read and go to what it is about; the way there does not hang on the mark."""
        await visit.form()
        async with desk.pool.acquire() as connection:
            row = await inbox.one(connection, visit.who.organization_id, notification_id)
            if row is None:
                raise problems.not_found("消息", "message")
            target = await _target(connection, dict(row))
        if row["read_at"] is None:
            try:
                marked = await visit.call("notify", "POST", f"/v1/inbox/{segment(notification_id)}/read")
            except Refused as refused:
                log.warning("not-marked", notification_id=notification_id, why=refused.detail)
            else:
                read_at = datetime.fromisoformat(marked["read_at"])
                async with desk.pool.acquire() as connection:
                    await inbox.mark_read(connection, visit.who.organization_id, notification_id, read_at)
        return visit.go(target)


async def _until_told(visit: Visit, until: datetime) -> None:
    """Wait, at most TOLD_S seconds, for the events of what notify has marked, so that the list shows it."""
    for _ in range(int(TOLD_S / LOOK_S)):
        async with visit.desk.pool.acquire() as connection:
            if not await inbox.any_unread(connection, visit.who.organization_id, until):
                return
        await asyncio.sleep(LOOK_S)


async def _target(connection: Any, row: dict[str, Any]) -> str:
    """Where a message leads: the demand, the booking, the slot or the resource that it is about."""
    kind, subject = str(row["kind"]), str(row["subject_id"])
    if kind.startswith("resource"):
        return f"/resources/{segment(subject)}"
    if kind.startswith(("booking", "session")):
        booking = await bookings.one(connection, subject)
        if booking is not None and booking["venue_id"] == row["recipient_id"]:
            return f"/bookings/{segment(subject)}"
        return f"/slots/{segment(booking['slot_id'] if booking else subject)}"
    return f"/demands/{segment(subject.removeprefix('demand:'))}"


async def page(visit: Visit, refused: Refused | None = None) -> Response:
    """The inbox, after a refusal with its words."""
    who = visit.who
    unread = visit.q("unread") == "1"
    async with visit.desk.pool.acquire() as connection:
        rows = await inbox.page(
            connection, who.organization_id, unread=unread, after=visit.after("inbox"), limit=MOST + 1
        )
    shown, following = part(rows, MOST, "inbox", "occurred_at", "notification_id")
    return visit.page(
        "inbox.html",
        min(refused.status, 503) if refused else 200,
        messages=shown,
        following=following,
        only_unread=unread,
        any_unread=visit.unread > 0 or any(row["read_at"] is None for row in shown),
        refused=refused,
        until=rfc3339(datetime.now(UTC)),
        done=visit.q("done"),
    )
