import pytest

from tests.openapi_sync.sofa import document, get

pytestmark = pytest.mark.anyio

PETS = {"/pets": {**get("listPets"), "post": {"operationId": "addPet"}}, "/stores": get("listStores")}
YAML = b"openapi: 3.0.0\npaths:\n  /pets:\n    get: {operationId: listPets}\n"


@pytest.fixture
def upload(sofa):
    """Send a body; without a media type when that is None."""

    async def post(body, media_type="application/json", **params):
        headers = {} if media_type is None else {"Content-Type": media_type}
        return await sofa.client.post(
            f"{sofa.address}/sync-handlers/document", content=body, headers=headers, params=params
        )

    return post


@pytest.fixture
def send_form(sofa):
    async def post(**form):
        return await sofa.client.post(f"{sofa.address}/sync-handlers/document", **form)

    return post


class TestBody:
    @pytest.mark.parametrize(
        "media_type",
        ["application/json", "application/vnd.oai.openapi+json;version=3.1", "text/plain", None],
    )
    async def test_may_be_json(self, upload, sofa, media_type):
        response = await upload(document(PETS), media_type)

        assert response.status_code == 200
        assert response.json()["created"] == 3
        assert sofa.upstream.requests == []

    @pytest.mark.parametrize(
        "media_type", ["application/yaml", "text/yaml", "application/x-yaml", "application/vnd.oai.openapi"]
    )
    async def test_may_be_yaml(self, upload, media_type):
        response = await upload(YAML, media_type)

        assert response.json()["created"] == 1

    @pytest.mark.parametrize("body", [document(PETS), YAML])
    async def test_is_what_it_is_and_not_what_it_is_called(self, upload, body):
        assert (await upload(body, "application/yaml")).status_code == 200
        assert (await upload(body, "application/json")).status_code == 200

    async def test_may_be_larger_than_other_bodies(self, upload):
        paths = {"/a": get("a", description="x" * 2_000_000)}

        assert (await upload(document(paths))).status_code == 200

    @pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "image/png"])
    async def test_must_be_of_a_type_that_may_hold_a_document(self, upload, media_type):
        response = await upload(document(PETS), media_type)

        assert response.status_code == 415
        assert "application/yaml" in response.headers["accept"]

    async def test_must_be_there(self, upload):
        assert (await upload(b"")).status_code == 422


class TestForm:
    async def test_has_the_document_as_a_file(self, send_form):
        response = await send_form(files={"document": ("openapi.yaml", YAML, "application/yaml")})

        assert response.status_code == 200
        assert response.json()["created"] == 1

    @pytest.mark.parametrize(
        "form", [{"files": {"file": ("a", YAML)}}, {"files": {"document": (None, YAML)}}]
    )
    async def test_needs_that_file(self, send_form, form):
        response = await send_form(**form)

        assert response.status_code == 422
        assert [fault["pointer"] for fault in response.json()["errors"]] == ["/document"]

    async def test_takes_one_file(self, send_form):
        files = [("document", ("a", YAML)), ("document", ("b", YAML))]

        assert (await send_form(files=files)).status_code == 400

    async def test_must_be_whole(self, upload):
        response = await upload(b"--x\r\nContent-Disp", "multipart/form-data; boundary=x")

        assert response.status_code == 422


class TestQuery:
    async def test_selects(self, upload, sofa):
        await upload(
            document(PETS),
            includePathPrefix=["/pets", "/stores"],
            includeMethod=["get"],
            excludePathPrefix="/stores",
        )

        assert [*await sofa.handlers()] == ["list-pets"]

    async def test_may_ask_for_the_plan_only(self, upload, sofa):
        response = await upload(document(PETS), dryRun="true")

        assert response.json()["dryRun"] is True
        assert len(response.json()["handlers"]) == 3
        assert await sofa.handlers() == {}

    async def test_says_what_becomes_of_missing_handlers(self, upload, sofa):
        await upload(document(PETS))
        response = await upload(document({"/stores": get("listStores")}), onMissing="delete", force="true")

        assert response.json()["deleted"] == 2
        assert [*await sofa.handlers()] == ["list-stores"]

    @pytest.mark.parametrize(
        "query", [{"onMissing": "panic"}, {"dryrun": "true"}, {"includeMethod": "FETCH"}]
    )
    async def test_must_be_understood(self, upload, query):
        assert (await upload(document(PETS), **query)).status_code == 422


class TestResync:
    async def test_knows_the_document_again(self, upload):
        first = await upload(document(PETS))
        second = await upload(document(PETS))

        assert first.json()["notModified"] is False
        assert second.json()["notModified"] is True
        assert second.json()["unchanged"] == 3

    async def test_goes_on_with_the_handlers_of_an_address(self, upload, sofa):
        await sofa.sync(PETS)
        response = await upload(document(PETS))

        assert response.json()["unchanged"] == 3


async def test_does_not_know_another_tenants_integration(sofa, globex):
    response = await globex.client.post(
        f"{sofa.address}/sync-handlers/document",
        content=document(PETS),
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == 404
