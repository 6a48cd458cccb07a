"""The resource pool: listing, revising and retiring, asks and answers, each in one transaction with its event."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from youai_contracts.codec import rfc3339
from youai_contracts.events import (
    ResourceAnswered,
    ResourceAsked,
    ResourceListed,
    ResourceRetired,
    ResourceRevised,
    Window,
)
from youai_runtime import problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.keys import Keyed
from youai_runtime.problems import Problem

from youai_catalog import resource_store, store, words, writes
from youai_catalog.resource_forms import AnswerForm, AskForm, ResourceForm, ResourceStateForm


async def list_(pool: Pool, who: Principal, keyed: Keyed, form: ResourceForm) -> tuple[bool, bytes]:
    """Put a resource into the pool; returns whether it is new (else the key is a repeat), and the answer."""
    vector = await _vector(form)
    async with pool.acquire() as connection, connection.transaction():
        before = await keyed.answered(connection)
        if before is not None:
            return False, before
        name = await _own_name(connection, who, "owner_id", form.owner_id)
        owner = {"owner_id": form.owner_id, "owner_name": name}
        view = {"resource_id": form.resource_id or keyed.id("resource"), **owner, **_state(form), "state": "listed"}
        answer = msgspec.json.encode(view)
        before = await keyed.remember(connection, answer)
        if before is not None:
            return False, before
        if not await resource_store.insert(connection, view, vector):
            raise writes.taken("resource-exists", view["resource_id"])
        await writes.add(connection, [_whole(ResourceListed, view, who)])
    return True, answer


async def revise(pool: Pool, who: Principal, resource_id: str, form: ResourceStateForm) -> dict[str, Any]:
    """Write a resource's whole new state; one that changes nothing causes no event. Returns its view."""
    vector = await _vector(form)
    async with pool.acquire() as connection, connection.transaction():
        before = await _lock_own(connection, who, resource_id)
        if before["state"] == "retired":
            raise retired()
        if before["kind"] != form.kind:
            raise writes.invalid("kind", f"类型不能更改，仍为 {before['kind']}", f"its kind stays {before['kind']}")
        view = before | _state(form)
        if view != before:
            await resource_store.revise(connection, view, vector)
            await writes.add(connection, [_whole(ResourceRevised, view, who)])
    return view


async def retire(pool: Pool, who: Principal, resource_id: str) -> dict[str, Any]:
    """Take a resource out of the pool; retired already, nothing happens. Returns its view."""
    async with pool.acquire() as connection, connection.transaction():
        view = await _lock_own(connection, who, resource_id)
        if view["state"] == "listed":
            await resource_store.retire(connection, resource_id)
            event = ResourceRetired(resource_id=resource_id, owner_id=view["owner_id"], actor=writes.actor(who))
            await writes.add(connection, [event])
    return view | {"state": "retired"}


async def ask(
    pool: Pool, who: Principal, keyed: Keyed, resource_id: str, form: AskForm, at: datetime
) -> tuple[bool, bytes]:
    """Ask for a resource; returns whether the ask is new (else the key is a repeat), and the answer."""
    asker_id = form.asker_id or who.organization_id
    async with pool.acquire() as connection, connection.transaction():
        before = await keyed.answered(connection)
        if before is not None:
            return False, before
        view: dict[str, Any] = {
            "ask_id": keyed.id("ask"),
            "resource_id": resource_id,
            "asker_id": asker_id,
            "asker_name": await _own_name(connection, who, "asker_id", asker_id),
            "message": form.message,
            "wanted_from": None if form.wanted_from is None else rfc3339(form.wanted_from),
            "state": "open",
            "answer": None,
            "asked_at": rfc3339(at),
            "answered_at": None,
        }
        answer = msgspec.json.encode(view)
        before = await keyed.remember(connection, answer)
        if before is not None:
            return False, before
        resource, _ = await _lock(connection, who, resource_id)
        if resource["state"] == "retired":
            raise retired()
        if resource["owner_id"] == asker_id:
            raise writes.invalid("asker_id", "这是本单位自己的资源", "the resource is its own")
        await resource_store.insert_ask(connection, view, form.wanted_from, at)
        event = ResourceAsked(
            resource_id=resource_id,
            owner_id=resource["owner_id"],
            ask_id=view["ask_id"],
            asker_id=asker_id,
            asker_name=view["asker_name"],
            message=form.message,
            wanted_from=form.wanted_from,
            actor=writes.actor(who),
        )
        await writes.add(connection, [event])
    return True, answer


