"""Claims about what the guard refuses before an application runs."""

import asyncio
import re

import pytest

from app.web.guard import DEFAULT_RULES, MIB, BodyRule, GuardLimits, InputGuard
from tests.web.asgi import Exchange, call, echo, http_scope, read_body, respond

pytestmark = pytest.mark.anyio

ANY = re.compile("")
SMALL = GuardLimits(rules=(BodyRule(ANY, 10, 5.0),), idle_seconds=5.0)


async def never():
    await asyncio.Event().wait()


async def reached(_scope, _receive, _send):
    raise AssertionError("the application was reached")


class TestPath:
    @pytest.mark.parametrize(
        "path", ["/a%00b", "/%ff", "/%c0%80", "/%ed%a0%80", "/a%0ab", "/%1b", "/%7f", "/%c2%85", "/%e2%28%a1"]
    )
    async def test_that_is_no_clean_text_leads_nowhere(self, path):
        answer = await call(InputGuard(reached), path)
        assert (answer.status, answer.json["code"]) == (404, "not_found")

    @pytest.mark.parametrize(
        "path", ["/", "/a-b_c.d~e", "/caf%C3%A9", "/%F0%9F%98%80", "/100%", "/a%2Fb", "/%zz"]
    )
    async def test_that_is_clean_text_passes(self, path):
        assert (await call(InputGuard(echo), path)).status == 200


class TestQuery:
    @pytest.mark.parametrize("query", [b"a=%00", b"a=%ff", b"%ed%b0%80=1", b"a=b%08", b"a=\xff"])
    async def test_that_is_no_clean_text_is_pointed_at(self, query):
        answer = await call(InputGuard(reached), query=query)
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/query")

    async def test_is_not_repeated(self):
        answer = await call(InputGuard(reached), query=b"token=sk_live_4242%00")
        assert b"sk_live" not in answer.body

    @pytest.mark.parametrize("query", [b"", b"a=1&b=%C3%A9", b"Body=two%0D%0Alines%09", b"a=1+2", b"%"])
    async def test_that_is_clean_text_passes(self, query):
        assert (await call(InputGuard(echo), query=query)).status == 200


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "GZIP", "x"])
    async def test_other_than_identity_is_refused(self, encoding):
        answer = await call(InputGuard(reached), headers=[("Content-Encoding", encoding)])
        assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
        assert answer.headers["accept-encoding"] == "identity"

    @pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
    async def test_identity_passes(self, encoding):
        assert (await call(InputGuard(echo), headers=[("Content-Encoding", encoding)])).status == 200


