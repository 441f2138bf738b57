"""The schedule of an integration, as people see it."""

import pytest

from app.models import AuditRecord
from tests.fixtures.app import add_integration, connect, issue, rows

pytestmark = pytest.mark.anyio

URL = "https://example.com/openapi.json"


@pytest.fixture
async def address(client):
    return await add_integration(client, baseUrl="https://example.com") + "/sync-schedule"


async def put(client, address, expected=None, **body):
    response = await client.put(address, json=body or {"url": URL})
    assert response.status_code in ({expected} if expected else {200, 201}), response.text
    return response


async def recorded(database, acme):
    """What the audit log holds of schedules: action and changes."""
    found = await rows(database, acme, AuditRecord)
    return [
        (row.action.partition(".")[2], row.changes) for row in found if row.resource_type == "sync_schedule"
    ]


class TestPut:
    async def test_makes_a_schedule_that_is_due_at_once(self, client, address):
        response = await put(client, address, 201, integrationName="sofa")

        shown = response.json()
        assert response.headers["location"] == address
        assert shown.pop("nextRunAt")
        assert shown.pop("createdAt") == shown.pop("updatedAt")
        nothing = {"tags": [], "pathPrefixes": [], "methods": []}
        assert shown == {
            "integrationId": address.split("/")[2],
            "integrationName": "sofa",
            "url": None,
            "include": nothing,
            "exclude": nothing,
            "onMissing": "keep",
            "intervalSeconds": 86400,
            "apply": "additive",
            "enabled": True,
            "lastRunAt": None,
            "lastOutcome": None,
            "lastError": None,
            "consecutiveFailures": 0,
            "held": [],
        }

    async def test_round_trips(self, client, address):
        given = {
            "url": URL,
            "include": {"tags": ["a"], "pathPrefixes": ["/x"], "methods": ["GET"]},
            "exclude": {"tags": ["b"], "pathPrefixes": [], "methods": []},
            "onMissing": "disable",
            "intervalSeconds": 300,
            "apply": "none",
            "enabled": False,
        }
        await put(client, address, 201, **given)
        shown = (await client.get(address)).json()

        assert {name: shown[name] for name in given} == given
        assert shown["nextRunAt"] is None

    async def test_replaces_all_that_was_there(self, client, address):
        await put(client, address, 201, url=URL, apply="all", onMissing="delete", intervalSeconds=999)
        shown = (await put(client, address, 200, integrationName="sofa")).json()

        assert (shown["url"], shown["integrationName"]) == (None, "sofa")
        assert (shown["apply"], shown["onMissing"], shown["intervalSeconds"]) == ("additive", "keep", 86400)

    async def test_shows_no_query_of_an_address(self, client, address, database, acme):
        """It may hold a key, and what holds it in the database is sealed."""
        await put(client, address, 201, url=f"{URL}?key=open-sesame")
        shown = await client.get(address)

        assert "open-sesame" not in shown.text
        assert shown.json()["url"].startswith(f"{URL}?sha256=")
        assert "open-sesame" not in str(await recorded(database, acme))

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"url": URL, "integrationName": "sofa"},
            {"url": URL, "intervalSeconds": 299},
            {"url": URL, "intervalSeconds": 30 * 86400 + 1},
            {"url": URL, "intervalSeconds": "300"},
            {"url": URL, "apply": "some"},
            {"url": URL, "enabled": "yes"},
            {"url": URL, "onMissing": "forget"},
            {"url": URL, "force": True},
            {"url": URL, "include": {"tag": ["a"]}},
            {"url": "ftp://example.com/x"},
            {"url": "/openapi.json"},
            {"url": "https://user:password@example.com/x"},
            {"integrationName": "../x"},
        ],
        ids=str,
    )
    async def test_refuses(self, client, address, body):
        response = await client.put(address, json=body)
        assert response.status_code == 422
        assert (await client.get(address)).status_code == 404

    async def test_refuses_a_name_below_no_address(self, client):
        address = await add_integration(client, "Without") + "/sync-schedule"
        response = await client.put(address, json={"integrationName": "sofa"})
        assert (response.status_code, response.json()["code"]) == (422, "base_url_missing")

    async def test_honours_if_match(self, client, address):
        tag = (await put(client, address, 201)).headers["etag"]
        changed = {"url": URL, "intervalSeconds": 600}
        assert (await client.put(address, json=changed, headers={"If-Match": '"9"'})).status_code == 412
        assert (await client.put(address, json=changed, headers={"If-Match": tag})).status_code == 200
        assert (await client.put(address, json={"url": URL}, headers={"If-Match": tag})).status_code == 412

    async def test_makes_none_where_there_was_to_be_one(self, client, address):
        response = await client.put(address, json={"url": URL}, headers={"If-Match": "*"})
        assert response.status_code == 412
        assert (await client.get(address)).status_code == 404

    async def test_of_the_same_changes_nothing(self, client, address, database, acme):
        first = await put(client, address, 201, url=f"{URL}?key=1")
        again = await put(client, address, 200, url=f"{URL}?key=1")

        assert again.json() == first.json()
        assert again.headers["etag"] == first.headers["etag"]
        assert [action for action, _ in await recorded(database, acme)] == ["created"]


