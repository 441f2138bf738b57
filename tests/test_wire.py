"""What a client sees of every resource, whichever feature answers."""

import re

import pytest
from sqlalchemy import event, text

from app.core.settings import Settings
from app.db.admin import administer
from app.db.session import TenantSession
from tests.fixtures.app import LOOPBACK, OPERATOR_TOKEN, Member, connect, join, open_test_resources, wire
from tests.fixtures.operations import OPERATIONS, UNKNOWN, described
from tests.web.asgi import Exchange, http_scope

pytestmark = pytest.mark.anyio

PROBLEM = "application/problem+json"
ORIGIN = "https://admin.example.com"

VERSIONED = [
    ("/integrations", {"name": "one"}, {"name": "two"}),
    ("/integrations/{integration_id}/credentials", {"key": "ONE", "value": "one"}, {"value": "two"}),
    ("/integrations/{integration_id}/secrets", {"key": "ONE", "value": "one"}, {"value": "two"}),
    ("/integrations/{integration_id}/handlers", {"name": "one"}, {"summary": "two"}),
    ("/tenants", {"slug": "one"}, {"name": "two"}),
]
"""Every collection whose members can be changed: where they are made, of what, and a change."""


def is_problem(response) -> bool:
    return response.headers["content-type"] == PROBLEM and response.json()["status"] == response.status_code


