"""A person's browser for tests: Chromium, signed in, watched for what a person would not forgive."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, ViewportSize

from tests.stack import Credentials, Stack

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
DESKTOP = ViewportSize(width=1440, height=900)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE = ViewportSize(width=390, height=844)

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium: Playwright's own build is not to be had everywhere."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
    raise RuntimeError("no Chromium on this machine")


def sign_in(browser: Browser, stack: Stack, person: Credentials) -> Any:
    """Sign in by the form, as a person does; the cookies for more pages of theirs."""
    context = browser.new_context(base_url=stack.url)
    page = context.new_page()
    page.goto("/")
    page.fill("input[name=login]", person.name)
    page.fill("input[name=password]", person.password)
    page.click("form button[type=submit]")
    page.wait_for_url(lambda url: "/account/" not in url)
    state = context.storage_state()
    context.close()
    return state


class Tab:
    """A signed-in page that counts what it loads and keeps what went wrong in it.

    ``loads`` grows with each document that the tab loads, not when a script writes another address into the location bar.
    """

    def __init__(self, browser: Browser, stack: Stack, state: Any, *, viewport: ViewportSize = DESKTOP, **options: Any) -> None:
        # Night differs from day in colours alone.
        self._rules = ["color-contrast"] if options.get("color_scheme") == "dark" else RULES
        self._context = browser.new_context(base_url=stack.url, storage_state=state, viewport=viewport, **options)
        self.page: Page = self._context.new_page()
        self.loads = 0
        self.requests: list[str] = []
        self.problems: list[str] = []
        self._tolerated: list[re.Pattern[str]] = []
        self.page.on("domcontentloaded", self._loaded)
        self.page.on("console", self._spoke)
        self.page.on("pageerror", lambda error: self._complain(f"exception: {error}"))
        self.page.on("request", self._asked)

    def open(self, path: str) -> Page:
        """Go to a path and wait until the page is alive: its websocket has said hello."""
        self.page.goto(path)
        self.wait_live()
        return self.page

    def wait_live(self) -> None:
        """Until the page hears of changes."""
        self.page.wait_for_function("() => document.getElementById('wv-link')?.dataset.link === 'on'", timeout=15_000)

    @contextmanager
    def without_reload(self) -> Iterator[None]:
        """What happens inside must reach the page without loading it again."""
        before = self.loads
        yield
        assert self.loads == before, f"the page was loaded {self.loads - before} times again"

    def tolerate(self, pattern: str) -> None:
        """Messages that the test causes on purpose, such as a server that it kills."""
        self._tolerated.append(re.compile(pattern))

    def violations(self) -> list[str]:
        """What axe finds wrong with the page for people who see, hear or move otherwise; empty when clean."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("rules => axe.run({runOnly: rules})", self._rules)
        return [f"{item['id']}: {item['help']}: {node['html'][:160]}" for item in found["violations"] for node in item["nodes"]]

    def close(self) -> None:
        """End the tab; ``AssertionError`` when something went wrong in it."""
        self._context.close()
        assert not self.problems, "\n".join(self.problems)

    def _loaded(self, _: Page) -> None:
        self.loads += 1

    def _spoke(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complain(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")

    def _complain(self, text: str) -> None:
        if not any(pattern.search(text) for pattern in self._tolerated):
            self.problems.append(text)
