import httpx2
import pytest

from app.core.secret import Secret
from app.demo.client import Client, DemoFailed

pytestmark = pytest.mark.anyio


def client(answer) -> Client:
    return Client(httpx2.AsyncClient(transport=httpx2.MockTransport(answer), base_url="http://service"))


class TestAsk:
    async def test_sends_json_with_the_token(self):
        exchange = await client(lambda _: httpx2.Response(200, json={"id": 1})).ask(
            "POST", "/things", {"name": "Ä"}, token=Secret("t")
        )
        assert exchange.request.headers["authorization"] == "Bearer t"
        assert exchange.request.headers["content-type"] == "application/json"
        assert exchange.answer == {"id": 1}

    async def test_sends_bytes_as_they_are(self):
        exchange = await client(lambda _: httpx2.Response(202)).ask(
            "POST", "/webhook", b'{"a":  1}', headers={"webhook-id": "1"}
        )
        assert exchange.request.content == b'{"a":  1}'
        assert exchange.request.headers["webhook-id"] == "1"
        assert "authorization" not in exchange.request.headers

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (httpx2.Response(409, json={"detail": "The name is taken."}), "409: The name is taken."),
            (httpx2.Response(500, text="oh"), "500: oh"),
            (httpx2.Response(302, json=["elsewhere"]), '302: ["elsewhere"]'),
        ],
    )
    async def test_fails_with_the_reason_that_was_given(self, answer, reason):
        with pytest.raises(DemoFailed, match=r"^GET /things was answered with ") as failed:
            await client(lambda _: answer).ask("GET", "/things")
        assert str(failed.value).endswith(reason)

    async def test_fails_without_an_answer(self):
        def refuse(request):
            raise httpx2.ConnectError("refused", request=request)

        with pytest.raises(DemoFailed, match=r"^GET /things was not answered: ConnectError\.$"):
            await client(refuse).ask("GET", "/things")
