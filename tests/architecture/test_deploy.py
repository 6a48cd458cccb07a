"""The deployment's files, which no container engine checks here: that they parse and agree with the workspace."""

import importlib
import re
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings
from youai_stack.containers import KAFKA_IMAGE, POSTGRES_IMAGE

from tests.architecture.workspace import ROOT, SERVICES

PINNED = re.compile(r"^[a-z0-9./-]+:[0-9][a-z0-9.-]*$")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors and merges resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def environment(part: dict[str, Any]) -> dict[str, str]:
    """A compose service's environment, values as text."""
    return {name: str(value) for name, value in part.get("environment", {}).items()}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_migrated_served_and_worked(compose: dict[str, Any], service: str) -> None:
    for command in ("migrate", "api", "worker"):
        part = compose["services"][f"{service}-{command}"]
        assert part["command"] == [command]
        assert part["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile", "args": {"SERVICE": service}}
        waits_for = part["depends_on"]
        assert set(waits_for) == {"postgres"} if command == "migrate" else {f"{service}-migrate", "topics"}
        dsn = environment(part)["YOUAI_DATABASE"]
        assert re.fullmatch(
            rf"postgresql://{service}:\$\{{{service.upper()}_PASSWORD:\?.*}}@postgres:5432/{service}", dsn
        )


def test_nothing_is_there_that_the_workspace_lacks(compose: dict[str, Any]) -> None:
    expected = {f"{service}-{command}" for service in SERVICES for command in ("migrate", "api", "worker")}
    assert set(compose["services"]) == expected | {"kafka", "postgres", "topics"}
    postgres = environment(compose["services"]["postgres"])
    assert sorted(postgres["YOUAI_SERVICES"].split()) == list(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_environment_names_are_settings(compose: dict[str, Any], service: str) -> None:
    settings: type[BaseSettings] = importlib.import_module(f"youai_{service}.settings").Settings
    known = {f"YOUAI_{name.upper()}" for name in settings.model_fields}
    for command in ("migrate", "api", "worker"):
        assert set(environment(compose["services"][f"{service}-{command}"])) <= known
    image = set(re.findall(r"(YOUAI_[A-Z_]+)=", (ROOT / "deploy" / "Dockerfile").read_text()))
    assert image - {"YOUAI_SERVICE"} <= known


def test_the_portal_knows_where_the_others_are(compose: dict[str, Any]) -> None:
    for command in ("migrate", "api", "worker"):
        told = environment(compose["services"][f"portal-{command}"])
        urls = {name: url for name, url in told.items() if name.endswith("_URL") and name != "YOUAI_PUBLIC_URL"}
        others = [service for service in SERVICES if service != "portal"]
        assert urls == {f"YOUAI_{service.upper()}_URL": f"http://{service}-api:8080" for service in others}


def test_the_development_keys_private_half_is_for_the_portal_alone(compose: dict[str, Any]) -> None:
    for name, part in compose["services"].items():
        given = {volume.split(":")[-2] for volume in part.get("volumes", ()) if volume.endswith(":ro")}
        assert ("/portal-keys" in given) == name.startswith("portal-"), name
        assert ("YOUAI_DEV_PRIVATE_KEY_FILE" in environment(part)) == name.startswith("portal-"), name


def test_images_are_pinned_and_those_of_the_embedded_stack(compose: dict[str, Any]) -> None:
    images = {name: part["image"] for name, part in compose["services"].items()}
    assert [image for image in images.values() if not PINNED.match(image)] == []
    assert (images["kafka"], images["postgres"]) == (KAFKA_IMAGE, POSTGRES_IMAGE)


def test_ports_bind_to_loopback(compose: dict[str, Any]) -> None:
    ports = [port for part in compose["services"].values() for port in part.get("ports", ())]
    assert len(ports) == 2 + len(SERVICES)
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert len(set(ports)) == len(ports)


def test_no_secret_is_written_in(compose: dict[str, Any]) -> None:
    for name, part in compose["services"].items():
        for variable, value in environment(part).items():
            if "PASSWORD" in variable:
                assert re.fullmatch(r"\$\{[A-Z]+_PASSWORD:\?.*}", value), f"{name}: {variable}"
    example = (ROOT / "deploy" / "env.example").read_text()
    wanted = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert wanted == set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert re.findall(r"^[A-Z_]*PASSWORD=.+", example, re.MULTILINE) == []


def test_mounted_files_are_there(compose: dict[str, Any]) -> None:
    mounted = [volume for part in compose["services"].values() for volume in part.get("volumes", ())]
    files = {volume.split(":")[0] for volume in mounted if volume.startswith("./")}
    assert files == {"./deploy/topics.py", "./deploy/databases.sh"}
    assert all((ROOT / file).is_file() for file in files)


def test_dockerfile_builds_by_the_lock_with_the_launchers_uv_and_runs_as_nobody() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    launcher = re.search(r"^UV_VERSION=(.+)$", (ROOT / "youai").read_text(), re.MULTILINE)
    assert launcher is not None
    assert f"ARG UV_VERSION={launcher[1]}\n" in text
    assert "uv sync --frozen" in text
    assert "--no-dev --no-editable" in text
    assert re.findall(r"^FROM (.+)$", text, re.MULTILINE) == ["python:${PYTHON} AS build", "python:${PYTHON}"]
    assert PINNED.match("python:" + text.split("ARG PYTHON=")[1].split("\n")[0])
    assert text.rindex("\nUSER 10001") > text.rindex("\nFROM ")
    assert "HEALTHCHECK" in text
    assert "/readyz" in text
