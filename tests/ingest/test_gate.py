"""Webhooks through the whole application, with real commits and a real upstream."""

import asyncio
import base64
import hmac
import time
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from app.core.ids import new_id
from app.core.secret import Secret as Plaintext
from app.front import surround
from app.ingest.express import WebhookExpress
from app.main import furnish
from app.models import DedupKey, Execution, Handler, Integration, RejectedRequest, Secret
from app.sealing.service import Sealer
from app.services import create_services
from tests.fixtures.app import Member, connect, issue, join
from tests.fixtures.express import ExpressTransport

pytestmark = pytest.mark.anyio

SECRET = "It's a Secret to Everybody"
STORE = {"kind": "store"}
OPERATION = {"kind": "operation", "method": "POST", "path": "/orders", "server": "http://127.0.0.1:9"}


@pytest.fixture(params=["asgi", "express"])
async def acme(request, resources, routes) -> AsyncIterator[Member]:
    """Webhooks are admitted alike, whichever way they come in."""
    tenant, token = await join(resources, "acme")
    services = create_services(resources)
    api = surround(furnish(routes, services), services)
    async with connect(api, token) as client:
        if request.param == "express":
            client._transport = ExpressTransport(api, services)
        yield Member(tenant, token, client)
    await services.admissions.close()


@pytest.fixture
def client(acme):
    """Of an outside system: it has no token."""
    acme.client.headers.pop("Authorization")
    return acme.client


async def make_handler(resources, member, name="push", secret=SECRET, **fields):
    async with resources.database.transaction(member.tenant_id) as session:
        integration = Integration(
            id=new_id(), tenant_id=member.tenant_id, name=f"i-{name}", folded_name=f"i-{name}"
        )
        handler = Handler(
            id=new_id(),
            tenant_id=member.tenant_id,
            integration_id=integration.id,
            name=name,
            target=fields.pop("target", STORE),
            **fields,
        )
        session.add(integration)
        await session.flush()
        id = new_id()
        sealed = await Sealer(session, member.tenant_id, resources.keys).seal(
            Plaintext(secret), "secrets", id
        )
        session.add(
            Secret(
                id=id,
                tenant_id=member.tenant_id,
                integration_id=integration.id,
                key="WEBHOOK_SECRET",
                sealed=sealed,
            )
        )
        session.add(handler)
    return handler


