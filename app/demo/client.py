"""Talks to the service over HTTP alone, as anybody else would."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from app.core.boot import BootFailure
from app.core.secret import Secret

SHOWN_HEADERS: Final = ("authorization", "webhook-id", "webhook-timestamp", "webhook-signature")
"""The headers of a request that say something about the step, in this order."""


class DemoFailed(BootFailure):
    """A step of the demo did not work."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    request: httpx2.Request
    response: httpx2.Response

    @property
    def answer(self) -> Any:
        return self.response.json()


class Client:
    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def ask(
        self,
        method: str,
        url: str,
        body: object = None,
        *,
        token: Secret | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """``body``: JSON, or bytes sent as they are. Raises ``DemoFailed`` for anything but a 2xx."""
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        if token is not None:
            sent["Authorization"] = f"Bearer {token.reveal()}"
        content = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        try:
            response = await self._http.request(method, url, content=content, headers=sent)
        except httpx2.HTTPError as error:
            raise DemoFailed(f"{method} {url} was not answered: {type(error).__name__}.") from None
        if not response.is_success:
            raise DemoFailed(f"{method} {url} was answered with {response.status_code}: {_reason(response)}")
        return Exchange(response.request, response)


def _reason(response: httpx2.Response) -> str:
    """The ``detail`` of a problem document (RFC 9457), else the beginning of the answer."""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
