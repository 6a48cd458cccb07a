"""Fixtures over the real broker and database: one stack for a whole run, and a market built in it through the APIs."""

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.support.market import Market  # noqa: E402
from tests.support.stack import Stack  # noqa: E402

ON_THE_STACK = tuple(ROOT / "tests" / folder for folder in ("integration", "e2e", "browser"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--youai-home", metavar="DIR", help="use the stack that runs in this home, and leave it running")
    parser.addoption("--screenshots", metavar="DIR", help="write a screenshot of every page that the browser tests see")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the real broker and database, by its folder, and what has a stack of its own."""
    for item in items:
        if any(folder in item.path.parents for folder in ON_THE_STACK):
            item.add_marker(pytest.mark.stack)
        if "quick" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.quick)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The running stack with every installed service; of its own in a temporary home, or that of --youai-home."""
    from youai_stack import launch
    from youai_stack.home import Home

    given = request.config.getoption("--youai-home")
    if given:
        home = Home(given)
        home.require_running()
        yield Stack(home)
        return
    with tempfile.TemporaryDirectory(prefix="youai-test-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder) / "home")
        launch.up(home, with_parent=True)
        try:
            yield Stack(home)
        finally:
            launch.down(home)


@pytest_asyncio.fixture(scope="session")
async def market(stack: Stack) -> AsyncIterator[Market]:
    """The city's center with one town, and what builds venues, providers, offers and sessions in it."""
    async with Market(stack) as built:
        yield built


@pytest_asyncio.fixture(autouse=True)
async def _whole(request: pytest.FixtureRequest) -> None:
    """A test that uses the stack begins when everything is ready, whatever the one before it has killed."""
    if "stack" in request.fixturenames:
        stack: Stack = request.getfixturevalue("stack")
        await stack.wait_ready()