def github(body: bytes, delivery="d1", secret=SECRET):
    signature = hmac.new(secret.encode(), body, sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": delivery}


async def count(resources, member, model):
    async with resources.database.transaction(member.tenant_id) as session:
        return await session.scalar(select(func.count()).select_from(model))


async def stored(resources, member):
    async with resources.database.transaction(member.tenant_id) as session:
        return (await session.scalars(select(Execution).order_by(Execution.created_at))).all()


class TestAdmission:
    async def test_commits_bytes_headers_and_peer_before_the_answer(self, client, acme, resources):
        await make_handler(resources, acme)
        response = await client.post(
            "/webhook/acme/push?a=1", content=b"\x00\xff raw", headers={"X-Thing": "kept", "Cookie": "c=1"}
        )

        assert response.status_code == 202
        (execution,) = await stored(resources, acme)
        assert response.json() == {"executionId": str(execution.id), "status": "queued"}
        assert execution.body == b"\x00\xff raw"
        assert execution.query == "a=1"
        assert ["x-thing", "kept"] in execution.headers
        assert ["cookie", "[redacted]"] in execution.headers
        assert execution.peer == "127.0.0.1"

    @pytest.mark.parametrize(
        "path", ["/webhook/acme/nope", "/webhook/nobody/push", "/webhook/push", "/webhook/"]
    )
    async def test_answers_404_alike_for_all_it_does_not_know(self, client, acme, resources, path):
        await make_handler(resources, acme)
        headers = {"X-Request-Id": "same"}
        unknown = await client.post("/webhook/acme/unknown", headers=headers)
        response = await client.post(path, headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content

    async def test_is_deaf_to_a_disabled_handler(self, client, acme, resources):
        await make_handler(resources, acme, enabled=False)

        assert (await client.post("/webhook/acme/push")).status_code == 404

    async def test_names_the_methods_it_takes(self, client, acme, resources):
        await make_handler(resources, acme, methods=["POST", "GET"])
        response = await client.put("/webhook/acme/push")

        assert response.status_code == 405
        assert response.headers["allow"] == "GET, POST"
        assert (await client.get("/webhook/acme/push")).status_code == 202

    async def test_refuses_more_than_the_handlers_limit(self, client, acme, resources):
        await make_handler(resources, acme, body_limit=10)

        assert (await client.post("/webhook/acme/push", content=b"x" * 10)).status_code == 202
        assert (await client.post("/webhook/acme/push", content=b"x" * 11)).status_code == 413

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [
            (b"{", "application/json", 400),
            (b"{", "application/cloudevents+json; charset=utf-8", 400),
            (b"{", None, 400),
            (b"\xff", "application/json", 400),
            (b"[1]", "application/json", 202),
            (b"", "application/json", 202),
            (b"a=1", "application/x-www-form-urlencoded", 202),
            (b"{", "text/plain", 202),
        ],
    )
    async def test_reads_what_an_operation_is_called_with(
        self, client, acme, resources, body, content_type, status
    ):
        """Unless the handler takes it as it comes."""
        verification = {"scheme": "none"}
        await make_handler(resources, acme, target=OPERATION, verification=verification)
        await make_handler(resources, acme, "raw", target=OPERATION, verification=verification, raw_body=True)
        headers = {} if content_type is None else {"Content-Type": content_type}

        answer = await client.post("/webhook/acme/push", content=body, headers=headers)
        assert answer.status_code == status
        assert (answer.json().get("code") == "malformed_json") == (status == 400)
        assert (await client.post("/webhook/acme/raw", content=body, headers=headers)).status_code == 202

    async def test_finds_the_tenant_by_the_token(self, client, acme, resources):
        await make_handler(resources, acme)
        response = await client.post("/webhook/push", headers={"Authorization": f"Bearer {acme.token}"})

        assert response.status_code == 202


class TestVerification:
    async def test_takes_what_was_signed(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "github"})
        response = await client.post("/webhook/acme/push", content=b"{}", headers=github(b"{}"))

        assert response.status_code == 202
        (execution,) = await stored(resources, acme)
        assert ["x-hub-signature-256", "[redacted]"] in execution.headers

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [({}, "missing_header"), (github(b"other"), "mismatch"), (github(b"{}", secret="wrong"), "mismatch")],
    )
    async def test_refuses_without_detail_and_keeps_the_reason(
        self, client, acme, resources, headers, reason
    ):
        await make_handler(resources, acme, verification={"scheme": "github"})
        response = await client.post("/webhook/acme/push", content=b"{}", headers=headers)

        assert response.status_code == 401
        assert reason not in response.text
        assert await stored(resources, acme) == []
        async with resources.database.transaction(acme.tenant_id) as session:
            assert (await session.scalars(select(RejectedRequest.reason))).all() == [reason]

    async def test_reserves_no_dedup_key_for_strangers(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "github"})
        await client.post("/webhook/acme/push", content=b"{}", headers=github(b"{}", "d1", "wrong"))

        assert await count(resources, acme, DedupKey) == 0

    async def test_checks_the_age_of_standard_webhooks(self, client, acme, resources):
        key = base64.b64encode(b"k" * 32).decode()
        await make_handler(
            resources, acme, secret=f"whsec_{key}", verification={"scheme": "standard-webhooks"}
        )

        def signed(at):
            mac = hmac.new(b"k" * 32, f"m1.{at}.{{}}".encode(), sha256).digest()
            signature = f"v1,{base64.b64encode(mac).decode()}"
            return {"webhook-id": "m1", "webhook-timestamp": str(at), "webhook-signature": signature}

        now = int(time.time())
        stale = await client.post("/webhook/acme/push", content=b"{}", headers=signed(now - 400))
        fresh = await client.post("/webhook/acme/push", content=b"{}", headers=signed(now))
        assert (stale.status_code, fresh.status_code) == (401, 202)

    async def test_asks_for_a_token_where_nothing_else_is_said(self, client, acme, resources):
        target = {"kind": "http", "method": "POST", "url": "https://example.com/"}
        await make_handler(resources, acme, target=target)
        weak = await issue(resources, acme.tenant, ("integrations:read",))
        _, foreign = await join(resources, "globex")

        async def call(token):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return (await client.post("/webhook/acme/push", headers=headers)).status_code

        assert [await call(token) for token in (None, "x", weak, foreign)] == [401, 401, 401, 401]
        assert await call(acme.token) == 202


class TestDedup:
    async def test_answers_the_second_delivery_as_the_first(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "github"})
        first = await client.post("/webhook/acme/push", content=b"{}", headers=github(b"{}"))
        second = await client.post("/webhook/acme/push", content=b"{}", headers=github(b"{}"))

        assert second.status_code == 202
        assert second.json() == first.json()
        assert await count(resources, acme, Execution) == 1

    async def test_makes_one_execution_of_a_race(self, client, acme, resources):
        await make_handler(resources, acme)
        headers = {"Idempotency-Key": "k1"}
        responses = await asyncio.gather(
            *(client.post("/webhook/acme/push", headers=headers) for _ in range(8))
        )

        assert {response.status_code for response in responses} == {202}
        assert len({response.json()["executionId"] for response in responses}) == 1
        assert await count(resources, acme, Execution) == 1

    async def test_keeps_handlers_apart(self, client, acme, resources):
        for name in ("a", "b"):
            await make_handler(resources, acme, name)
            assert (
                await client.post(f"/webhook/acme/{name}", headers={"Idempotency-Key": "k"})
            ).status_code == 202

        assert await count(resources, acme, Execution) == 2