class TestTheAuditLog:
    async def test_tells_what_was_changed(self, client, address, database, acme):
        await put(client, address, 201)
        await put(client, address, 200, url=URL, intervalSeconds=600)
        await client.post(f"{address}/run")
        await client.delete(address)

        actions = await recorded(database, acme)
        assert [action for action, _ in actions] == ["created", "updated", "run_requested", "deleted"]
        assert actions[1][1] == {"intervalSeconds": {"before": 86400, "after": 600}}
        assert actions[3][1]["url"] == {"before": URL, "after": None}


class TestDelete:
    async def test_ends_it(self, client, address):
        await put(client, address, 201)
        assert (await client.delete(address)).status_code == 204
        assert (await client.get(address)).status_code == 404
        assert (await client.delete(address)).status_code == 404

    async def test_honours_if_match(self, client, address):
        await put(client, address, 201)
        assert (await client.delete(address, headers={"If-Match": '"9"'})).status_code == 412

    async def test_comes_with_that_of_the_integration(self, client, address):
        await put(client, address, 201)
        assert (await client.delete(address.removesuffix("/sync-schedule"))).status_code == 204
        assert (await client.get(address)).status_code == 404


class TestRun:
    async def test_is_due_at_once(self, client, address):
        before = (await put(client, address, 201)).json()
        response = await client.post(f"{address}/run")

        assert response.status_code == 202
        assert response.json()["nextRunAt"] > before["nextRunAt"]
        assert response.headers["etag"] != '"1"'

    async def test_is_refused_of_a_disabled_one(self, client, address):
        await put(client, address, 201, url=URL, enabled=False)
        response = await client.post(f"{address}/run")
        assert (response.status_code, response.json()["code"]) == (409, "sync_schedule_disabled")

    async def test_needs_a_schedule(self, client, address):
        assert (await client.post(f"{address}/run")).status_code == 404


class TestAnotherTenant:
    async def test_knows_nothing_of_it(self, client, address, globex):
        await put(client, address, 201)
        answers = [
            await globex.client.get(address),
            await globex.client.put(address, json={"url": URL}),
            await globex.client.delete(address),
            await globex.client.post(f"{address}/run"),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert (await client.get(address)).status_code == 200


class TestScopes:
    async def test_are_those_of_handlers(self, api, resources, acme, address):
        await put(acme.client, address, 201)
        token = await issue(resources, acme.tenant, ("handlers:read",))
        async with connect(api, token) as reader:
            assert (await reader.get(address)).status_code == 200
            assert (await reader.put(address, json={"url": URL})).status_code == 403
            assert (await reader.post(f"{address}/run")).status_code == 403
            assert (await reader.delete(address)).status_code == 403
