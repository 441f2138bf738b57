"""The benchmarks run: each in a form too small to say anything about speed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PATIENCE_S = 120


def measure(script, file, *options):
    """What the script writes about one round."""
    process = subprocess.Popen(
        [sys.executable, BENCHMARKS / f"{script}.py", "--rounds", "1", "--json", file, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )
    # Ended softly, it ends what it has started.
    watchdog = Timer(PATIENCE_S, process.terminate)
    watchdog.start()
    try:
        _, progress = process.communicate()
    finally:
        watchdog.cancel()
    assert process.returncode == 0, progress
    assert "round 1/1" in progress
    return json.loads(file.read_text())


@pytest.fixture
def file(tmp_path):
    return tmp_path / "figures.json"


class TestEachScript:
    def test_ingest_compares_the_service_with_both_yardsticks(self, file):
        found = measure("ingest", file, "--seconds", "0.3", "--connections", "8", "--profile")

        assert found["failures"] == {}
        assert found["postgresql"]["fsync"] == "on"
        assert found["ratios"]["jackfield / bare echo"]["value"] > 0
        assert found["ratios"]["jackfield / one commit each"]["value"] > 0

    def test_executions_gets_every_one_of_them_done(self, file):
        found = measure("executions", file, "--count", "40", "--seconds", "0.2", "--concurrency", "8")

        assert found["figures"]["jackfield worker, stored/s"]["median"] > 0
        assert found["figures"]["jackfield worker, received twice"]["median"] == 0
        assert found["figures"]["bare calls, aiohttp, calls/s"]["median"] > 0

    def test_isolation_measures_the_others_three_times(self, file):
        options = ("--seconds", "0.5", "--warm-up", "0.5", "--rate", "15", "--upstreams", "3")
        found = measure("isolation", file, *options, "--patience", "2")

        assert found["figures"]["all answer, p95 ms"]["median"] > 0
        assert found["figures"]["without that one, p95 ms"]["median"] > 0
        assert found["figures"]["one hangs, hung at a time"]["median"] > 0

    def test_backlog_claims_full_batches(self, file):
        options = ("--rows", "500", "--batch", "10", "--claims", "5", "--tenants", "2", "--handlers", "2")
        found = measure("backlog", file, *options)

        assert found["figures"]["almost empty, p95 ms"]["median"] > 0
        assert found["figures"]["500 waiting, p95 ms"]["median"] > 0

    def test_hostile_attacks_and_measures_meanwhile(self, file):
        found = measure("hostile", file, "--seconds", "0.5", "--rate", "20", "--drips", "5", "--idle", "20")

        figures = found["figures"]
        assert figures["quiet, p95 ms"]["median"] > 0
        assert figures["100 MB bodies, attacker's MB"]["median"] > 0
        assert figures["bodies in drops, attacker's connections"]["median"] >= 5
        assert figures["idle sockets, attacker's connections"]["median"] >= 20

    def test_openapi_plans_and_syncs_every_file(self, file, tmp_path):
        folder = tmp_path / "descriptions"
        folder.mkdir()
        (folder / "pets.json").write_text('{"openapi": "3.1.0", "paths": {"/pets": {"get": {}, "put": {}}}}')
        (folder / "pets.yaml").write_text("swagger: '2.0'\npaths: {/pets: {get: {}}}")
        found = measure("openapi", file, str(folder))

        assert [(it["handlers"], it["json"]) for it in found["files"].values()] == [(2, True), (1, False)]
        assert found["figures"]["pets.json, sync ms"]["median"] > 0
        assert found["ratios"]["JSON: plan / orjson.loads, most"]["value"] > 0
        assert found["ratios"]["YAML: plan / CSafeLoader, most"]["value"] > 0
