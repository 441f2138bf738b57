"""Many that were stored are told of in few notifications, and a database that is away ends nothing."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from app.db.listener import Listener
from app.executions import notifier as module
from app.executions.notifier import CHANNEL, Notifier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def heard(committed_urls):
    """What arrives at a listener of another connection."""
    messages: asyncio.Queue[str] = asyncio.Queue()
    live = asyncio.Event()
    listener = Listener(committed_urls.worker, CHANNEL, messages.put_nowait, live.set)
    listening = asyncio.ensure_future(listener.run())
    await live.wait()
    yield messages
    listening.cancel()


@asynccontextmanager
async def notifying(database):
    notifier = Notifier(database)
    running = asyncio.ensure_future(notifier.run())
    try:
        yield notifier
    finally:
        running.cancel()


class TestNotifier:
    async def test_tells_of_many_at_once(self, committed, heard, monkeypatch):
        monkeypatch.setattr(module, "PAUSE_S", 60)
        async with notifying(committed) as notifier:
            for _ in range(100):
                notifier.ring()
            await heard.get()
            notifier.ring()
            assert heard.empty()

    async def test_tells_of_what_comes_later(self, committed, heard):
        async with notifying(committed) as notifier:
            for _ in range(3):
                notifier.ring()
                await heard.get()

    async def test_goes_on_when_the_database_was_away(self, committed, heard):
        class Away:
            failures = 2

            @asynccontextmanager
            async def statements(self):
                if self.failures:
                    self.failures -= 1
                    notifier.ring()
                    raise ConnectionRefusedError
                async with committed.statements() as connection:
                    yield connection

        async with notifying(Away()) as notifier:
            notifier.ring()
            await heard.get()
