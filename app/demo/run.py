"""``jackfield serve --demo``: the service, a sample upstream beside it, and a tour of both."""

import asyncio
import os
import signal
from secrets import token_urlsafe

from pydantic import SecretStr

from app.core.secret import Secret
from app.core.settings import Settings
from app.server import boot

LOOPBACK = "127.0.0.1"


def serve_demo(settings: Settings, *, migrate: bool) -> None:
    """Serve until SIGTERM or SIGINT; raises a ``BootFailure``, of which ``DemoFailed`` ends the service."""
    operator_token = settings.operator_token or SecretStr(token_urlsafe(32))
    changed: dict[str, object] = {
        "operator_token": operator_token,
        # The sample upstream is on loopback, where a tenant's requests never go otherwise.
        "egress_allow": (*settings.egress_allow, LOOPBACK),
    }
    if "log_level" not in settings.model_fields_set:
        changed["log_level"] = "warning"  # a line per request would stand between the steps
    demo = _Demo(Secret(operator_token.get_secret_value()))
    boot.serve(settings.model_copy(update=changed), migrate=migrate, with_worker=True, on_listening=demo.play)
    if demo.failure is not None:
        raise demo.failure


class _Demo:
    """Plays once, in a thread beside the service; the upstream stays until the process ends."""

    def __init__(self, operator_token: Secret) -> None:
        self.failure: Exception | None = None
        self._operator_token = operator_token

    def play(self, base_url: str) -> None:
        from app.demo.play import play  # until the service listens it has other things to import

        try:
            asyncio.run(play(base_url, self._operator_token))
        except Exception as failure:  # noqa: BLE001 -- raised again where the process can end with it
            self.failure = failure
            os.kill(os.getpid(), signal.SIGTERM)
