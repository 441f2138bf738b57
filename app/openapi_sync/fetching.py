"""Where a document is, and how it is got: without credentials, and not again when it has not changed."""

from hashlib import sha256
from urllib.parse import quote, unquote, urlsplit

from app.core.egress.errors import UpstreamRefused
from app.core.egress.fetch import NOT_MODIFIED, FetchClient, Fetched
from app.core.errors import UpstreamFailed
from app.core.url_path import quote_value
from app.models import OpenApiDocument
from app.openapi_sync.files import Gathered, gather

_LONGEST_VALIDATOR = 1024


def document_url(base_url: str, integration_name: str) -> str:
    """``{baseUrl}/{integrationName}/openapi.json``; the name is one segment, whatever it is made of."""
    return f"{base_url.rstrip('/')}/{quote_value(integration_name)}/openapi.json"


def source_of(url: str) -> str:
    """How an address is kept and shown: its query may hold a key, so that only a digest of it remains."""
    address, _, query = url.partition("#")[0].partition("?")
    return f"{address}?sha256={sha256(query.encode()).hexdigest()[:16]}" if query else address


async def fetch_document(
    client: FetchClient, url: str, known: OpenApiDocument | None, *, max_bytes: int
) -> Fetched:
    """The document at ``url``; with status 304 and no body when it still is the ``known`` one.

    Raises what ``FetchClient.fetch`` raises; every ``UpstreamFailed`` says ``upstreamStatus``, which is null
    when there was no answer.
    """
    try:
        fetched = await client.fetch(url, headers=_conditions(known), max_bytes=max_bytes)
    except UpstreamFailed as error:
        error.extra.setdefault("upstreamStatus", None)
        raise
    if fetched.status == NOT_MODIFIED and known is None:
        raise UpstreamRefused(
            "The upstream answered with status 304, though it was not asked for changes only.",
            extra={"upstreamStatus": NOT_MODIFIED},
        )
    return fetched


def _conditions(known: OpenApiDocument | None) -> dict[str, str]:
    """A conditional request (RFC 9110, section 13.1). Validators that no header could carry are not sent."""
    if known is None:
        return {}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in conditions.items() if value and _is_sendable(value)}


def _is_sendable(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= _LONGEST_VALIDATOR


async def fetch_files(client: FetchClient, url: str, raw: bytes, *, max_bytes: int) -> Gathered:
    """The document at ``url`` and the files that it refers to, from its own folder, and without redirects,
    which might lead out of it. Raises what ``gather`` raises."""
    folder = url.partition("#")[0].partition("?")[0].rpartition("/")[0]

    async def read(name: str, most: int) -> bytes:
        return (await client.fetch(f"{folder}/{quote(name)}", max_bytes=most, max_redirects=0)).body

    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return await gather(name, raw, read, max_bytes=max_bytes)
