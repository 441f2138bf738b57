"""The demo as its users see it: a process that tells a story and serves on."""

import re

import httpx2
import pytest

from tests.fixtures.process import BASE_URL, serving

TOKEN = re.compile(r"TOKEN=(jf_svc_\w{36})")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The demo, played to its end and serving on."""
    with serving(tmp_path_factory.mktemp("demo"), "--demo") as demo:
        demo.token = demo.read_until(TOKEN)[1]
        demo.base_url = demo.read_until(BASE_URL)[0]
        yield demo


class TestDemo:
    def test_ends_with_what_the_shop_answered(self, played):
        assert '"total": 3780' in played.output
        assert "The shop answered 201" in played.output

    def test_shows_what_it_sent_and_got(self, played):
        for line in (
            "POST /tenants HTTP/1.1",
            "HTTP/1.1 202 Accepted",
            '"integrationName": "sofa"',
            '"status": "queued"',
            '"status": "succeeded"',
            "webhook-signature: v1,",
        ):
            assert line in played.output

    def test_ends_with_the_audit_log(self, played):
        for action in ("integration.created", "secret.created", "handler.updated", "handler.executed"):
            assert re.search(rf"^  {re.escape(action)}  ", played.output, re.MULTILINE)

    def test_shows_secrets_in_no_other_form_than_sealed(self, played):
        story = played.output.partition(played.token)[0]
        assert "[redacted]" in story
        assert not re.search(r"whsec_|jf_svc_\w{36}|bot-[\w-]{20}", story)
        assert "jfs1." in story

    def test_serves_on_with_the_token_it_printed(self, played):
        headers = {"Authorization": f"Bearer {played.token}"}
        with httpx2.Client(base_url=played.base_url, headers=headers) as client:
            (integration,) = client.get("/integrations").json()
            answer = client.post("/handlers/list-sofas/execute", json={"query": {"limit": "1"}})

        assert integration["name"] == "Sofa shop"
        assert answer.json()["body"] == [{"name": "bench", "price": 240}]

    def test_prints_commands_that_name_what_it_made(self, played):
        assert f"{played.base_url}/integrations/" in played.output


class TestEnd:
    def test_stops_when_asked_and_plays_again_on_the_same_data(self, tmp_path):
        for _ in range(2):
            with serving(tmp_path, "--demo") as demo:
                demo.read_until(TOKEN)
                assert demo.stop() == 0

    def test_says_which_step_failed_and_stops(self, tmp_path, capfd):
        settings = {"JACKFIELD_PUBLIC_URL": "http://127.0.0.1:1"}
        with serving(tmp_path, "--demo", env=settings) as demo:
            code = demo.wait()

        assert code == 1
        complaint = capfd.readouterr().err.splitlines()[-1]
        assert re.fullmatch(
            r"jackfield: POST http://127\.0\.0\.1:1/webhook/\S+ was not answered: \w+\.", complaint
        )

    def test_needs_the_worker(self, tmp_path, capfd):
        with serving(tmp_path, "--demo", "--no-worker") as demo:
            assert demo.wait() == 2
        assert "the demo needs a worker" in capfd.readouterr().err
