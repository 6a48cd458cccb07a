"""What the portal's processes are told beside what every service is: where the others are, and the signing key."""

from pathlib import Path

import pytest
from youai_stack.home import Home
from youai_stack.parts import ServiceParts, Stores
from youai_stack.services import SERVICES, Service

BY_NAME = {service.name: service for service in SERVICES}


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceParts:
    for name in ("YOUAI_OIDC_ISSUER", "YOUAI_DEV_PRIVATE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    home = Home(tmp_path / "home")
    home.create()
    stores = Stores("127.0.0.1:1", "postgresql://x", own_kafka=True, own_postgres=True)
    return ServiceParts(home, stores, {name: f"postgresql://{name}" for name in ("catalog", "matching", "portal")})


def test_portal_knows_where_the_services_are_that_run(parts: ServiceParts) -> None:
    told = parts.environment(BY_NAME["portal"], "portal-api", 1)
    ports = parts.home.ports("catalog-api", "matching-api")
    assert told["YOUAI_CATALOG_URL"] == f"http://127.0.0.1:{ports['catalog-api']}"
    assert told["YOUAI_MATCHING_URL"] == f"http://127.0.0.1:{ports['matching-api']}"
    assert "YOUAI_DEMAND_URL" not in told


def test_the_signing_key_is_for_portal_alone(parts: ServiceParts) -> None:
    for service in (BY_NAME["catalog"], BY_NAME["matching"], Service("portal")):
        told = parts.environment(service, f"{service.name}-api", 1)
        assert ("YOUAI_DEV_PRIVATE_KEY_FILE" in told) == (service.name == "portal")


def test_with_an_issuer_nobody_has_a_development_key(parts: ServiceParts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUAI_OIDC_ISSUER", "https://id.example.org")
    told = parts.environment(BY_NAME["portal"], "portal-api", 1)
    assert "YOUAI_DEV_PRIVATE_KEY_FILE" not in told
    assert "YOUAI_DEV_PUBLIC_KEY_FILE" not in told
