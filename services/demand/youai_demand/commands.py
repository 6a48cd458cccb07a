"""What people and time do with demands: each command in one transaction that locks the demand's row first.

State, event and the answer that an Idempotency-Key remembers are written together, or not at all.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
from youai_contracts.events import Actor, DemandPosted
from youai_runtime import logs, problems
from youai_runtime.auth import Principal
from youai_runtime.database import Connection, Pool
from youai_runtime.errors import may_be_committed
from youai_runtime.keys import Keyed
from youai_runtime.observed import current_traceparent
from youai_runtime.problems import Problem

from youai_demand import domain, residents, store, views, words
from youai_demand.domain import Change, Claim, Invalid, Refused
from youai_demand.forms import ClaimForm, DemandForm, FulfilForm, HandBackForm, ScheduleForm, WithdrawForm
from youai_demand.store import Known

log = logs.get(__name__)

POSTING_ROLES = ("collector", "venue-staff", "center")


async def post(pool: Pool, who: Principal, keyed: Keyed, form: DemandForm) -> tuple[bool, bytes]:
    """Post a demand; returns whether it is new (else the key is a repeat), and the answer."""
    at = now()
    async with _writing(pool) as connection:
        before = await keyed.answered(connection)
        if before is not None:
            return False, before
        posted = await _posted(connection, who, keyed, form, at)
        if not await store.insert_demand(connection, posted, at, current_traceparent()):
            # The same key a moment ago, or an id that another demand has.
            before = await keyed.answered(connection)
            if before is not None:
                return False, before
            raise _taken(posted.demand_id)
        if form.resident is not None and posted.on_behalf is not None:
            await residents.keep(connection, posted.on_behalf, keyed.key_hash, form.resident)
        answer = await _whole(connection, posted.demand_id, who, at)
        if await keyed.remember(connection, answer) is not None:
            raise problems.unavailable()  # with a demand_id of its own, the key was used meanwhile: ask again
    return True, answer


async def _posted(connection: Connection, who: Principal, keyed: Keyed, form: DemandForm, at: datetime) -> DemandPosted:
    venue_id = form.venue_id or who.organization_id
    venue = await store.organization(connection, who.organization_id, venue_id)
    if venue is None:
        raise _organization_unknown()
    if not venue["own"]:
        raise _not_own()
    if venue["kind"] != "venue":
        raise Problem(422, "not-a-venue", "只有基层阵地可以发布需求。", "Only venues post demands.")
    domain.wanted_times(form.wanted_from, form.wanted_until, at)
    return DemandPosted(
        demand_id=form.demand_id or keyed.id("demand"),
        venue_id=venue_id,
        venue_name=venue["name"],
        town=venue["town"],
        category=form.category,
        title=form.title,
        description=form.description,
        residents=form.residents,
        wanted_from=form.wanted_from,
        wanted_until=form.wanted_until,
        places_wanted=form.places_wanted,
        posted_by_role=next(role for role in POSTING_ROLES if role in who.roles),
        on_behalf=residents.new_reference() if form.resident else None,
        actor=_actor(who),
    )


async def claim(pool: Pool, who: Principal, keyed: Keyed, demand_id: str, form: ClaimForm) -> bytes:
    """Take a claim in; matching decides it. Returns the answer."""
    at, claim_id = now(), keyed.id("claim")
    provider_id = form.provider_id or who.organization_id
    answer = msgspec.json.encode({"claim_id": claim_id, "status": "received"})
    async with _writing(pool) as connection:
        before = await keyed.answered(connection)
        if before is not None:
            return before
        provider = await store.organization(connection, who.organization_id, provider_id)
        if provider is None:
            raise _organization_unknown()
        if not provider["own"]:
            raise _not_own()
        if provider["kind"] != "provider":
            raise Problem(422, "not-a-provider", "只有部门和志愿服务队可以接单。", "Only departments and teams claim.")
        known = await _locked(connection, who, demand_id)
        before = await keyed.answered(connection)  # the same key may have been before us at the row's lock
        if before is not None:
            return before
        change = domain.request_claim(known.demand, claim_id, provider_id, provider["name"], _actor(who), at)
        assert change.claim is not None
        await store.insert_claim(connection, change.claim, demand_id, at)
        await store.write(connection, change, at, current_traceparent())
        await _remember(connection, keyed, answer)
    return answer


async def schedule(pool: Pool, who: Principal, keyed: Keyed | None, demand_id: str, form: ScheduleForm) -> bytes:
    """The claiming provider says when and where; returns the demand."""
    at = now()

    def decide(known: Known) -> Change:
        own = _own_claim(known, form.claim_id, at)
        return domain.schedule(known.demand, own, form.scheduled_at, form.place, form.note, _actor(who), at)

    return await _command(pool, who, keyed, demand_id, decide, at)


async def hand_back(pool: Pool, who: Principal, keyed: Keyed | None, demand_id: str, form: HandBackForm) -> bytes:
    """The claiming provider gives the demand back; matching decides. Returns the demand as it still is."""
    at = now()

    def decide(known: Known) -> Change:
        own = _own_claim(known, form.claim_id, at)
        return domain.hand_back(known.demand, own, form.reason, _actor(who), at)

    return await _command(pool, who, keyed, demand_id, decide, at)


async def fulfil(pool: Pool, who: Principal, keyed: Keyed | None, demand_id: str, form: FulfilForm) -> bytes:
    """The venue says that it was done, and rates it; returns the demand."""
    at = now()

    def decide(known: Known) -> Change:
        _own_demand(known)
        return domain.fulfil(known.demand, form.rating, form.residents_served, form.comment, _actor(who), at)

    return await _command(pool, who, keyed, demand_id, decide, at)


async def withdraw(pool: Pool, who: Principal, keyed: Keyed | None, demand_id: str, form: WithdrawForm) -> bytes:
    """The venue takes the demand back; returns the demand."""
    at = now()

    def decide(known: Known) -> Change:
        _own_demand(known)
        return domain.withdraw(known.demand, form.reason, _actor(who), at)

    return await _command(pool, who, keyed, demand_id, decide, at)


async def expire_overdue(pool: Pool) -> None:
    """Expire what nobody took on in its time; harmless in two processes at once."""
    at = now()
    async with pool.acquire() as connection:
        overdue = await store.overdue(connection, at)
    for demand_id in overdue:
        async with pool.acquire() as connection, connection.transaction():
            known = await store.lock(connection, demand_id, "")
            assert known is not None  # demands are never deleted
            await store.write(connection, domain.expire(known.demand, at), at, None)


async def _command(
    pool: Pool, who: Principal, keyed: Keyed | None, demand_id: str, decide: Callable[[Known], Change], at: datetime
) -> bytes:
    async with _writing(pool) as connection:
        known = await _locked(connection, who, demand_id)
        before = await keyed.answered(connection) if keyed else None
        if before is not None:
            return before
        await store.write(connection, decide(known), at, current_traceparent())
        answer = await _whole(connection, demand_id, who, at)
        if keyed:
            await _remember(connection, keyed, answer)
    return answer


@asynccontextmanager
async def _writing(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction whose refusals become problems; 504 where the database went away while it committed."""
    committing = False
    try:
        async with pool.acquire() as connection, connection.transaction():
            yield connection
            committing = True
    except Refused as refused:
        raise _problem(refused) from None
    except Invalid as invalid:
        raise _invalid(invalid) from None
    except Exception as error:
        if not (committing and may_be_committed(error)):
            raise
        log.warning("commit-unknown", error=repr(error))
        raise Problem(
            504,
            "unknown",
            "暂时无法确认，请用同一个键再问一次；请求不会丢失，也不会重复。",
            "Unknown: ask again with the same key. Nothing is lost and nothing is done twice.",
            {"Retry-After": "2"},
        ) from None


