"""Publishing and withdrawing offers, opening and cancelling sessions, each in one transaction with its events."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
from youai_contracts.codec import rfc3339
from youai_contracts.events import Actor, Mode, OfferPublished, OfferWithdrawn, SessionCancelled, SessionOpened
from youai_runtime import problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.keys import Keyed
from youai_runtime.problems import Problem

from youai_catalog import store, writes
from youai_catalog.forms import OfferForm, RecurrenceForm, SessionForm, SessionsForm

CHUNK = 500
"""Sessions cancelled in one transaction."""


async def publish(pool: Pool, who: Principal, keyed: Keyed, form: OfferForm) -> tuple[bool, bytes]:
    """Publish an offer; returns whether it is new (else the key is a repeat), and the answer."""
    async with pool.acquire() as connection, connection.transaction():
        before = await keyed.answered(connection)
        if before is not None:
            return False, before
        view = _offer_view(keyed, form, await _provider_name(connection, who, form.provider_id))
        answer = msgspec.json.encode(view)
        before = await keyed.remember(connection, answer)
        if before is not None:
            return False, before
        if not await store.insert_offer(connection, view):
            raise writes.taken("offer-exists", view["offer_id"])
        await writes.add(connection, [published(view, writes.actor(who))])
    return True, answer


def published(view: Mapping[str, Any], actor: Actor) -> OfferPublished:
    """The event of an offer."""
    return OfferPublished(
        offer_id=view["offer_id"],
        provider_id=view["provider_id"],
        provider_name=view["provider_name"],
        category=view["category"],
        title=view["title"],
        description=view["description"],
        towns=tuple(view["towns"]),
        audience=view["audience"],
        mode=view["mode"],
        actor=actor,
    )


async def _provider_name(connection: Connection, who: Principal, provider_id: str) -> str:
    row = await store.organization(connection, who.organization_id, provider_id)
    if row is None:
        raise writes.invalid("provider_id", "没有这个单位", "there is no such organization")
    if not row["own"]:
        raise writes.not_own()
    if row["kind"] != "provider":
        raise writes.invalid(
            "provider_id", "只有部门和志愿服务队可以发布项目", "only departments and teams publish offers"
        )
    name: str = row["name"]
    return name


async def withdraw(pool: Pool, who: Principal, offer_id: str, reason: str) -> dict[str, Any]:
    """Withdraw an offer and cancel its sessions; withdrawn already, only what is left of that. Returns its view."""
    async with pool.acquire() as connection, connection.transaction():
        row = await store.lock_offer(connection, who.organization_id, offer_id)
        if row is None:
            raise problems.not_found("项目", "offer")
        if not row["own"]:
            raise writes.not_own()
        if row["state"] == "published":
            await store.withdraw_offer(connection, offer_id, reason, who.subject, who.organization_id)
            await writes.add(connection, [OfferWithdrawn(offer_id=offer_id, reason=reason, actor=writes.actor(who))])
    await settle(pool, offer_id)
    async with pool.acquire() as connection:
        view = await store.offer(connection, offer_id)
    assert view is not None  # offers are never deleted
    return view


async def settle(pool: Pool, offer_id: str) -> None:
    """Cancel what is still open of a withdrawn offer's sessions, in chunks; many may do so at once."""
    while True:
        async with pool.acquire() as connection, connection.transaction():
            row = await store.lock_offer(connection, "", offer_id)
            if row is None or row["sessions_settled"]:
                return
            cancelled = await store.cancel_sessions(connection, offer_id, row["reason"], CHUNK)
            actor = Actor(subject=row["withdrawn_by_subject"], organization_id=row["withdrawn_by_organization"])
            await writes.add(connection, [_cancelled(offer_id, one, row["reason"], actor) for one in cancelled])


async def settle_all(pool: Pool) -> None:
    """Finish the withdrawals that a death left half done: nobody may ask for them again."""
    async with pool.acquire() as connection:
        offer_ids = await store.unsettled_offers(connection)
    for offer_id in offer_ids:
        await settle(pool, offer_id)


