"""A service's program: what it says of a wrong command line or settings, and what its server opens and closes."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI
from youai_runtime import database, logs, program, worker
from youai_runtime.settings import ServiceSettings
from youai_runtime.worker import Hosted


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but two, and logging left as it is."""
    for name in list(os.environ):
        if name.startswith("YOUAI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("YOUAI_KAFKA", "127.0.0.1:9092")
    monkeypatch.setenv("YOUAI_DATABASE", "postgresql://x@127.0.0.1:1/x")
    monkeypatch.setattr(logs, "configure", lambda *_: None)


class Ran:
    """Runs a program with these words, and notes what it came to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.did: list[Any] = []
        self._monkeypatch = monkeypatch
        self.access: Callable[[ServiceSettings], str] = lambda settings: f"let in on {settings.http_port}"
        monkeypatch.setattr(database, "migrate", self._migrate)
        monkeypatch.setattr(worker, "run", lambda service, settings, build: self.did.append(("worker", service)))

    async def _migrate(self, dsn: str, migrations: Path) -> None:
        self.did.append(("migrate", dsn, migrations))

    async def _api(self, settings: ServiceSettings, let_in: str) -> None:
        self.did.append(("api", let_in))

    async def _hosted(self, settings: ServiceSettings) -> Hosted:
        raise AssertionError("built inside the worker alone")

    def __call__(self, *words: str) -> None:
        self._monkeypatch.setattr(sys, "argv", ["youai_it", *words])
        program.run("it", ServiceSettings, migrations=Path("m"), access=self.access, api=self._api, hosted=self._hosted)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    return Ran(monkeypatch)


def test_each_command_does_its_own(ran: Ran) -> None:
    ran("migrate")
    ran("api")
    ran("worker")
    assert ran.did == [
        ("migrate", "postgresql://x@127.0.0.1:1/x", Path("m")),
        ("api", "let in on 8080"),
        ("worker", "it"),
    ]


@pytest.mark.parametrize("words", [(), ("serve",), ("api", "now")])
def test_no_command_is_a_sentence_and_2(ran: Ran, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ran(*words)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "usage: python -m youai_it migrate | api | worker\n"


def test_wrong_settings_are_named_once_each(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("YOUAI_DATABASE")
    monkeypatch.setenv("YOUAI_HTTP_PORT", "http")
    with pytest.raises(SystemExit) as ended:
        ran("api")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == "it cannot start: these settings are missing or wrong: YOUAI_DATABASE, YOUAI_HTTP_PORT\n"


def test_settings_that_do_not_go_together_are_explained(
    ran: Ran, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("YOUAI_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("YOUAI_KAFKA_PASSWORD", "secret-word")
    with pytest.raises(SystemExit) as ended:
        ran("worker")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "YOUAI_KAFKA_SASL_MECHANISM" in said
    assert "secret-word" not in said


def test_nobody_could_come_in_is_said_before_anything_starts(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    def access(_settings: ServiceSettings) -> str:
        raise ValueError("set YOUAI_OIDC_ISSUER")

    ran.access = access
    with pytest.raises(SystemExit) as ended:
        ran("api")
    assert (ended.value.code, ran.did) == (2, [])
    assert capsys.readouterr().err == "it cannot start: set YOUAI_OIDC_ISSUER\n"
    ran("worker")  # which lets nobody in
    assert ran.did == [("worker", "it")]


def test_a_database_that_is_away_is_a_sentence_and_1(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(database, "migrate", away)
    with pytest.raises(SystemExit) as ended:
        ran("migrate")
    assert ended.value.code == "it's database was not migrated: refused"  # a text is exit code 1


async def test_what_runs_beside_ends_before_what_it_uses() -> None:
    did: list[str] = []
    begun = asyncio.Event()

    async def beside() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            did.append("beside ended")

    async def close() -> None:
        did.append("closed")

    pool = cast(Any, SimpleNamespace(terminate=lambda: did.append("pool dropped")))
    async with program.serving(pool, beside=(beside,), closing=(close,))(FastAPI()):
        await begun.wait()
        assert did == []
    assert did == ["beside ended", "closed", "pool dropped"]


async def test_a_server_with_nothing_beside_it_drops_its_pool() -> None:
    did: list[str] = []
    pool = cast(Any, SimpleNamespace(terminate=lambda: did.append("pool dropped")))
    with contextlib.suppress(RuntimeError):
        async with program.serving(pool)(FastAPI()):
            pass
    assert did == ["pool dropped"]
