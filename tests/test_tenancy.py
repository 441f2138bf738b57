"""Every operation there is, tried with another tenant's ids, with too small a token, and with none."""

import pytest
from sqlalchemy import text

from app.db.admin import administer
from tests.fixtures.app import Member, connect, issue, open_test_resources
from tests.fixtures.operations import BODIES, GUARDED, OPERATIONS, UNKNOWN, described
from tests.fixtures.tenant import furnish

pytestmark = pytest.mark.anyio

SAME = {"X-Request-Id": "same"}
MAKES_WHAT_IT_NAMES = {"PUT /connectors/{slug}"}
"""Operations whose caller chooses the name in the address, of something of its own."""
OF_TENANTS = [operation for operation in GUARDED if operation.needs != "tenants:admin"]
WITH_IDS = [
    operation
    for operation in OF_TENANTS
    if operation.parameters and str(operation) not in MAKES_WHAT_IT_NAMES
]
LISTS = [operation for operation in OF_TENANTS if operation.method == "GET" and not operation.parameters]

OWN_DOINGS = {"/access-tokens", "/audit-logs", "/connectors", "/usage"}
"""Lists that say something to a tenant of which nothing is known but a token."""


@pytest.fixture
async def resources(committed, settings):
    """Over connections of their own, as in production: what one leaves behind, the next must not find."""
    async with open_test_resources(committed, settings) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_token_is_remembered(monkeypatch):
    monkeypatch.setattr("app.auth.authenticator.CACHE_LIFETIME_S", 0.0)


class Overheard:
    """A client, and every byte that it was answered."""

    def __init__(self, client) -> None:
        self.client = client
        self.heard = b""
        client.event_hooks["response"].append(self._listen)

    async def _listen(self, response) -> None:
        head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
        self.heard += head.encode() + await response.aread()


def shown(response):
    """What can be told apart from outside."""
    return response.status_code, sorted(response.headers.multi_items()), response.content


async def snapshot(urls, tenant_id) -> dict[str, list[str]]:
    """Every row of a tenant, by table, as text."""
    async with administer(urls.admin) as connection:
        tables = await connection.scalars(
            text("SELECT DISTINCT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'")
        )
        return {
            table: [
                *await connection.scalars(
                    text(f"SELECT t::text FROM {table} t WHERE tenant_id = :id ORDER BY 1"),  # noqa: S608
                    {"id": tenant_id},
                )
            ]
            for table in tables.all()
            if table != "tables"
        }


