import pytest

from tests.fixtures.app import open_test_resources


@pytest.fixture
async def resources(committed, settings):
    """Over a database in which commits are real: webhooks are stored by connections of their own."""
    async with open_test_resources(committed, settings) as opened:
        yield opened
