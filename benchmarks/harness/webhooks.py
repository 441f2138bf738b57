"""Webhooks as bytes, signed as GitHub signs them, each with a delivery id of its own."""

import hmac
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

POOL = 256
"""Bodies that are signed before the clock starts. What makes each request unique is its delivery id, which
GitHub's signature does not cover."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to send, and the secret to sign with."""

    port: int
    path: str
    secret: bytes = field(default=b"", repr=False)


def pooled(webhooks: Sequence[Webhook], size: int) -> Iterator[bytes]:
    """Requests without end, to the webhooks in turn, cheap to make: their bodies come from a pool."""
    run = os.urandom(4).hex()
    pool = [_parts(webhook, _body(size, number=number)) for number in range(POOL) for webhook in webhooks]
    for number, (before, after) in enumerate(itertools.cycle(pool)):
        yield b"%b%s-0000-4000-8000-%012x%b" % (before, run.encode(), number, after)


def stamped(webhooks: Sequence[Webhook], size: int) -> Iterator[bytes]:
    """The same, but each body says when it was made: ``"sent"``, in nanoseconds of the monotonic clock."""
    run = os.urandom(4).hex().encode()
    for number, webhook in enumerate(itertools.cycle(webhooks)):
        before, after = _parts(webhook, _body(size, number=number, sent=time.monotonic_ns()))
        yield b"%b%b-0000-4000-8000-%012x%b" % (before, run, number, after)


def signature(secret: bytes, body: bytes) -> str:
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


def _parts(webhook: Webhook, body: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the delivery id."""
    before = (
        f"POST {webhook.path} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{webhook.port}\r\n"
        "User-Agent: benchmark\r\n"
        "Accept: */*\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-GitHub-Event: push\r\n"
        f"X-Hub-Signature-256: {signature(webhook.secret, body)}\r\n"
        "X-GitHub-Delivery: "
    )
    return before.encode(), b"\r\n\r\n" + body


def _body(size: int, **fields: int) -> bytes:
    bare = json.dumps({**fields, "text": ""}, separators=(",", ":"))
    return (bare[:-2] + "x" * max(0, size - len(bare)) + bare[-2:]).encode()
