import pytest
from hypothesis import settings

# A busy machine is no defect: no example fails for having been slow.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

pytest_plugins = [
    "tests.fixtures.database",
    "tests.fixtures.app",
    "tests.fixtures.announcements",
    "tests.fixtures.tenant",
    "tests.fixtures.upstream",
]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
