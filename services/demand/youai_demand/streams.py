"""Everything that demand consumes: matching's decisions on claims, and organizations."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from youai_contracts import topics
from youai_contracts.events import ClaimConfirmed, ClaimDecision, ClaimEnded, ClaimRejected, OrganizationRegistered
from youai_runtime import outbox
from youai_runtime.database import Connection
from youai_runtime.work import Projection, Record, decode_all

from youai_demand import SERVICE, commands, domain, store
from youai_demand.domain import Change, Claim, Demand


class Claims(Projection):
    """What matching decided of claims: kept with the claim, moving the demand, told of in demand's own words."""

    name = "demand.claims"
    topic = topics.CLAIM
    pause_s = 0.02  # who claimed waits for the answer

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        """All decisions on a demand stand in one partition, in their order: read what they touch, fold, write."""
        received, unusable = decode_all(self.topic, records)
        decisions = [(record, item, item.event) for record, item in received if isinstance(item.event, ClaimDecision)]
        demands = await store.lock_all(connection, sorted({event.demand_id for _, _, event in decisions}))
        claims = await store.claims_of(connection, [event.request_id for _, _, event in decisions])
        before = dict(claims)
        for record, item, event in decisions:
            demand, claim = demands.get(event.demand_id), claims.get(event.request_id)
            if demand is None or claim is None:
                unusable.append((record, f"there is no claim {event.request_id} of {event.demand_id} here"))
                continue
            change = _ON[type(event)](demand, claim, event)
            demands[event.demand_id] = change.demand
            if change.claim is not None:
                claims[event.request_id] = change.claim
            await store.tell(connection, change, _at(event), item.traceparent)
        await store.update_claims(connection, [claim for id_, claim in claims.items() if claim != before[id_]])
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, unusable)


def on_claim_confirmed(demand: Demand, claim: Claim, event: ClaimDecision) -> Change:
    """The provider has the demand."""
    return domain.confirm(demand, claim, event, _at(event), commands.now())


def on_claim_rejected(demand: Demand, claim: Claim, event: ClaimDecision) -> Change:
    """The provider does not have it, and is told why and who does."""
    return domain.reject(demand, claim, event, _at(event))


def on_claim_ended(demand: Demand, claim: Claim, event: ClaimDecision) -> Change:
    """The provider has it no more."""
    return domain.end(demand, claim, event, _at(event))


_ON: dict[type[ClaimDecision], Callable[[Demand, Claim, ClaimDecision], Change]] = {
    ClaimConfirmed: on_claim_confirmed,
    ClaimRejected: on_claim_rejected,
    ClaimEnded: on_claim_ended,
}


class Organizations(Projection):
    """What demand must know of organizations: their place in the tree, kind, name, town and categories."""

    name = "demand.organizations"
    topic = topics.ORGANIZATION

    async def apply(self, connection: Connection, partition: int, records: Sequence[Record]) -> None:
        received, unusable = decode_all(self.topic, records)
        latest: dict[str, tuple[Any, ...]] = {}
        for _, item in received:
            assert isinstance(item.event, OrganizationRegistered)
            latest[item.event.organization_id] = on_organization_registered(item.event)
        await store.put_organizations(connection, list(latest.values()))
        await outbox.add_dead_letters(connection, SERVICE, self.topic.name, unusable)


def on_organization_registered(event: OrganizationRegistered) -> tuple[Any, ...]:
    """An organization's row; the latest state of each stands."""
    return (
        event.organization_id,
        event.parent_id,
        event.kind,
        event.level,
        event.name,
        event.town,
        list(event.categories),
    )


def _at(event: ClaimDecision) -> datetime:
    """A decision's time: its slot's."""
    return datetime.fromisoformat(event.decided_at)
