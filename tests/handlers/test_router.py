from uuid import UUID

import pytest
from pydantic import AnyHttpUrl
from sqlalchemy import update

from app.models import AuditRecord, Handler, HandlerSource
from tests.fixtures.app import add_integration, audit_actions, connect, event_types, events_of, issue, rows

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")
HTTP = {"kind": "http", "method": "POST", "url": "https://api.example.com/messages"}
OPERATION = {
    "kind": "operation",
    "method": "GET",
    "path": "/jobs",
    "parameters": [{"name": "timeout", "in": "query", "style": "form", "explode": True}],
}


@pytest.fixture
async def handlers(client):
    """The address of an integration's handlers."""
    return f"{await add_integration(client)}/handlers"


async def create(client, handlers, name="notify", **fields):
    response = await client.post(handlers, json={"name": name, **fields})
    assert response.status_code == 201, response.text
    return response.json()


async def sync(database, member, id, **columns):
    """Make a handler one of a synced document."""
    async with database.transaction(member.tenant_id) as session:
        query = update(Handler).where(Handler.tenant_id == member.tenant_id, Handler.id == UUID(id))
        await session.execute(query.values(source=HandlerSource.OPENAPI, **columns))


def pointers(response):
    assert response.status_code == 422, response.text
    return [fault["pointer"] for fault in response.json()["errors"]]


