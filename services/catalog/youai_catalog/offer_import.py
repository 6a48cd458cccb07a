"""Importing offers with their sessions from a file: checked as a whole, then written in one transaction, or nothing."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool

from youai_catalog import csv_rows, import_store, offer_rows, offers, sheets, store, writes
from youai_catalog.domain import Fault, RowFault
from youai_catalog.forms import SessionForm
from youai_catalog.offer_rows import Offer, Parsed
from youai_catalog.organizations import Refused

Wanted = tuple[Offer, str, str]
"""An offer of the file, its provider, and its id."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an import did: offers published, sessions opened, and rows that an earlier import brought already."""

    offers: int = 0
    sessions: int = 0
    unchanged: int = 0


async def import_file(pool: Pool, who: Principal, body: bytes, *, excel: bool = False) -> Done:
    """Publish the offers of a CSV file, or of an Excel one, and open their sessions. Raises Refused: nothing is done.

    A row is known by its provider, offer key and session key: what was imported once is not imported again, and does
    not change if it was changed here since. A row that says otherwise than it did then is a fault.
    """
    parsed = await asyncio.to_thread(_parse, body, excel)
    async with pool.acquire() as connection, connection.transaction():
        wanted = [
            (offer, one := offer.values["provider_id"] or who.organization_id, offer_id(one, offer.key))
            for offer in parsed.offers.values()
        ]
        named = await _providers(connection, who, parsed, wanted)
        new, unchanged = ([], 0) if parsed.faults else await _new(connection, parsed, wanted)
        if parsed.faults:
            raise Refused(sorted(parsed.faults, key=lambda fault: fault.row))
        return await _write(connection, who, new, named, unchanged)


def _parse(body: bytes, excel: bool) -> Parsed:
    return offer_rows.parse(sheets.rows(body) if excel else csv_rows.rows(body))


def offer_id(provider_id: str, key: str) -> str:
    """The id of an offer that came by a file: always the same of its provider and key."""
    return f"offer-{_hash(provider_id, key)}"


def session_id(provider_id: str, key: str, session_key: str) -> str:
    """The id of a session that came by a file."""
    return f"session-{_hash(provider_id, key, session_key)}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]


async def _providers(
    connection: Connection, who: Principal, parsed: Parsed, wanted: Iterable[Wanted]
) -> dict[str, str]:
    """Names of the providers, whose imports wait for this one's end; faults where it is none, or not the caller's."""
    ids = sorted({provider_id for _, provider_id, _ in wanted})
    found = await import_store.lock_providers(connection, who.organization_id, ids)
    for offer, provider_id, _ in wanted:
        row = found.get(provider_id)
        if row is None:
            fault = Fault(f"没有单位 {provider_id}", f"there is no organization {provider_id}")
        elif not row["own"]:
            fault = Fault("不是本单位或下级单位", "it is neither your organization nor below it", outside=True)
        elif row["kind"] != "provider":
            fault = Fault("只有部门和志愿服务队可以发布项目", "only departments and teams publish offers")
        else:
            continue
        parsed.faults.append(RowFault(offer.row, "provider_id", fault))
    return {provider_id: row["name"] for provider_id, row in found.items()}


New = tuple[dict[str, Any], bytes | None, list[tuple[str, SessionForm, bytes]]]
"""An offer's view, what the file said of it if it is new, and its new sessions: id, form, what the file said."""


async def _new(connection: Connection, parsed: Parsed, wanted: Iterable[Wanted]) -> tuple[list[New], int]:
    """What of the file is not there yet, and how many rows are; faults where a row says otherwise than it did."""
    ids = [id for _, _, id in wanted]
    ids += [session_id(provider, o.key, one.key) for o, provider, _ in wanted for one in o.sessions]
    before = await import_store.imported(connection, ids)
    states = await import_store.lock_offers(connection, [id for _, _, id in wanted if id in before])
    new: list[New] = []
    unchanged = 0
    for offer, provider_id, id in wanted:
        said = _said(offer.values | {"provider_id": provider_id})
        if before.get(id, said) != said:
            parsed.faults.append(RowFault(offer.row, "offer_key", _OTHERWISE))
        fresh: list[tuple[str, SessionForm, bytes]] = []
        for one in offer.sessions:
            its_id, its = session_id(provider_id, offer.key, one.key), _said(one.form.model_dump())
            if its_id not in before:
                fresh.append((its_id, one.form, its))
            elif before[its_id] == its:
                unchanged += 1
            else:
                parsed.faults.append(RowFault(one.row, "session_key", _OTHERWISE))
        if fresh and states.get(id) == "withdrawn":
            parsed.faults.append(RowFault(offer.row, "offer_key", _WITHDRAWN))
        if fresh:
            view = {"offer_id": id, **offer.values, "provider_id": provider_id}
            new.append((view, None if id in before else said, fresh))
    return new, unchanged


_OTHERWISE = Fault(
    "这一编号已导入过，内容和上次不同：请在网页上修改，或换一个编号",
    "this number was imported before, and said otherwise: change it on its page, or take another number",
)
_WITHDRAWN = Fault("这个项目已撤回，不能再加场次", "this offer was withdrawn: it has no more sessions")


def _said(values: Mapping[str, Any]) -> bytes:
    """A hash of what is said; of what is empty nothing, so that a column that comes later changes no hash."""
    told = {name: value for name, value in sorted(values.items()) if value not in (None, "", [], {})}
    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).digest()


async def _write(
    connection: Connection, who: Principal, new: list[New], named: Mapping[str, str], unchanged: int
) -> Done:
    actor = writes.actor(who)
    events: list[Any] = []
    published = [view | {"provider_name": named[view["provider_id"]]} for view, said, _ in new if said is not None]
    if taken := await import_store.insert_offers(connection, published):
        raise writes.taken("offer-exists", min(taken))
    names = {view["offer_id"]: view for view in published}
    for view, _, sessions in new:
        if view["offer_id"] in names:
            events.append(offers.published(names[view["offer_id"]], actor))
        forms = [(id, form) for id, form, _ in sessions]
        if taken := await store.insert_sessions(connection, view["offer_id"], forms):
            raise writes.taken("session-exists", min(taken))
        events += offers.opened(view["offer_id"], view["mode"], forms, actor)
    said = [(view["offer_id"], said) for view, said, _ in new if said is not None]
    said += [(id, its) for _, _, sessions in new for id, _, its in sessions]
    await import_store.note_imported(connection, said)
    await writes.add(connection, events)
    return Done(len(published), sum(len(sessions) for _, _, sessions in new), unchanged)
