"""The page of the demo, as a visitor uses it."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.interop.test_demo import demo, each_integration

from .chromium import Chromium

pytestmark = pytest.mark.anyio

# A frame bears the time at which it was due, which is before the latest message where the browser is busy.
BUSY = "{ const frame = requestAnimationFrame; window.requestAnimationFrame = (f) => frame((now) => f(now - 200)); }"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@each_integration
async def test_demo(chromium: Chromium, integration: str) -> None:
    """CD-6, CD-8, FD-5: it connects, upgrades, sends text, bytes and a crowd, shows what comes back, and closes."""
    async with demo(integration) as port, chromium.visit(f"http://127.0.0.1:{port}", page="/", script=BUSY) as tab:
        await chromium.do(use, tab.page, integration)


async def use(page: Page, integration: str) -> None:
    await expect(page.locator("#status")).to_have_text("connected · WebSocket")
    await expect(page.locator("#integration")).to_have_text(f"eio on {integration}")
    await expect(page.locator("#server-transport")).to_have_text("websocket")
    await expect(page.locator("#rtt-now")).to_contain_text("ms")
    echoes = page.locator("#log .in")
    await page.fill("#text", "Grüße, 世界 🌍")
    await page.press("#text", "Enter")
    await expect(echoes).to_have_count(1)
    await expect(echoes.locator(".what")).to_have_text("Grüße, 世界 🌍")
    await expect(echoes.locator(".meta")).to_contain_text("identical")
    await page.click("#noise")
    await expect(echoes).to_have_count(2)
    await expect(echoes.last.locator(".meta")).to_contain_text("65.5 kB, identical")
    await page.click("#burst")
    await expect(echoes).to_have_count(102)
    await expect(echoes.last.locator(".what")).to_have_text("message 100 of 100")
    await page.click("#close")
    await expect(page.locator("#status")).to_have_text("closed")
    await expect(page.locator("#log .bad")).to_have_count(0)