class TestCreate:
    async def test_answers_with_every_default(self, client, handlers):
        response = await client.post(handlers, json={"name": "notify"})

        assert response.status_code == 201
        body = response.json()
        assert body == {
            "id": body["id"],
            "integrationId": handlers.split("/")[2],
            "name": "notify",
            "summary": None,
            "defaultArgs": {},
            "mode": "async",
            "methods": ["POST"],
            "target": {"kind": "store"},
            "verification": {"scheme": "none"},
            "bodyLimit": None,
            "rawBody": False,
            "validateArgs": True,
            "rateLimit": None,
            "allowedCidrs": None,
            "source": "manual",
            "enabled": True,
            "webhookUrl": "http://jackfield.test/webhook/acme/notify",
            "missingSince": None,
            "orphanedArgs": [],
            "createdAt": body["createdAt"],
            "updatedAt": body["createdAt"],
        }
        assert response.headers["location"] == f"{handlers}/{body['id']}"
        assert response.headers["etag"] == '"1"'

    async def test_keeps_everything_that_was_given(self, client, handlers):
        given = {
            "summary": "Tell the room",
            "defaultArgs": {"timeout": 120_000, "retries": 0, "a": [None, {"b": "{{secrets.KEY}}"}]},
            "mode": "sync",
            "methods": ["POST", "GET", "POST"],
            "target": {**HTTP, "headers": {"X-Key": "{{secrets.KEY}}"}, "body": {"text": None}},
            "verification": {"scheme": "github", "secretKey": "HOOK"},
            "bodyLimit": 26_214_400,
            "enabled": False,
        }
        created = await create(client, handlers, **given)

        assert {**created, **given, "methods": ["GET", "POST"]} == created
        assert (await client.get(f"{handlers}/{created['id']}")).json() == created

    @pytest.mark.parametrize(
        ("target", "scheme"), [({"kind": "store"}, "none"), (HTTP, "bearer"), (OPERATION, "bearer")]
    )
    async def test_shows_the_verification_that_applies(self, client, handlers, target, scheme):
        created = await create(client, handlers, target=target)

        assert created["verification"] == {"scheme": scheme}

    async def test_writes_out_what_a_verification_leaves_to_defaults(self, client, handlers):
        created = await create(client, handlers, verification={"scheme": "standard-webhooks"})

        assert created["verification"] == {"scheme": "standard-webhooks", "secretKey": "WEBHOOK_SECRET"}

    async def test_leaves_an_audit_record_and_an_event(self, client, handlers, acme, database):
        created = await create(client, handlers, target=HTTP)

        record = (await rows(database, acme, AuditRecord))[-1]
        assert (record.action, record.resource_type, record.resource_id, record.resource_name) == (
            "handler.created",
            "handler",
            created["id"],
            "notify",
        )
        assert record.changes["target"] == {"before": None, "after": {**HTTP, "headers": {}}}
        event = (await events_of(database, acme, "handler"))[-1]
        assert (event.type, event.sequence) == ("handler.created", 1)
        assert event.payload == {"name": "notify", "integration_id": handlers.split("/")[2]}

    async def test_refuses_a_name_that_any_integration_of_the_tenant_has(
        self, client, handlers, acme, database
    ):
        await create(client, handlers)
        other = f"{await add_integration(client, 'Other')}/handlers"
        response = await client.post(other, json={"name": "notify"})

        assert response.status_code == 409
        assert response.json()["code"] == "handler_name_taken"
        assert (await audit_actions(database, acme)).count("handler.created") == 1

    async def test_lets_two_tenants_use_one_name(self, acme, globex):
        for member in (acme, globex):
            handlers = f"{await add_integration(member.client)}/handlers"
            created = await create(member.client, handlers)
            assert created["webhookUrl"].endswith(f"/webhook/{member.tenant.slug}/notify")

    @pytest.mark.parametrize("name", ["a", "0", "a-b_c", "x" * 100])
    async def test_takes_names_that_fit_into_an_address(self, client, handlers, name):
        assert (await create(client, handlers, name))["webhookUrl"].endswith(f"/{name}")

    @pytest.mark.parametrize(
        "name", ["", "-a", "_a", "A", "a b", "a/b", "a.b", "ä", "x" * 101, "a\n", None, 7]
    )
    async def test_refuses_other_names(self, client, handlers, name):
        assert pointers(await client.post(handlers, json={"name": name})) == ["/name"]

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"mode": "later"}, "/mode"),
            ({"methods": []}, "/methods"),
            ({"methods": ["BREW"]}, "/methods/0"),
            ({"target": {"kind": "shell"}}, "/target"),
            ({"target": {}}, "/target"),
            ({"target": None}, "/target"),
            ({"target": {**HTTP, "url": "ftp://example.com"}}, "/target/url"),
            ({"target": {**HTTP, "url": "{{args.url}}"}}, "/target/url"),
            ({"target": {**HTTP, "unknown": 1}}, "/target/unknown"),
            ({"target": {**HTTP, "headers": {"Host": "x"}}}, "/target/headers/Host"),
            ({"target": {"kind": "capability", "connector": "slack", "name": "post"}}, "/target"),
            ({"verification": {"scheme": "magic"}}, "/verification/scheme"),
            ({"verification": {}}, "/verification"),
            ({"verification": {"scheme": 5}}, "/verification"),
            ({"verification": {"scheme": "paypal"}}, "/verification/webhookId"),
            ({"verification": {"scheme": "github", "color": "red"}}, "/verification/color"),
            ({"verification": {"scheme": "square", "url": "nowhere"}}, "/verification/url"),
            ({"verification": {"scheme": "github", "secretKey": "1"}}, "/verification/secretKey"),
            ({"verification": {"scheme": "hmac", "message": "x"}}, "/verification"),
            ({"bodyLimit": 0}, "/bodyLimit"),
            ({"bodyLimit": 26_214_401}, "/bodyLimit"),
            ({"bodyLimit": "5"}, "/bodyLimit"),
            ({"bodyLimit": True}, "/bodyLimit"),
            ({"enabled": "yes"}, "/enabled"),
            ({"defaultArgs": []}, "/defaultArgs"),
            ({"defaultArgs": None}, "/defaultArgs"),
            ({"defaultArgs": {"timeout": 0}}, "/defaultArgs/timeout"),
            ({"defaultArgs": {"timeout": 120_001}}, "/defaultArgs/timeout"),
            ({"defaultArgs": {"timeout": 1.5}}, "/defaultArgs/timeout"),
            ({"defaultArgs": {"retries": 21}}, "/defaultArgs/retries"),
            ({"defaultArgs": {"retries": "3"}}, "/defaultArgs/retries"),
            ({"defaultArgs": {"a": "x" * 70_000}}, "/defaultArgs"),
            ({"summary": "x" * 2049}, "/summary"),
            ({"source": "openapi"}, "/source"),
            ({"webhookUrl": "https://x.test"}, "/webhookUrl"),
        ],
    )
    async def test_names_the_field_that_is_wrong(self, client, handlers, fields, pointer):
        assert pointers(await client.post(handlers, json={"name": "notify", **fields})) == [pointer]
        assert (await client.get(handlers)).json() == []

    async def test_names_every_default_argument_that_is_wrong(self, client, handlers):
        fields = {"defaultArgs": {"timeout": -1, "retries": -1}}
        response = await client.post(handlers, json={"name": "notify", **fields})

        assert sorted(pointers(response)) == ["/defaultArgs/retries", "/defaultArgs/timeout"]
        assert response.json()["code"] == "default_args_not_valid"

    async def test_leaves_an_operations_own_timeout_parameter_alone(self, client, handlers):
        created = await create(client, handlers, target=OPERATION, defaultArgs={"timeout": "1h"})

        assert created["defaultArgs"] == {"timeout": "1h"}

    @pytest.mark.parametrize("id", [str(UNKNOWN), "nonsense"])
    async def test_answers_404_for_an_integration_that_is_not_there(self, client, id):
        response = await client.post(f"/integrations/{id}/handlers", json={"name": "notify"})

        assert response.status_code == 404

    async def test_answers_404_for_another_tenants_integration(self, acme, globex):
        theirs = f"{await add_integration(acme.client)}/handlers"
        headers = {"X-Request-Id": "same"}
        body = {"name": "notify"}
        response = await globex.client.post(theirs, json=body, headers=headers)
        unknown = await globex.client.post(f"/integrations/{UNKNOWN}/handlers", json=body, headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content

    async def test_replays_the_first_answer_for_an_idempotency_key(self, client, handlers):
        headers = {"Idempotency-Key": "k1"}
        first = await client.post(handlers, json={"name": "notify"}, headers=headers)
        second = await client.post(handlers, json={"name": "notify"}, headers=headers)

        assert second.content == first.content


class TestWebhookUrl:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"public_url": AnyHttpUrl("https://hooks.example.com/below/")})

    async def test_starts_with_the_public_url(self, client, handlers):
        created = await create(client, handlers)

        assert created["webhookUrl"] == "https://hooks.example.com/below/webhook/acme/notify"


