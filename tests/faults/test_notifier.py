"""A worker that would look for work once a minute is told of it by another process."""

import pytest

from tests.faults.waiting import until

pytestmark = pytest.mark.anyio

WITHIN_S = 30.0
"""Half of what it would take the worker by itself."""


class TestWorkerApart:
    async def test_is_told_what_was_stored(self, installation, upstream):
        api, _ = await installation.start_apart(JACKFIELD_POLL_INTERVAL="60")
        await installation.furnish(api, upstream.url)
        for number in range(1, 4):
            answer = await installation.client.post(f"{api.url}/webhook/acme/in", json={})
            assert answer.status_code == 202
            await until(lambda number=number: len(upstream.requests) == number, within=WITHIN_S)
