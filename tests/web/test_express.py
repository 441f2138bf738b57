"""Whole requests that are answered without ASGI, on the wire: in their place, once, and never half."""

import asyncio
import json
import threading

import pytest

from app.web.express import ExpressRequest
from app.web.protocol import WireLimits, guarded_protocol
from tests.web.wire import PATIENCE, Client, serve

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

    prefix = b"/x/"

    def __init__(self):
        self.gate = threading.Event()
        self.taken = threading.Event()

    def __call__(self, request: ExpressRequest) -> bool:
        if request.url == b"/x/now":
            self.answer(request)
        elif request.url == b"/x/later":
            self.taken.set()
            loop = asyncio.get_running_loop()
            waiting = loop.run_in_executor(None, self.gate.wait, PATIENCE)
            waiting.add_done_callback(lambda _: self.answer(request))
        else:
            return False
        return True

    def answer(self, request):
        names = [name.decode() for name, _ in request.scope["headers"]]
        body = f"express {request.body.decode()} {json.dumps(names)}".encode()
        request.answer(202, b"content-length: %d\r\n" % len(body), body)


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

    @pytest.mark.parametrize(
        "request_", [post(fields=b"Connection: close\r\n"), post().replace(b"HTTP/1.1", b"HTTP/1.0")]
    )
    def test_ends_its_connection_if_the_client_says_so(self, client, request_):
        client.send(request_)
        assert client.answer().closes
        assert client.rest() == b""

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
        client.send(post(b"/x/later", b"1") + post(b"/x/now", b"2") + b"GET /y HTTP/1.1\r\nHost: x\r\n\r\n")
        assert taker.taken.wait(PATIENCE)
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
        assert client.answer().body in {b"asgi POST /x/now abc", b'express abc ["host", "content-length"]'}

    def test_is_a_body_that_is_not_there_yet(self, client):
        """The application may refuse it before it comes."""
        whole = post(b"/x/early", b"x" * 100_000)
        client.send(whole[:2000])
        assert client.answer().body == b"asgi POST /x/early "
        client.send(whole[2000:], post())
        assert client.answer().status == 202

    @pytest.mark.parametrize(
        ("request_", "told"),
        [
            (post(b"/y"), b"asgi POST /y abc"),
            (post().replace(b"POST", b"PUT", 1), b"asgi PUT /x/now abc"),
            (post(fields=b"Expect: 100-continue\r\n"), b"asgi POST /x/now abc"),
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
