from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from app.core.ids import TenantId
from app.models import AuditRecord, Secret, Tenant, TenantKey
from tests.fixtures.app import add_integration, rows

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")


async def create(operator, slug="initech", **fields):
    response = await operator.post("/tenants", json={"slug": slug, **fields})
    assert response.status_code == 201, response.text
    return response.json()


async def actions(database, id):
    async with database.transaction(TenantId(UUID(id))) as session:
        query = select(AuditRecord).order_by(AuditRecord.created_at, AuditRecord.id)
        return [(row.action, row.actor_type, row.changes) for row in await session.scalars(query)]


class TestCreate:
    async def test_answers_with_an_active_tenant_and_where_it_is(self, operator):
        response = await operator.post("/tenants", json={"slug": "initech", "name": " Initech "})

        assert response.status_code == 201
        body = response.json()
        assert body == {
            "id": body["id"],
            "slug": "initech",
            "name": "Initech",
            "status": "active",
            "limits": {"webhooksPerSecond": None, "burst": None, "executionsPerDay": None},
            "createdAt": body["createdAt"],
            "updatedAt": body["createdAt"],
        }
        assert response.headers["location"] == f"/tenants/{body['id']}"
        assert response.headers["etag"] == '"1"'

    async def test_calls_it_by_its_slug_for_lack_of_a_name(self, operator):
        assert (await create(operator))["name"] == "initech"

    async def test_gives_it_a_key_and_a_record_of_its_own(self, operator, database):
        created = await create(operator)

        ((action, actor, changes),) = await actions(database, created["id"])
        assert (action, actor) == ("tenant.created", "operator")
        assert changes["slug"] == {"before": None, "after": "initech"}
        async with database.transaction(TenantId(UUID(created["id"]))) as session:
            assert await session.scalar(select(func.count()).select_from(TenantKey)) == 1

    async def test_refuses_a_taken_slug(self, operator):
        await create(operator)
        response = await operator.post("/tenants", json={"slug": "initech"})

        assert response.status_code == 409
        assert response.json()["code"] == "tenant_slug_taken"

    @pytest.mark.parametrize(
        "slug", ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", "x" * 64, "a\n", None, 1]
    )
    async def test_refuses_a_slug_that_is_no_dns_label(self, operator, slug):
        response = await operator.post("/tenants", json={"slug": slug})

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/slug"]

    @pytest.mark.parametrize("slug", ["a", "0", "a-b", "x" * 63])
    async def test_takes_every_dns_label(self, operator, slug):
        assert (await create(operator, slug))["slug"] == slug


class TestIdempotencyKey:
    KEY = {"Idempotency-Key": "k"}

    async def test_makes_one_tenant_of_a_repeated_request(self, operator):
        answers = [
            await operator.post("/tenants", json={"slug": "globex"}, headers=self.KEY) for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].content == answers[1].content
        assert answers[0].headers["location"] == answers[1].headers["location"]

    @pytest.mark.parametrize("body", [{"slug": "initech"}, {"slug": "globex", "name": "Other"}])
    async def test_refuses_the_key_for_another_tenant(self, operator, body):
        await operator.post("/tenants", json={"slug": "globex"}, headers=self.KEY)
        response = await operator.post("/tenants", json=body, headers=self.KEY)

        assert response.status_code == 422
        assert response.json()["code"] == "idempotency_key_reused"

    async def test_is_free_again_once_the_tenant_is_gone(self, operator):
        made = await operator.post("/tenants", json={"slug": "globex"}, headers=self.KEY)
        await operator.delete(f"/tenants/{made.json()['id']}")
        again = await operator.post("/tenants", json={"slug": "globex"}, headers=self.KEY)

        assert again.status_code == 201
        assert again.json()["id"] != made.json()["id"]


class TestRead:
    async def test_lists_all_by_slug(self, operator):
        for slug in ("b", "a"):
            await create(operator, slug)

        assert [tenant["slug"] for tenant in (await operator.get("/tenants")).json()] == ["a", "b"]

    async def test_shows_one(self, operator):
        created = await create(operator)

        assert (await operator.get(f"/tenants/{created['id']}")).json() == created

    @pytest.mark.parametrize("id", [str(UNKNOWN), "nonsense"])
    async def test_answers_404_for_one_that_is_not_there(self, operator, id):
        assert (await operator.get(f"/tenants/{id}")).status_code == 404