class TestList:
    async def test_shows_the_handlers_of_one_integration(self, client, handlers):
        created = [await create(client, handlers, name) for name in ("b", "a")]
        other = f"{await add_integration(client, 'Other')}/handlers"
        await create(client, other, "c")

        assert (await client.get(f"{handlers}?sort=name")).json() == created[::-1]

    async def test_walks_all_pages_by_link(self, client, handlers):
        for number in range(3):
            await create(client, handlers, f"h{number}")
        seen, address = [], f"{handlers}?limit=2&sort=-name"
        while address:
            response = await client.get(address)
            seen += [row["name"] for row in response.json()]
            link = response.headers.get("link")
            address = link.removeprefix("<").split(">")[0] if link else None

        assert seen == ["h2", "h1", "h0"]

    async def test_answers_404_for_an_integration_that_is_not_there(self, acme, globex):
        theirs = f"{await add_integration(acme.client)}/handlers"
        headers = {"X-Request-Id": "same"}
        response = await globex.client.get(theirs, headers=headers)
        unknown = await globex.client.get(f"/integrations/{UNKNOWN}/handlers", headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content


class TestListAll:
    async def test_shows_the_handlers_of_all_integrations(self, client, handlers):
        await create(client, handlers, "a")
        other = f"{await add_integration(client, 'Other')}/handlers"
        await create(client, other, "b")

        assert [row["name"] for row in (await client.get("/handlers?sort=name")).json()] == ["a", "b"]

    async def test_shows_nothing_of_another_tenant(self, acme, globex):
        handlers = f"{await add_integration(acme.client)}/handlers"
        await create(acme.client, handlers)

        assert (await globex.client.get("/handlers")).json() == []
        id = handlers.split("/")[2]
        assert (await globex.client.get(f"/handlers?integrationId={id}")).json() == []

    async def test_filters_by_integration_name_and_state(self, client, handlers):
        for name in ("send_mail", "send-sms", "sendxmail"):
            await create(client, handlers, name)
        other = f"{await add_integration(client, 'Other')}/handlers"
        await create(client, other, "off", enabled=False)

        async def found(**query):
            response = await client.get("/handlers", params={"sort": "name", **query})
            return [row["name"] for row in response.json()]

        assert await found(search="SEND_") == ["send_mail"]
        assert await found(search="%") == []
        assert await found(enabled=False) == ["off"]
        assert await found(integrationId=other.split("/")[2]) == ["off"]
        assert await found(integrationId=other.split("/")[2], enabled=True) == []

    @pytest.mark.parametrize(
        "query", ["integrationId=x", "enabled=perhaps", "sort=target", "search=" + "x" * 101]
    )
    async def test_refuses_what_it_cannot_answer(self, client, query):
        assert pointers(await client.get(f"/handlers?{query}")) == [f"/query/{query.split('=')[0]}"]


class TestGet:
    async def test_gives_304_for_the_version_that_is_known(self, client, handlers):
        created = await create(client, handlers)
        response = await client.get(f"{handlers}/{created['id']}", headers={"If-None-Match": '"1"'})

        assert response.status_code == 304

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_knows_no_row_of_another_tenant_or_another_integration(self, acme, globex, method):
        handlers = f"{await add_integration(acme.client)}/handlers"
        created = await create(acme.client, handlers)
        other = f"{await add_integration(acme.client, 'Other')}/handlers"
        mine = f"{await add_integration(globex.client)}/handlers"
        headers = {"X-Request-Id": "same"}
        body = {"enabled": False} if method == "PUT" else None

        async def ask(member, address):
            return await member.client.request(method, address, json=body, headers=headers)

        answers = [
            await ask(globex, f"{handlers}/{created['id']}"),
            await ask(globex, f"{mine}/{created['id']}"),
            await ask(acme, f"{other}/{created['id']}"),
            await ask(acme, f"{handlers}/{UNKNOWN}"),
            await ask(acme, f"{handlers}/nonsense"),
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1


class TestUpdate:
    async def test_changes_what_is_given_and_nothing_else(self, client, handlers, acme, database):
        created = await create(client, handlers, target=HTTP, verification={"scheme": "github"})
        response = await client.put(f"{handlers}/{created['id']}", json={"name": "renamed", "mode": "sync"})

        assert response.status_code == 200
        assert response.headers["etag"] == '"2"'
        changed = {**response.json(), "updatedAt": created["updatedAt"]}
        assert changed == {
            **created,
            "name": "renamed",
            "mode": "sync",
            "webhookUrl": "http://jackfield.test/webhook/acme/renamed",
        }
        record = (await rows(database, acme, AuditRecord))[-1]
        assert record.changes == {
            "name": {"before": "notify", "after": "renamed"},
            "mode": {"before": "async", "after": "sync"},
        }
        event = (await events_of(database, acme, "handler"))[-1]
        assert (event.type, event.sequence, event.payload["changed"]) == (
            "handler.updated",
            2,
            ["mode", "name"],
        )

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"name": "notify", "enabled": True, "summary": None, "bodyLimit": None},
            {"methods": ["POST", "GET"], "defaultArgs": {"a": 1}},
            {"target": HTTP},
            {"target": {**HTTP, "headers": {}, "body": None}},
            {"verification": {"scheme": "github"}},
            {"verification": {"scheme": "github", "secretKey": "WEBHOOK_SECRET", "toleranceSeconds": None}},
        ],
    )
    async def test_writes_nothing_when_nothing_changes(self, client, handlers, acme, database, fields):
        given = {
            "methods": ["GET", "POST"],
            "defaultArgs": {"a": 1},
            "target": HTTP,
            "verification": {"scheme": "github"},
        }
        created = await create(client, handlers, **given)
        response = await client.put(f"{handlers}/{created['id']}", json=fields)

        assert response.json() == created
        assert response.headers["etag"] == '"1"'
        assert await audit_actions(database, acme) == ["integration.created", "handler.created"]
        assert await event_types(database, acme) == [
            "integration.created",
            "handler.created",
            "tool.created",
            "tools.list_updated",
        ]

    async def test_resets_the_verification_with_null(self, client, handlers):
        created = await create(client, handlers, target=HTTP, verification={"scheme": "none"})
        response = await client.put(f"{handlers}/{created['id']}", json={"verification": None})

        assert response.json()["verification"] == {"scheme": "bearer"}

    async def test_keeps_an_explicit_verification_when_the_target_changes(self, client, handlers):
        by_default = await create(client, handlers, "a")
        explicit = await create(client, handlers, "b", target=HTTP, verification={"scheme": "bearer"})
        closed = await client.put(f"{handlers}/{by_default['id']}", json={"target": HTTP})
        still = await client.put(f"{handlers}/{explicit['id']}", json={"target": {"kind": "store"}})

        assert closed.json()["verification"] == {"scheme": "bearer"}
        assert still.json()["verification"] == {"scheme": "bearer"}

    async def test_refuses_a_taken_name(self, client, handlers):
        created = await create(client, handlers, "a")
        await create(client, handlers, "b")
        response = await client.put(f"{handlers}/{created['id']}", json={"name": "b"})

        assert response.status_code == 409
        assert (await client.get(f"{handlers}/{created['id']}")).json() == created

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"name": None}, "/name"),
            ({"target": None}, "/target"),
            ({"methods": []}, "/methods"),
            ({"integrationId": str(UNKNOWN)}, "/integrationId"),
            ({"defaultArgs": {"timeout": 0}}, "/defaultArgs/timeout"),
            ({"target": {"kind": "capability", "connector": "slack", "name": "post"}}, "/target"),
        ],
    )
    async def test_names_the_field_that_is_wrong(self, client, handlers, fields, pointer):
        created = await create(client, handlers)
        address = f"{handlers}/{created['id']}"

        assert pointers(await client.put(address, json=fields)) == [pointer]
        assert (await client.get(address)).json() == created

    async def test_judges_old_arguments_by_a_new_target(self, client, handlers):
        created = await create(client, handlers, target=OPERATION, defaultArgs={"timeout": "1h"})
        response = await client.put(f"{handlers}/{created['id']}", json={"target": HTTP})

        assert pointers(response) == ["/defaultArgs/timeout"]

    async def test_refuses_a_stale_version(self, client, handlers):
        created = await create(client, handlers)
        await client.put(f"{handlers}/{created['id']}", json={"name": "two"})
        response = await client.put(
            f"{handlers}/{created['id']}", json={"name": "three"}, headers={"If-Match": '"1"'}
        )

        assert response.status_code == 412
        assert response.headers["etag"] == '"2"'


