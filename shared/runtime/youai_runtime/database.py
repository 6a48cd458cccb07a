"""PostgreSQL: the pool and the migrations."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from pogo_core.util import migrate as pogo

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:  # asyncpg's classes are generic in their stubs alone
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

RUNTIME_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 7_119_001


async def connect_pool(dsn: str, *, name: str, size: int) -> Pool:
    """A pool of at most `size` connections, opened when first used, so that a service starts without its database.

    Every wait is bounded: 5 s for a connection and for a lock, 10 s for a statement and for an idle transaction.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=5,
        command_timeout=10,
        reset=_nothing_to_reset,
        server_settings={
            "application_name": name,
            "lock_timeout": "5s",
            "statement_timeout": "10s",
            "idle_in_transaction_session_timeout": "10s",
        },
    )


async def _nothing_to_reset(_connection: Connection) -> None:
    """No code here leaves session state behind, so the round trip that would clear it at each release is spared."""


async def migrate(dsn: str, service_migrations: Path) -> None:
    """Bring the database up: the runtime's own tables, then the service's. Safe to run from many places at once."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        await pogo.apply(connection, RUNTIME_MIGRATIONS, schema_name="runtime")
        await pogo.apply(connection, service_migrations, schema_name="service")
    finally:
        await connection.close()