@pytest.mark.parametrize("acme", ["express"], indirect=True)
class TestExpress:
    """What is answered without ASGI, and what is left to the gate."""

    @pytest.fixture
    def taken(self, acme):
        return lambda: acme.client._transport.taken

    async def test_takes_what_is_verified_or_need_not_be(self, client, acme, resources, taken):
        await make_handler(resources, acme)
        await make_handler(resources, acme, "signed", verification={"scheme": "github"})
        assert (await client.post("/webhook/acme/push", content=b"1")).status_code == 202
        answers = [
            await client.post("/webhook/acme/signed", content=b"2", headers=github(b"2", delivery))
            for delivery in ("a", "a", "b")
        ]
        assert [answer.status_code for answer in answers] == [202] * 3
        assert answers[0].json() == answers[1].json() != answers[2].json()
        assert taken() == 4
        bodies = [execution.body for execution in await stored(resources, acme)]
        assert bodies == [b"1", b"2", b"2"]

    async def test_answers_with_the_request_id(self, client, acme, resources, taken):
        await make_handler(resources, acme)
        response = await client.post("/webhook/acme/push", headers={"X-Request-Id": "mine"})
        assert (response.headers["x-request-id"], taken()) == ("mine", 1)
        (execution,) = await stored(resources, acme)
        assert execution.request_id == "mine"

    async def test_believes_a_trusted_proxy_about_the_client(self, client, acme, resources, taken):
        await make_handler(resources, acme)
        transport = client._transport
        services = transport._services
        for proxies, peer in ([], "127.0.0.1"), (["127.0.0.1"], "203.0.113.7"):
            settings = services.resources.settings
            transport._express = WebhookExpress(services.routes, services.ingest, settings, proxies)
            await client.post("/webhook/acme/push", headers={"X-Forwarded-For": "203.0.113.7"})
            assert (await stored(resources, acme))[-1].peer == peer
        assert taken() == 2

    async def test_leaves_a_refusal_to_the_gate(self, client, acme, resources, taken):
        await make_handler(resources, acme, verification={"scheme": "github"})
        forged = await client.post("/webhook/acme/push", content=b"2", headers=github(b"1"))
        assert (forged.status_code, taken()) == (401, 0)
        assert await count(resources, acme, RejectedRequest) == 1
        assert await count(resources, acme, Execution) == 0

    async def test_leaves_a_header_that_was_sent_twice_to_the_engine(self, client, acme, resources, taken):
        await make_handler(resources, acme, verification={"scheme": "github"})
        headers = [*github(b"1").items(), ("X-Hub-Signature-256", "sha256=00")]
        assert (await client.post("/webhook/acme/push", content=b"1", headers=headers)).status_code == 401
        assert taken() == 0

    @pytest.mark.parametrize(
        ("path", "headers"),
        [
            ("/webhook/acme/push", {"Prefer": "respond-async"}),
            ("/webhook/acme/push?a=%41", {}),
            ("/webhook/acme/push", {"Content-Encoding": "gzip"}),
            ("/webhook/acme/nope", {}),
        ],
    )
    async def test_leaves_what_has_more_to_it_to_the_gate(
        self, client, acme, resources, taken, path, headers
    ):
        await make_handler(resources, acme)
        await client.post(path, content=b"1", headers=headers)
        assert taken() == 0

    async def test_stays_within_the_limits(self, client, acme, resources, taken):
        await make_handler(resources, acme, rate_limit={"requests": 2, "per": 3600})
        answers = [(await client.post("/webhook/acme/push")).status_code for _ in range(4)]
        assert sorted(answers) == [202, 202, 429, 429]

    async def test_tells_a_sender_whose_webhook_is_not_stored(self, client, acme, resources, taken):
        handler = await make_handler(resources, acme)
        assert (await client.post("/webhook/acme/push")).status_code == 202
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.delete(await session.get_one(Handler, (acme.tenant_id, handler.id)))
        services = client._transport._services
        services.resources.changes._forget_all = lambda: None
        gone = await client.post("/webhook/acme/push")
        assert (gone.status_code, gone.json()["code"], taken()) == (404, "not_found", 2)
