import pytest

pytestmark = pytest.mark.anyio


class TestHead:
    @pytest.mark.parametrize("path", ["/integrations", "/livez", "/openapi.json", "/docs"])
    async def test_answers_as_get_does_without_the_body(self, client, path):
        got, head = await client.get(path), await client.head(path)

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == str(len(got.content))

    async def test_needs_what_get_needs(self, anonymous):
        assert (await anonymous.head("/integrations")).status_code == 401

    async def test_is_not_a_way_to_change_anything(self, client):
        response = await client.head("/integrations/01a203b8-b0e4-760b-bf6b-da3316e177b0/enable")

        assert response.status_code == 405

    async def test_is_named_among_the_methods(self, client):
        assert (await client.patch("/integrations")).headers["allow"] == "GET, HEAD, POST"
