"""Requests as a sender makes them, and the vectors that others accepted."""

import base64
import json
from dataclasses import replace
from pathlib import Path

from app.core.secret import Secret
from app.signatures.catalogue import preset_of
from app.signatures.request import SignedRequest
from app.signatures.verdict import Verdict

NOW = 1_700_000_000
ACCEPTED = Verdict(ok=True)
URL = "https://jackfield.example/webhook/acme/hook?x=1"
VECTORS = json.loads(Path(__file__).with_name("vectors.json").read_text())


def refused(reason) -> Verdict:
    return Verdict(ok=False, reason=reason)


def request(headers=(), body=b"", *, method="POST", url=URL) -> SignedRequest:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return SignedRequest(
        method, url, [(name.encode(), value.encode("latin-1")) for name, value in pairs], body
    )


def secrets(*values) -> list[Secret]:
    return [Secret(value) for value in values]


class Vector:
    """A signed request, with the preset and the secret that it is right for."""

    def __init__(self, facts) -> None:
        self.scheme = facts["scheme"]
        self.preset = preset_of(self.scheme, facts.get("parameters"))
        self.secrets = secrets(facts["secret"])
        self.now = facts["now"]
        self.message = facts.get("message")
        self.request = request(
            facts["headers"],
            base64.b64decode(facts["body_b64"]),
            method=facts.get("method", "POST"),
            url=facts.get("url", URL),
        )

    def without(self, name: str) -> SignedRequest:
        kept = [pair for pair in self.request.headers if pair[0].lower() != name.lower().encode()]
        return replace(self.request, headers=kept)

    def with_changed(self, name: str, change) -> SignedRequest:
        headers = [
            (key, change(value.decode()).encode()) if key.lower() == name.lower().encode() else (key, value)
            for key, value in self.request.headers
        ]
        return replace(self.request, headers=headers)


REQUESTS = [Vector(facts) for facts in VECTORS["requests"]]
