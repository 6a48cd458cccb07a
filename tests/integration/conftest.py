"""Fixtures of the tests that have a service's API in their own process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
import youai_catalog
from youai_runtime import database

from tests.support.catalog_alone import Alone, database_of, serving
from tests.support.stack import Stack


@pytest_asyncio.fixture(scope="module")
async def migrated(stack: Stack) -> AsyncIterator[str]:
    """The name of a database that was migrated and holds nothing, to be copied."""
    async with database_of(stack, "template1") as (name, dsn):
        await database.migrate(dsn, Path(youai_catalog.__file__).parent / "migrations")
        yield name


@pytest_asyncio.fixture
async def alone(stack: Stack, migrated: str) -> AsyncIterator[Alone]:
    """Catalog over an empty database."""
    async with database_of(stack, migrated) as (_name, dsn), serving(stack, dsn) as served:
        yield served
