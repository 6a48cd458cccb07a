"""Fixtures of the browser: Debian's Chromium, started once, and pages of anybody or of an organization's staff."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright, expect
from youai_stack.home import Home
from youai_stack.testing import CHROMIUM

from tests.browser.look import AXE, WIDTHS, Look
from tests.browser.rules import has_rules, quick_stack
from tests.support.market import Market
from tests.support.stack import Stack
from tests.support.waiting import eventually

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000
Opens = Callable[..., Awaitable[Look]]


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser. Where none is installed the test fails and says what to install."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    assert found, f"The browser tests need one of {', '.join(CHROMIUM)} on the PATH: apt-get install chromium."
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def opens(request: pytest.FixtureRequest, stack: Stack, chromium: Browser) -> AsyncIterator[Opens]:
    """Opens a page of its own: `await opens()` as anybody, `await opens(organization, role)` signed in."""
    async with opening(request, stack, chromium) as one:
        yield one


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack by rules of seconds: that of --youai-home if it has them, else one of its own."""
    given = request.config.getoption("--youai-home")
    if given and has_rules(Home(given)):
        Home(given).require_running()
        yield Stack(Home(given))
        return
    with (
        tempfile.TemporaryDirectory(prefix="youai-quick-", ignore_cleanup_errors=True) as folder,
        quick_stack(Home(Path(folder) / "home")) as stack,
    ):
        yield stack


@pytest_asyncio.fixture(scope="session")
async def quick_market(quick: Stack) -> AsyncIterator[Market]:
    """A market in the quick stack."""
    async with Market(quick) as built:
        yield built


@pytest_asyncio.fixture
async def quick_opens(request: pytest.FixtureRequest, quick: Stack, chromium: Browser) -> AsyncIterator[Opens]:
    """Opens pages of the quick stack."""
    async with opening(request, quick, chromium) as one:
        yield one


@asynccontextmanager
async def opening(request: pytest.FixtureRequest, stack: Stack, chromium: Browser) -> AsyncIterator[Opens]:
    """What opens pages of a stack; each in a context of its own, all closed in the end."""
    folder = request.config.getoption("--screenshots")
    axe = await asyncio.to_thread(AXE.read_text)
    contexts: list[BrowserContext] = []

    async def one(organization: str = "", role: str = "", *, elder: bool = False) -> Look:
        viewport = {"width": 1280, "height": WIDTHS[1280]}
        context = await chromium.new_context(viewport=viewport, locale="zh-CN", reduced_motion="reduce")  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        # Before any page: the policy of the portal would let no script be added later.
        await context.add_init_script(axe)
        look = Look(await context.new_page(), stack.url("portal"), Path(folder) if folder else None)
        if organization:
            await sign_in(stack, look, organization, role)
        if elder:
            await look.open("/?elder=1")
        return look

    yield one
    for context in contexts:
        await context.close()


async def sign_in(stack: Stack, look: Look, organization: str, role: str) -> None:
    """Pick an organization and a role on the development page, as a person does."""
    sql = "SELECT name FROM organization WHERE organization_id = $1"
    name = (await eventually(lambda: stack.ask("portal", sql, organization), 30, f"the portal knows {organization}"))[0]
    await look.open("/signin")
    page = look.page
    await page.get_by_role("searchbox").press_sequentially(name["name"])
    await page.locator(f'input[value="{organization}"]').check()
    await page.locator(f'input[name="role"][value="{role}"]').check()
    await page.get_by_role("main").get_by_role("button", name="登录").click()
    await expect(page.get_by_role("button", name="退出")).to_be_visible()
