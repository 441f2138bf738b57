"""What is counted and traced of webhooks, through the whole application."""

import pytest
from sqlalchemy import select

from app.models import Execution
from tests.fixtures.series import value
from tests.ingest.test_gate import acme, client, github, make_handler  # noqa: F401 - fixtures

pytestmark = pytest.mark.anyio

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GITHUB = {"scheme": "github"}


def counts() -> list[float]:
    return [
        value("jackfield_webhooks_accepted_total"),
        value("jackfield_webhooks_duplicate_total"),
        value("jackfield_webhooks_refused_total", reason="mismatch"),
        value("jackfield_webhooks_refused_total", reason="not_found"),
    ]


class TestWebhooks:
    async def test_are_counted_by_what_became_of_them(self, client, resources, acme):  # noqa: F811
        await make_handler(resources, acme, verification=GITHUB)
        before = counts()
        for headers in (github(b"{}"), github(b"{}"), github(b"{}", secret="other")):
            await client.post("/webhook/acme/push", content=b"{}", headers=headers)
        await client.post("/webhook/acme/made-up")
        assert counts() == [count + 1 for count in before]

    async def test_keep_the_trace_that_they_belong_to(self, client, resources, acme):  # noqa: F811
        await make_handler(resources, acme, verification=GITHUB)
        for delivery, parent in (("d1", PARENT), ("d2", "nonsense")):
            headers = {**github(b"{}", delivery), "traceparent": parent}
            await client.post("/webhook/acme/push", content=b"{}", headers=headers)
        async with resources.database.transaction(acme.tenant_id) as session:
            found = [*await session.scalars(select(Execution.trace_parent).order_by(Execution.id))]
        assert found == [PARENT, None]
