import asyncio

import pytest

from app.core.egress import resolution
from app.core.egress.errors import EgressRefused, UpstreamUnreachable
from app.core.egress.policy import EgressPolicy
from app.core.egress.resolution import Resolution, system_lookup
from app.core.errors import UpstreamTimedOut
from tests.core.egress.loopback import Names

pytestmark = pytest.mark.anyio

PUBLIC = "93.184.216.34"


async def unknown_name(name: str) -> list[str]:
    raise OSError(-2, "Name or service not known")


async def silent_server(name: str) -> list[str]:
    await asyncio.Event().wait()
    raise AssertionError


class TestAddresses:
    async def test_returns_each_answer_once_in_order(self):
        names = Names(["2606:2800:220:1::1", PUBLIC, PUBLIC])
        addresses = await Resolution(EgressPolicy(), names).addresses("example.com")
        assert addresses == ["2606:2800:220:1::1", PUBLIC]

    async def test_asks_for_the_fully_qualified_name(self):
        names = Names([PUBLIC])
        await Resolution(EgressPolicy(), names).addresses("example.com")
        assert names.asked == ["example.com."]

    async def test_asks_for_an_allowed_name_as_the_operator_wrote_it(self):
        names = Names(["10.0.0.1"])
        await Resolution(EgressPolicy(["upstream"]), names).addresses("upstream")
        assert names.asked == ["upstream"]

    async def test_refuses_when_any_answer_is_forbidden(self):
        with pytest.raises(EgressRefused):
            await Resolution(EgressPolicy(), Names([PUBLIC, "10.0.0.1"])).addresses("example.com")

    async def test_judges_a_literal_without_a_lookup(self):
        names = Names([PUBLIC])
        with pytest.raises(EgressRefused):
            await Resolution(EgressPolicy(), names).addresses("127.0.0.1")
        assert names.asked == []

    async def test_refuses_more_addresses_than_anyone_needs(self):
        crowd = [f"93.184.216.{n}" for n in range(33)]
        with pytest.raises(EgressRefused, match="more than 32"):
            await Resolution(EgressPolicy(), Names(crowd)).addresses("example.com")

    @pytest.mark.parametrize("lookup", [unknown_name, Names([])])
    async def test_a_name_without_addresses_is_unreachable(self, lookup):
        with pytest.raises(UpstreamUnreachable, match=r"example\.com did not resolve"):
            await Resolution(EgressPolicy(), lookup).addresses("example.com")

    async def test_gives_up_on_a_name_server_that_does_not_answer(self, monkeypatch):
        monkeypatch.setattr(resolution, "LOOKUP_TIMEOUT_S", 0.01)
        with pytest.raises(UpstreamTimedOut, match="in time"):
            await Resolution(EgressPolicy(), silent_server).addresses("example.com")


class TestSystemLookup:
    async def test_knows_the_hosts_file(self):
        assert set(await system_lookup("localhost")) & {"127.0.0.1", "::1"}
