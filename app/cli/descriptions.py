"""OpenAPI descriptions that a command is given: a file or an address, with the files that they refer to."""

import asyncio
from pathlib import Path

from typer import BadParameter

from app.core import settings as configuration
from app.core.egress.fetch import FetchClient
from app.core.egress.policy import EgressPolicy
from app.core.errors import NotFound, TooLarge
from app.openapi_sync.bundling import Bundle, bundle
from app.openapi_sync.fetching import fetch_document, fetch_files
from app.openapi_sync.files import Gathered, gather, is_alone

HTTP = ("http://", "https://")


def load(source: str) -> Bundle:
    """A file with those below its folder, or what an address answers, within the settings' limit and egress
    policy. Raises ``BadParameter``, and what fetching and reading raise."""
    settings = configuration.load()
    if source.startswith(HTTP):
        return asyncio.run(_fetch(source, EgressPolicy(settings.egress_allow), settings.document_limit))
    path = Path(source)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadParameter(f"{source}: {error.strerror}") from error
    if is_alone(raw):
        return Bundle(raw)
    return bundle(asyncio.run(_read_files(path, raw, settings.document_limit)))


async def _fetch(url: str, policy: EgressPolicy, limit: int) -> Bundle:
    async with FetchClient(policy) as client:
        fetched = await fetch_document(client, url, None, max_bytes=limit)
        if is_alone(fetched.body):
            return Bundle(fetched.body)
        return bundle(await fetch_files(client, fetched.url, fetched.body, max_bytes=limit))


async def _read_files(path: Path, raw: bytes, limit: int) -> Gathered:
    folder = path.parent.resolve()

    async def read(name: str, most: int) -> bytes:
        try:
            return _read_file(folder, name, most)
        except (OSError, RuntimeError):  # not there, not ours to read, or a link that leads to itself
            raise NotFound from None

    return await gather(path.name, raw, read, max_bytes=limit)


def _read_file(folder: Path, name: str, most: int) -> bytes:
    file = (folder / name).resolve(strict=True)
    if not file.is_relative_to(folder) or not file.is_file():
        raise NotFound
    if file.stat().st_size > most:
        raise TooLarge
    return file.read_bytes()
