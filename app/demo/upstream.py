"""The sample upstream: a shop on loopback that describes itself by OpenAPI and asks for a token."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from app.core.secret import Secret

HOST: Final = "127.0.0.1"
NAME: Final = "sofa"
DOCUMENT: Final = Path(__file__).with_name("sofa.json")
PRICES: Final = {"bench": 240, "loveseat": 690, "chesterfield": 1890}
"""In euros, by the name of the sofa."""


@asynccontextmanager
async def sofa_shop(token: Secret) -> AsyncIterator[str]:
    """The shop's base URL, as long as the block runs. Callers send ``token`` as a bearer token."""
    runner = web.AppRunner(_application(_Shop(token)), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://{HOST}:{port}"
    finally:
        await runner.cleanup()


class _Shop:
    def __init__(self, token: Secret) -> None:
        self._token = token
        self._orders: list[dict[str, object]] = []

    async def describe(self, _: web.Request) -> web.Response:
        return web.Response(body=DOCUMENT.read_bytes(), content_type="application/json")

    async def list_sofas(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        limit = request.query.get("limit", "10")
        count = int(limit) if limit.isdecimal() else len(PRICES)
        return web.json_response([{"name": name, "price": price} for name, price in PRICES.items()][:count])

    async def place_order(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        wanted = await request.json()
        price = PRICES.get(wanted.get("sofa"))
        if price is None:
            return web.json_response({"error": "There is no such sofa."}, status=422)
        quantity = int(wanted.get("quantity", 1))
        number = len(self._orders) + 1
        order = {"number": number, "sofa": wanted["sofa"], "quantity": quantity, "total": quantity * price}
        self._orders.append(order)
        return web.json_response(order, status=201)

    async def get_order(self, request: web.Request) -> web.Response:
        self._authenticate(request)
        number = int(request.match_info["number"])
        if not 1 <= number <= len(self._orders):
            return web.json_response({"error": "There is no such order."}, status=404)
        return web.json_response(self._orders[number - 1])

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, f"Bearer {self._token.reveal()}".encode()):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})


def _application(shop: _Shop) -> web.Application:
    application = web.Application()
    application.add_routes(
        [
            web.get(f"/{NAME}/openapi.json", shop.describe),
            web.get(f"/{NAME}/sofas", shop.list_sofas),
            web.post(f"/{NAME}/orders", shop.place_order),
            web.get(rf"/{NAME}/orders/{{number:\d{{1,9}}}}", shop.get_order),
        ]
    )
    return application
