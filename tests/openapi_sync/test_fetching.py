import asyncio

import pytest

from app.core.egress.errors import UpstreamRefused
from app.core.egress.fetch import FetchClient
from app.core.egress.policy import EgressPolicy
from app.core.errors import UpstreamFailed, UpstreamTimedOut
from app.models import OpenApiDocument
from app.openapi_sync.fetching import document_url, fetch_document, source_of
from tests.core.egress.loopback import unused_port
from tests.fixtures.app import LOOPBACK
from tests.fixtures.upstream import Answer

pytestmark = pytest.mark.anyio


class Impatient(FetchClient):
    async def fetch(self, url, **options):
        return await super().fetch(url, **options, timeout_s=0.05)


@pytest.fixture
def client():
    return FetchClient(EgressPolicy(LOOPBACK))


class TestDocumentUrl:
    @pytest.mark.parametrize("base_url", ["https://api.test/v1", "https://api.test/v1/"])
    def test_appends_the_name_to_the_base_url(self, base_url):
        assert document_url(base_url, "sofa") == "https://api.test/v1/sofa/openapi.json"

    @pytest.mark.parametrize(
        ("name", "segment"), [("../x", "..%2Fx"), ("//evil.test", "%2F%2Fevil.test"), ("a?b#c", "a%3Fb%23c")]
    )
    def test_keeps_any_name_one_segment(self, name, segment):
        assert document_url("https://api.test", name) == f"https://api.test/{segment}/openapi.json"


class TestSourceOf:
    def test_is_the_address(self):
        assert source_of("https://api.test/openapi.json#part") == "https://api.test/openapi.json"

    def test_tells_queries_apart_without_keeping_them(self):
        one, other = (source_of(f"https://api.test/a?key={key}") for key in ("s3cret", "other"))

        assert one != other
        assert one == source_of("https://api.test/a?key=s3cret")
        assert "s3cret" not in one


class TestFetchDocument:
    async def test_sends_the_validators_of_the_known_document(self, client, upstream):
        upstream.answer("/a", Answer(304))
        known = OpenApiDocument(etag='W/"1"', last_modified="Sat, 01 Aug 2026 10:00:00 GMT")
        fetched = await fetch_document(client, f"{upstream.url}/a", known, max_bytes=10)

        assert fetched.status == 304
        asked = upstream.requests[0].headers
        assert asked["if-none-match"] == 'W/"1"'
        assert asked["if-modified-since"] == "Sat, 01 Aug 2026 10:00:00 GMT"

    @pytest.mark.parametrize("etag", [None, "", '"é"', '"a\tb"', '"' + "x" * 2000 + '"'])
    async def test_leaves_out_a_validator_that_no_header_could_carry(self, client, upstream, etag):
        known = OpenApiDocument(etag=etag, last_modified=None)
        await fetch_document(client, f"{upstream.url}/a", known, max_bytes=10)

        assert not upstream.requests[0].headers.keys() & {"if-none-match", "if-modified-since"}

    async def test_refuses_304_when_nothing_is_known(self, client, upstream):
        upstream.answer("/a", Answer(304))
        with pytest.raises(UpstreamRefused) as refused:
            await fetch_document(client, f"{upstream.url}/a", None, max_bytes=10)

        assert refused.value.extra == {"upstreamStatus": 304}

    async def test_says_the_status_of_a_refusal(self, client, upstream):
        upstream.answer("/a", Answer(503))
        with pytest.raises(UpstreamRefused) as refused:
            await fetch_document(client, f"{upstream.url}/a", None, max_bytes=10)

        assert (refused.value.status, refused.value.extra) == (502, {"upstreamStatus": 503})

    async def test_says_that_there_was_no_answer_in_time(self, upstream):
        upstream.answer("/a", Answer(release=asyncio.Event()))
        client = Impatient(EgressPolicy(LOOPBACK))
        with pytest.raises(UpstreamTimedOut) as late:
            await fetch_document(client, f"{upstream.url}/a", None, max_bytes=10)

        assert (late.value.status, late.value.extra) == (504, {"upstreamStatus": None})

    async def test_says_that_nobody_listens(self, client):
        with unused_port() as port, pytest.raises(UpstreamFailed) as failed:
            await fetch_document(client, f"http://127.0.0.1:{port}/a", None, max_bytes=10)

        assert (failed.value.status, failed.value.extra) == (502, {"upstreamStatus": None})
