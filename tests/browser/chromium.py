"""Chromium, driven by Playwright, which lives on asyncio: in a thread of its own, so that a test may run on trio."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Cookie, Error, Page, async_playwright

from .pages import PAGE

__all__ = ["Chromium", "Tab", "launch"]

# Playwright adds --headless and an empty --user-data-dir, which it deletes afterwards.
FLAGS = (
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE = 20.0
"""Seconds that anything may take in the browser: far more than it needs, so that only what hangs fails."""

T = TypeVar("T")


def executable() -> str:
    """The path of Chromium; a missing one fails the test: it must not pass for lack of it."""
    found = os.environ.get("EIO_CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.fail("Chromium is missing: put it on PATH, or name it in EIO_CHROMIUM", pytrace=False)
    return found


@contextmanager
def launch() -> Iterator[Chromium]:
    """Start the browser, and end it."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(executable())) as browser:
        yield Chromium(portal, browser)


@asynccontextmanager
async def running(path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE * 1000)
        try:
            yield browser
        finally:
            await browser.close()


class Chromium:
    """The browser, as tests use it from their own event loop."""

    def __init__(self, portal: BlockingPortal, browser: Browser) -> None:
        self._portal = portal
        self._browser = browser

    @asynccontextmanager
    async def visit(self, url: str, *, page: str = PAGE, script: str = "", **options: Any) -> AsyncIterator[Tab]:
        """Open a page of a server in a tab of a fresh profile; errors that the test did not ask for fail it.

        :param script: JavaScript that runs before those of the page.
        :param options: those of Playwright's Browser.new_context.
        """
        context = await self.do(self._browser.new_context, **options)
        try:
            await self.do(context.add_init_script, script)
            tab = Tab(self, context, await self.do(context.new_page), url)
            await self.do(tab.open, page)
            yield tab
        finally:
            with anyio.CancelScope(shield=True):
                await self.do(context.close)
        tab.verify()

    async def do(self, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Call a function of Playwright where it lives."""
        future = self._portal.start_task_soon(partial(function, *args, **kwargs))
        try:
            with anyio.fail_after(PATIENCE):
                return await anyio.to_thread.run_sync(future.result, abandon_on_cancel=True)
        finally:
            future.cancel()


class Tab:
    """A tab with a page of ``url`` in it."""

    def __init__(self, chromium: Chromium, context: BrowserContext, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self._do = chromium.do
        self._context = context
        self._allowed: list[str] = []

    async def open(self, path: str) -> None:
        """Load the page; runs where Playwright lives, for ``on`` talks to the browser."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        self.page.on("crash", lambda _: self.errors.append("the page crashed"))
        await self.page.goto(self.url + path)

    def allow(self, *patterns: str) -> None:
        """These errors, regular expressions, may appear on the console."""
        self._allowed += patterns

    def verify(self) -> None:
        unexpected = [error for error in self.errors if not any(re.search(one, error) for one in self._allowed)]
        assert not unexpected, unexpected

    async def scenario(self, name: str, url: str | None = None, **options: Any) -> dict[str, Any]:
        """Run a scenario of tests/interop in the page, against the page's server or another; what it returned."""
        result: dict[str, Any] = await self.evaluate("(call) => scenario(...call)", [name, url or self.url, options])
        return result

    async def evaluate(self, function: str, argument: Any = None) -> Any:
        """Call a JavaScript function in the page, and await what it returns."""
        try:
            return await self._do(self.page.evaluate, function, argument)
        except (Error, TimeoutError) as error:
            error.add_note(f"console: {self.errors}")
            if isinstance(error, TimeoutError):
                story = await self._do(self.page.evaluate, "() => client.story.join('\\n')")
                error.add_note(f"the session: {story}")
            raise

    async def reload(self) -> None:
        await self._do(self.page.reload)

    async def close(self) -> None:
        """Close the tab; its profile stays."""
        await self._do(self.page.close)

    async def cookies(self) -> list[Cookie]:
        """The cookies of the tab's profile."""
        return await self._do(self._context.cookies)

    async def offline(self, offline: bool) -> None:
        await self._do(self._context.set_offline, offline)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location['url']})")
