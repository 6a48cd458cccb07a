"""What every page must hold, as the browser lays it out: width, console, axe, and the elders' sizes."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Page

WIDTHS = {390: 844, 1280: 900}
ELDER_TEXT_PX, ELDER_TARGET_PX = 24, 60
AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"

_TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .map(one => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`)"""

# What is there to be seen: not what only a screen reader is told, nor the skip link until it has the focus.
_SEEN = """const clipped = element => element !== null
    && (getComputedStyle(element).clipPath !== "none" || clipped(element.parentElement));
const seen = element => element.checkVisibility({visibilityProperty: true})
    && !element.closest(".skip, [aria-hidden=true]") && !clipped(element);
const name = element => `${element.tagName.toLowerCase()}.${element.className} "${
    (element.textContent || element.name || "").trim().slice(0, 30)}"`;"""

_TOO_WIDE = (
    "() => {"
    + _SEEN
    + """
    const root = document.documentElement, found = [];
    if (root.scrollWidth > root.clientWidth) {
        found.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
    }
    for (const element of document.querySelectorAll("main, main *, header *, footer *")) {
        if (!seen(element) || element.closest("svg, input, select, textarea")) { continue; }
        const box = element.getBoundingClientRect();
        if (box.width && box.right > root.clientWidth + 1) { found.push(`${name(element)} ends at ${box.right}`); }
    }
    return found.slice(0, 5);
}"""
)

_TOO_SMALL = (
    "([text, target]) => {"
    + _SEEN
    + """
    const found = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || element.closest("script, style, option") || !seen(element)) {
            continue;
        }
        const size = parseFloat(getComputedStyle(element).fontSize);
        if (size < text - 0.1) { found.add(`text of ${size} px: ${name(element)}`); }
    }
    for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary")) {
        const large = /^(checkbox|radio)$/.test(element.type) ? element.closest("label") : element;
        if (element.type === "hidden" || !seen(large)) { continue; }
        const box = large.getBoundingClientRect();
        if (Math.min(box.width, box.height) < target - 0.5) {
            found.add(`target of ${box.width} x ${box.height} px: ${name(large)}`);
        }
    }
    return [...found].slice(0, 8);
}"""
)


class Look:
    """A page of one context, with whatever its console complained of since it was last asked."""

    def __init__(self, page: Page, url: str, screenshots: Path | None) -> None:
        self.page = page
        self.url = url
        self.screenshots = screenshots
        self._complaints: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def complaints(self) -> list[str]:
        """What the console said since this was asked last."""
        said, self._complaints = self._complaints, []
        return said

    async def open(self, path: str) -> int:
        """Go to a path; returns the status."""
        answer = await self.page.goto(self.url + path)
        assert answer is not None
        return answer.status

    async def faults(self, path: str, name: str, *, elder: bool) -> list[str]:
        """Everything that is wrong with the page of a path in both widths; takes its screenshots as `name`."""
        status = await self.open(path)
        found = [] if status == 200 else [f"status {status}"]
        found += [f"console: {one}" for one in self.complaints()]
        for width, height in WIDTHS.items():
            await self.page.set_viewport_size({"width": width, "height": height})
            await self.page.evaluate(_TWO_FRAMES)  # charts follow their place in the frame after it
            await self._shoot(f"{name}-{width}{'-elder' if elder else ''}")
            # What is folded away must hold, too.
            await self.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            wrong: list[Any] = await self.page.evaluate(_TOO_WIDE)
            if elder:
                wrong += await self.page.evaluate(_TOO_SMALL, [ELDER_TEXT_PX, ELDER_TARGET_PX])
            wrong += [f"axe: {one}" for one in await self.page.evaluate(_AXE)]
            found += [f"{width} px: {one}" for one in wrong]
        return [f"{path}: {one}" for one in [*found, *self.complaints()]]

    async def _shoot(self, name: str) -> None:
        if self.screenshots is not None:
            self.screenshots.mkdir(parents=True, exist_ok=True)
            file = self.screenshots / f"{re.sub(r'[^a-z0-9-]+', '-', name)}.png"
            await self.page.screenshot(path=file, full_page=True, animations="disabled")