class TestAnotherTenant:
    """``globex`` knows every id of ``acme`` and has a token for everything: of its own."""

    async def test_gets_the_answer_for_an_unknown_id_and_changes_nothing(
        self, furnished, globex, committed_urls
    ):
        before = await snapshot(committed_urls, furnished.member.tenant_id)
        unknown = dict.fromkeys(furnished.ids, str(UNKNOWN))
        told_apart = []
        for operation in WITH_IDS:
            expected = await operation.call(globex.client, unknown, headers=SAME)
            found = await operation.call(globex.client, furnished.ids, headers=SAME)
            if expected.status_code != 404 or shown(found) != shown(expected):
                told_apart.append((str(operation), found.status_code, expected.text))
        assert told_apart == []
        assert await snapshot(committed_urls, furnished.member.tenant_id) == before

    async def test_gets_the_same_below_an_integration_of_its_own(self, furnished, globex):
        own = await furnish(globex, "canary0globex")
        home = {"integration_id": own.ids["integration_id"]}
        unknown = dict.fromkeys(furnished.ids, str(UNKNOWN)) | home
        told_apart = []
        for operation in WITH_IDS:
            if "integration_id" in operation.parameters and len(operation.parameters) > 1:
                expected = await operation.call(globex.client, unknown, headers=SAME)
                found = await operation.call(globex.client, furnished.ids | home, headers=SAME)
                if expected.status_code != 404 or shown(found) != shown(expected):
                    told_apart.append((str(operation), found.status_code, expected.text))
        assert told_apart == []

    async def test_finds_its_own_lists_empty(self, furnished, globex):
        answers = {operation.path: await operation.call(globex.client, {}) for operation in LISTS}
        assert {path for path, answer in answers.items() if answer.json()} == OWN_DOINGS
        assert len(answers["/access-tokens"].json()) == 1

    @pytest.mark.parametrize(
        "query",
        [
            "/handlers?integrationId={integration_id}",
            "/handlers?search={name}",
            "/integrations?search=canary0acme",
            "/executions?handler={handler_id}",
            "/audit-logs?integrationId={integration_id}",
            "/audit-logs?format=ndjson&integrationId={integration_id}",
        ],
    )
    async def test_finds_nothing_by_the_others_ids(self, furnished, globex, query):
        response = await globex.client.get(query.format_map(furnished.ids))
        assert response.status_code == 200
        assert response.text in {"", "[]"}

    async def test_never_receives_a_byte_of_the_others(self, api, furnished, globex, operator):
        eavesdropper = Overheard(globex.client)
        for ids in (furnished.ids, dict.fromkeys(furnished.ids, str(UNKNOWN))):
            for operation in OPERATIONS:
                if str(operation) not in MAKES_WHAT_IT_NAMES:
                    await operation.call(globex.client, {**ids, "code": "not_found"})
        for operation in LISTS:
            await operation.call(globex.client, {}, params={"limit": 200})
        await globex.client.get("/audit-logs", params={"format": "csv"})
        for address in ("/webhook/{name}", "/webhook/signed-{mark}", "/webhook/globex/{name}"):
            await globex.client.post(address.format_map(furnished.ids | {"mark": furnished.mark}))

        assert b"globex" in eavesdropper.heard
        assert furnished.mark.encode() not in eavesdropper.heard
        ids = {id for name, id in furnished.ids.items() if name != "name"}
        assert [id for id in ids if id.encode() in eavesdropper.heard] == []

    async def test_cannot_bind_a_token_to_the_others_integration(self, furnished, globex):
        answers = [
            await globex.client.post(
                "/access-tokens", json={"name": "x", "scopes": ["*"], "integrationId": id}, headers=SAME
            )
            for id in (furnished.ids["integration_id"], str(UNKNOWN))
        ]
        assert answers[0].status_code == 422
        assert shown(answers[0]) == shown(answers[1])

    async def test_cannot_go_on_in_the_others_list(self, furnished, globex):
        first = await furnished.member.client.get("/handlers?limit=1")
        after = first.links["next"]["url"]
        assert (await furnished.member.client.get(after)).status_code == 200
        response = await globex.client.get(after)
        assert response.status_code == 422
        assert response.json()["code"] == "cursor_not_valid"


class TestATokenOfOneIntegration:
    @pytest.fixture
    async def bound(self, api, resources, furnished):
        id = furnished.ids["integration_id"]
        token = await issue(resources, furnished.member.tenant, integrationId=id)
        async with connect(api, token) as client:
            yield client

    async def test_reaches_what_is_under_it(self, furnished, bound):
        reading = [
            operation
            for operation in WITH_IDS
            if operation.method == "GET" and "integration_id" in operation.parameters
        ]
        for operation in reading:
            assert (await operation.call(bound, furnished.ids)).status_code == 200, operation

    async def test_does_not_know_any_other(self, furnished, bound):
        created = await furnished.member.client.post("/integrations", json={"name": "Other"})
        other = furnished.ids | {"integration_id": created.json()["id"]}
        unknown = furnished.ids | {"integration_id": str(UNKNOWN)}
        told_apart = []
        for operation in WITH_IDS:
            if "integration_id" in operation.parameters:
                expected = await operation.call(bound, unknown, headers=SAME)
                found = await operation.call(bound, other, headers=SAME)
                if expected.status_code != 404 or shown(found) != shown(expected):
                    told_apart.append((str(operation), found.status_code, expected.text))
        assert told_apart == []

    async def test_is_refused_where_no_integration_is_named(self, furnished, bound):
        codes = {
            str(operation): (await operation.call(bound, furnished.ids)).json().get("code")
            for operation in OF_TENANTS
            if "integration_id" not in operation.parameters
        }
        assert {*codes.values()} == {"token_bound_elsewhere"}, codes


