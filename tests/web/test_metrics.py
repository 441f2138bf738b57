import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.anyio


async def count(client, **labels):
    """The counter of requests with these labels."""
    text = (await client.get("/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "jackfield_http_requests_total" and labels.items() <= sample.labels.items()
    )


class TestRequests:
    async def test_are_counted_by_route_and_status(self, client):
        labels = {"method": "GET", "route": "/integrations/{integration_id}", "status": "404"}
        before = await count(client, **labels)
        for id in ("01a203b8-b0e4-760b-bf6b-da3316e177b0", "nonsense"):
            await client.get(f"/integrations/{id}")

        assert await count(client, **labels) == before + 2

    async def test_put_nothing_of_the_sender_into_labels(self, client):
        await client.request("MADEUP", "/made-up-path")
        await client.post("/webhook/made-up-tenant/made-up-handler")

        assert "made-up" not in (text := (await client.get("/metrics")).text)
        assert "MADEUP" not in text
