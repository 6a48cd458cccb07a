"""Settings: read from the environment; what is missing or wrong is named."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError
from youai_runtime.settings import ServiceSettings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("YOUAI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("YOUAI_KAFKA", "127.0.0.1:9092")
    monkeypatch.setenv("YOUAI_DATABASE", "postgresql://catalog:pw@127.0.0.1:5432/catalog")


def read() -> ServiceSettings:
    return ServiceSettings()  # type: ignore[call-arg]  # the environment has them


def test_two_variables_are_enough_and_it_serves_on_loopback() -> None:
    settings = read()
    assert (settings.kafka, settings.http_host) == ("127.0.0.1:9092", "127.0.0.1")
    assert (settings.oidc_issuer, settings.dev_public_key_file, settings.oidc_audience) == (None, None, "youai")


@pytest.mark.parametrize("name", ["kafka", "database"])
def test_a_missing_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"YOUAI_{name.upper()}")
    with pytest.raises(ValidationError) as caught:
        read()
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_port", "0"), ("http_port", "65536"), ("http_port", "http"), ("http_port", ""),
        ("log_level", "LOUD"), ("log_level", "info"), ("pool_size", "0"), ("pool_size", "101"), ("pool_size", "x"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"YOUAI_{name.upper()}", value)
    with pytest.raises(ValidationError) as caught:
        read()
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


def test_variables_are_read_and_then_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUAI_HTTP_PORT", "9001")
    monkeypatch.setenv("YOUAI_DEV_PUBLIC_KEY_FILE", "/keys/dev.pem")
    settings = read()
    assert (settings.http_port, settings.dev_public_key_file) == (9001, Path("/keys/dev.pem"))
    with pytest.raises(ValidationError):
        settings.http_port = 1
