"""The schemes, and why a request was refused, without a database."""

import base64
import io
import json
import sys

import pytest

from app.signatures.catalogue import schemes
from tests.signatures.requests import REQUESTS

SECRET = "It's a Secret to Everybody"
SIGNATURE = "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@pytest.fixture
def body(tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"Hello, World!")
    return str(file)


class TestSchemes:
    def test_are_listed(self, cli):
        code, printed, _ = cli("webhooks", "schemes")
        assert code == 0
        assert [line.split("\t")[0] for line in printed.splitlines()] == [*schemes()]

    def test_are_listed_as_json(self, cli):
        code, printed, _ = cli("webhooks", "schemes", "--json")
        listed = {one["scheme"]: one for one in json.loads(printed)}
        assert code == 0
        assert listed["stripe"]["toleranceSeconds"] == 300
        assert listed["github"]["toleranceSeconds"] is None
        assert listed["paypal"]["parameters"]["webhookId"]["required"]
        assert listed["paypal"]["fetchesKeys"]
        assert listed["slack"]["handshakes"] == [
            {"title": "URL verification", "methods": ["POST"], "isSigned": True}
        ]


class TestVerify:
    def verify(self, cli, body, *arguments):
        return cli("webhooks", "verify", "--scheme", "github", "--body-file", body, *arguments)

    def test_accepts_a_valid_request(self, cli, body):
        code, printed, _ = self.verify(cli, body, "--secret", SECRET, "--header", SIGNATURE)
        assert (code, printed.splitlines()[0]) == (0, "valid")
        assert "Hello, World!" in printed

    def test_refuses_another_with_its_code(self, cli, body):
        code, printed, _ = self.verify(cli, body, "--secret", "other", "--header", SIGNATURE)
        assert (code, printed.splitlines()[0]) == (1, "refused: mismatch")
        assert "other" not in printed.replace("another", "")

    @pytest.mark.parametrize(
        ("arguments", "refusal"),
        [
            (["--secret", "x"], "missing_header"),
            (["--header", SIGNATURE], "no_secret"),
            (["--secret", "x", "--header", SIGNATURE, "--header", SIGNATURE], "malformed"),
            (["--secret", "x", "--header", "X-Hub-Signature-256: sha256=xyz"], "bad_encoding"),
        ],
    )
    def test_tells_one_refusal_from_another(self, cli, body, arguments, refusal):
        code, printed, _ = self.verify(cli, body, *arguments, "--json")
        given = json.loads(printed)
        assert (code, given["ok"], given["code"]) == (1, False, refusal)

    def test_takes_the_secret_from_standard_input(self, cli, body, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
        assert self.verify(cli, body, "--secret", "-", "--header", SIGNATURE)[0] == 0

    def test_tells_of_the_previous_secret(self, cli, body):
        arguments = ["--secret", "new", "--previous-secret", SECRET, "--header", SIGNATURE, "--json"]
        code, printed, _ = self.verify(cli, body, *arguments)
        assert (code, json.loads(printed)["matched"]) == (0, "previous")

    @pytest.mark.parametrize("vector", REQUESTS, ids=lambda vector: vector.scheme)
    def test_accepts_every_vector(self, cli, tmp_path, vector):
        file = tmp_path / "body"
        file.write_bytes(vector.request.body)
        headers = [f"{name.decode()}: {value.decode()}" for name, value in vector.request.headers]
        arguments = ["--scheme", vector.scheme, "--secret", vector.secrets[0].reveal()]
        arguments += ["--url", vector.request.url, "--method", vector.request.method]
        arguments += ["--now", str(vector.now), "--body-file", str(file)]
        arguments += [part for header in headers for part in ("--header", header)]
        arguments += [
            part for item in vector.preset.values.items() for part in ("--param", "=".join(map(str, item)))
        ]
        assert cli("webhooks", "verify", *arguments)[0] == 0

    def test_takes_a_scheme_that_is_spelled_out(self, cli, tmp_path):
        file = tmp_path / "body"
        file.write_bytes(b"{}")
        token = base64.b64encode(b"user:password").decode()
        arguments = ["--scheme", "basic", "--secret", "user:password", "--body-file", str(file)]
        assert cli("webhooks", "verify", *arguments, "--header", f"Authorization: Basic {token}")[0] == 0
        spelled = ["--scheme", "hmac", "--param", "header=X-Ours", "--param", "toleranceSeconds=5"]
        code, printed, _ = cli("webhooks", "verify", *spelled, "--secret", "x", "--body-file", str(file))
        assert (code, "X-Ours" in printed) == (1, True)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--scheme", "magic"],
            ["--scheme", "paypal"],
            ["--scheme", "github", "--param", "color=red"],
            ["--scheme", "github", "--param", "red"],
            ["--scheme", "github", "--header", "no colon"],
        ],
    )
    def test_refuses_arguments_that_mean_nothing(self, cli, body, arguments):
        code, printed, complaint = cli("webhooks", "verify", *arguments, "--body-file", body)
        assert (code, printed) == (2, "")
        assert complaint
