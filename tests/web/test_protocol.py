"""Claims about the wire, made with raw sockets against a running server."""

import asyncio
import json
import re
import threading

import pytest

from app.web.guard import BodyRule, GuardLimits, InputGuard
from app.web.problem import CatchAll
from app.web.protocol import WireLimits, guarded_protocol
from tests.web.wire import PATIENCE, Client, serve

KIB = 1024
LIMITS = WireLimits(
    head_seconds=0.3,
    target_size=1 * KIB,
    head_size=8 * KIB,
    headers=20,
    pipelined=4,
    write_seconds=0.2,
    linger_seconds=0.3,
)
BODY = GuardLimits(rules=(BodyRule(re.compile(""), 64 * KIB, 0.6),), idle_seconds=0.3)
GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /length HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"


class Application:
    """``/hello`` answers, ``/length`` counts the body, ``/early`` answers without reading it,
    ``/headers`` lists the names it sees, ``/gate`` waits until it is let through, ``/flood`` never ends."""

    def __init__(self):
        self.gate = threading.Event()
        self.flood_ended = threading.Event()

    async def __call__(self, scope, receive, send):
        path = scope["path"]
        if path == "/flood":
            await self.flood(receive, send)
            return
        length, text = 0, path
        if path == "/length":
            length = await self.read(receive)
            text = str(length)
        elif path == "/headers":
            await self.read(receive)
            text = json.dumps([name.decode() for name, _ in scope["headers"]])
        elif path == "/gate":
            await asyncio.get_running_loop().run_in_executor(None, self.gate.wait, PATIENCE)
        body = text.encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def read(self, receive):
        length = 0
        while (message := await receive())["type"] == "http.request":
            length += len(message["body"])
            if not message["more_body"]:
                break
        return length

    async def flood(self, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] == "http.request":
            for _ in range(1000):
                await send({"type": "http.response.body", "body": b"x" * 64 * KIB, "more_body": True})
        self.flood_ended.set()


@pytest.fixture(scope="module")
def application():
    return Application()


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def port(request, application):
    app = CatchAll(InputGuard(application, BODY))
    with serve(app, guarded_protocol(LIMITS), loop=request.param) as port:
        yield port


