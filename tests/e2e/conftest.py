"""Fixtures of the walks and the faults: venues that many tests share, and a stack that is whole before and after."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.client import Venue
from tests.support.market import Market
from tests.support.permissions.building import make_scene
from tests.support.permissions.scene import Scene
from tests.support.stack import Stack


@pytest_asyncio.fixture(scope="session")
async def crowd(market: Market) -> list[Venue]:
    """Forty venues that the door knows."""
    venues = await market.venues(40)
    slot = await market.session(capacity=1)
    for venue in venues:
        venue_known = await venue.ask(slot)
        assert venue_known.status_code == 202, venue_known.text
    return venues


@pytest.fixture
async def whole(stack: Stack) -> AsyncIterator[Stack]:
    """The stack with every process ready, before the test and after it."""
    await stack.wait_ready()
    yield stack
    await stack.wait_ready()


@pytest_asyncio.fixture(scope="session")
async def scene(stack: Stack, market: Market) -> Scene:
    """What the permission tables' cells are tried on."""
    return await make_scene(stack, market)
