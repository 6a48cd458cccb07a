"""Every call of every service that describes itself, with what its description allows and what it forbids."""

import uuid
from collections import Counter
from typing import Any, cast

import hypothesis
import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from youai_runtime.auth import ROLES

from tests.support.market import Market
from tests.support.permissions.building import make_scene
from tests.support.permissions.scene import Scene
from tests.support.stack import Stack

SERVICES = ("catalog", "demand", "matching", "notify")
CASES = {GenerationMode.POSITIVE: 10, GenerationMode.NEGATIVE: 8}
"""Cases of each call, of what is described and of what is not."""
SEED = 20_270_101


@pytest_asyncio.fixture(scope="module")
async def scene(stack: Stack, market: Market) -> Scene:
    """A scene of its own: of what is called here, nothing stays as others need it."""
    return await make_scene(stack, market)


def tokens(scene: Scene) -> list[str | None]:
    """Those of the people who are there, in every role, and none."""
    people = [scene.venue.organization_id, scene.market.department_id, scene.market.center_id]
    return [None, *(scene.stack.token(who, role) for who in people for role in ROLES)]


def known(scene: Scene) -> dict[str, list[str]]:
    """Ids that exist, by the parameter that takes them: a call on what there is not tries little."""
    return {
        "offer_id": [scene.offer],
        "session_id": [scene.slot],
        "slot_id": [scene.slot],
        "demand_id": [scene.demand],
        "claim_id": [scene.claim],
        "resource_id": [scene.resource, scene.place],
        "place_id": [scene.place],
        "notification_id": [scene.notification],
        "organization_id": [scene.venue.organization_id, scene.market.department_id],
        "venue_id": [scene.venue.organization_id],
        "provider_id": [scene.market.department_id],
    }


def check(case: schemathesis.Case[Any], answer: requests.Response) -> None:
    """No error of ours but one that is honest; a problem for all that is refused; else as described."""
    kind = answer.headers.get("content-type", "").split(";")[0]
    said = f"{answer.request.method} {answer.request.url} {answer.request.body!r}: {answer.status_code} {answer.text}"
    if answer.status_code >= 500:
        assert answer.status_code in (503, 504), said
        assert int(answer.headers["retry-after"]) > 0, said
    if answer.status_code >= 400:
        assert kind == "application/problem+json", said
        assert answer.json()["status"] == answer.status_code, said
        assert answer.json()["detail"], said
    else:
        described = case.operation.definition.raw["responses"]
        assert str(answer.status_code) in described, said
    case.validate_response(answer, checks=[content_type_conformance, response_schema_conformance])


@pytest.mark.parametrize("service", SERVICES)
def test_as_described_and_not(service: str, stack: Stack, scene: Scene) -> None:
    schema = schemathesis.openapi.from_url(f"{stack.url(service)}/openapi.json")
    there, whose = known(scene), tokens(scene)
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    with requests.Session() as session:
        for result in schema.get_all_operations():
            operation = cast(Any, result).ok()
            for mode, cases in CASES.items():
                try:
                    _try(operation, mode, cases, session, there, whose, seen)
                except AssertionError as error:
                    wrong.append(str(error)[:1_500])
    print(f"\n{service}: {sum(seen.values())} calls: {dict(sorted(seen.items()))}")
    assert not wrong, "\n\n".join(wrong)
    # It has not only knocked: calls were refused for their form, for who asked, and were done.
    assert {"2", "4"} <= {status[0] for status in seen}, seen
    assert seen["401"]


def _try(
    operation: Any,
    mode: GenerationMode,
    cases: int,
    session: requests.Session,
    there: dict[str, list[str]],
    whose: list[str | None],
    seen: Counter[str],
) -> None:
    count = 0

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def one(case: schemathesis.Case[Any]) -> None:
        nonlocal count
        count += 1
        token = whose[count % len(whose)]
        if count % 3:  # of three, two are on what there is
            for name, value in dict(case.path_parameters or {}).items():
                case.path_parameters[name] = there.get(name, [value])[count % len(there.get(name, [value]))]
        headers = {"Idempotency-Key": uuid.uuid4().hex, "Accept-Language": "en"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if mode is GenerationMode.NEGATIVE and count % 4 == 0:
            headers.pop("Idempotency-Key")
        sent = case.as_transport_kwargs(base_url=case.operation.base_url, headers=headers)
        with session.request(**sent, timeout=10, stream=True, allow_redirects=False) as answer:
            if "text/event-stream" not in answer.headers.get("content-type", ""):
                seen[str(answer.status_code)] += 1
                check(case, answer)

    one()
