import pytest

from tests.openapi_sync.sofa import Sofa


@pytest.fixture
async def sofa(acme, upstream) -> Sofa:
    return await Sofa.of(acme, upstream)
