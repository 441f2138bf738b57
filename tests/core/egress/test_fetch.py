import gzip
import traceback

import httpx2
import pytest

from app.core.egress.errors import (
    EgressRefused,
    ForbiddenHeader,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamUnreachable,
)
from app.core.egress.fetch import FetchClient, Fetched
from app.core.egress.fetch_engine import GuardedTransport
from app.core.egress.policy import EgressPolicy
from app.core.errors import TooLarge, UpstreamTimedOut
from tests.core.egress.loopback import (
    LOOPBACK,
    Names,
    Upstream,
    answer,
    drip,
    hang_up,
    silence,
    tls_pair,
    unused_port,
)

pytestmark = pytest.mark.anyio

ON_LOOPBACK = EgressPolicy([LOOPBACK])


@pytest.fixture
async def client():
    async with FetchClient(ON_LOOPBACK) as client:
        yield client


class TestFetch:
    async def test_returns_the_document_and_its_validators(self, client, upstream):
        upstream.answers = [
            answer(200, b"{}", ETag='"1"', Last_Modified="yesterday", Content_Type="application/json")
        ]
        assert await client.fetch(f"{upstream.url}/a?b=c", max_bytes=2) == Fetched(
            status=200,
            url=f"{upstream.url}/a?b=c",
            etag='"1"',
            last_modified="yesterday",
            content_type="application/json",
            body=b"{}",
        )

    async def test_sends_the_callers_headers_and_asks_for_plain_bytes(self, client, upstream):
        headers = {"If-None-Match": '"1"', "ACCEPT": "text/yaml", "Accept-Encoding": "gzip"}
        await client.fetch(upstream.url, headers=headers, max_bytes=10)
        sent = upstream.requests[0].decode().lower().split("\r\n")
        assert {'if-none-match: "1"', "accept: text/yaml", "accept-encoding: identity"} < set(sent)
        assert not any("gzip" in line or "*/*" in line for line in sent)

    async def test_reports_an_unchanged_document(self, client, upstream):
        upstream.answers = [b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n']
        got = await client.fetch(upstream.url, max_bytes=10)
        assert (got.status, got.etag, got.body) == (304, '"1"', b"")

    @pytest.mark.parametrize("status", [300, 400, 401, 404, 418, 500, 503])
    async def test_reports_a_refusal_with_its_status(self, client, upstream, status):
        upstream.answers = [answer(status, b"no")]
        with pytest.raises(UpstreamRefused) as refusal:
            await client.fetch(upstream.url, max_bytes=10)
        assert (refusal.value.status, refusal.value.extra) == (502, {"upstreamStatus": status})

    async def test_refuses_headers_of_the_connection(self, client, upstream):
        with pytest.raises(ForbiddenHeader):
            await client.fetch(upstream.url, headers={"Host": "internal"}, max_bytes=10)

    async def test_keeps_no_cookies(self, client, upstream):
        upstream.answers = [answer(302, Location="/b", Set_Cookie="session=1; Path=/"), answer()]
        await client.fetch(upstream.url, max_bytes=10)
        assert b"cookie" not in upstream.requests[1].lower()

    async def test_ignores_the_proxies_of_the_environment(self, upstream, elsewhere, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url)
        async with FetchClient(ON_LOOPBACK) as client:
            await client.fetch(upstream.url, max_bytes=10)
        assert (len(upstream.requests), len(elsewhere.requests)) == (1, 0)


class TestLimits:
    async def test_refuses_an_oversize_document(self, client, upstream):
        upstream.answers = [answer(200, bytes(11))]
        with pytest.raises(TooLarge, match="10 bytes"):
            await client.fetch(upstream.url, max_bytes=10)

    async def test_refuses_an_endless_document(self, client, upstream):
        upstream.answers = [drip]
        with pytest.raises(TooLarge):
            await client.fetch(upstream.url, max_bytes=3)

    @pytest.mark.parametrize("script", [silence, drip])
    async def test_the_deadline_ends_a_slow_answer(self, client, upstream, script):
        upstream.answers = [script]
        with pytest.raises(UpstreamTimedOut, match="in time"):
            await client.fetch(upstream.url, max_bytes=10**6, timeout_s=0.06)

    async def test_refuses_an_encoded_body(self, client, upstream):
        upstream.answers = [answer(200, gzip.compress(b"{}"), Content_Encoding="gzip")]
        with pytest.raises(UpstreamMalformed, match="encoded"):
            await client.fetch(upstream.url, max_bytes=1_000)


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_follows_within_the_origin_with_the_callers_headers(self, client, upstream, status):
        upstream.answers = [answer(status, Location="../b?c=d"), answer(200, b"found")]
        got = await client.fetch(f"{upstream.url}/a/a", headers={"Authorization": "key"}, max_bytes=10)
        assert (got.url, got.body) == (f"{upstream.url}/b?c=d", b"found")
        assert b"authorization: key" in upstream.requests[1].lower()

    async def test_leaves_the_callers_headers_at_their_origin(self, client, upstream, elsewhere):
        upstream.answers = [answer(302, Location=elsewhere.url)]
        elsewhere.answers = [answer(302, Location=upstream.url + "/back"), answer()]
        with pytest.raises(UpstreamRefused):
            await client.fetch(upstream.url, headers={"Authorization": "key"}, max_bytes=10, max_redirects=2)
        assert [b"authorization" in sent.lower() for sent in upstream.requests] == [True, False]
        assert b"authorization" not in elsewhere.requests[0].lower()

    @pytest.mark.parametrize(
        "location",
        [
            "http://127.0.0.2/",
            "http://169.254.169.254/latest/meta-data/",
            "http://localhost/",
            "//127.0.0.2/",
            "http://user:pass@example.com/",
            "file:///etc/passwd",
            "http://2130706434/",
            "http://[::1/",
            "\\\\127.0.0.2\\share",
            "http://127.0.0.2%2f@example.com/",
        ],
    )
    async def test_judges_every_hop(self, client, upstream, location):
        upstream.answers = [answer(302, Location=location)]
        with pytest.raises(EgressRefused):
            await client.fetch(upstream.url, max_bytes=10)
        assert len(upstream.requests) == 1

    async def test_stops_after_the_third(self, client, upstream):
        upstream.answers = [answer(302, Location="/again")]
        with pytest.raises(UpstreamRefused) as refusal:
            await client.fetch(upstream.url, max_bytes=10)
        assert refusal.value.extra == {"upstreamStatus": 302}
        assert len(upstream.requests) == 4

    async def test_a_redirect_to_nowhere_is_a_refusal(self, client, upstream):
        upstream.answers = [answer(302)]
        with pytest.raises(UpstreamRefused):
            await client.fetch(upstream.url, max_bytes=10)


class TestFailures:
    async def test_what_is_not_http_is_malformed(self, client, upstream):
        upstream.answers = [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"]
        with pytest.raises(UpstreamMalformed):
            await client.fetch(upstream.url, max_bytes=10)

    async def test_an_upstream_that_hangs_up_is_a_failure_of_its_own(self, client, upstream):
        upstream.answers = [hang_up]
        with pytest.raises((UpstreamMalformed, UpstreamUnreachable)):
            await client.fetch(upstream.url, max_bytes=10)

    async def test_nobody_listening_is_unreachable(self, client):
        with unused_port() as port, pytest.raises(UpstreamUnreachable):
            await client.fetch(f"http://{LOOPBACK}:{port}/", max_bytes=10)

    async def test_no_failure_tells_what_was_sent(self, client, upstream):
        secret = "hunter" + "2"
        upstream.answers = [answer(401)]
        with pytest.raises(UpstreamRefused) as refusal:
            await client.fetch(f"{upstream.url}/?key={secret}", headers={"X-Key": secret}, max_bytes=10)
        assert secret not in "".join(traceback.format_exception(refusal.value))


class TestGuardedTransport:
    async def test_guards_a_client_of_its_own(self, upstream):
        async with httpx2.AsyncClient(transport=GuardedTransport(EgressPolicy())) as client:
            with pytest.raises(EgressRefused):
                await client.get(upstream.url)
        assert upstream.connections == 0

    @pytest.mark.parametrize(
        "url", ["http://example.com:22/", "http://key@example.com/", "http://localhost/"]
    )
    async def test_judges_the_url_of_every_request(self, url):
        names = Names([LOOPBACK])
        transport = GuardedTransport(ON_LOOPBACK, lookup=names)
        with pytest.raises(EgressRefused):
            await transport.handle_async_request(httpx2.Request("GET", url))
        assert names.asked == []

    async def test_is_the_only_way_to_the_network(self, upstream):
        """httpx2 must go on using the pool that this transport makes, or the guard is not in the way."""
        transport = GuardedTransport(ON_LOOPBACK)
        names = [name for name, value in vars(httpx2.AsyncHTTPTransport()).items() if "pool" in name.lower()]
        assert names == ["_pool"]
        transport._pool = None
        with pytest.raises(AttributeError):
            await transport.handle_async_request(httpx2.Request("GET", upstream.url))

    async def test_connects_to_the_answer_it_judged(self, upstream):
        rebinding = Names([LOOPBACK], ["127.0.0.2"])
        url = f"http://example.com:{upstream.port}/"
        async with FetchClient(ON_LOOPBACK, lookup=rebinding) as client:
            await client.fetch(url, max_bytes=10)
            assert rebinding.asked == ["example.com."]
            with pytest.raises(EgressRefused):
                await client.fetch(url, max_bytes=10)
        assert upstream.connections == 1

    async def test_refuses_a_name_with_one_forbidden_address(self, upstream):
        async with FetchClient(ON_LOOPBACK, lookup=Names([LOOPBACK, "10.0.0.1"])) as client:
            with pytest.raises(EgressRefused):
                await client.fetch(f"http://example.com:{upstream.port}/", max_bytes=10)
        assert upstream.connections == 0

    async def test_tries_the_next_address(self, upstream):
        policy = EgressPolicy(["127.0.0.0/8"])
        async with FetchClient(policy, lookup=Names(["127.255.255.254", LOOPBACK])) as client:
            got = await client.fetch(f"http://example.com:{upstream.port}/", max_bytes=10)
        assert got.body == b"ok"

    async def test_judges_the_peer_before_it_sends(self, upstream):
        transport = GuardedTransport(ON_LOOPBACK)
        transport._pool._network_backend._policy = EgressPolicy()
        with pytest.raises(EgressRefused):
            await transport.handle_async_request(httpx2.Request("GET", upstream.url))
        assert upstream.requests == []

    async def test_keeps_the_name_for_tls_and_host(self, tmp_path):
        seen = []
        server_tls, client_tls = tls_pair("api.example.com", tmp_path)
        server_tls.sni_callback = lambda _, name, __: seen.append(name)
        async with (
            Upstream(server_tls) as upstream,
            FetchClient(ON_LOOPBACK, lookup=Names([LOOPBACK]), tls=client_tls) as client,
        ):
            await client.fetch(f"https://api.example.com:{upstream.port}/", max_bytes=10)
        assert seen == ["api.example.com"]
        assert f"host: api.example.com:{upstream.port}".encode() in upstream.requests[0].lower()

    async def test_refuses_a_certificate_of_another_name(self, tmp_path):
        server_tls, client_tls = tls_pair("other.example.com", tmp_path)
        async with (
            Upstream(server_tls) as upstream,
            FetchClient(ON_LOOPBACK, lookup=Names([LOOPBACK]), tls=client_tls) as client,
        ):
            with pytest.raises(UpstreamUnreachable):
                await client.fetch(f"https://api.example.com:{upstream.port}/", max_bytes=10)
