"""The tour: from nothing to a signed webhook that called an upstream, one public request at a time."""

import asyncio
import base64
import hmac
import json
import os
import time
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Any, Final

from app.core.secret import Secret
from app.demo import upstream
from app.demo.client import Client, DemoFailed, Exchange
from app.demo.screen import Screen

HANDLER: Final = "place-order"
ORDER: Final = {"sofa": "chesterfield", "quantity": 2}
PATIENCE_S: Final = 10.0
POLL_S: Final = 0.05
ENDED: Final = frozenset({"succeeded", "failed", "dead", "cancelled"})


@dataclass(frozen=True, slots=True)
class Shop:
    """The upstream, and what it shares with the integration."""

    base_url: str
    bot_token: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """What the tour leaves behind."""

    token: Secret = field(repr=False)
    integration_id: str
    handler: dict[str, Any]


def new_bot_token() -> Secret:
    return Secret(f"bot-{token_urlsafe(24)}")


class Tour:
    def __init__(self, client: Client, screen: Screen, operator_token: Secret) -> None:
        self._client = client
        self._screen = screen
        self._token = operator_token
        screen.hide(operator_token)

    async def run(self, shop: Shop) -> Made:
        """Raises ``DemoFailed`` at the first step that does not work."""
        await self._become_tenant()
        integration_id = await self._connect(shop)
        secret = await self._seal(f"/integrations/{integration_id}")
        handler = await self._sync(f"/integrations/{integration_id}")
        await self._call(handler, secret)
        await self._look_back(f"/integrations/{integration_id}")
        return Made(self._token, integration_id, handler)

    async def _become_tenant(self) -> None:
        """Every run has a tenant of its own, so that it can run again on the same data."""
        tenant = await self._step("A tenant", "POST", "/tenants", {"slug": f"demo-{token_hex(3)}"})
        wanted = {"name": "demo", "scopes": ["*"]}
        exchange = await self._ask("POST", f"/tenants/{tenant['id']}/access-tokens", wanted)
        self._token = Secret(exchange.answer["token"])
        self._screen.hide(self._token)
        self._screen.show("Its access token, shown this once", exchange)

    async def _connect(self, shop: Shop) -> str:
        given = {"name": "Sofa shop", "baseUrl": shop.base_url}
        integration = await self._step("An integration with the shop's API", "POST", "/integrations", given)
        self._screen.hide(shop.bot_token)
        await self._step(
            "A credential: the token that the shop asks for",
            "POST",
            f"/integrations/{integration['id']}/credentials",
            {"key": "BOT_TOKEN", "value": shop.bot_token.reveal()},
        )
        return str(integration["id"])

    async def _seal(self, integration: str) -> bytes:
        """The key that webhooks are signed with, kept as a secret of the integration."""
        key = os.urandom(24)
        secret = Secret(f"whsec_{base64.b64encode(key).decode()}")
        self._screen.hide(secret)
        await self._step(
            "A secret: from now on, all that anybody sees is its sealed form",
            "POST",
            f"{integration}/secrets",
            {"key": "WEBHOOK_SECRET", "value": secret.reveal()},
        )
        return key

    async def _sync(self, integration: str) -> dict[str, Any]:
        """One handler per operation of the shop; the one that is called gets a verification."""
        await self._step(
            "Handlers from the shop's OpenAPI document",
            "POST",
            f"{integration}/sync-handlers",
            {"integrationName": upstream.NAME},
        )
        found = await self._step(
            "The one that orders", "GET", f"{integration}/handlers?search={HANDLER}", is_shown=False
        )
        if len(found) != 1:
            raise DemoFailed(f"The sync left {len(found)} handlers that are called {HANDLER}.")
        handler: dict[str, Any] = await self._step(
            "Whoever calls it must sign, as Standard Webhooks says",
            "PUT",
            f"{integration}/handlers/{found[0]['id']}",
            {"verification": {"scheme": "standard-webhooks", "secretKey": "WEBHOOK_SECRET"}},
        )
        return handler

    async def _call(self, handler: dict[str, Any], secret: bytes) -> None:
        body = json.dumps(ORDER).encode()
        exchange = await self._client.ask(
            "POST", handler["webhookUrl"], body, headers=sign(secret, body, time.time())
        )
        self._screen.show("A signed webhook: answered once it is on disk", exchange)
        execution = await self._wait(exchange.answer["executionId"])
        if execution["status"] != "succeeded":
            raise DemoFailed(f"The execution {execution['status']}: {execution['statusReason']}")
        answered = execution["response"]
        attempt = execution["attempts"][-1]
        self._screen.say(
            f"The worker called {attempt['method']} {attempt['url']} in {attempt['durationMs']} ms, with "
            f"BOT_TOKEN as its bearer token. The shop answered {answered['statusCode']}:",
            f"  {answered['body']['data']}",
        )

    async def _wait(self, id: str) -> dict[str, Any]:
        """The execution, once it has ended. Only the last look is shown."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            exchange = await self._ask("GET", f"/executions/{id}")
            execution: dict[str, Any] = exchange.answer
            if execution["status"] in ENDED:
                self._screen.show("The execution", exchange)
                return execution
            if time.monotonic() > deadline:
                raise DemoFailed(f"The execution is still {execution['status']} after {PATIENCE_S:g} s.")
            await asyncio.sleep(POLL_S)

    async def _look_back(self, integration: str) -> None:
        records = await self._step("The audit log", "GET", f"{integration}/audit-logs", is_shown=False)
        self._screen.show_table(
            f"GET {integration}/audit-logs",
            ("action", "actor", "resource", "at"),
            [_row(record) for record in records],
        )

    async def _step(
        self, title: str, method: str, path: str, body: object = None, *, is_shown: bool = True
    ) -> Any:
        exchange = await self._ask(method, path, body)
        if is_shown:
            self._screen.show(title, exchange)
        return exchange.answer

    async def _ask(self, method: str, path: str, body: object = None) -> Exchange:
        return await self._client.ask(method, path, body, token=self._token)


def sign(key: bytes, body: bytes, now: float) -> dict[str, str]:
    """The headers of a Standard Webhooks delivery, signature scheme v1."""
    id, timestamp = f"msg_{token_hex(12)}", str(int(now))
    signature = hmac.digest(key, b".".join((id.encode(), timestamp.encode(), body)), sha256)
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    resource = record["resource"]
    return (
        record["action"],
        record["actor"]["name"],
        f"{resource['type']} {resource['name'] or resource['id']}",
        record["createdAt"],
    )
