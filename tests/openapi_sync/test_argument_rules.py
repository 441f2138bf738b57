"""Arguments of synced handlers are held against the document before anybody is called."""

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.session import Database
from app.executions.errors import RulesUnreadable
from app.executions.executor import Executor
from app.handlers.targets import OperationTarget
from app.models import Execution
from app.openapi_sync import argument_rules as module
from app.openapi_sync.argument_rules import ArgumentRules
from app.openapi_sync.library import DocumentLibrary
from tests.executions.test_executor import source_of
from tests.executions.test_worker import wanted
from tests.fixtures.app import open_test_resources, rows
from tests.fixtures.upstream import Answer
from tests.openapi_sync.sofa import document, get, many

pytestmark = pytest.mark.anyio

PETS = {
    "/pets/{petId}": {
        "put": {
            "operationId": "putPet",
            "parameters": [
                {"name": "petId", "in": "path", "required": True, "schema": {"type": "integer"}},
                {"name": "dry", "in": "query", "schema": {"type": "boolean"}},
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                            "required": ["name"],
                        }
                    }
                },
            },
        }
    }
}
GOOD = {"petId": 7, "dry": "true", "name": "Rex", "age": 3}


@pytest.fixture
async def pets(sofa):
    await sofa.sync(PETS)
    sofa.upstream.answer("/pets/7", Answer(body=b"{}"))
    return sofa


def called(sofa) -> list[str]:
    return [one.path for one in sofa.upstream.requests if one.path.startswith("/pets")]


async def execute(sofa, args, name="put-pet"):
    return await sofa.client.post(f"/handlers/{name}/execute", json={"body": args})


class TestCall:
    async def test_is_made_with_arguments_that_the_document_allows(self, pets):
        assert (await execute(pets, GOOD)).status_code == 200
        assert called(pets) == ["/pets/7"]

    @pytest.mark.parametrize(
        ("args", "pointers"),
        [
            ({**GOOD, "petId": "Rex"}, ["/petId"]),
            ({"petId": 7, "dry": "perhaps", "age": "old"}, ["/age", "/dry", "/name"]),
            (
                {"path": {"petId": "Rex"}, "query": {"dry": 1}, "body": {"age": 1.5}},
                ["/body/age", "/body/name", "/path/petId", "/query/dry"],
            ),
            ({"path": {"petId": 7}, "body": []}, ["/body"]),
        ],
    )
    async def test_is_refused_with_a_pointer_into_what_was_sent(self, pets, args, pointers):
        response = await execute(pets, args)

        assert response.status_code == 422
        assert response.json()["code"] == "argument_invalid"
        assert sorted(fault["pointer"] for fault in response.json()["errors"]) == pointers
        assert called(pets) == []

    async def test_is_made_with_anything_where_the_handler_says_so(self, pets):
        await pets.edit("put-pet", validateArgs=False)
        assert (await execute(pets, {**GOOD, "age": "old"})).status_code == 200
        assert called(pets) == ["/pets/7"]

    async def test_counts_defaults_and_what_they_refer_to_as_arguments(self, pets):
        await pets.client.post(f"{pets.address}/secrets", json={"key": "AGE", "value": "canary-77ab"})
        await pets.edit("put-pet", defaultArgs={"name": "Rex", "age": "{{secrets.AGE}}"})
        response = await execute(pets, {"petId": 7})

        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/age"]
        assert "canary-77ab" not in response.text

    async def test_follows_a_new_document_at_once(self, pets):
        assert (await execute(pets, {**GOOD, "age": "old"})).status_code == 422
        changed = document(PETS).replace(b'"age":{"type":"integer"}', b'"age":{"type":"string"}')
        pets.answer(Answer(body=changed))
        assert (await pets.sync())["unchanged"] == 1

        assert (await execute(pets, {**GOOD, "age": "old"})).status_code == 200

    async def test_is_made_as_before_when_the_document_lacks_the_operation(self, pets):
        await pets.sync({"/others": get("others")}, force=True)
        assert (await execute(pets, {**GOOD, "age": "old"})).status_code == 200


