"""The resource pool's HTTP: who may call what, the search, and its cursor; the writes are in `resources`."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from youai_runtime import fields, keys, pages, problems
from youai_runtime.auth import ROLES, Principal
from youai_runtime.database import Pool
from youai_runtime.description import again
from youai_runtime.fields import Id
from youai_runtime.keys import Key, Keyed

from youai_catalog import answers, resource_store, resources, words
from youai_catalog.answers import Holding
from youai_catalog.resource_forms import (
    AnswerForm,
    AskForm,
    AsksQuery,
    ResourceForm,
    ResourcesQuery,
    ResourceStateForm,
)
from youai_catalog.views import AsksView, AskView, ResourcesView, ResourceView

NOT_COLLECTORS = tuple(role for role in ROLES if role != "collector")
"""Who may act for an owner of resources: collectors gather needs."""

ResourceId = Annotated[Id, Path()]
_RANK = re.compile(r"\d{1,2}(\.\d{1,12})?(e-\d{1,3})?", re.ASCII)
_BEST = ("Infinity", "")
_NEWEST = ("infinity", "")


def resource_routes(pool: Pool, holding: Holding) -> APIRouter:
    """The calls on resources and asks."""
    routes = APIRouter(tags=["resources"])
    reader = Annotated[Principal, Depends(holding(*ROLES))]
    owner = Annotated[Principal, Depends(holding(*NOT_COLLECTORS))]

    @routes.post("/v1/resources", status_code=201, response_model=ResourceView, responses=again(ResourceView))
    async def list_(who: owner, body: ResourceForm, key: Key = None) -> Response:
        """Put a resource into the pool; a repeat of the key gets the same answer with 200."""
        keyed = Keyed.of(who, "POST /v1/resources", keys.required(key), body)
        new, answer = await resources.list_(pool, who, keyed, body)
        return answers.answer(answer, 201 if new else 200)

    @routes.get("/v1/resources", response_model=ResourcesView)
    async def found(query: Annotated[ResourcesQuery, Query()], who: reader) -> Response:
        """The listed resources: by id, or with `q` best fit first.

        `matched` says what of `q` they fit: `all` its words, or, where nothing does, `some` of them; or `none`.
        """
        return await _search(pool, query)

    @routes.get("/v1/resources/{resource_id}", response_model=ResourceView)
    async def read(resource_id: ResourceId, who: reader) -> Response:
        """A resource, retired ones too."""
        async with pool.acquire() as connection:
            view = await resource_store.one(connection, resource_id)
        if view is None:
            raise problems.not_found("资源", "resource")
        return answers.as_json(view)

    @routes.patch("/v1/resources/{resource_id}", response_model=ResourceView)
    async def revise(resource_id: ResourceId, who: owner, body: ResourceStateForm) -> Response:
        """Write a resource's whole new state; owner and kind stay. Unchanged, it causes no event."""
        return answers.as_json(await resources.revise(pool, who, resource_id, body))

    @routes.post("/v1/resources/{resource_id}/retire", response_model=ResourceView)
    async def retire(resource_id: ResourceId, who: owner) -> Response:
        """Take a resource out of the pool, for good. Asking again is harmless."""
        return answers.as_json(await resources.retire(pool, who, resource_id))

    _add_asks(routes, pool, reader, owner)
    return routes


def _add_asks(routes: APIRouter, pool: Pool, reader: Any, owner: Any) -> None:
    @routes.post("/v1/resources/{resource_id}/ask", status_code=201, response_model=AskView, responses=again(AskView))
    async def ask(resource_id: ResourceId, who: reader, body: AskForm, key: Key = None) -> Response:
        """Ask the owner for a resource; a repeat of the key gets the same answer with 200."""
        keyed = Keyed.of(who, f"POST /v1/resources/{resource_id}/ask", keys.required(key), body)
        new, answer = await resources.ask(pool, who, keyed, resource_id, body, datetime.now(UTC))
        return answers.answer(answer, 201 if new else 200)

    @routes.post("/v1/resources/{resource_id}/answer", response_model=AskView)
    async def answer(resource_id: ResourceId, who: owner, body: AnswerForm) -> Response:
        """Say yes or no to an ask. The same again is harmless; the other answer, once given, is a 409."""
        return answers.as_json(await resources.answer(pool, who, resource_id, body, datetime.now(UTC)))

    @routes.get("/v1/resources/{resource_id}/asks", response_model=AsksView)
    async def asks(resource_id: ResourceId, query: Annotated[AsksQuery, Query()], who: owner) -> Response:
        """The asks for a resource of one's own, newest first."""
        after = pages.after(query, "asks", 2) or _NEWEST
        if after is not _NEWEST and fields.instant(after[0]) is None:
            raise pages.bad_cursor()
        async with pool.acquire() as connection:
            await resources.require_own(connection, who, resource_id)
            rows = await resource_store.asks(connection, resource_id, query, after, query.limit + 1)
        return answers.page("asks", rows, query, "asks", ("asked_at", "ask_id"))


async def _search(pool: Pool, query: ResourcesQuery) -> Response:
    """All words first; where nothing fits them all, some. A cursor says by its first part which of the two it was."""
    cursor = pages.after(query, "resources", 3)
    if cursor is not None and (cursor[0] not in ("", "all", "some") or not _RANK.fullmatch(cursor[1])):
        raise pages.bad_cursor()
    asked = await asyncio.to_thread(words.query, query.q) if query.q else None
    tries: list[tuple[str, str | None]] = [("", None)]
    if asked is not None:
        tries = [("all", asked.every), ("some", asked.some)] if asked.words else []
    some = "" if asked is None else asked.some
    rows: list[dict[str, Any]] = []
    async with pool.acquire() as connection:
        for way, match in tries:
            if rows or (cursor is not None and cursor[0] != way):
                continue
            after = _BEST if cursor is None else cursor[1:]
            found = await resource_store.listed(connection, query, match, some, after, query.limit + 1)
            rows = [row | {"way": way} for row in found]
    shown, following = pages.part(rows, query, "resources", ("way", "rank", "resource_id"))
    views = [{name: value for name, value in row.items() if name not in ("way", "rank")} for row in shown]
    matched = None if asked is None else rows[0]["way"] if rows else "none"
    told = [] if asked is None else asked.words
    return answers.as_json({"resources": views, "matched": matched, "words": told, "next_cursor": following})