async def answer(pool: Pool, who: Principal, resource_id: str, form: AnswerForm, at: datetime) -> dict[str, Any]:
    """Say yes or no to an ask; the same again is harmless, the first message stands. Returns the ask's view."""
    state = "accepted" if form.accepted else "declined"
    async with pool.acquire() as connection, connection.transaction():
        resource = await _lock_own(connection, who, resource_id)
        view = await resource_store.ask(connection, resource_id, form.ask_id)
        if view is None:
            raise problems.not_found("求助", "ask for this resource")
        if view["state"] == state:
            return view
        if view["state"] != "open":
            raise Problem(409, "ask-answered", "这个求助已经答复过。", f"This ask was answered: {view['state']}.")
        await resource_store.answer(connection, form.ask_id, state, form.message, at)
        event = ResourceAnswered(
            resource_id=resource_id,
            owner_id=resource["owner_id"],
            ask_id=form.ask_id,
            asker_id=view["asker_id"],
            accepted=form.accepted,
            message=form.message,
            actor=writes.actor(who),
        )
        await writes.add(connection, [event])
    return view | {"state": state, "answer": form.message, "answered_at": rfc3339(at)}


async def require_own(connection: Connection, who: Principal, resource_id: str) -> None:
    """Raise 404 where there is no such resource, 403 where it is another's."""
    found = await resource_store.one(connection, resource_id)
    if found is None:
        raise problems.not_found("资源", "resource")
    if not await resource_store.is_own(connection, who.organization_id, found["owner_id"]):
        raise writes.not_own("资源")


def retired() -> Problem:
    """The resource is no longer in the pool."""
    return Problem(409, "resource-retired", "这个资源已下架。", "This resource was retired.")


async def _vector(form: ResourceStateForm) -> str:
    # In a thread: the first call loads a dictionary, and a long text takes some milliseconds.
    return await asyncio.to_thread(words.vector, form.title, form.skills, form.description)


async def _own_name(connection: Connection, who: Principal, field: str, organization_id: str) -> str:
    row = await store.organization(connection, who.organization_id, organization_id)
    if row is None:
        raise writes.invalid(field, "没有这个单位", "there is no such organization")
    if not row["own"]:
        raise writes.not_own("资源")
    name: str = row["name"]
    return name


async def _lock(connection: Connection, who: Principal, resource_id: str) -> tuple[dict[str, Any], bool]:
    found = await resource_store.lock(connection, who.organization_id, resource_id)
    if found is None:
        raise problems.not_found("资源", "resource")
    return found


async def _lock_own(connection: Connection, who: Principal, resource_id: str) -> dict[str, Any]:
    view, own = await _lock(connection, who, resource_id)
    if not own:
        raise writes.not_own("资源")
    return view


def _state(form: ResourceStateForm) -> dict[str, Any]:
    state = form.model_dump(exclude={"resource_id", "owner_id"})
    return state | {name: list(dict.fromkeys(state[name])) for name in ("skills", "categories")}


def _whole(kind: type[ResourceListed], view: dict[str, Any], who: Principal) -> ResourceListed:
    fields = {name: value for name, value in view.items() if name != "state"}
    windows = tuple(
        Window(days=tuple(one["days"]), opens=one["opens"], closes=one["closes"]) for one in view["windows"]
    )
    lists = {name: tuple(view[name]) for name in ("skills", "categories")}
    return kind(**fields | lists | {"windows": windows, "actor": writes.actor(who)})