class TestQuerystring:
    """OpenAPI 3.2: all of the query is one parameter."""

    async def test_is_sent_and_checked_as_a_form(self, sofa):
        schema = {"type": "object", "properties": {"from": {"type": "integer"}}}
        content = {"application/x-www-form-urlencoded": {"schema": schema}}
        parameter = {"name": "filter", "in": "querystring", "content": content}
        await sofa.sync({"/pets": get("listPets", parameters=[parameter])})
        refused = await execute(sofa, {"filter": {"from": "soon"}}, "list-pets")
        assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/filter/from"]
        await execute(sofa, {"filter": {"from": 5, "kind": "a b"}}, "list-pets")
        assert sofa.upstream.requests[-1].query == "from=5&kind=a b"


class TestWorker:
    @pytest.fixture
    async def resources(self, committed, settings):
        async with open_test_resources(committed, settings) as opened:
            yield opened

    @pytest.fixture
    async def work(self, resources, committed_urls):
        """With the worker's role, which has to be able to read what it needs."""
        database = Database(create_async_engine(committed_urls.worker))
        source = source_of(resources, database)

        async def work() -> None:
            for claim in await source.claim(wanted(1)):
                await Executor(source).run(claim)

        yield work
        await database.dispose()

    async def test_ends_an_execution_with_what_is_wrong(self, pets, acme, resources, work):
        await pets.client.post("/webhook/put-pet", json={**GOOD, "age": "old"})
        await work()

        [execution] = await rows(resources.database, acme, Execution)
        shown = (await pets.client.get(f"/executions/{execution.id}")).json()
        assert shown["status"] == "failed"
        assert shown["attempts"][0]["error"] == (
            "argument_invalid: The arguments are not what the operation takes. "
            '/age: The value is not of type "integer".'
        )
        assert called(pets) == []


class TestRules:
    @pytest.fixture
    async def target(self, pets, resources, acme):
        """The integration's id, and an operation."""
        handler = (await pets.handlers())["put-pet"]
        return UUID(handler["integrationId"]), OperationTarget.model_validate(handler["target"])

    async def test_are_read_once(self, target, resources, acme, monkeypatch):
        compiled = []
        monkeypatch.setattr(module, "ArgumentCheck", lambda schemas: compiled.append(schemas) or print)
        rules = await self.rules(ArgumentRules(resources.database, DocumentLibrary()), acme, target)
        for _ in range(3):
            await rules.check()
        assert len(compiled) == 1

    async def test_are_kept_within_bounds(self, pets, target, resources, acme, monkeypatch):
        await pets.sync({**PETS, **many(3)})
        compiled = []
        monkeypatch.setattr(module, "ArgumentCheck", lambda schemas: compiled.append(schemas) or print)
        book = ArgumentRules(resources.database, DocumentLibrary(), max_bytes=1)
        integration_id, operation = target
        other = OperationTarget(kind="operation", method="GET", path="/things/1")
        for one in (operation, other, other, operation):
            await (await self.rules(book, acme, (integration_id, one))).check()
        assert len(compiled) == 3

    async def test_are_none_without_a_document(self, sofa, resources, acme):
        handler = OperationTarget(kind="operation", method="GET", path="/pets")
        id = UUID(sofa.address.rpartition("/")[2])
        book = ArgumentRules(resources.database, DocumentLibrary())
        assert await self.rules(book, acme, (id, handler)) is None

    async def test_say_so_when_the_database_does_not_answer(self, target, resources, acme, database):
        class Gone(Database):
            def transaction(self, *_):
                raise ConnectionError

        rules = await self.rules(ArgumentRules(resources.database, DocumentLibrary()), acme, target)
        rules.book._database = Gone.__new__(Gone)
        with pytest.raises(RulesUnreadable):
            await rules.check()

    async def rules(self, book, acme, target):
        integration_id, operation = target
        async with book._database.transaction(acme.tenant_id) as session:
            return await book.of(session, acme.tenant_id, integration_id, operation)
