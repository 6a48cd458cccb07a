"""The fake PostgreSQL answers random calls of matching's own functions as the real one does, to the last row."""

import pytest

from tests.contract.postgres_calls import Caller, at_now
from tests.contract.postgres_databases import Postgres, contract_dsns, fake_postgres, real_postgres

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
