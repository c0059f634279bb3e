"""Mixed traffic with random faults at full load for some seconds; ``nox -s soak`` does it for minutes."""

from __future__ import annotations

import anyio
import pytest

from benchmarks.stacks import STACKS

from .programs import serving
from .traffic import Control, Traffic

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("name", ["aiohttp", "uvicorn-sansio", "tornado", "sanic"])
async def test_what_is_sent_at_full_load_arrives_once_and_in_order(name: str) -> None:
    """H30, H29: whatever happens to one client in four; afterwards there is no session and no task of them."""
    async with serving(STACKS[name], ping=5) as (_, port):
        control, traffic = Control(port), Traffic(port, seed=1)
        await control.connect()
        before = await control.ask()
        async with traffic.flowing():
            await anyio.sleep(4)
        assert traffic.count["messages"] > 1000
        with anyio.fail_after(60):  # some are noticed by their ping timeout alone
            while (now := await control.ask())["sessions"] > 1 or now["tasks"] > before["tasks"]:  # noqa: ASYNC110
                await anyio.sleep(0.1)
        control.close()
