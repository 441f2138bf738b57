import csv
import io
import json
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.audit import service
from app.audit.recorder import AuditRecorder, Resource
from app.auth.context import Actor, Context
from app.db.admin import administer
from app.models import AuditAction, AuditRecord
from tests.fixtures.app import add_integration, connect, fill_audit_log, issue, rows

pytestmark = pytest.mark.anyio

UNKNOWN = UUID("01900000-0000-7000-8000-000000000000")


async def found(client, **query):
    response = await client.get("/audit-logs", params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def actions(client, **query):
    return [record["action"] for record in await found(client, **query)]


async def record(database, member, *, actor="Ada", name="thing", count=1):
    """Records of what never happened, by somebody who is not there."""
    context = Context(member.tenant_id, member.tenant.slug, Actor("access_token", "a1", actor))
    for _ in range(count):
        async with database.transaction(member.tenant_id) as session:
            AuditRecorder(session, context).record(
                AuditAction.INTEGRATION_UPDATED, Resource("integration", "i1", name), {"a": {"after": 1}}
            )


class TestRead:
    async def test_shows_who_did_what_from_where(self, client, acme):
        headers = {"X-Request-Id": "request-1", "User-Agent": "tests/1"}
        response = await client.post("/integrations", json={"name": "Bot"}, headers=headers)
        (shown,) = await found(client, action="integration.created")

        (token,) = (await client.get("/access-tokens")).json()
        assert shown == {
            "id": shown["id"],
            "integrationId": response.json()["id"],
            "actor": {"type": "access_token", "id": token["id"], "name": "tests"},
            "action": "integration.created",
            "resource": {"type": "integration", "id": response.json()["id"], "name": "Bot"},
            "changes": {
                "enabled": {"before": None, "after": True},
                "links": {"before": None, "after": {}},
                "name": {"before": None, "after": "Bot"},
                "settings": {"before": None, "after": {}},
            },
            "outcome": "success",
            "ip": shown["ip"],
            "userAgent": "tests/1",
            "requestId": "request-1",
            "createdAt": shown["createdAt"],
        }
        assert shown["ip"] == "127.0.0.1"
        assert len(shown["createdAt"]) == len("2026-01-01T00:00:00.000Z")

    async def test_is_newest_first_and_in_pages(self, client):
        for name in ("a", "b", "c"):
            await add_integration(client, name)
        seen, address = [], "/audit-logs?limit=2&action=integration.created"
        while address:
            response = await client.get(address)
            seen += [record["resource"]["name"] for record in response.json()]
            link = response.headers.get("link")
            address = link.removeprefix("<").split(">")[0] if link else None

        assert seen == ["c", "b", "a"]

    async def test_shows_nothing_of_another_tenant(self, acme, globex):
        address = await add_integration(acme.client)

        assert "integration.created" not in await actions(globex.client)
        id = address.split("/")[2]
        assert await found(globex.client, integrationId=id) == []
        assert await found(globex.client, resource=id) == []


class TestFilters:
    async def test_narrow_by_what_was_touched(self, client):
        address = await add_integration(client, "a")
        await add_integration(client, "b")
        secret = (await client.post(f"{address}/secrets", json={"key": "K", "value": "x"})).json()

        id = address.split("/")[2]
        assert await actions(client, integrationId=id) == ["secret.created", "integration.created"]
        assert await actions(client, resource="secret") == ["secret.created"]
        assert await actions(client, resource=secret["id"]) == ["secret.created"]
        assert await actions(client, integrationId=id, resource="integration") == ["integration.created"]
        assert await found(client, integrationId=str(UNKNOWN)) == []

    async def test_narrow_by_actor_and_action(self, client, acme, database):
        await record(database, acme, actor="Ada")
        await add_integration(client)

        assert await actions(client, actor="Ada") == ["integration.updated"]
        assert await actions(client, actor="a1") == ["integration.updated"]
        assert await actions(client, actor="Ada", action="integration.created") == []
        assert await found(client, action="integration.creat") == []

    async def test_narrow_by_time_from_inclusive_to_exclusive(self, client, acme, database):
        await record(database, acme, count=3)
        instants = [row.created_at.isoformat() for row in (await rows(database, acme, AuditRecord))[-3:]]

        assert len(await found(client, **{"from": instants[1], "actor": "Ada"})) == 2
        assert len(await found(client, to=instants[1], actor="Ada")) == 1
        assert len(await found(client, **{"from": instants[1], "to": instants[2], "actor": "Ada"})) == 1

    async def test_hold_on_every_page(self, client, acme, database):
        await record(database, acme, actor="Ada", count=3)
        await record(database, acme, actor="Bob", count=3)
        first = await client.get("/audit-logs?actor=Ada&limit=2")
        address = first.headers["link"].removeprefix("<").split(">")[0]
        second = await client.get(address)

        assert len(second.json()) == 1
        assert {row["actor"]["name"] for row in first.json() + second.json()} == {"Ada"}
        assert (await client.get(address.replace("Ada", "Bob"))).status_code == 422

    @pytest.mark.parametrize(
        "query",
        ["integrationId=x", "from=yesterday", "from=2026-01-01T00:00:00", "format=xml", "sort=action"],
    )
    async def test_name_what_is_wrong(self, client, query):
        response = await client.get(f"/audit-logs?{query}")

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == f"/query/{query.split('=')[0]}"


class TestOfIntegration:
    async def test_stays_readable_when_the_integration_is_gone(self, client):
        address = await add_integration(client)
        await client.post(f"{address}/secrets", json={"key": "K", "value": "x"})
        await client.delete(address)

        response = await client.get(f"{address}/audit-logs")
        assert [row["action"] for row in response.json()] == [
            "integration.deleted",
            "secret.created",
            "integration.created",
        ]

    async def test_is_not_widened_by_a_filter(self, client):
        one, other = await add_integration(client, "one"), await add_integration(client, "other")
        response = await client.get(f"{one}/audit-logs?integrationId={other.split('/')[2]}")

        assert {row["integrationId"] for row in response.json()} == {one.split("/")[2]}

    async def test_answers_404_where_there_never_was_one(self, acme, globex):
        theirs = await add_integration(acme.client)
        headers = {"X-Request-Id": "same"}
        response = await globex.client.get(f"{theirs}/audit-logs", headers=headers)
        unknown = await globex.client.get(f"/integrations/{UNKNOWN}/audit-logs", headers=headers)

        assert response.status_code == 404
        assert response.content == unknown.content


class TestExport:
    async def test_streams_every_record_as_json_lines(self, client, acme, database, monkeypatch):
        monkeypatch.setattr(service, "EXPORT_BATCH", 2)
        await record(database, acme, count=5)
        listed = await found(client, actor="Ada")
        response = await client.get("/audit-logs?format=ndjson&actor=Ada")

        assert response.headers["content-type"] == "application/x-ndjson"
        assert response.headers["content-disposition"] == 'attachment; filename="audit-log.ndjson"'
        assert [json.loads(line) for line in response.text.splitlines()] == listed
        assert len(listed) == 5

    async def test_streams_every_record_as_csv(self, client, acme, database):
        await record(database, acme, name='comma, "quote"\nline', count=2)
        response = await client.get("/audit-logs?format=csv&actor=Ada")

        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        lines = list(csv.DictReader(io.StringIO(response.text)))
        assert [line["resourceName"] for line in lines] == ['comma, "quote"\nline'] * 2
        assert lines[0]["actorName"] == "Ada"
        assert lines[0]["integrationId"] == ""
        assert datetime.fromisoformat(lines[0]["createdAt"]).tzinfo is not None

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    async def test_writes_no_cell_that_a_spreadsheet_would_run(self, client, acme, database, start):
        await record(database, acme, name=f"{start}HYPERLINK(1)")
        response = await client.get("/audit-logs?format=csv&actor=Ada")

        (line,) = csv.DictReader(io.StringIO(response.text, newline=""))
        assert line["resourceName"] == f"'{start}HYPERLINK(1)"

    async def test_of_one_integration_holds_only_its_records(self, client):
        one = await add_integration(client, "one")
        await add_integration(client, "other")
        response = await client.get(f"{one}/audit-logs?format=ndjson")

        assert [json.loads(line)["resource"]["name"] for line in response.text.splitlines()] == ["one"]

    async def test_is_recorded(self, client):
        await client.get("/audit-logs?format=csv")

        (shown,) = await found(client, action="audit_log.exported")
        assert shown["changes"] == {"format": "csv"}

    async def test_holds_nothing_of_another_tenant(self, acme, globex):
        await add_integration(acme.client)
        response = await globex.client.get("/audit-logs?format=ndjson")

        assert str(acme.tenant_id) not in response.text
        assert "integration.created" not in response.text


class TestDenials:
    async def test_are_recorded_with_the_route_and_the_reason(self, api, resources, acme):
        token = await issue(resources, acme.tenant, ("integrations:read",))
        async with connect(api, token) as client:
            await client.post("/integrations", json={"name": "x"}, headers={"X-Request-Id": "denied-1"})
        (shown,) = await found(acme.client, action="access.denied")

        assert shown["outcome"] == "denied"
        assert shown["resource"] == {"type": "route", "id": "/integrations", "name": None}
        assert shown["changes"] == {"method": "POST", "route": "/integrations", "code": "scope_missing"}
        assert shown["requestId"] == "denied-1"

    async def test_name_the_integration_that_a_token_is_bound_to(self, api, resources, acme):
        id = (await add_integration(acme.client)).split("/")[2]
        async with connect(api, await issue(resources, acme.tenant, integrationId=id)) as client:
            await client.get("/access-tokens")

        assert await actions(acme.client, integrationId=id) == [
            "access.denied",
            "access_token.created",
            "integration.created",
        ]

    async def test_answer_503_when_they_cannot_be_recorded(self, committed_acme, committed_urls):
        await fill_audit_log(committed_urls)
        response = await committed_acme.client.get("/tenants")

        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"

    async def test_of_nobody_known_are_in_no_tenants_log(self, anonymous, acme):
        await anonymous.get("/integrations")

        assert await actions(acme.client, action="access.denied") == []


class TestChangesAndRecords:
    async def test_live_or_die_together(self, committed_acme, committed, committed_urls):
        await fill_audit_log(committed_urls)
        response = await committed_acme.client.post("/integrations", json={"name": "x"})

        assert response.status_code == 503
        assert (await committed_acme.client.get("/integrations")).json() == []
        async with committed.transaction(committed_acme.tenant_id) as session:
            assert (
                await session.scalar(text("SELECT count(*) FROM events WHERE type LIKE 'integration%'")) == 0
            )


class TestAppendOnly:
    STATEMENTS = (
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
    )

    @pytest.mark.parametrize("statement", STATEMENTS)
    async def test_holds_against_the_services_own_role(self, acme, database, statement):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction(acme.tenant_id) as session:
                await session.execute(text(statement))

    @pytest.mark.parametrize("statement", STATEMENTS)
    @pytest.mark.parametrize("role", ["origin", "replica"])
    async def test_holds_against_the_superuser_and_in_a_replica_session(
        self, committed_acme, committed_urls, statement, role
    ):
        async with administer(committed_urls.admin) as connection:
            await connection.execute(text(f"SET session_replication_role = {role}"))
            with pytest.raises(DBAPIError, match="append-only"):
                await connection.execute(text(statement))

    async def test_lets_no_record_name_another_tenant(self, acme, globex, database):
        context = Context(globex.tenant_id, "globex", Actor("system", "x", "x"))
        async with database.transaction(acme.tenant_id) as session:
            AuditRecorder(session, context).record(AuditAction.TENANT_UPDATED, Resource("tenant", "x"))
            with pytest.raises(DBAPIError, match="row-level security"):
                await session.flush()
            await session.rollback()

    async def test_holds_as_many_records_as_changes(self, client, acme, database):
        address = await add_integration(client)
        for verb in ("disable", "disable", "enable"):
            await client.post(f"{address}/{verb}")
        async with database.transaction(acme.tenant_id) as session:
            count = select(func.count()).where(AuditRecord.integration_id == UUID(address.split("/")[2]))
            assert await session.scalar(count) == 3
