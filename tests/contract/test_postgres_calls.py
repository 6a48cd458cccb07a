"""The fake PostgreSQL answers random calls of matching's and notify's own functions as the real one does."""

import pytest

from tests.contract.postgres_calls import Caller, at_now
from tests.contract.postgres_databases import Postgres, contract_dsns, fake_postgres, real_postgres
from tests.contract.postgres_letters import Reader

__all__ = ["contract_dsns", "fake_postgres", "real_postgres"]


@pytest.mark.stack
@pytest.mark.parametrize("seed", range(12))
async def test_the_same_calls_get_the_same_answers_and_leave_the_same_rows(
    seed: int, fake_postgres: Postgres, real_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_now(monkeypatch)
    real = await Caller(real_postgres, seed).run(60)
    fake = await Caller(fake_postgres, seed).run(60)
    for number, (one, other) in enumerate(zip(fake, real, strict=True)):
        assert one == other, number
    assert await fake_postgres.everything("matching") == await real_postgres.everything("matching")


@pytest.mark.stack
@pytest.mark.parametrize("seed", range(12))
async def test_the_same_events_make_the_same_inboxes(
    seed: int, fake_postgres: Postgres, real_postgres: Postgres
) -> None:
    real = await Reader(real_postgres, seed).run(50)
    fake = await Reader(fake_postgres, seed).run(50)
    for number, (one, other) in enumerate(zip(fake, real, strict=True)):
        assert one == other, number
    assert await fake_postgres.everything("notify") == await real_postgres.everything("notify")
