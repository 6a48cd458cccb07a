"""What services expect to be there: their topics and their databases, made where they are missing."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from youai_stack.errors import StackError

if TYPE_CHECKING:
    import asyncpg

TOPICS_PATIENCE_S = 60.0


async def topics(bootstrap: str, replication: int) -> int:
    """Create the topics of the contracts that the broker lacks; returns how many were created.

    `replication` -1 leaves it to the broker. Topics that are there are left as they are: their partitions were chosen
    when they were made. Raises StackError where the broker does not answer or refuses.
    """
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic
    from aiokafka.errors import KafkaError
    from youai_contracts import topics as contracts

    deadline = asyncio.get_running_loop().time() + TOPICS_PATIENCE_S
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=20_000)
        try:
            await admin.start()
            there = set(await admin.list_topics())
            missing = [
                NewTopic(
                    name=topic.name,
                    num_partitions=topic.partitions,
                    replication_factor=replication,
                    topic_configs=contracts.config(topic),
                )
                for topic in contracts.TOPICS
                if topic.name not in there
            ]
            if missing:
                _check(await admin.create_topics(missing, timeout_ms=15_000))
            return len(missing)
        except (KafkaError, OSError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise StackError(f"Topics cannot be made at {bootstrap}: {error or type(error).__name__}.") from error
            await asyncio.sleep(0.1)
        finally:
            await admin.close()


def _check(answer: object) -> None:
    """Raises StackError on the first topic that the broker refused; one that is there by now is fine."""
    for name, code, *rest in getattr(answer, "topic_errors", ()):
        if code not in (0, 36):  # 36: TOPIC_ALREADY_EXISTS
            raise StackError(f"The broker refused to make {name}: {rest[0] if rest and rest[0] else f'code {code}'}.")


async def databases(admin_dsn: str, passwords: Mapping[str, str]) -> None:
    """For each name a role and a database that is called like it and is the role's own; nobody else may connect.

    Raises StackError where the server does not answer or refuses.
    """
    import asyncpg

    try:
        connection = await asyncpg.connect(admin_dsn, timeout=10.0)
        try:
            for name, password in passwords.items():
                await _database(connection, name, password)
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        where = urlsplit(admin_dsn).netloc.rpartition("@")[2]
        raise StackError(f"Databases cannot be made in the PostgreSQL at {where}: {error}.") from error


async def _database(connection: "asyncpg.Connection[asyncpg.Record]", name: str, password: str) -> None:
    if not name.isidentifier() or not password.isalnum():
        raise StackError(f"`{name}` cannot be the name of a database.")
    role = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name)
    verb = "ALTER" if role else "CREATE"
    await connection.execute(f"{verb} ROLE \"{name}\" LOGIN PASSWORD '{password}'")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await connection.execute(f'GRANT "{name}" TO CURRENT_USER')
        await connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
    await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')


def service_dsns(admin_dsn: str, passwords: Mapping[str, str]) -> dict[str, str]:
    """Each service's own DSN on the administrator's server."""
    parts = urlsplit(admin_dsn)
    address = parts.netloc.rpartition("@")[2]
    return {
        name: urlunsplit((parts.scheme, f"{name}:{password}@{address}", f"/{name}", parts.query, ""))
        for name, password in passwords.items()
    }
