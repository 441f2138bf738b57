from uuid import UUID

import pytest

from app.auth.scopes import Scope
from app.models import AuditRecord
from tests.fixtures.app import OPERATOR_TOKEN, add_integration, connect, issue, rows

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")


async def get(api, path, authorization):
    async with connect(api) as client:
        return await client.get(path, headers={"Authorization": authorization} if authorization else {})


class TestBearer:
    @pytest.mark.parametrize(
        "authorization",
        [None, "", "Bearer", "Bearer ", "Bearer x", "Basic dXNlcjpwdw==", "jf_svc_" + "0" * 36],
    )
    async def test_answers_401_to_anything_but_a_token(self, api, authorization):
        response = await get(api, "/integrations", authorization)

        assert response.status_code == 401
        assert response.json()["code"] == "unauthenticated"
        assert response.headers["www-authenticate"] == 'Bearer realm="jackfield"'

    async def test_answers_401_before_404_and_422(self, api):
        for path in (f"/integrations/{UNKNOWN}", "/integrations/nonsense", "/integrations?limit=x"):
            assert (await get(api, path, None)).status_code == 401

    async def test_takes_the_scheme_in_any_case(self, api, acme):
        assert (await get(api, "/integrations", f"bearer {acme.token}")).status_code == 200

    async def test_takes_no_token_from_the_query(self, api, acme):
        assert (await get(api, f"/integrations?access_token={acme.token}", None)).status_code == 401

    async def test_never_repeats_the_token(self, api, acme):
        mistyped = acme.token[:-1] + ("0" if acme.token[-1] != "0" else "1")
        response = await get(api, "/integrations", f"Bearer {mistyped}")

        assert response.status_code == 401
        assert mistyped not in response.text + repr(response.headers)


class TestScopes:
    READS = (
        ("/integrations", Scope.INTEGRATIONS_READ),
        ("/access-tokens", Scope.ACCESS_TOKENS_READ),
        ("/audit-logs", Scope.AUDIT_READ),
        ("/handlers", Scope.HANDLERS_READ),
    )

    @pytest.mark.parametrize(("path", "needed"), READS)
    async def test_open_what_they_name_and_nothing_else(self, api, resources, acme, path, needed):
        every_other = tuple(scope for scope in Scope if scope != needed)
        refused = await get(api, path, f"Bearer {await issue(resources, acme.tenant, every_other)}")
        allowed = await get(api, path, f"Bearer {await issue(resources, acme.tenant, (needed,))}")

        assert (refused.status_code, allowed.status_code) == (403, 200)
        assert refused.json()["code"] == "scope_missing"
        assert needed in refused.json()["detail"]

    async def test_are_asked_before_the_row_is_looked_up(self, api, resources, acme):
        token = await issue(resources, acme.tenant, ("audit:read",))
        response = await get(api, f"/integrations/{UNKNOWN}", f"Bearer {token}")

        assert response.status_code == 403

    async def test_refused_leave_a_record(self, api, resources, acme, database):
        token = await issue(resources, acme.tenant, ("audit:read",))
        await get(api, f"/integrations/{UNKNOWN}", f"Bearer {token}")

        record = (await rows(database, acme, AuditRecord))[-1]
        assert (record.action, record.outcome) == ("access.denied", "denied")
        assert record.changes == {
            "method": "GET",
            "route": "/integrations/{integration_id}",
            "code": "scope_missing",
        }


class TestBoundToken:
    @pytest.fixture
    async def bound(self, api, resources, acme):
        """The address of an integration, and a client with a token that is bound to it."""
        address = await add_integration(acme.client)
        token = await issue(resources, acme.tenant, integrationId=address.split("/")[2])
        async with connect(api, token) as client:
            yield address, client

    async def test_works_under_its_integration(self, bound):
        address, client = bound

        assert (await client.get(address)).status_code == 200
        assert (
            await client.get(address.upper().replace("/INTEGRATIONS", "/integrations"))
        ).status_code == 200
        assert (await client.get(f"{address}/audit-logs")).status_code == 200

    async def test_cannot_tell_another_integration_from_none(self, bound, acme):
        _, client = bound
        other = await add_integration(acme.client, "Other")
        headers = {"X-Request-Id": "same"}
        response = await client.get(other, headers=headers)
        unknown = await client.get(f"/integrations/{UNKNOWN}", headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content

    @pytest.mark.parametrize("path", ["/integrations", "/audit-logs", "/access-tokens", "/handlers"])
    async def test_reaches_nothing_beyond(self, bound, path):
        _, client = bound
        response = await client.get(path)

        assert response.status_code == 403
        assert response.json()["code"] == "token_bound_elsewhere"

    async def test_dies_with_its_integration(self, bound, acme):
        address, client = bound
        await acme.client.delete(address)

        assert (await client.get(address)).status_code in {401, 404}


class TestOperator:
    async def test_is_let_in_with_the_operator_token(self, operator):
        assert (await operator.get("/tenants")).status_code == 200

    @pytest.mark.parametrize("authorization", [None, "Bearer x", f"Bearer {OPERATOR_TOKEN}0", "Bearer ä"])
    async def test_is_nobody_with_an_unknown_token(self, api, authorization):
        header = authorization.encode("latin-1") if authorization else None

        assert (await get(api, "/tenants", header)).status_code == 401

    async def test_is_no_tenants_token_even_with_all_scopes(self, acme, database):
        response = await acme.client.get("/tenants")

        assert response.status_code == 403
        assert response.json()["code"] == "operators_only"
        assert (await rows(database, acme, AuditRecord))[-1].changes["code"] == "operators_only"

    async def test_belongs_to_no_tenant(self, operator):
        assert (await operator.get("/integrations")).status_code == 401


class TestNoOperator:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"operator_token": None})

    @pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer None", "Bearer"])
    async def test_is_let_in_when_no_token_is_configured(self, api, authorization):
        assert (await get(api, "/tenants", authorization)).status_code == 401