@pytest.fixture
def connect(port):
    clients = []

    def connect(**options):
        clients.append(Client(port, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


class TestKeepAlive:
    def test_one_connection_serves_many_requests(self, client):
        for _ in range(3):
            client.send(GET)
            assert client.answer().body == b"/hello"

    def test_a_body_may_follow_a_body(self, client):
        client.send(POST, b"Content-Length: 3\r\n\r\nabc")
        assert client.answer().body == b"3"
        client.send(CHUNKED, b"2\r\nab\r\n0\r\n\r\n")
        assert client.answer().body == b"2"

    def test_a_deadline_is_for_one_request_not_for_the_connection(self, client):
        for _ in range(4):
            client.send(GET[:10])
            client.socket.settimeout(LIMITS.head_seconds / 3)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
            client.send(GET[10:])
            assert client.answer().status == 200

    def test_blank_lines_before_a_request_are_ignored(self, client):
        client.send(b"\r\n\r\n", GET)
        assert client.answer().status == 200


class TestPipeline:
    def test_answers_come_in_order(self, client):
        client.send(GET + POST + b"Content-Length: 2\r\n\r\nab" + GET)
        assert [client.answer().body for _ in range(3)] == [b"/hello", b"2", b"/hello"]

    def test_garbage_behind_a_request_does_not_cost_its_answer(self, client, application):
        application.gate.clear()
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n" + b"\x00\x01garbage\r\n\r\n")
        application.gate.set()
        assert client.answer().body == b"/gate"
        refusal = client.answer()
        assert (refusal.status, refusal.problem["code"]) == (400, "malformed_http")
        assert client.rest() == b""

    def test_a_broken_body_in_the_queue_does_not_cost_the_answer_before_it(self, client, application):
        application.gate.clear()
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n" + CHUNKED + b"not hex\r\n")
        application.gate.set()
        assert client.answer().body == b"/gate"
        assert client.answer().status == 400
        assert client.rest() == b""

    def test_a_crowd_is_refused_after_those_before_it_are_answered(self, client, application):
        application.gate.clear()
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n" + GET * 50)
        application.gate.set()
        answers = [client.answer() for _ in range(1 + LIMITS.pipelined + 1)]
        assert [answer.status for answer in answers] == [200] * (1 + LIMITS.pipelined) + [429]
        assert client.rest() == b""

    def test_a_late_head_waits_for_the_answer_before_it(self, client, application):
        application.gate.clear()
        client.send(b"GET /gate HTTP/1.1\r\nHost: x\r\n\r\n" + GET[:10])
        client.socket.settimeout(LIMITS.head_seconds * 2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(PATIENCE)
        application.gate.set()
        assert client.answer().body == b"/gate"
        assert client.answer().status == 408


class TestLateHead:
    def test_a_silent_connection_is_closed_without_a_word(self, client):
        assert client.rest() == b""

    def test_blank_lines_are_silence(self, client):
        assert client.drip(b"\r\n") == b""

    @pytest.mark.parametrize(
        "start", [b"G", b"GET /hello HT", b"GET /hello HTTP/1.1\r\nHost: x\r\nX-A: "], ids=len
    )
    def test_a_stalled_head_gets_408(self, client, start):
        client.send(start)
        answer = client.answer()
        assert (answer.status, answer.problem["code"]) == (408, "request_timed_out")
        assert answer.closes
        assert client.rest() == b""

    def test_a_drip_fed_head_gets_408(self, client):
        client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n")
        client.drip(b"X-A: b\r\n")
        assert client.answer().status == 408

    def test_a_drip_fed_head_gets_408_on_a_connection_that_was_used(self, client):
        client.send(GET)
        assert client.answer().status == 200
        client.drip(GET[:-2] + b"X-A: b\r\n" * 100)
        assert client.answer().status == 408

    def test_the_refusal_names_a_request_id_as_every_answer_does(self, client):
        client.send(b"GET /")
        answer = client.answer()
        assert answer.headers["x-request-id"] == answer.problem["requestId"]
        assert answer.problem["type"] == "/problems/request_timed_out"


class TestHeadSize:
    def test_a_long_target_gets_414(self, client):
        client.send(b"GET /" + b"a" * (2 * KIB) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer().problem["code"] == "uri_too_long"

    def test_a_target_without_end_gets_414(self, client):
        client.send(b"GET /" + b"a" * (2 * KIB))
        assert client.answer().status == 414

    def test_many_headers_get_431(self, client):
        client.send(GET[:-2] + b"A: b\r\n" * 20 + b"\r\n")
        assert client.answer().problem["code"] == "headers_too_large"

    def test_many_headers_get_431_before_the_last_of_them(self, client):
        """What arrives is kept until the head ends, and small headers take more room than their bytes."""
        client.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * (LIMITS.headers + 1))
        assert client.answer().status == 431

    def test_as_many_headers_as_allowed_are_served(self, client):
        client.send(GET[:-2] + b"A: b\r\n" * 19 + b"\r\n")
        assert client.answer().status == 200

    def test_a_huge_header_gets_431(self, client):
        client.send(GET[:-2] + b"A: " + b"b" * (9 * KIB) + b"\r\n\r\n")
        assert client.answer().status == 431

    def test_a_header_without_end_gets_431(self, client):
        client.send(GET[:-2] + b"A: ")
        for _ in range(16):
            client.send(b"b" * KIB)
        assert client.answer().status == 431
        assert client.rest() == b""

    def test_a_client_that_keeps_sending_still_reads_its_answer(self, client):
        client.send(GET[:-2] + b"A: " + b"b" * (1024 * KIB))
        assert client.answer().status == 431


class TestMalformed:
    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\x00" * 100,
            b"hello\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
            b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
            b"GET http://[:: HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n",
            POST + b"Content-Length: -1\r\n\r\n",
            POST + b"Content-Length: 1e3\r\n\r\n",
            POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
            POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            POST + b"Content-Length: 1, 1\r\n\r\na",
            POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            CHUNKED + b"xyz\r\n",
            CHUNKED + b"-1\r\na\r\n",
            CHUNKED + b"1\r\nab\r\n",
            CHUNKED + b"fffffffffffffffff\r\n",
        ],
    )
    def test_gets_400_and_the_connection_ends(self, client, request_bytes):
        client.send(request_bytes)
        answer = client.answer()
        assert (answer.status, answer.problem["code"]) == (400, "malformed_http")
        assert answer.closes
        assert client.rest() == b""

    def test_the_answer_does_not_repeat_the_request(self, client):
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nsk_live_4242\r\n\r\n")
        assert b"sk_live" not in client.rest()

    def test_the_server_goes_on_serving_others(self, connect):
        connect().send(b"\xff" * 1000)
        other = connect()
        other.send(GET)
        assert other.answer().status == 200


class TestBody:
    def test_a_drip_fed_body_gets_408(self, client):
        client.send(POST + b"Content-Length: 60000\r\n\r\n")
        client.drip(b"x")
        answer = client.answer()
        assert (answer.status, answer.closes) == (408, True)
        assert client.rest() == b""

    def test_a_stalled_body_gets_408(self, client):
        client.send(CHUNKED + b"5\r\nab")
        assert client.answer().status == 408
        assert client.rest() == b""

    def test_a_body_declared_too_large_gets_413_before_it_is_sent(self, client):
        client.send(POST + b"Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n")
        answer = client.answer()
        assert (answer.status, answer.problem["code"]) == (413, "too_large")
        assert client.rest() == b""

    def test_a_chunked_body_one_byte_too_large_gets_413(self, client):
        client.send(CHUNKED, b"10000\r\n", b"x" * 64 * KIB, b"\r\n1\r\nx\r\n0\r\n\r\n")
        assert client.answer().status == 413

    def test_a_chunked_body_of_the_limit_is_read(self, client):
        client.send(CHUNKED, b"10000\r\n", b"x" * 64 * KIB, b"\r\n0\r\n\r\n")
        assert client.answer().body == b"65536"

    def test_a_client_that_keeps_sending_still_reads_its_413(self, client):
        client.send(POST + b"Content-Length: 4194304\r\n\r\n", b"x" * 4 * KIB * KIB)
        assert client.answer().status == 413

    def test_a_client_is_told_to_continue_when_its_body_is_wanted(self, client):
        client.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"ab")
        assert client.answer().body == b"2"

    def test_one_byte_chunks_are_read(self, client):
        client.send(CHUNKED, b"1\r\nx\r\n" * 10000, b"0\r\n\r\n")
        assert client.answer().body == b"10000"

    @pytest.mark.parametrize("start", [b"1;", b"0\r\nTrailer: "], ids=["extension", "trailer"])
    def test_framing_without_end_is_refused(self, client, start):
        client.send(CHUNKED + start, b"a" * 512 * KIB)
        assert client.answer().status == 400
        assert client.rest() == b""

    def test_a_trailer_does_not_become_a_header(self, client):
        request = CHUNKED.replace(b"/length", b"/headers")
        client.send(request, b"1\r\nx\r\n0\r\nAuthorization: Bearer t\r\n\r\n", GET)
        assert json.loads(client.answer().body) == ["host", "transfer-encoding"]
        assert client.answer().body == b"/hello"