async def _locked(connection: Connection, who: Principal, demand_id: str) -> Known:
    known = await store.lock(connection, demand_id, who.organization_id)
    if known is None:
        raise problems.not_found("需求", "demand")
    return known


async def _remember(connection: Connection, keyed: Keyed, answer: bytes) -> None:
    # The key names the demand, whose row is locked, and it was new under that lock.
    assert await keyed.remember(connection, answer) is None, "a key was used beside the demand's lock"


async def _whole(connection: Connection, demand_id: str, who: Principal, at: datetime) -> bytes:
    view = await views.whole(connection, demand_id, who.organization_id, at)
    assert view is not None  # demands are never deleted
    return msgspec.json.encode(view)


def _own_demand(known: Known) -> None:
    if not known.own:
        raise _not_own()


def _own_claim(known: Known, claim_id: str | None, at: datetime) -> Claim:
    """The caller's live claim of a demand: the one named, or the only one."""
    own = [one for one in known.demand.live if one.claim_id in known.own_claims and claim_id in (None, one.claim_id)]
    if len(own) == 1:
        return own[0]
    if own:
        raise Invalid("claim_id", "本单位有多个接单，请指明", "more than one claim is yours: say which")
    if not known.demand.live:
        raise domain.not_claimed(known.demand, at)
    raise problems.forbidden("这一单由其他单位承接。", "The demand is with another provider.")


def _actor(who: Principal) -> Actor:
    return Actor(subject=who.subject, organization_id=who.organization_id)


def now() -> datetime:
    """Now, cut to the millisecond, which is what events and cursors carry."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _problem(refused: Refused) -> Problem:
    zh, en = words.of_refusal(refused)
    holders = [{"provider_id": id_, "provider_name": name} for id_, name in refused.holders]
    return Problem(
        409,
        "not-possible",
        zh,
        en,
        {"Retry-After": "1"} if refused.soon else {},
        {"state": refused.state, "can": list(refused.can), "claimed_by": holders},
    )


def _invalid(invalid: Invalid) -> Problem:
    field = invalid.field
    return Problem(
        422,
        "invalid",
        f"{field}：{invalid.zh}。",
        f"{field}: {invalid.en}.",
        extra={"errors": [{"field": field, "message": invalid.en}]},
    )


def _taken(demand_id: str) -> Problem:
    return Problem(409, "demand-exists", f"编号 {demand_id} 已被使用。", f"The id {demand_id} is taken.")


def _organization_unknown() -> Problem:
    return Problem(
        404,
        "organization-unknown",
        "没有这个单位，或它刚登记、还未读到。",
        "There is no such organization, or it was not read yet.",
        {"Retry-After": "1"},
    )


def _not_own() -> Problem:
    return problems.forbidden(
        "只能为本单位或下级单位办理。", "You can act for your own organization and those below it alone."
    )
