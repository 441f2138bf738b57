import pytest

from tests.core.egress.loopback import Upstream


@pytest.fixture
async def upstream():
    async with Upstream() as server:
        yield server


@pytest.fixture
async def elsewhere():
    """A second upstream, so of another origin."""
    async with Upstream() as server:
        yield server
