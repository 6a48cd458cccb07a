"""Demand's API in the test's own process, over a database that nobody else has, with matching's decisions by hand."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import youai_demand
from fastapi import FastAPI
from youai_contracts import codec, events, topics
from youai_contracts.events import Actor, ClaimConfirmed, ClaimDecision, ClaimEnded, ClaimRejected
from youai_demand import streams
from youai_demand.api import make_api
from youai_demand.settings import Settings
from youai_runtime import database
from youai_runtime.auth import Authenticator
from youai_stack.tokens import public_key_file

from tests.support.catalog_alone import database_of
from tests.support.client import Caller
from tests.support.demands import demand_body
from tests.support.stack import Stack

# id, parent, kind, level
CITY = (
    ("center", None, "venue", "center"),
    ("institute", "center", "venue", "institute"),
    ("station", "institute", "venue", "station"),
    ("elsewhere", "institute", "venue", "station"),
    ("party-school", "center", "provider", "department"),
    ("red-team", "party-school", "provider", "team"),
    ("blue-team", "party-school", "provider", "team"),
    ("health", "center", "provider", "department"),
)
MIGRATIONS = Path(youai_demand.__file__).parent / "migrations"


@dataclass(frozen=True)
class Given:
    """A record of a topic, as a lane sees it."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class DemandAlone:
    """Demand over a database of its own; what it tells stays in the outbox, and decisions are handed to its lane."""

    def __init__(self, stack: Stack, pool: database.Pool, app: FastAPI) -> None:
        self.pool = pool
        self._stack = stack
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), timeout=30)

    def as_(self, organization: str | None, role: str = "venue-staff") -> Caller:
        token = None if organization is None else self._stack.token(organization, role)
        return Caller(self._http, "http://demand", token)

    async def post(self, organization: str = "station", **more: Any) -> str:
        """Post a demand; returns its id."""
        answer = await self.as_(organization).post("/v1/demands", demand_body(**more), key=uuid.uuid4().hex)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["demand_id"])

    async def claim(self, demand_id: str, provider: str = "red-team") -> str:
        """Ask for a demand; returns the claim's id."""
        answer = await self.as_(provider, "provider-staff").post(
            f"/v1/demands/{demand_id}/claims", {}, key=uuid.uuid4().hex
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["claim_id"])

    async def claimed(self, demand_id: str, provider: str = "red-team") -> str:
        """Ask for a demand and get it; returns the claim's id."""
        claim_id = await self.claim(demand_id, provider)
        await self.decide(confirmed(demand_id, claim_id))
        return claim_id

    async def decide(self, *decisions: ClaimDecision) -> None:
        """Hand decisions to the lane's work, as one batch in one transaction."""
        await self.work(streams.Claims(), *(record(event) for event in decisions))

    async def work(self, work: Any, *records: Given) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await work.apply(connection, 0, records)

    async def told(self, demand_id: str | None = None) -> list[events.Event]:
        """The events in the outbox, in order, decoded as a reader would."""
        rows = await self.pool.fetch("SELECT topic, key, value, headers FROM outbox ORDER BY id")
        found = []
        for row in rows:
            if row["topic"] == "youai.demand.dead-letter.v1":
                continue
            headers = [(row["headers"][i].decode(), row["headers"][i + 1]) for i in range(0, len(row["headers"]), 2)]
            given = [(name, value or b"demand-1") for name, value in headers]
            event = codec.decode(topics.BY_NAME[row["topic"]], row["key"], row["value"], given).event
            if demand_id in (None, getattr(event, "demand_id", None)):
                found.append(event)
        return found

    async def types(self, demand_id: str | None = None) -> Counter[str]:
        return Counter(event.type.removeprefix("demand-") for event in await self.told(demand_id))

    async def whole(self, demand_id: str, organization: str = "station") -> dict[str, Any]:
        answer = await self.as_(organization).get(f"/v1/demands/{demand_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def record(event: events.Event, id: str = "0-1-0") -> Given:
    """An event as a lane's record."""
    message = codec.encode(event, id=id, source="/youai/test", at=datetime.now(UTC))
    return Given(0, 1, 0, message.key, message.value, message.headers)


def confirmed(demand_id: str, claim_id: str) -> ClaimConfirmed:
    return ClaimConfirmed(**_decision(demand_id, claim_id, "confirmed", "claim-free"))


def rejected(demand_id: str, claim_id: str, winner: str) -> ClaimRejected:
    return ClaimRejected(**_decision(demand_id, claim_id, "rejected", "claimed", winner))


def ended(demand_id: str, claim_id: str, reason: str) -> ClaimEnded:
    return ClaimEnded(**_decision(demand_id, claim_id, "ended", reason))


def _decision(demand_id: str, claim_id: str, outcome: str, reason: str, winner: str | None = None) -> dict[str, Any]:
    return {
        "capacity": 1,
        "decided_at": codec.rfc3339(datetime.now(UTC)),
        "demand_id": demand_id,
        "hash": "0" * 64,
        "log_offset": 0,
        "log_partition": 0,
        "outcome": outcome,
        "party_size": 1,
        "previous_hash": "0" * 64,
        "provider_id": "red-team",
        "reason": reason,
        "reason_en": f"why: {winner}",
        "reason_zh": f"因为：{winner}",
        "request_id": claim_id,
        "rule_version": "0" * 64,
        "sequence": 1,
        "taken": 1,
        "winner_id": winner,
        "winner_name": winner,
    }


@asynccontextmanager
async def demand_alone(stack: Stack) -> AsyncIterator[DemandAlone]:
    """Demand with a small city, over an empty database."""
    async with database_of(stack, "template1", "demand") as (_name, dsn):
        await database.migrate(dsn, MIGRATIONS)
        settings = Settings(kafka="nobody", database=dsn, dev_public_key_file=public_key_file(stack.home.keys))

        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            yield

        async def ready() -> dict[str, str]:
            return {}

        pool = await database.connect_pool(dsn, name="test", size=10)
        app = make_api(pool=pool, authenticate=Authenticator(settings), ready=ready, lifespan=lifespan)
        alone = DemandAlone(stack, pool, app)
        registered = (
            events.OrganizationRegistered(
                organization_id=id_,
                parent_id=parent,
                kind=kind,  # type: ignore[arg-type]
                level=level,  # type: ignore[arg-type]
                name=f"{id_}的名字",
                town="大新镇",
                categories=("理论宣讲",),
                actor=Actor(subject="test", organization_id="center"),
            )
            for id_, parent, kind, level in CITY
        )
        await alone.work(streams.Organizations(), *(record(event, "catalog-1") for event in registered))
        yield alone
        pool.terminate()
