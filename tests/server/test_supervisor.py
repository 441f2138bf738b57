"""Several processes behind one port."""

import os
import re
import signal

import httpx2

from tests.fixtures.command import running
from tests.fixtures.process import BASE_URL, Serving

LISTENING = re.compile(r'"pid": (\d+), "event": "process.listening"')


def pids(process: Serving, count: int) -> set[int]:
    return {int(process.read_until(LISTENING)[1]) for _ in range(count)}


class TestSupervisor:
    def test_replaces_a_child_that_dies_while_the_others_answer(self, installation):
        with running("serve", "--workers", "2", data=installation) as process:
            first, second = pids(process, 2)
            base_url = process.read_until(BASE_URL)[0]
            os.kill(first, signal.SIGKILL)
            assert httpx2.get(f"{base_url}/livez").status_code == 200
            assert process.read_until("process.died")
            (third,) = pids(process, 1)
            assert third not in {first, second}
            assert httpx2.get(f"{base_url}/readyz").status_code == 200
            assert process.stop() == 0
        assert not (installation / "postgres" / "postmaster.pid").exists()

    def test_takes_its_children_along_when_it_dies(self, installation):
        with running("serve", "--workers", "2", data=installation) as process:
            pids(process, 2)
            process.process.kill()
            # The children write to the same pipe: its end is read when the last of them is gone.
            assert process.wait() == -signal.SIGKILL
            assert process.output.count("process.draining") == 2
