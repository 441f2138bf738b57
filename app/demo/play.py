"""The demo itself, once the service listens: the sample upstream, and the tour of both."""

import asyncio
import time
from typing import Final

import httpx2

from app.core.secret import Secret
from app.demo.client import Client
from app.demo.screen import Screen
from app.demo.tour import Made, Shop, Tour, new_bot_token
from app.demo.upstream import sofa_shop

TIMEOUT_S: Final = 15.0


async def play(base_url: str, operator_token: Secret) -> None:
    """Raises ``DemoFailed``; otherwise does not end, for the upstream stays as long as the service."""
    started = time.monotonic()
    screen = Screen()
    bot_token = new_bot_token()
    async with sofa_shop(bot_token) as shop_url:
        async with httpx2.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, trust_env=False) as http:
            made = await Tour(Client(http), screen, operator_token).run(Shop(shop_url, bot_token))
        _say_goodbye(screen, base_url, made, time.monotonic() - started)
        await asyncio.Event().wait()


def _say_goodbye(screen: Screen, base_url: str, made: Made, seconds: float) -> None:
    execute = f"{base_url}/handlers/list-sofas/execute"
    screen.say(
        f"That took {seconds:.1f} s. Jackfield goes on serving on {base_url}, and so does the shop; "
        "Ctrl-C stops both.",
        "",
        "Go on with this access token, which may do all that the demo's tenant may:",
        f"  TOKEN={made.token.reveal()}",
        f'  curl -H "Authorization: Bearer $TOKEN" {base_url}/integrations/{made.integration_id}/handlers',
        '  curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" '
        f'-d \'{{"query": {{"limit": "2"}}}}\' {execute}',
        f"  {base_url}/docs",
    )