class TestSyncedHandler:
    async def test_keeps_its_target(self, client, handlers, acme, database):
        created = await create(client, handlers, target=OPERATION)
        await sync(database, acme, created["id"])
        response = await client.put(f"{handlers}/{created['id']}", json={"target": HTTP})

        assert response.status_code == 409
        assert response.json()["code"] == "target_is_synced"

    async def test_may_be_sent_back_as_it_was_shown(self, client, handlers, acme, database):
        lean = {"kind": "operation", "method": "GET", "path": "/jobs"}
        created = await create(client, handlers, target=OPERATION)
        await sync(database, acme, created["id"], target=lean, orphaned_args=["gone"])
        shown = (await client.get(f"{handlers}/{created['id']}")).json()
        response = await client.put(
            f"{handlers}/{created['id']}", json={"target": shown["target"], "enabled": False}
        )

        assert response.status_code == 200
        assert response.json()["target"] == lean
        assert (response.json()["source"], response.json()["orphanedArgs"]) == ("openapi", ["gone"])
        assert not response.json()["enabled"]


class TestDelete:
    async def test_is_gone_and_leaves_its_record(self, client, handlers, acme, database):
        created = await create(client, handlers)
        response = await client.delete(f"{handlers}/{created['id']}", headers={"If-Match": '"1"'})

        assert response.status_code == 204
        assert (await client.get(f"{handlers}/{created['id']}")).status_code == 404
        record = (await rows(database, acme, AuditRecord))[-1]
        assert (record.action, record.changes["name"]) == (
            "handler.deleted",
            {"before": "notify", "after": None},
        )
        event = (await events_of(database, acme, "handler"))[-1]
        assert (event.type, event.sequence) == ("handler.deleted", 2)

    async def test_refuses_a_stale_version(self, client, handlers):
        created = await create(client, handlers)
        response = await client.delete(f"{handlers}/{created['id']}", headers={"If-Match": '"7"'})

        assert response.status_code == 412

    async def test_frees_the_name(self, client, handlers):
        created = await create(client, handlers)
        await client.delete(f"{handlers}/{created['id']}")
        await create(client, handlers)

    async def test_comes_with_the_integration(self, client, handlers, acme, database):
        await create(client, handlers)
        await client.delete(handlers.removesuffix("/handlers"))

        assert await rows(database, acme, Handler) == []
        assert (await client.get("/handlers")).json() == []


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "method", "status"),
        [
            ("handlers:read", "GET", 200),
            ("handlers:read", "POST", 403),
            ("handlers:write", "GET", 403),
            ("handlers:write", "POST", 201),
            ("handlers:execute", "POST", 403),
        ],
    )
    async def test_divide_reading_and_writing(self, api, resources, acme, scope, method, status):
        handlers = f"{await add_integration(acme.client)}/handlers"
        body = {"name": "notify"} if method == "POST" else None
        async with connect(api, await issue(resources, acme.tenant, (scope,))) as client:
            response = await client.request(method, handlers, json=body)

        assert response.status_code == status

    async def test_of_a_bound_token_end_with_its_integration(self, api, resources, acme):
        handlers = f"{await add_integration(acme.client)}/handlers"
        other = f"{await add_integration(acme.client, 'Other')}/handlers"
        token = await issue(resources, acme.tenant, integrationId=handlers.split("/")[2])
        async with connect(api, token) as client:
            await create(client, handlers)
            assert (await client.get(handlers)).status_code == 200
            assert (await client.get(other)).status_code == 404
            assert (await client.get("/handlers")).status_code == 403
