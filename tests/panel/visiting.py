from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

AXE = Path(__file__).parent / "axe" / "axe.min.js"
# Under the panel's policy no page could take it as a script element.
RUN_AXE = """async (scope) => (await axe.run([...document.querySelectorAll(scope)],
    {runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})).violations
    .map(found => `${found.id}: ${found.nodes.map(node => node.target).join(", ")}`)"""

Scheme = Literal["light", "dark"]


class Visitor:
    """Opens pages of a desk and notes what no page may do in `troubles`."""

    def __init__(self, browser: Browser, base_url: str, session_of: Callable[[str], str]) -> None:
        self._browser = browser
        self._base_url = base_url
        self._session_of = session_of
        self._contexts: list[BrowserContext] = []
        self.troubles: list[str] = []

    def open(
        self,
        path: str,
        *,
        role: str = "admin",
        width: int = 1440,
        scheme: Scheme = "light",
        scripts: bool = True,
    ) -> Page:
        """Return a page of the desk as a person in a group sees it; an empty role is nobody."""
        context = self._browser.new_context(
            base_url=self._base_url,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripts,
        )
        self._contexts.append(context)
        if role:
            context.add_cookies(
                [{"name": "sessionid", "value": self._session_of(role), "url": self._base_url}]
            )
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("request", self._asked)
        page.on("response", self._answered)
        page.goto(path)
        return page

    def leave(self) -> None:
        for context in self._contexts:
            context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self._base_url, "data:", "blob:")):
            self.troubles.append(f"asked {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500:
            self.troubles.append(f"{response.status} from {response.url}")


def overflow_of(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def findings_of(page: Page, scope: str = "body") -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA in a part of a page."""
    page.evaluate(AXE.read_text())
    found: Any = page.evaluate(RUN_AXE, scope)
    return list(found)
