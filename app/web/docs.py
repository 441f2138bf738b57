"""``GET /docs``: Swagger UI over our own ``/openapi.json``, with nothing from anywhere else.

The wheel ``fastapi-swagger`` carries the files of ``swagger-ui-dist`` unchanged; only those are used. The
page works without internet, and its Content-Security-Policy holds it to this origin.
"""

from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.metadata import version
from importlib.resources import files

from fastapi import FastAPI
from fastapi.params import Depends
from fastapi.responses import HTMLResponse, Response

from app.core.errors import NotFound

_MEDIA_TYPES = {
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}

# Swagger UI sets style attributes on its elements, and draws its icons as data: images.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# The page names the version of every file, so a file may be kept for ever and the page may not.
_REVALIDATE = {"Cache-Control": "no-cache"}
_KEEP = {"Cache-Control": "public, max-age=31536000, immutable"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png?v={version}">
<link rel="stylesheet" href="docs/swagger-ui.css?v={version}">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>Without JavaScript, read the description itself: <a href="openapi.json">openapi.json</a>.</noscript>
<script src="docs/swagger-ui-bundle.js?v={version}"></script>
<script src="docs/start.js?v={version}"></script>
</body>
</html>
"""

# A file of its own, because the policy allows no inline script. No validator: it would be asked elsewhere.
# Nothing typed here is kept: a token in the browser's storage outlives the reader's interest in it.
_START = """"use strict";
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""


def install_docs(app: FastAPI, dependencies: Sequence[Depends] = ()) -> None:
    """Serve the documentation; ``app`` is made with ``docs_url=None`` and ``redoc_url=None``."""
    versions = f"{version('fastapi-swagger')}-{app.version}"
    page = _PAGE.format(title=escape(app.title), version=escape(versions))

    @app.get("/docs", include_in_schema=False, dependencies=dependencies)
    async def read_docs() -> Response:
        return HTMLResponse(page, headers=_HEADERS | _REVALIDATE)

    @app.get("/docs/{name}", include_in_schema=False, dependencies=dependencies)
    async def read_asset(name: str) -> Response:
        if name not in _MEDIA_TYPES:
            raise NotFound
        return Response(_asset(name), media_type=_MEDIA_TYPES[name], headers=_HEADERS | _KEEP)


@cache
def _asset(name: str) -> bytes:
    if name == "start.js":
        return _START.encode()
    return (files("fastapi_swagger.resources") / name).read_bytes()
