"""Questions that senders ask before they send, through the whole application."""

import base64
import hmac
import time
from hashlib import sha256

import pytest
from sqlalchemy import select

from app.core.secret import Secret as Plaintext
from app.models import AuditRecord, Execution, Secret
from app.sealing.service import Sealer
from tests.fixtures.app import Member, connect, join, wire
from tests.ingest.test_gate import SECRET, count, make_handler

pytestmark = pytest.mark.anyio


@pytest.fixture
async def acme(resources, routes):
    tenant, token = await join(resources, "acme")
    async with connect(wire(resources, routes)) as client:
        yield Member(tenant, token, client)


@pytest.fixture
def client(acme):
    return acme.client


def signed(body: bytes) -> dict[str, str]:
    return {"X-Hook-Signature": hmac.new(b"agreed", body, sha256).hexdigest()}


async def without_secret(resources, acme):
    """As a handler is before its sender has told it the secret."""
    async with resources.database.transaction(acme.tenant_id) as session:
        for row in await session.scalars(select(Secret)):
            await session.delete(row)


class TestQuestions:
    async def test_are_answered_to_methods_that_the_handler_does_not_declare(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "dropbox"})
        asked = await client.get("/webhook/acme/push?challenge=c1")
        other = await client.get("/webhook/acme/push")

        assert (asked.status_code, asked.text) == (200, "c1")
        assert asked.headers["x-content-type-options"] == "nosniff"
        assert other.status_code == 401
        assert await count(resources, acme, Execution) == 0

    async def test_are_answered_after_the_signature_where_they_are_signed(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "zoom"})
        body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"p"}}'
        moment = str(int(time.time()))
        signature = hmac.new(SECRET.encode(), f"v0:{moment}:".encode() + body, sha256).hexdigest()
        headers = {"x-zm-signature": f"v0={signature}", "x-zm-request-timestamp": moment}
        unsigned = await client.post("/webhook/acme/push", content=body)
        answer = await client.post("/webhook/acme/push", content=body, headers=headers)

        assert unsigned.status_code == 401
        expected = hmac.new(SECRET.encode(), b"p", sha256).hexdigest()
        assert answer.json() == {"plainToken": "p", "encryptedToken": expected}
        assert await count(resources, acme, Execution) == 0


class TestASecretThatTheSenderMakes:
    async def test_is_kept_and_then_verifies(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "asana"})
        await without_secret(resources, acme)
        asked = await client.post("/webhook/acme/push", headers={"X-Hook-Secret": "agreed"})

        assert asked.status_code in {200, 204}
        assert asked.headers["x-hook-secret"] == "agreed"
        async with resources.database.transaction(acme.tenant_id) as session:
            (row,) = await session.scalars(select(Secret))
            opened = await Sealer(session, acme.tenant_id, resources.keys).open(row.sealed, "secrets", row.id)
            actions = [*await session.scalars(select(AuditRecord.action))]
        assert (row.key, opened) == ("WEBHOOK_SECRET", Plaintext("agreed"))
        assert "secret.created" in actions
        body = b'{"events":[{"gid":"1"}]}'
        assert (
            await client.post("/webhook/acme/push", content=body, headers=signed(body))
        ).status_code == 202

    async def test_is_exchanged_by_nobody(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "asana"})
        asked = await client.post("/webhook/acme/push", headers={"X-Hook-Secret": "mine"})

        assert asked.status_code == 401
        assert "x-hook-secret" not in asked.headers


class TestAnAcknowledgement:
    async def test_is_what_the_sender_has_to_read(self, client, acme, resources):
        await make_handler(resources, acme, verification={"scheme": "xero"}, secret="key")
        body = b'{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"E"}'
        signature = base64.b64encode(hmac.new(b"key", body, sha256).digest()).decode()
        answer = await client.post(
            "/webhook/acme/push", content=body, headers={"x-xero-signature": signature}
        )

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["x-execution-id"]
