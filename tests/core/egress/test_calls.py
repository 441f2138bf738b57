import asyncio
import contextlib
import gzip
import traceback

import pytest

from app.core.egress import call_engine
from app.core.egress.calls import Answer, Call, CallClient
from app.core.egress.errors import EgressRefused, ForbiddenHeader, UpstreamMalformed, UpstreamUnreachable
from app.core.egress.policy import EgressPolicy
from app.core.errors import UpstreamFailed, UpstreamTimedOut
from tests.core.egress.loopback import (
    LOOPBACK,
    OK,
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
    async with CallClient(ON_LOOPBACK) as client:
        yield client


def a_call(url: str, **changes) -> Call:
    return Call(**{"method": "GET", "url": url, "timeout_ms": 5_000, "max_response_bytes": 1_000, **changes})


class TestCall:
    async def test_sends_what_it_is_given_and_nothing_of_its_own(self, client, upstream):
        await client.call(
            a_call(
                f"{upstream.url}/things?a=%20b",
                method="POST",
                headers=[("X-Tag", "1"), ("X-Tag", "2"), ("Authorization", "Bearer abc")],
                body=b"hello",
            )
        )
        head, _, body = upstream.requests[0].partition(b"\r\n\r\n")
        request_line, *headers = head.decode().split("\r\n")
        assert request_line == "POST /things?a=%20b HTTP/1.1"
        assert body == b"hello"
        assert sorted(headers) == [
            "Accept-Encoding: identity",
            "Authorization: Bearer abc",
            "Content-Length: 5",
            f"Host: {LOOPBACK}:{upstream.port}",
            "User-Agent: jackfield",
            "X-Tag: 1",
            "X-Tag: 2",
        ]

    async def test_sends_headers_of_the_callers_in_the_place_of_its_own(self, client, upstream):
        headers = [("user-agent", "theirs"), ("Accept-Encoding", "gzip")]
        await client.call(a_call(upstream.url, headers=headers))
        _, *sent = upstream.requests[0].decode().rstrip().split("\r\n")
        assert sorted(sent) == [
            "Accept-Encoding: gzip",
            f"Host: {LOOPBACK}:{upstream.port}",
            "user-agent: theirs",
        ]

    @pytest.mark.parametrize(
        ("method", "length"), [("POST", True), ("DELETE", True), ("GET", False), ("HEAD", False)]
    )
    async def test_says_of_a_missing_body_that_it_is_empty(self, client, upstream, method, length):
        upstream.answers = [answer()]
        await client.call(a_call(upstream.url, method=method))
        assert (b"\r\nContent-Length: 0\r\n" in upstream.requests[0]) is length

    async def test_writes_names_and_values_beyond_ascii_as_utf_8(self, client, upstream):
        await client.call(a_call(upstream.url, headers=[("X-Name", "\xfc")]))
        assert b"X-Name: \xc3\xbc\r\n" in upstream.requests[0]

    async def test_waits_for_no_body_after_head(self, client, upstream):
        upstream.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", OK]
        got = await client.call(a_call(upstream.url, method="HEAD"))
        assert (got.status, got.body, got.truncated) == (200, b"", False)

    async def test_reads_a_body_of_no_stated_length_to_its_end(self, client, upstream):
        async def until_closed(writer):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nto the end")
            writer.close()

        upstream.answers = [until_closed, OK]
        assert (await client.call(a_call(upstream.url))).body == b"to the end"
        assert (await client.call(a_call(upstream.url))).body == b"ok"

    async def test_returns_status_headers_body_and_duration(self, client, upstream):
        upstream.answers = [answer(418, b"short", X_Tag="a", x_tag="b", X_Name="\xfc")]
        got = await client.call(a_call(upstream.url))
        assert (got.status, got.body, got.truncated) == (418, b"short", False)
        assert got.headers == (
            ("Content-Length", "5"),
            ("X-Tag", "a"),
            ("x-tag", "b"),
            ("X-Name", "\xc3\xbc"),
        )
        assert 0 <= got.duration_ms < 5_000

    async def test_an_offer_to_switch_protocols_is_an_answer(self, client, upstream):
        upstream.answers = [b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nbytes", OK]
        assert (await client.call(a_call(upstream.url))).status == 101
        assert (await client.call(a_call(upstream.url))).body == b"ok"

    async def test_passes_over_interim_answers(self, client, upstream):
        upstream.answers = [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK]
        got = await client.call(a_call(upstream.url))
        assert (got.status, got.body, got.headers) == (200, b"ok", (("Content-Length", "2"),))

    async def test_sends_bodies_larger_than_a_buffer(self, client, upstream):
        body = bytes(3_000_000)
        await client.call(a_call(upstream.url, method="PUT", body=body))
        assert upstream.requests[0].endswith(b"\r\n\r\n" + body)

    async def test_does_not_follow_redirects(self, client, upstream, elsewhere):
        upstream.answers = [answer(302, Location=elsewhere.url)]
        assert (await client.call(a_call(upstream.url))).status == 302
        assert elsewhere.requests == []

    async def test_keeps_no_cookies(self, upstream):
        upstream.answers = [answer(Set_Cookie="session=1; Path=/")]
        async with CallClient(ON_LOOPBACK, lookup=Names([LOOPBACK])) as client:
            for _ in range(2):
                await client.call(a_call(f"http://example.com:{upstream.port}/"))
        assert b"cookie" not in upstream.requests[1].lower()

    async def test_ignores_the_proxies_of_the_environment(self, upstream, elsewhere, monkeypatch):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url)
        async with CallClient(ON_LOOPBACK) as client:
            await client.call(a_call(upstream.url))
        assert (len(upstream.requests), len(elsewhere.requests)) == (1, 0)

    async def test_does_not_inflate(self, client, upstream):
        packed = gzip.compress(bytes(100_000))
        upstream.answers = [answer(200, packed, Content_Encoding="gzip")]
        assert (await client.call(a_call(upstream.url))).body == packed

    async def test_refuses_headers_of_the_connection(self, client, upstream):
        with pytest.raises(ForbiddenHeader):
            await client.call(a_call(upstream.url, headers=[("Host", "internal")]))
        assert upstream.connections == 0

    @pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"])
    async def test_refuses_methods_that_are_not_requests_for_a_resource(self, client, upstream, method):
        with pytest.raises(EgressRefused, match="method"):
            await client.call(a_call(upstream.url, method=method))

    async def test_neither_call_nor_answer_shows_what_may_be_secret(self):
        call = a_call("https://e.com/?hunter2", headers=[("X", "hunter2")], body=b"hunter2")
        got = Answer(status=200, headers=(("X", "hunter2"),), body=b"hunter2", truncated=False, duration_ms=1)
        assert "hunter2" not in f"{call!r} {got!r}"


class TestLimits:
    async def test_truncates_an_oversize_body_and_drops_the_connection(self, client, upstream):
        upstream.answers = [answer(200, bytes(500_000)), OK]
        got = await client.call(a_call(upstream.url, max_response_bytes=100))
        assert (len(got.body), got.truncated) == (100, True)
        assert (await client.call(a_call(upstream.url))).body == b"ok"
        assert upstream.connections == 2

    async def test_a_body_of_exactly_the_limit_is_whole(self, client, upstream):
        got = await client.call(a_call(upstream.url, max_response_bytes=2))
        assert (got.body, got.truncated) == (b"ok", False)

    @pytest.mark.parametrize("script", [silence, drip])
    async def test_the_deadline_ends_a_slow_answer(self, client, upstream, script):
        upstream.answers = [script]
        with pytest.raises(UpstreamTimedOut, match="in time"):
            await client.call(a_call(upstream.url, timeout_ms=60, max_response_bytes=10**6))

    async def test_the_deadline_covers_the_lookup(self):
        async def no_answer(name):
            await asyncio.Event().wait()

        async with CallClient(ON_LOOPBACK, lookup=no_answer) as client:
            with pytest.raises(UpstreamTimedOut, match="in time"):
                await client.call(a_call("http://example.com/", timeout_ms=20))

    async def test_a_hung_upstream_holds_only_its_own_connections(self, upstream, elsewhere):
        upstream.answers = [silence]
        async with CallClient(ON_LOOPBACK, connections_per_origin=1) as client:
            hung = [asyncio.create_task(client.call(a_call(upstream.url))) for _ in range(3)]
            for _ in range(5):
                assert (await client.call(a_call(elsewhere.url))).body == b"ok"
            assert upstream.connections == 1
            for task in hung:
                task.cancel()
            await asyncio.gather(*hung, return_exceptions=True)

    @pytest.mark.parametrize(
        "headers",
        [{"X_Long": "a" * 9_000}, {f"X_{n}": "a" for n in range(200)}],
        ids=["one too long", "too many"],
    )
    async def test_refuses_an_answer_with_excessive_headers(self, client, upstream, headers):
        upstream.answers = [answer(**headers)]
        with pytest.raises(UpstreamMalformed):
            await client.call(a_call(upstream.url))


class TestFailures:
    @pytest.mark.parametrize(
        "garbage",
        [
            b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
            b"HTTP/1.1 abc OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        ],
    )
    async def test_what_is_not_http_is_malformed(self, client, upstream, garbage):
        upstream.answers = [garbage]
        with pytest.raises(UpstreamMalformed):
            await client.call(a_call(upstream.url, method="POST"))

    async def test_a_body_that_breaks_off_is_malformed(self, client, upstream):
        async def break_off(writer):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            writer.close()

        upstream.answers = [break_off]
        with pytest.raises(UpstreamMalformed):
            await client.call(a_call(upstream.url))

    async def test_an_upstream_that_hangs_up_is_unreachable(self, client, upstream):
        upstream.answers = [hang_up]
        with pytest.raises(UpstreamUnreachable):
            await client.call(a_call(upstream.url))

    async def test_a_port_nobody_listens_on_is_unreachable(self, client):
        with unused_port() as port, pytest.raises(UpstreamUnreachable):
            await client.call(a_call(f"http://{LOOPBACK}:{port}/"))

    async def test_no_failure_tells_what_was_sent(self, client, upstream):
        secret = "hunter" + "2"
        upstream.answers = [b"garbage " + secret.encode() + b"\r\n\r\n"]
        with pytest.raises(UpstreamMalformed) as failure:
            await client.call(
                a_call(
                    f"{upstream.url}/{secret}?key={secret}", headers=[("X-Key", secret)], body=secret.encode()
                )
            )
        assert secret not in "".join(traceback.format_exception(failure.value))


class TestVetting:
    async def test_refuses_a_literal_that_is_not_allowed(self, upstream):
        async with CallClient(EgressPolicy()) as client:
            with pytest.raises(EgressRefused):
                await client.call(a_call(upstream.url))
        assert upstream.connections == 0

    async def test_refuses_a_name_with_one_forbidden_address(self, upstream):
        async with CallClient(ON_LOOPBACK, lookup=Names([LOOPBACK, "127.0.0.2"])) as client:
            with pytest.raises(EgressRefused):
                await client.call(a_call(f"http://example.com:{upstream.port}/"))
        assert upstream.connections == 0

    async def test_refuses_metadata_even_of_an_allowed_name(self):
        policy = EgressPolicy(["api.internal", "169.254.0.0/16"])
        async with CallClient(policy, lookup=Names(["169.254.169.254"])) as client:
            with pytest.raises(EgressRefused):
                await client.call(a_call("http://api.internal/"))

    async def test_connects_to_the_answer_it_judged(self, upstream):
        rebinding = Names([LOOPBACK], ["127.0.0.2"])
        upstream.answers = [answer(Connection="close")]
        url = f"http://example.com:{upstream.port}/"
        async with CallClient(ON_LOOPBACK, lookup=rebinding) as client:
            for _ in range(2):
                await client.call(a_call(url))
        assert (rebinding.asked, upstream.connections) == (["example.com."], 2)
        async with CallClient(ON_LOOPBACK, lookup=rebinding) as client:
            with pytest.raises(EgressRefused):
                await client.call(a_call(url))

    async def test_judges_the_peer_before_it_sends(self, client, upstream):
        (await client._start())._connector._policy = EgressPolicy()
        with pytest.raises(EgressRefused):
            await client.call(a_call(upstream.url))
        assert upstream.requests == []

    async def test_keeps_the_name_for_tls_and_host(self, tmp_path):
        seen = []
        server_tls, client_tls = tls_pair("api.example.com", tmp_path)
        server_tls.sni_callback = lambda _, name, __: seen.append(name)
        async with (
            Upstream(server_tls) as upstream,
            CallClient(ON_LOOPBACK, lookup=Names([LOOPBACK]), tls=client_tls) as client,
        ):
            await client.call(a_call(f"https://api.example.com:{upstream.port}/"))
        assert seen == ["api.example.com"]
        assert f"Host: api.example.com:{upstream.port}".encode() in upstream.requests[0]

    async def test_refuses_a_certificate_of_another_name(self, tmp_path):
        server_tls, client_tls = tls_pair("other.example.com", tmp_path)
        async with (
            Upstream(server_tls) as upstream,
            CallClient(ON_LOOPBACK, lookup=Names([LOOPBACK]), tls=client_tls) as client,
        ):
            with pytest.raises(UpstreamUnreachable, match="certificate"):
                await client.call(a_call(f"https://api.example.com:{upstream.port}/"))
        assert upstream.requests == []


class TestPool:
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_asks_again_where_that_is_harmless_when_a_kept_connection_ends(
        self, client, upstream, method
    ):
        upstream.answers = [OK, hang_up, OK]
        await client.call(a_call(upstream.url))
        assert (await client.call(a_call(upstream.url, method=method, body=b"x"))).body == b"ok"
        assert (len(upstream.requests), upstream.connections) == (3, 2)

    async def test_does_not_repeat_what_may_have_had_an_effect(self, client, upstream):
        upstream.answers = [OK, hang_up, OK]
        await client.call(a_call(upstream.url))
        with pytest.raises(UpstreamUnreachable):
            await client.call(a_call(upstream.url, method="POST"))
        assert len(upstream.requests) == 2

    async def test_has_a_connection_back_whatever_became_of_the_call(self, upstream):
        async with CallClient(ON_LOOPBACK, connections_per_origin=1) as client:
            for script in (silence, hang_up, b"garbage\r\n\r\n", answer(200, bytes(5_000))):
                upstream.answers = [script]
                with contextlib.suppress(UpstreamFailed):
                    await client.call(a_call(upstream.url, method="POST", timeout_ms=50))
                upstream.answers = [OK]
                assert (await client.call(a_call(upstream.url))).body == b"ok"

    async def test_reuses_a_young_connection(self, client, upstream):
        for _ in range(3):
            await client.call(a_call(upstream.url))
        assert upstream.connections == 1

    async def test_drops_an_old_connection(self, client, upstream, monkeypatch):
        monkeypatch.setattr(call_engine, "MAX_AGE_S", -1)
        for _ in range(3):
            await client.call(a_call(upstream.url))
        assert upstream.connections == 3
