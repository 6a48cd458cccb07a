"""Revising a session, and recording who came to it, each in one transaction with its events."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from youai_contracts.codec import rfc3339
from youai_contracts.events import AttendanceRecorded, SessionRevised
from youai_runtime import problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.keys import Keyed
from youai_runtime.problems import Problem

from youai_catalog import revisions, store, writes
from youai_catalog.session_forms import AttendanceForm, SessionRevisionForm


async def revise(
    pool: Pool, who: Principal, keyed: Keyed, session_id: str, form: SessionRevisionForm, at: datetime
) -> bytes:
    """Change what the form says of a session; what is so already causes no event. Returns the answer."""
    async with pool.acquire() as connection, connection.transaction():
        # The row first: it makes a second call with the key wait for the first one's end.
        row = await _lock_own(connection, who, session_id)
        before = await keyed.answered(connection)
        if before is not None:
            return before
        try:
            changes = revisions.changes(dict(row), form.wanted(), at)
        except revisions.Refused as refused:
            raise _problem(refused) from None
        view = await store.session(connection, session_id)
        assert view is not None  # it is locked
        told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in changes.items()}
        answer = msgspec.json.encode(view | told)
        before = await keyed.remember(connection, answer)
        if before is not None:
            return before
        if changes:
            await store.revise_session(connection, session_id, changes)
            named: dict[str, Any] = {"offer_id": row["offer_id"], "session_id": session_id, "slot_id": session_id}
            event = SessionRevised(**named, **changes, reason=form.reason, actor=writes.actor(who))
            await writes.add(connection, [event])
    return answer


async def record_attendance(
    pool: Pool, who: Principal, keyed: Keyed, session_id: str, form: AttendanceForm, at: datetime
) -> bytes:
    """Note who came to a session that has started; lines that said so already cause no event. Returns the answer."""
    async with pool.acquire() as connection, connection.transaction():
        row = await _lock_own(connection, who, session_id)
        before = await keyed.answered(connection)
        if before is not None:
            return before
        if row["state"] != "open":
            raise Problem(409, "session-cancelled", "这个场次已取消。", "This session was cancelled.")
        if at < row["starts_at"]:
            raise Problem(409, "session-not-started", "这个场次还没有开始。", "This session has not started yet.")
        fresh = await store.put_attendance(connection, session_id, form.attendance)
        counts = {"recorded": len(fresh), "unchanged": len(form.attendance) - len(fresh)}
        answer = msgspec.json.encode({"session_id": session_id, **counts})
        before = await keyed.remember(connection, answer)
        assert before is None  # whoever had this key would have had the row
        events = [
            AttendanceRecorded(
                offer_id=row["offer_id"],
                session_id=session_id,
                slot_id=session_id,
                request_id=line.request_id,
                venue_id=line.venue_id,
                attended=line.attended,
                actor=writes.actor(who),
            )
            for line in form.attendance
            if line.request_id in fresh
        ]
        await writes.add(connection, events)
    return answer


async def _lock_own(connection: Connection, who: Principal, session_id: str) -> asyncpg.Record:
    row = await store.lock_session(connection, who.organization_id, session_id)
    if row is None:
        raise problems.not_found("场次", "session")
    if not row["own"]:
        raise writes.not_own()
    return row


def _problem(refused: revisions.Refused) -> Problem:
    fault = refused.fault
    if refused.field is not None:
        return writes.invalid(refused.field, fault.zh, fault.en)
    return Problem(409, refused.code, f"{fault.zh}。", f"{fault.en[0].upper()}{fault.en[1:]}.")
