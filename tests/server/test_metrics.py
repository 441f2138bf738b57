"""What Prometheus reads from several processes, and from one without an API."""

import re
import socket
import time

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.command import jackfield, running
from tests.fixtures.process import BASE_URL

METRICS_PORT = re.compile(r'"port": (\d+), "event": "metrics.listening"')
PATIENCE_S = 20.0


def samples(url: str) -> dict[str, float]:
    """Sums over labels, by the name of the sample."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(httpx2.get(url).text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


class TestWorkers:
    def test_are_counted_together(self, installation):
        with running("serve", "--workers", "2", data=installation) as process:
            url = process.read_until(BASE_URL)[0] + "/metrics"
            asked = 12
            for _ in range(asked):
                httpx2.get(url)  # a connection each, so that both get some
            # What the other one counted comes within a second.
            deadline = time.monotonic() + PATIENCE_S
            while samples(url)["jackfield_http_requests_total"] < asked:
                assert time.monotonic() < deadline
            seen = samples(url)
            assert seen["jackfield_claim_size_count"] > 0
            assert seen["jackfield_slots_held"] == 0
            assert "pid" not in httpx2.get(url).text
            assert process.stop() == 0


class TestWorker:
    def test_answers_on_a_port_of_its_own(self, installation):
        with running("worker", "--metrics-port", "0", data=installation) as process:
            url = f"http://127.0.0.1:{process.read_until(METRICS_PORT)[1]}/metrics"
            process.read_until("looks for executions")
            deadline = time.monotonic() + PATIENCE_S
            while samples(url)["jackfield_claim_size_count"] == 0:
                assert time.monotonic() < deadline
            assert samples(url)["process_resident_memory_bytes"] > 0
            assert process.stop() == 0

    def test_says_which_port_is_taken(self, installation):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            ended = jackfield("worker", "--metrics-port", port, data=installation)
        assert ended.returncode == 1
        assert f"Port {port} of 127.0.0.1 is taken" in ended.stderr
