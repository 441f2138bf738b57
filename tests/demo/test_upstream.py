import json

import httpx2
import pytest

from app.core.secret import Secret
from app.demo.upstream import DOCUMENT, sofa_shop
from app.openapi_sync.document import read
from app.openapi_sync.operations import operations

pytestmark = pytest.mark.anyio

TOKEN = Secret("the shop's own")


@pytest.fixture
async def shop():
    headers = {"Authorization": f"Bearer {TOKEN.reveal()}"}
    async with (
        sofa_shop(TOKEN) as base_url,
        httpx2.AsyncClient(base_url=base_url, headers=headers, trust_env=False) as client,
    ):
        yield client


class TestDocument:
    async def test_is_served_to_anybody(self, shop):
        response = await shop.get("/sofa/openapi.json", headers={"Authorization": ""})
        assert response.json() == json.loads(DOCUMENT.read_bytes())

    def test_has_no_oddities(self):
        document = read(DOCUMENT.read_bytes())
        assert document.warnings == ()
        assert len([*operations(document)]) == 3


class TestShop:
    async def test_takes_an_order_and_finds_it_again(self, shop):
        placed = await shop.post("/sofa/orders", json={"sofa": "loveseat", "quantity": 3})
        assert placed.status_code == 201
        assert placed.json() == {"number": 1, "sofa": "loveseat", "quantity": 3, "total": 2070}
        assert (await shop.get("/sofa/orders/1")).json() == placed.json()

    async def test_knows_neither_other_sofas_nor_other_orders(self, shop):
        assert (await shop.post("/sofa/orders", json={"sofa": "throne"})).status_code == 422
        assert (await shop.get("/sofa/orders/1")).status_code == 404

    async def test_lists_as_many_as_are_asked_for(self, shop):
        assert [sofa["name"] for sofa in (await shop.get("/sofa/sofas?limit=2")).json()] == [
            "bench",
            "loveseat",
        ]

    @pytest.mark.parametrize("sent", ["", "Bearer another", "Basic dGhlOnNob3A="])
    async def test_asks_for_its_token(self, shop, sent):
        response = await shop.get("/sofa/sofas", headers={"Authorization": sent})
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