class TestEarlyAnswer:
    def test_a_client_that_sends_the_rest_keeps_its_connection(self, client):
        client.send(POST.replace(b"/length", b"/early") + b"Content-Length: 3\r\n\r\na")
        assert client.answer().body == b"/early"
        client.send(b"bc", GET)
        assert client.answer().body == b"/hello"

    def test_a_client_that_drips_the_rest_loses_it(self, client):
        client.send(POST.replace(b"/length", b"/early") + b"Content-Length: 60000\r\n\r\n")
        assert client.answer().body == b"/early"
        assert client.drip(b"x") == b""


class TestUnread:
    """Taken as fast as it comes, it would keep the processor from everybody else."""

    TAKEN = 48 * KIB * KIB
    """Far more than the sips of ``LIMITS.linger_seconds`` and both socket buffers, far less than a loopback
    takes in that time."""

    def test_what_is_sent_after_a_refusal_is_taken_slowly(self, client):
        client.send(POST + b"Content-Length: 4000000000\r\n\r\n")
        assert client.answer().status == 413
        assert client.flood(4 * self.TAKEN) < self.TAKEN

    def test_what_is_sent_after_an_early_answer_is_taken_slowly(self, client):
        client.send(POST.replace(b"/length", b"/early") + b"Transfer-Encoding: chunked\r\n\r\n")
        assert client.answer().body == b"/early"
        assert client.flood(4 * self.TAKEN, b"10000\r\n%b\r\n" % (b"x" * 64 * KIB)) < self.TAKEN


class TestUpgrade:
    @pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
    def test_the_offer_is_ignored_and_the_request_answered(self, client, protocol):
        client.send(UPGRADE % protocol)
        answer = client.answer()
        assert (answer.status, answer.body) == (200, b"/hello")

    def test_what_follows_is_still_read_as_http(self, client):
        client.send((UPGRADE % b"h2c") * 2 + GET)
        assert [client.answer().status for _ in range(3)] == [200] * 3


class TestSlowReader:
    def test_is_cut_off_when_it_stops_reading(self, connect, application):
        application.flood_ended.clear()
        client = connect(receive_buffer=4 * KIB)
        client.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        assert application.flood_ended.wait(PATIENCE)

    def test_is_served_while_it_makes_progress(self, connect, application):
        application.flood_ended.clear()
        client = connect(receive_buffer=256 * KIB)
        client.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        received = 0
        while received < 8 * KIB * KIB:
            received += len(client.socket.recv(32 * KIB))
        assert not application.flood_ended.is_set()
        client.close()
        assert application.flood_ended.wait(PATIENCE)


class TestGuardedProtocol:
    def test_limits_belong_to_the_class_they_were_made_for(self):
        assert guarded_protocol(LIMITS).limits is LIMITS
        assert guarded_protocol(WireLimits()).limits.head_seconds == 10.0

    def test_a_full_server_answers_with_a_problem(self):
        with serve(Application(), guarded_protocol(LIMITS), limit_concurrency=1) as port:
            client = Client(port)
            client.send(GET)
            answer = client.answer()
            client.close()
        assert (answer.status, answer.problem["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "1"