class TestUpdate:
    async def test_changes_what_is_given(self, operator, database):
        created = await create(operator)
        response = await operator.put(f"/tenants/{created['id']}", json={"name": "Initrode"})

        assert response.headers["etag"] == '"2"'
        assert {**response.json(), "updatedAt": created["updatedAt"]} == {**created, "name": "Initrode"}
        assert (await actions(database, created["id"]))[-1] == (
            "tenant.updated",
            "operator",
            {"name": {"before": "initech", "after": "Initrode"}},
        )

    async def test_writes_nothing_when_nothing_changes(self, operator, database):
        created = await create(operator)
        body = {"name": "initech", "status": "active"}
        response = await operator.put(f"/tenants/{created['id']}", json=body)

        assert response.json() == created
        assert len(await actions(database, created["id"])) == 1

    async def test_never_changes_the_slug(self, operator):
        created = await create(operator)
        response = await operator.put(f"/tenants/{created['id']}", json={"slug": "other"})

        assert response.status_code == 422

    async def test_refuses_a_stale_version(self, operator):
        created = await create(operator)
        headers = {"If-Match": '"7"'}
        response = await operator.put(f"/tenants/{created['id']}", json={"name": "x"}, headers=headers)

        assert response.status_code == 412


class TestSuspend:
    async def test_holds_from_the_answer_on_and_ends(self, operator, acme, database):
        address = f"/tenants/{acme.tenant.id}"
        assert (await acme.client.get("/integrations")).status_code == 200

        await operator.put(address, json={"status": "suspended"})
        refused = await acme.client.get("/integrations")
        assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")

        await operator.put(address, json={"status": "active"})
        assert (await acme.client.get("/integrations")).status_code == 200
        recorded = [action for action, _, _ in await actions(database, str(acme.tenant.id))]
        assert recorded[-2:] == ["tenant.suspended", "tenant.activated"]

    async def test_leaves_other_tenants_alone(self, operator, acme, globex):
        await operator.put(f"/tenants/{acme.tenant.id}", json={"status": "suspended"})

        assert (await globex.client.get("/integrations")).status_code == 200

    async def test_knows_two_states(self, operator, acme):
        response = await operator.put(f"/tenants/{acme.tenant.id}", json={"status": "deleted"})

        assert response.status_code == 422


class TestDelete:
    async def test_takes_everything_but_the_audit_log(self, operator, acme, database):
        integration = await add_integration(acme.client)
        await acme.client.post(f"{integration}/secrets", json={"key": "A", "value": "x"})
        response = await operator.delete(f"/tenants/{acme.tenant.id}")

        assert response.status_code == 204
        assert (await operator.get(f"/tenants/{acme.tenant.id}")).status_code == 404
        assert await rows(database, acme, Secret) == []
        assert await rows(database, acme, TenantKey) == []
        recorded = [action for action, _, _ in await actions(database, str(acme.tenant.id))]
        assert recorded[0] == "tenant.created"
        assert recorded[-1] == "tenant.deleted"

    async def test_holds_from_the_answer_on(self, operator, acme, resources):
        integration = await add_integration(acme.client)
        await acme.client.post(f"{integration}/secrets", json={"key": "A", "value": "x"})
        await operator.delete(f"/tenants/{acme.tenant.id}")

        assert (await acme.client.get("/integrations")).status_code == 401
        assert resources.keys.find(acme.tenant_id, None) is None

    async def test_leaves_other_tenants_alone(self, operator, acme, globex):
        integration = await add_integration(globex.client)
        await operator.delete(f"/tenants/{acme.tenant.id}")

        assert (await globex.client.get(integration)).status_code == 200

    async def test_refuses_a_stale_version(self, operator, acme):
        response = await operator.delete(f"/tenants/{acme.tenant.id}", headers={"If-Match": '"7"'})

        assert response.status_code == 412


class TestIsolation:
    async def test_shows_no_row_where_no_tenant_is_named(self, acme, database):
        await add_integration(acme.client)
        async with database.transaction(None) as session:
            for table in ("integrations", "access_tokens", "audit_logs", "events", "tenant_keys"):
                assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608 - ours
            assert await session.scalar(select(func.count()).select_from(Tenant)) == 1