async def open_sessions(
    pool: Pool, who: Principal, keyed: Keyed, offer_id: str, form: SessionForm | SessionsForm | RecurrenceForm
) -> tuple[bool, bytes]:
    """Open one session, a list or a rule's, all or none; returns whether they are new, and the answer."""
    if isinstance(form, RecurrenceForm):
        form = SessionsForm.model_construct(sessions=form.recurrence.sessions())
    forms = form.sessions if isinstance(form, SessionsForm) else [form]
    ids = [one.session_id or keyed.id("session", i if len(forms) > 1 else None) for i, one in enumerate(forms)]
    if len(set(ids)) < len(ids):  # a given id that equals one made from the key
        raise writes.invalid("session_id", "场次编号重复", "a session_id stands in the list twice")
    sessions = list(zip(ids, forms, strict=True))
    views = [_session_view(offer_id, session_id, one) for session_id, one in sessions]
    answer = msgspec.json.encode({"sessions": views} if isinstance(form, SessionsForm) else views[0])
    async with pool.acquire() as connection, connection.transaction():
        # The key first: it makes a second call with it wait for the first one's end.
        before = await keyed.remember(connection, answer)
        if before is not None:
            return False, before
        offer = _own_open(await store.lock_offer(connection, who.organization_id, offer_id, shared=True))
        taken = await store.insert_sessions(connection, offer_id, sessions)
        if taken:
            raise writes.taken("session-exists", min(taken))
        await writes.add(connection, opened(offer_id, offer["mode"], sessions, writes.actor(who)))
    return True, answer


def _own_open(offer: asyncpg.Record | None) -> asyncpg.Record:
    if offer is None:
        raise problems.not_found("项目", "offer")
    if not offer["own"]:
        raise writes.not_own()
    if offer["state"] != "published":
        raise Problem(409, "offer-withdrawn", "这个项目已撤回。", "This offer was withdrawn.")
    return offer


async def cancel(pool: Pool, who: Principal, session_id: str, reason: str) -> dict[str, Any]:
    """Cancel a session; cancelled already, nothing happens. Returns its view."""
    async with pool.acquire() as connection, connection.transaction():
        row = await store.lock_session(connection, who.organization_id, session_id)
        if row is None:
            raise problems.not_found("场次", "session")
        if not row["own"]:
            raise writes.not_own()
        if row["state"] == "open":
            await store.cancel_session(connection, session_id, reason)
            await writes.add(connection, [_cancelled(row["offer_id"], session_id, reason, writes.actor(who))])
        view = await store.session(connection, session_id)
    assert view is not None  # sessions are never deleted
    return view


def opened(offer_id: str, mode: Mode, sessions: Sequence[tuple[str, SessionForm]], actor: Actor) -> list[SessionOpened]:
    """The events of an offer's new sessions (id and form)."""
    return [
        SessionOpened(
            offer_id=offer_id,
            session_id=session_id,
            slot_id=session_id,
            capacity=form.capacity,
            opens_at=form.opens_at,
            closes_at=form.closes_at,
            starts_at=form.starts_at,
            ends_at=form.ends_at,
            mode=mode,
            town_shares=form.town_shares,
            waitlist=form.waitlist,
            venue_name=form.venue_name,
            actor=actor,
        )
        for session_id, form in sessions
    ]


def _cancelled(offer_id: str, session_id: str, reason: str, actor: Actor) -> SessionCancelled:
    return SessionCancelled(offer_id=offer_id, session_id=session_id, slot_id=session_id, reason=reason, actor=actor)


def _offer_view(keyed: Keyed, form: OfferForm, provider_name: str) -> dict[str, Any]:
    return {
        "offer_id": form.offer_id or keyed.id("offer"),
        "provider_id": form.provider_id,
        "provider_name": provider_name,
        "category": form.category,
        "title": form.title,
        "description": form.description,
        "towns": form.towns,
        "audience": form.audience,
        "mode": form.mode,
        "state": "published",
        "reason": None,
    }


def _session_view(offer_id: str, session_id: str, form: SessionForm) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "slot_id": session_id,
        "offer_id": offer_id,
        "capacity": form.capacity,
        "opens_at": rfc3339(form.opens_at),
        "closes_at": rfc3339(form.closes_at),
        "starts_at": rfc3339(form.starts_at),
        "ends_at": rfc3339(form.ends_at),
        "town_shares": form.town_shares,
        "waitlist": form.waitlist,
        "venue_name": form.venue_name,
        "state": "open",
        "reason": None,
    }