class TestEveryOperation:
    async def test_asks_for_a_token(self, anonymous, furnished):
        answers = [await operation.call(anonymous, furnished.ids) for operation in GUARDED]
        assert {answer.status_code for answer in answers} == {401}
        assert {answer.headers["www-authenticate"] for answer in answers} == {'Bearer realm="jackfield"'}

    @pytest.mark.parametrize("token", ["", "x", "jf_svc_" + "0" * 36, "ä"])
    async def test_knows_no_token_that_is_none(self, anonymous, token):
        headers = {"Authorization": f"Bearer {token}".encode()}
        assert (await anonymous.get("/integrations", headers=headers)).status_code == 401

    async def test_asks_for_its_own_scope(self, api, resources, furnished):
        """A token that may do everything but this. ``*:verb`` and single scopes add up to that."""
        every = {operation.needs for operation in OF_TENANTS}
        passed = []
        for needed in sorted(every):
            token = await issue(resources, furnished.member.tenant, tuple(every - {needed}))
            async with connect(api, token) as client:
                for operation in OF_TENANTS:
                    if operation.needs == needed:
                        answer = await operation.call(client, furnished.ids)
                        if (answer.status_code, answer.json().get("code")) != (403, "scope_missing"):
                            passed.append((str(operation), answer.status_code))
        assert passed == []

    async def test_is_the_operators_alone_where_tenants_are_managed(self, acme, furnished):
        answers = [
            await operation.call(acme.client, furnished.ids)
            for operation in GUARDED
            if operation.needs == "tenants:admin"
        ]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
            (403, "operators_only")
        }

    async def test_is_no_tenants_business_where_the_operator_calls(self, operator, furnished):
        """The operator manages tenants and reads nothing of theirs."""
        answers = [await operation.call(operator, furnished.ids) for operation in OF_TENANTS]
        assert {answer.status_code for answer in answers} == {401}

    def test_has_a_body_here_if_it_takes_one(self):
        taking = {name for name, operation in described() if "requestBody" in operation}
        assert taking == {*BODIES}


class TestASuspendedTenant:
    @pytest.fixture
    async def suspended(self, furnished, operator) -> Member:
        response = await operator.put(f"/tenants/{furnished.ids['tenant_id']}", json={"status": "suspended"})
        assert response.status_code == 200
        return furnished.member

    async def test_finds_every_operation_closed(self, suspended, furnished):
        for operation in OF_TENANTS:
            answer = await operation.call(suspended.client, furnished.ids)
            assert (answer.status_code, answer.json()["code"]) == (403, "tenant_suspended"), operation

    async def test_has_no_webhooks(self, suspended, furnished, anonymous):
        answers = [
            await anonymous.post(f"/webhook/acme/{name}", headers=SAME)
            for name in (furnished.ids["name"], "unknown")
        ]
        assert answers[0].status_code == 404
        assert shown(answers[0]) == shown(answers[1])

    async def test_leaves_the_others_alone(self, suspended, globex):
        assert (await globex.client.get("/integrations")).status_code == 200

    async def test_comes_back_with_everything(self, suspended, furnished, operator):
        await operator.put(f"/tenants/{furnished.ids['tenant_id']}", json={"status": "active"})
        address = f"/integrations/{furnished.ids['integration_id']}"
        assert (await suspended.client.get(address)).status_code == 200


class TestADeletedTenant:
    async def test_leaves_nothing_but_its_audit_log(self, furnished, operator, committed_urls):
        response = await operator.delete(f"/tenants/{furnished.ids['tenant_id']}")
        assert response.status_code == 204
        left = await snapshot(committed_urls, furnished.member.tenant_id)
        assert {table for table, rows in left.items() if rows} == {"audit_logs"}
        assert (await furnished.member.client.get("/integrations")).status_code == 401
