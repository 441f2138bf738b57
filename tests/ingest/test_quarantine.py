"""Refused requests: kept, explained, and let in once the configuration is right."""

import pytest
from sqlalchemy import select, update

from app.ingest.quarantine import MAX_KEPT_BODY
from app.models import Execution, Handler, RejectedRequest
from tests.fixtures.app import Member, audit_actions, connect, join, wire
from tests.ingest.test_gate import SECRET, count, github, make_handler
from tests.ingest.test_routes import add_secret

pytestmark = pytest.mark.anyio

BODY = b'{"action": "opened"}'
GITHUB = {"scheme": "github"}


@pytest.fixture
async def acme(resources, routes):
    tenant, token = await join(resources, "acme")
    async with connect(wire(resources, routes), token) as client:
        yield Member(tenant, token, client)


@pytest.fixture
async def handler(resources, acme):
    """Its secret is wrong: the sender signs with another."""
    return await make_handler(resources, acme, verification=GITHUB, secret="mistyped")


async def refuse(acme, handler, body=BODY, headers=None):
    """The address of a request that was refused."""
    given = github(body, secret=SECRET) if headers is None else headers
    answer = await acme.client.post("/webhook/acme/push", content=body, headers=given)
    assert answer.status_code == 401
    home = f"/integrations/{handler.integration_id}"
    rows = (await acme.client.get(f"{home}/handlers/{handler.id}/rejected-requests")).json()
    return f"{home}/rejected-requests/{rows[0]['id']}"


async def mend(resources, acme, handler):
    await add_secret(resources, acme, handler, "WEBHOOK_SECRET_PREVIOUS", SECRET)


class TestExplanation:
    async def test_says_why_and_what_would_match_by_now(self, resources, acme, handler):
        address = await refuse(acme, handler)
        before = (await acme.client.get(f"{address}/explanation")).json()
        await mend(resources, acme, handler)
        after = (await acme.client.get(f"{address}/explanation")).json()

        assert (before["ok"], before["code"], before["matched"]) == (False, "mismatch", None)
        assert (after["ok"], after["code"], after["matched"]) == (True, None, "previous")

    async def test_shows_no_secret_and_no_signature(self, resources, acme, handler):
        address = await refuse(acme, handler)
        shown = (await acme.client.get(f"{address}/explanation")).text

        assert "mistyped" not in shown
        assert github(BODY)["X-Hub-Signature-256"][7:] not in shown


class TestRelease:
    async def test_admits_what_can_be_verified_by_now(self, resources, acme, handler):
        address = await refuse(acme, handler)
        await mend(resources, acme, handler)
        released = await acme.client.post(f"{address}/release")

        assert released.status_code == 202, released.text
        shown = (await acme.client.get(released.headers["location"])).json()
        assert shown["request"]["body"]["data"] == BODY.decode()
        assert ["x-hub-signature-256", "[redacted]"] in shown["request"]["headers"]
        assert "rejected_request.released" in await audit_actions(resources.database, acme)

    async def test_takes_the_moment_it_came_for_now(self, resources, acme, handler):
        """The signature has become old since; that is no fault of its sender's."""
        address = await refuse(acme, handler)
        await mend(resources, acme, handler)
        async with resources.database.transaction(acme.tenant_id) as session:
            await session.execute(update(Handler).values(verification={"scheme": "slack"}))
        assert (await acme.client.get(f"{address}/explanation")).json()["code"] == "missing_header"

    async def test_refuses_what_still_cannot(self, resources, acme, handler):
        address = await refuse(acme, handler)
        refused = await acme.client.post(f"{address}/release")

        assert refused.status_code == 409
        assert (refused.json()["code"], refused.json()["reason"]) == ("still_refused", "mismatch")
        assert await count(resources, acme, Execution) == 0

    async def test_makes_one_execution_of_it(self, resources, acme, handler):
        address = await refuse(acme, handler)
        await mend(resources, acme, handler)
        first = (await acme.client.post(f"{address}/release")).json()["executionId"]
        again = await acme.client.post(f"{address}/release")

        assert (again.status_code, again.json()["code"]) == (409, "already_released")
        assert again.json()["executionId"] == first
        assert await count(resources, acme, Execution) == 1

    async def test_is_deduplicated_with_what_the_sender_sent_again(self, resources, acme, handler):
        address = await refuse(acme, handler)
        await mend(resources, acme, handler)
        sent = await acme.client.post("/webhook/acme/push", content=BODY, headers=github(BODY))
        released = await acme.client.post(f"{address}/release")

        assert released.json()["executionId"] == sent.json()["executionId"]
        assert await count(resources, acme, Execution) == 1

    async def test_needs_the_whole_request(self, resources, acme, handler):
        body = b"x" * (MAX_KEPT_BODY + 1)
        address = await refuse(acme, handler, body)
        await mend(resources, acme, handler)
        refused = await acme.client.post(f"{address}/release")

        assert (refused.status_code, refused.json()["code"]) == (409, "not_releasable")


class TestWhatIsKept:
    async def test_hides_what_would_let_others_pass_for_the_sender(self, resources, acme, handler, database):
        await refuse(acme, handler)
        async with resources.database.transaction(acme.tenant_id) as session:
            row = await session.scalar(select(RejectedRequest.sealed))
        assert github(BODY)["X-Hub-Signature-256"].encode() not in row
