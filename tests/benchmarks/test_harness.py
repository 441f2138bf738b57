"""What the benchmarks measure with: figures that are wrong would be believed."""

import hashlib
import hmac
import itertools
import math
import random
import re
import socket
from threading import Thread

import pytest
from harness import load
from harness.histogram import Histogram
from harness.load import Plan
from harness.upstream import upstreams
from harness.webhooks import Webhook, pooled, stamped

SECRET = b"only-for-tests"


class TestHistogram:
    def test_knows_a_percentile_to_one_percent(self):
        source = random.Random(1)  # noqa: S311 - the same values each time
        values = [source.lognormvariate(-6, 1) for _ in range(10_000)]
        histogram = Histogram()
        for value in values:
            histogram.record(value)

        assert len(histogram) == len(values)
        for percent in (1, 50, 95, 99, 100):
            exact = sorted(values)[math.ceil(len(values) * percent / 100) - 1]
            assert histogram.percentile(percent) == pytest.approx(exact, rel=0.01)

    def test_has_no_percentile_of_nothing(self):
        assert math.isnan(Histogram().percentile(50))


@pytest.mark.parametrize("make", [pooled, stamped])
class TestWebhooks:
    def test_are_signed_and_of_the_size_asked_for(self, make):
        for request in itertools.islice(make([Webhook(80, "/in", SECRET)], 1024), 300):
            head, body = request.split(b"\r\n\r\n", 1)
            expected = hmac.new(SECRET, body, hashlib.sha256).hexdigest().encode()
            assert b"X-Hub-Signature-256: sha256=" + expected in head
            assert b"Content-Length: 1024" in head
            assert len(body) == 1024

    def test_have_a_delivery_id_each(self, make):
        requests = itertools.islice(make([Webhook(80, "/a", SECRET), Webhook(80, "/b", SECRET)], 64), 2000)
        ids = {re.search(rb"X-GitHub-Delivery: ([0-9a-f-]{36})", request)[1] for request in requests}
        assert len(ids) == 2000

    def test_take_turns_among_the_addresses(self, make):
        requests = itertools.islice(make([Webhook(80, "/a", SECRET), Webhook(80, "/b", SECRET)], 64), 4)
        assert [request.split()[1] for request in requests] == [b"/a", b"/b", b"/a", b"/b"]


class TestLoad:
    def test_sends_as_many_as_it_was_told(self):
        with upstreams() as called:
            result = load.run(plan(port_of(called.healthy[0]), requests=500, seconds=30, warm_up_s=0))
            receipts = called.take()

        assert (result.accepted, result.failures) == (500, {})
        assert len(receipts) == 500

    @pytest.mark.parametrize("rate", [None, 1000.0])
    def test_sends_no_more_than_that_on_more_connections(self, rate):
        with upstreams() as called:
            options = {"requests": 3, "connections": 16, "seconds": 30, "rate": rate}
            result = load.run(plan(port_of(called.healthy[0]), **options))

        assert (result.accepted, result.failures) == (3, {})

    def test_keeps_to_its_rate(self):
        with upstreams() as called:
            result = load.run(plan(port_of(called.healthy[0]), rate=100.0, seconds=1, is_stamped=True))
            receipts = called.take()

        assert result.accepted == len(receipts) == pytest.approx(100, abs=2)
        assert all(0 <= delay < 5 for _, delay in receipts.delays)

    def test_counts_what_is_refused_and_what_is_lost(self):
        answers = [b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n", b""]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = Thread(target=answer_each, args=(listener, answers))
            server.start()
            port = listener.getsockname()[1]
            result = load.run(plan(port, connections=1, requests=2, seconds=5, warm_up_s=0))
            server.join()

        assert result.failures == {"503": 1, "lost": 1}
        assert result.accepted == 0


def plan(port, **options):
    defaults = {"connections": 4, "size": 128, "warm_up_s": 0.0}
    return Plan(webhooks=(Webhook(port, "/in", SECRET),), **(defaults | options))


def port_of(url):
    return int(url.rpartition(":")[2])


def answer_each(listener, answers):
    """One connection: the next answer to each request; without one the connection ends."""
    connection, _ = listener.accept()
    with connection:
        for answer in answers:
            connection.recv(65_536)
            connection.sendall(answer)