class TestSize:
    @pytest.mark.parametrize("length", ["11", "011", "9" * 5000])
    async def test_declared_too_large_is_refused_before_the_application_runs(self, length):
        answer = await call(InputGuard(reached, SMALL), headers=[("Content-Length", length)])
        assert (answer.status, answer.json["code"]) == (413, "too_large")
        assert answer.headers["connection"] == "close"

    async def test_counted_too_large_is_refused_while_it_is_read(self):
        answer = await call(InputGuard(echo, SMALL), chunks=[b"12345", b"67890", b"1", b""])
        assert (answer.status, answer.json["detail"]) == (413, "The body is larger than 10 bytes.")

    async def test_nothing_is_read_past_the_limit(self):
        exchange = Exchange(http_scope(), [b"x" * 11, b"unread"])
        await exchange.run(InputGuard(echo, SMALL))
        assert exchange.unread == [b"unread"]

    async def test_the_limit_itself_is_accepted(self):
        answer = await call(InputGuard(echo, SMALL), chunks=[b"12345", b"67890"])
        assert answer.body == b"1234567890"

    async def test_no_application_can_turn_the_refusal_into_another_answer(self):
        async def stubborn(_scope, receive, send):
            try:
                await read_body(receive)
            except Exception:  # noqa: BLE001 - that is what makes it stubborn
                await respond(send, b"never mind")

        answer = await call(InputGuard(stubborn, SMALL), chunks=[b"x" * 11])
        assert answer.status == 413

    async def test_asking_again_gets_the_same_refusal(self):
        async def insistent(_scope, receive, send):
            for _ in range(3):
                with pytest.raises(Exception, match="larger than 10"):
                    await receive()
            await respond(send)

        assert (await call(InputGuard(insistent, SMALL), chunks=[b"x" * 11])).status == 413

    async def test_an_answer_that_has_begun_is_left_alone(self):
        async def hasty(_scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await read_body(receive)

        exchange = Exchange(http_scope(), [b"x" * 11])
        with pytest.raises(Exception, match="larger than 10"):
            await exchange.run(InputGuard(hasty, SMALL))
        assert [message["type"] for message in exchange.sent] == ["http.response.start"]


class TestPace:
    async def test_a_gap_in_the_body_is_refused(self):
        limits = GuardLimits(rules=(BodyRule(ANY, 10, 5.0),), idle_seconds=0.01)
        answer = await call(InputGuard(echo, limits), chunks=[b"a", never])
        assert (answer.status, answer.json["code"]) == (408, "request_timed_out")
        assert answer.headers["connection"] == "close"

    async def test_a_slow_body_without_gaps_is_refused(self):
        async def slow():
            await later(0.02)
            return {"type": "http.request", "body": b"x", "more_body": True}

        limits = GuardLimits(rules=(BodyRule(ANY, 1000, 0.1),), idle_seconds=5.0)
        answer = await call(InputGuard(echo, limits), chunks=[slow] * 100)
        assert answer.status == 408

    async def test_the_time_an_application_takes_is_not_the_clients(self):
        async def thoughtful(_scope, receive, send):
            await later(0.1)
            await receive()
            await later(0.1)
            await respond(send, await read_body(receive))

        limits = GuardLimits(rules=(BodyRule(ANY, 10, 0.05),), idle_seconds=0.05)
        assert (await call(InputGuard(thoughtful, limits), chunks=[b"a", b"b"])).body == b"b"

    async def test_waiting_for_the_client_to_leave_has_no_deadline(self):
        async def leaves():
            await later(0.1)
            return {"type": "http.disconnect"}

        async def long_poll(_scope, receive, send):
            await read_body(receive)
            assert (await receive())["type"] == "http.disconnect"
            await respond(send)

        limits = GuardLimits(rules=(BodyRule(ANY, 10, 0.05),), idle_seconds=0.05)
        answer = await call(InputGuard(long_poll, limits), chunks=[empty_body, leaves])
        assert answer.status == 200


class TestRules:
    @pytest.mark.parametrize(
        ("path", "limit"),
        [
            ("/integrations", MIB),
            ("/webhooks", MIB),
            ("/integrations/1/sync-handlers/document", 64 * MIB),
            ("/integrations/1/sync-handlers", MIB),
        ],
    )
    async def test_the_first_that_matches_counts(self, path, limit):
        guard = InputGuard(echo)
        too_long = [("Content-Length", str(limit + 1))]
        assert (await call(guard, path, headers=[("Content-Length", str(limit))])).status == 200
        assert (await call(guard, path, headers=too_long)).status == 413

    async def test_every_path_has_one(self):
        assert DEFAULT_RULES[-1].path.pattern == ""

    async def test_without_one_any_body_passes(self):
        answer = await call(InputGuard(echo, GuardLimits(rules=())), chunks=[b"x" * 2 * MIB])
        assert len(answer.body) == 2 * MIB


class TestOtherScopes:
    async def test_pass_untouched(self):
        seen = []

        async def app(scope, receive, send):
            seen.append((scope, receive, send))

        lifespan = ({"type": "lifespan"}, None, None)
        await InputGuard(app)(*lifespan)
        assert seen == [lifespan]


async def later(seconds):
    moment = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, moment.set)
    await moment.wait()


async def empty_body():
    return {"type": "http.request", "body": b"", "more_body": False}