FAIL = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'at the end' USING ERRCODE = 'disk_full'; END $$
"""
AT_THE_END = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"


class TestTheOrderOnTheWire:
    """Only this order tells a client that a 201 can be read back."""

    @pytest.fixture
    async def order(self, committed, settings):
        """Commits of the process and messages to the client, in their order, by request."""
        noted: list[str] = []
        async with open_test_resources(committed, settings) as resources:
            _, token = await join(resources, "acme")
            api = wire(resources)

            async def watched(scope, receive, send):
                async def note(message):
                    noted.append(message["type"])
                    await send(message)

                await api(scope, receive, note)

            def committing(_):
                noted.append("commit")

            event.listen(TenantSession, "after_commit", committing)
            async with connect(watched, token) as client:
                yield client, noted
            event.remove(TenantSession, "after_commit", committing)

    @pytest.mark.parametrize(
        ("method", "address", "body"),
        [
            ("POST", "/integrations", {"name": "two"}),
            ("PUT", "{made}", {"name": "three"}),
            ("DELETE", "{made}", None),
            ("POST", "{made}/secrets", {"key": "A", "value": "a"}),
            ("POST", "{made}/handlers", {"name": "h"}),
            ("POST", "/handlers/store/execute", {}),
            ("POST", "/webhook/acme/store", {}),
        ],
    )
    async def test_is_commit_then_answer(self, order, method, address, body):
        client, noted = order
        made = (await client.post("/integrations", json={"name": "one"})).headers["location"]
        await client.post(f"{made}/handlers", json={"name": "store"})
        noted.clear()
        response = await client.request(method, address.format(made=made), json=body)

        assert response.is_success, response.text
        assert noted.count("http.response.start") == 1
        last_commit = len(noted) - 1 - noted[::-1].index("commit")
        assert last_commit < noted.index("http.response.start")


class TestAFailedCommit:
    @pytest.fixture
    async def member(self, committed, settings):
        """A member whose integrations pass every statement and fail at the end."""
        async with open_test_resources(committed, settings) as resources:
            tenant, token = await join(resources, "acme")
            async with connect(wire(resources), token) as client:
                made = await client.post("/integrations", json={"name": "one"})
                await client.post(f"{made.headers['location']}/handlers", json={"name": "store"})
                yield Member(tenant, token, client)

    @pytest.fixture
    async def failing(self, member, committed_urls):
        async with administer(committed_urls.admin) as connection:
            await connection.execute(text(FAIL))
            for table in ("integrations", "executions"):
                await connection.execute(
                    text(f"CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON {table} {AT_THE_END}")
                )
            await connection.commit()

    @pytest.mark.usefixtures("failing")
    @pytest.mark.parametrize("address", ["/integrations", "/webhook/acme/store"])
    async def test_is_an_error_and_nothing_happened(self, member, address, committed):
        response = await member.client.post(address, json={"name": "two"})

        assert response.status_code == 503
        assert is_problem(response)
        assert "at the end" not in response.text
        assert response.headers["retry-after"]
        async with committed.transaction(member.tenant_id) as session:
            rows = "SELECT (SELECT count(*) FROM integrations), (SELECT count(*) FROM executions)"
            assert (await session.execute(text(rows))).one() == (1, 0)

    @pytest.mark.usefixtures("failing")
    async def test_leaves_no_answer_to_replay(self, member):
        headers = {"Idempotency-Key": "k"}
        answers = [
            await member.client.post("/integrations", json={"name": "two"}, headers=headers) for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [503, 503]


class TestRequestIds:
    @pytest.mark.parametrize("path", ["/livez", "/integrations", "/nowhere", "/webhook/acme/nobody"])
    async def test_come_back_as_they_were_sent(self, client, path):
        response = await client.get(path, headers={"X-Request-Id": "abc-1.2_3"})
        assert response.headers["x-request-id"] == "abc-1.2_3"
        if not response.is_success:
            assert response.json()["requestId"] == "abc-1.2_3"

    @pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "<script>"])
    async def test_are_replaced_where_they_could_do_harm(self, client, given):
        response = await client.get("/nowhere", headers={"X-Request-Id": given})
        made = response.headers["x-request-id"]
        assert made != given
        assert response.json()["requestId"] == made

    async def test_lead_to_the_audit_record(self, client):
        made = await client.post("/integrations", json={"name": "one"}, headers={"X-Request-Id": "abc"})
        record = (await client.get(f"{made.headers['location']}/audit-logs")).json()[0]
        assert record["requestId"] == "abc"


class TestCors:
    @pytest.fixture
    async def opened(self, database):
        settings = Settings(
            operator_token=OPERATOR_TOKEN, egress_allow=LOOPBACK, cors_origins=(ORIGIN,), _env_file=None
        )
        async with open_test_resources(database, settings) as resources:
            _, token = await join(resources, "acme")
            async with connect(wire(resources), token) as client:
                yield client

    PREFLIGHT = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,if-match,content-type",
    }

    async def test_lets_nobody_in_by_default(self, client):
        for response in (
            await client.options("/integrations", headers=self.PREFLIGHT),
            await client.get("/integrations", headers={"Origin": ORIGIN}),
        ):
            assert [name for name in response.headers if name.startswith("access-control-")] == []

    async def test_lets_in_who_is_configured(self, opened):
        preflight = await opened.options("/integrations", headers=self.PREFLIGHT)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        response = await opened.get("/integrations", headers={"Origin": ORIGIN})
        assert response.headers["access-control-allow-origin"] == ORIGIN
        shown = response.headers["access-control-expose-headers"]
        assert {"ETag", "Location", "Link", "X-Request-Id"} <= {*re.split(r",\s*", shown)}

    async def test_shows_errors_to_who_is_configured(self, opened):
        for path in ("/nowhere", f"/integrations/{UNKNOWN}", "/integrations/%00"):
            response = await opened.get(path, headers={"Origin": ORIGIN})
            assert response.status_code == 404
            assert response.headers["access-control-allow-origin"] == ORIGIN

    async def test_lets_in_nobody_else(self, opened):
        for origin in ("https://evil.example", f"{ORIGIN}.evil.example", "null", f"{ORIGIN}:444"):
            response = await opened.get("/integrations", headers={"Origin": origin})
            assert "access-control-allow-origin" not in response.headers


class TestMethods:
    async def test_that_a_path_has_not_are_refused_with_those_it_has(self, client):
        ids = {name: str(UNKNOWN) for operation in OPERATIONS for name in operation.parameters}
        has: dict[str, set[str]] = {}
        for operation in OPERATIONS:
            has.setdefault(operation.address(ids), set()).add(operation.method)
        for address, methods in has.items():
            response = await client.request("TRACE", address)
            assert response.status_code == 405, address
            assert is_problem(response)
            allowed = {*re.split(r",\s*", response.headers["allow"])}
            assert allowed == methods | ({"HEAD"} if "GET" in methods else set()), address

    @pytest.mark.parametrize(
        "path", ["/", "/nowhere", "/integrations/", "/Integrations", "//", "/integrations//"]
    )
    async def test_find_no_path_that_is_none(self, client, path):
        response = await client.get(path)
        assert response.status_code == 404
        assert is_problem(response)

    async def test_that_only_ask_for_the_head_get_no_body(self, client):
        for path in ("/integrations", "/livez", "/nowhere", "/webhook/acme/nobody"):
            response = await client.head(path)
            assert response.status_code in {200, 404, 405}
            assert response.content == b""


@pytest.mark.parametrize(("collection", "given", "change"), VERSIONED, ids=lambda value: str(value)[:50])
class TestVersions:
    @pytest.fixture
    async def writer(self, collection, client, operator):
        """The client for a collection, and its address."""
        if collection.startswith("/tenants"):
            return operator, collection
        made = await client.post("/integrations", json={"name": "home"})
        return client, collection.format(integration_id=made.json()["id"])

    async def test_tell_a_stale_writer(self, writer, given, change):
        client, address = writer
        made = await client.post(address, json=given)
        assert made.status_code == 201
        member, first = made.headers["location"], made.headers["etag"]
        assert (await client.get(member)).headers["etag"] == first

        changed = await client.put(member, json=change, headers={"If-Match": first})
        assert changed.status_code == 200
        assert changed.headers["etag"] != first
        for stale in (first, f"W/{changed.headers['etag']}", '"x"', "x"):
            for request in (
                client.put(member, json=change, headers={"If-Match": stale}),
                client.delete(member, headers={"If-Match": stale}),
            ):
                refused = await request
                assert refused.status_code == 412
                assert is_problem(refused)
        assert (
            await client.delete(member, headers={"If-Match": f"{first}, {changed.headers['etag']}"})
        ).is_success

    async def test_spare_a_reader_what_it_has(self, writer, given, change):
        client, address = writer
        made = await client.post(address, json=given)
        member, tag = made.headers["location"], made.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            response = await client.get(member, headers={"If-None-Match": known})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == tag
        assert (await client.get(member, headers={"If-None-Match": '"other"'})).json() == made.json()


class TestLists:
    async def test_lead_through_all_pages_and_end(self, client):
        for number in range(5):
            await client.post("/integrations", json={"name": f"n{number}"})
        address, names = "/integrations?limit=2&sort=name&search=n", []
        for _ in range(3):
            response = await client.get(address)
            names += [row["name"] for row in response.json()]
            link = response.headers.get("link")
            if link is None:
                break
            match = re.fullmatch(r'<(/integrations\?[^>]*)>; rel="next"', link)
            assert match
            address = match[1]
        assert link is None
        assert names == [f"n{number}" for number in range(5)]

    @pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "sort=id", "cursor=x", "sort=-"])
    async def test_name_the_parameter_that_is_wrong(self, client, query):
        response = await client.get(f"/integrations?{query}")
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == f"/query/{query.partition('=')[0]}"


class TestWhatEverybodyMayRead:
    async def test_says_that_it_lives_and_is_ready(self, anonymous):
        assert (await anonymous.get("/livez")).json() == {"status": "ok"}
        ready = await anonymous.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["checks"] == {
            "database": True,
            "keys": True,
            "queue": True,
            "accepting": True,
        }

    async def test_counts_for_prometheus(self, anonymous):
        response = await anonymous.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain")
        assert "# TYPE" in response.text

    async def test_describes_itself_in_openapi_3_1(self, anonymous):
        document = (await anonymous.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1.")
        described_ids = [operation["operationId"] for _, operation in described()]
        assert len({*described_ids}) == len(described_ids)
        assert {name for name, _ in described()} >= {
            str(operation)
            for operation in OPERATIONS
            if not operation.path.startswith(("/docs", "/openapi.json"))
        }

    async def test_is_documented_without_any_other_server(self, anonymous):
        page = await anonymous.get("/docs")
        assert page.status_code == 200
        assert re.findall(r'(?:src|href)="((?:https?:)?//[^"]*)"', page.text) == []
        for asset in re.findall(r'(?:src|href)="(docs/[^"?]*)', page.text):
            assert (await anonymous.get(f"/{asset}")).status_code == 200

    async def test_explains_every_problem_that_it_can_have(self, anonymous):
        for kind in (await anonymous.get("/problems")).json():
            response = await anonymous.get(f"/problems/{kind['code']}")
            assert response.json() == kind
            assert kind["description"]

    async def test_explains_the_problem_just_seen(self, client):
        problem = (await client.get("/nowhere")).json()
        explained = (await client.get(problem["type"])).json()
        assert (explained["code"], explained["status"]) == (problem["code"], 404)


async def test_a_client_that_leaves_half_way_costs_nobody_anything(api, client):
    """The answer to a body that never came: none, and the next request is answered."""

    async def leave():
        return {"type": "http.disconnect"}

    scope = http_scope("/integrations", method="POST", headers=[("content-type", "application/json")])
    await Exchange(scope, [b'{"name": ', leave]).run(api)
    assert (await client.get("/integrations")).json() == []
