"""Whole requests that are answered without ASGI, on the wire: in their place, once, and never half."""

import asyncio
import json
import random
import threading

import httptools
import pytest

from app.web.express import ExpressRequest, read_whole
from app.web.protocol import WireLimits, guarded_protocol
from tests.web.wire import PATIENCE, Client, serve

EITHER_WAY = {b"asgi POST /x/now abc", b'express abc ["host", "content-length"]'}
"""What is sent in one piece may arrive in two, and the other way round."""
HEAD = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n"


def post(path=b"/x/now", body=b"abc", fields=b""):
    return HEAD % (path, len(body), fields) + body


async def application(scope, receive, send):
    """Says which way a request came, and with which body, for which it waits unless that is ``/x/early``."""
    body = b""
    while scope["path"] != "/x/early" and (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    told = f"asgi {scope['method']} {scope['path']} {body.decode()}".encode()
    headers = [(b"content-length", str(len(told)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


class Taker:
    """``/x/now`` is answered at once, ``/x/later`` when the gate is opened; the rest is left alone."""

    def __init__(self):
        self.gate = threading.Event()
        self.taken = threading.Event()

    def __call__(self, request: ExpressRequest) -> bool:
        if request.whole.target == "/x/now":
            self.answer(request)
        elif request.whole.target == "/x/later":
            self.taken.set()
            loop = asyncio.get_running_loop()
            waiting = loop.run_in_executor(None, self.gate.wait, PATIENCE)
            waiting.add_done_callback(lambda _: self.answer(request))
        else:
            return False
        return True

    def answer(self, request):
        whole = request.whole
        body = f"express {whole.body.decode()} {json.dumps([*whole.fields])}".encode()
        request.answer(202, b"content-length: %d\r\n\r\n%b" % (len(body), body))


@pytest.fixture
def taker():
    made = Taker()
    yield made
    made.gate.set()


@pytest.fixture(params=["asyncio", "uvloop"])
def port(request, taker):
    with serve(application, guarded_protocol(WireLimits(), taker), loop=request.param) as port:
        yield port


@pytest.fixture
def client(port):
    made = Client(port)
    yield made
    made.close()


class TestTaken:
    def test_is_answered_with_what_every_response_has(self, client):
        client.send(post())
        answer = client.answer()
        assert (answer.status, answer.body) == (202, b'express abc ["host", "content-length"]')
        assert "date" in answer.headers

    def test_keeps_its_connection(self, client):
        for body in (b"1", b"2", b"3"):
            client.send(post(body=body))
            assert client.answer().body.startswith(b"express " + body)

    def test_leaves_no_connection_open_for_ever(self, taker):
        """Whatever way the last request on it was answered."""
        with serve(application, guarded_protocol(WireLimits(), taker), timeout_keep_alive=1) as port:
            clients = [Client(port) for _ in range(3)]
            clients[0].send(post())
            clients[1].send(post(), post(b"/y"))
            clients[2].send(post(b"/y"), post())
            for client, count in zip(clients, (1, 2, 2), strict=True):
                for _ in range(count):
                    client.answer()
            assert [client.rest() for client in clients] == [b"", b"", b""]
            for client in clients:
                client.close()

    def test_comes_before_those_behind_it(self, client, taker):
        client.send(post(b"/x/later", b"1"))
        assert taker.taken.wait(PATIENCE)
        client.send(post(b"/x/now", b"2") + b"GET /y HTTP/1.1\r\nHost: x\r\n\r\n")
        taker.gate.set()
        answers = [client.answer().body for _ in range(3)]
        assert [answer.split(b" [")[0] for answer in answers] == [
            b"express 1",
            b"asgi POST /x/now 2",
            b"asgi GET /y ",
        ]

    def test_comes_after_those_before_it(self, client):
        client.send(post(b"/y", b"1") + post(b"/x/now", b"2"))
        assert [client.answer().body for _ in range(2)] == [b"asgi POST /y 1", b"asgi POST /x/now 2"]

    def test_is_not_answered_to_a_client_that_has_left(self, client, taker, port):
        client.send(post(b"/x/later"))
        assert taker.taken.wait(PATIENCE)
        client.close()
        taker.gate.set()
        other = Client(port)
        other.send(post())
        assert other.answer().status == 202
        other.close()


class TestLeftToAsgi:
    def test_begins_from_the_start(self, client):
        client.send(post(b"/x/else?a=1", b"body"))
        assert client.answer().body == b"asgi POST /x/else body"

    @pytest.mark.parametrize("cut", [len(post()) - 2, len(post()) - 3, 40])
    def test_is_what_does_not_come_in_one_piece(self, client, cut):
        client.send(post()[:cut])
        client.send(post()[cut:])
        assert client.answer().body in EITHER_WAY

    def test_is_a_body_that_is_not_there_yet(self, client):
        """The application may refuse it before it comes."""
        whole = post(b"/x/early", b"x" * 100_000)
        client.send(whole[:2000])
        assert client.answer().body == b"asgi POST /x/early "
        client.send(whole[2000:], post())
        assert client.answer().body in EITHER_WAY

    @pytest.mark.parametrize(
        ("request_", "told"),
        [
            (post(b"/y"), b"asgi POST /y abc"),
            (post().replace(b"POST", b"PUT", 1), b"asgi PUT /x/now abc"),
            (post(fields=b"Expect: 100-continue\r\n"), b"asgi POST /x/now abc"),
            (post(fields=b"Connection: close\r\n"), b"asgi POST /x/now abc"),
            (post().replace(b"HTTP/1.1", b"HTTP/1.0"), b"asgi POST /x/now abc"),
        ],
    )
    def test_is_whatever_else_there_is(self, client, request_, told):
        client.send(request_)
        answer = client.answer()
        if answer.status == 100:
            answer = client.answer()
        assert answer.body == told

    def test_is_refused_as_ever(self, client):
        client.send(post(fields=b"Transfer-Encoding: chunked\r\n"))
        assert client.answer().status == 400

    def test_breaks_off_as_ever(self, client):
        client.send(b"POST /x/now HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert client.answer().status == 400


class Parsed:
    """What the parser makes of some bytes."""

    def __init__(self, data):
        self.fields, self.target, self.body, self.count = [], b"", b"", 0
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.line = (self._parser.get_method(), self._parser.get_http_version())
        self.keeps_alive = self._parser.should_keep_alive()

    def on_url(self, url):
        self.target += url

    def on_header(self, name, value):
        self.fields.append((name.lower().decode(), value.decode("latin-1")))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.count += 1


class TestReading:
    PLAIN = post(
        b"/webhook/acme/push?a=1",
        b'{"a": [1, 2]}\r\n\r\nPOST / HTTP/1.1\r\n',
        b"X-Signature: sha256=00,v=1\r\nConnection: Keep-Alive\r\nUser-Agent: a (b; c) d\r\n",
    )
    CHANGES = (
        *(bytes([byte]) for byte in range(256)),
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b": ",
            b"Content-Length: 3\r\n",
            b"Content-Length: +3\r\n",
            b"Host: y\r\n",
        ),
        *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n", b" folded\r\n"),
        *(b"X-Signature: again\r\n", b"HTTP/1.0", b"GET ", b"/../", b"0", b"00", b"\xc3\xa9", b"X" * 9000),
    )

    def test_is_that_of_a_plain_request(self):
        whole = read_whole(self.PLAIN)
        assert whole.target == "/webhook/acme/push?a=1"
        assert whole.fields["x-signature"] == "sha256=00,v=1"
        assert whole.body == self.PLAIN.partition(b"\r\n\r\n")[2]

    def test_never_differs_from_the_parser(self):
        """However a request is changed, in ten thousand ways drawn with a fixed seed: what is read here, the
        parser reads as the same one request, on a connection that is kept."""
        chance = random.Random(1)  # noqa: S311 -- to be drawn the same each time
        read = 0
        for _ in range(10_000):
            data = self.PLAIN
            for _ in range(chance.randint(1, 2)):
                place = chance.choice((chance.randint(0, len(data)), data.find(b"\r\n") + 2))
                cut = place + chance.choice((0, 0, 1, 5))
                data = data[:place] + chance.choice(self.CHANGES) + data[cut:]
            if (whole := read_whole(data)) is None:
                continue
            read += 1
            parsed = Parsed(data)
            assert (parsed.count, parsed.line, parsed.keeps_alive) == (1, (b"POST", "1.1"), True), data
            assert (parsed.target.decode(), parsed.body) == (whole.target, whole.body), data
            assert parsed.fields == [*whole.fields.items()], data
        assert read > 500

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"POST",
            PLAIN[:-1],
            PLAIN + b"\r\n",
            PLAIN.replace(b"Host: x\r\n", b""),
            PLAIN.replace(b"Host: x\r\n", b"Host: x\r\nHost: x\r\n"),
            PLAIN.replace(b"push", b"p%75sh"),
            post(fields=b"A: b\r\n" * 70),
            post(fields=b"A: " + b"b" * 9000 + b"\r\n"),
            post(fields=b"Content-Length: 3\r\n"),
        ],
    )
    def test_leaves_the_rest_to_the_parser(self, data):
        assert read_whole(data) is None
