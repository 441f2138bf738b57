"""Claims about the documentation page."""

import re

import pytest
from fastapi import FastAPI

from app.web.docs import install_docs
from app.web.errors_of_fastapi import install
from tests.web.asgi import call

pytestmark = pytest.mark.anyio


@pytest.fixture
def app():
    app = FastAPI(title="Jackfield <test>", version="1.2.3", docs_url=None, redoc_url=None)
    install(app)
    install_docs(app)
    return app


async def page(app):
    answer = await call(app, "/docs")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer


class TestPage:
    async def test_names_the_application(self, app):
        assert "<title>Jackfield &lt;test&gt;</title>" in (await page(app)).body.decode()

    async def test_refers_to_this_server_only(self, app):
        html = (await page(app)).body.decode()
        addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
        assert addresses
        assert not re.search(r"https?:|//", html)

    async def test_everything_it_refers_to_is_served(self, app):
        html = (await page(app)).body.decode()
        for address in re.findall(r'(?:src|href)="([^"?]*)', html):
            answer = await call(app, "/" + address)
            assert answer.status == 200
            assert answer.body

    async def test_has_no_inline_script(self, app):
        html = (await page(app)).body.decode()
        assert re.findall(r"<script[^>]*>([^<]*)</script>", html) == ["", ""]
        assert not re.search(r"\son\w+=", html)

    async def test_may_load_nothing_from_elsewhere(self, app):
        directives = (await page(app)).headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'"} <= set(directives)
        assert not any("http" in directive or "*" in directive for directive in directives)

    async def test_is_not_in_the_description_it_shows(self, app):
        description = (await call(app, "/openapi.json")).json
        assert description["paths"] == {}


class TestAssets:
    @pytest.mark.parametrize(
        ("name", "media_type", "content"),
        [
            ("swagger-ui-bundle.js", "text/javascript; charset=utf-8", b"SwaggerUIBundle"),
            ("swagger-ui.css", "text/css; charset=utf-8", b".swagger-ui"),
            ("favicon-32x32.png", "image/png", b"\x89PNG"),
            ("start.js", "text/javascript; charset=utf-8", b'url: "openapi.json"'),
        ],
    )
    async def test_are_what_they_are_called(self, app, name, media_type, content):
        answer = await call(app, f"/docs/{name}")
        assert answer.headers["content-type"] == media_type
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert content in answer.body

    async def test_the_style_sheet_loads_nothing(self, app):
        css = (await call(app, "/docs/swagger-ui.css")).body.decode()
        sources = re.findall(r"url\(([^)]{0,6})", css)
        assert all(source.strip("\"'").startswith("data:") for source in sources)
        assert "@import" not in css

    async def test_the_validator_elsewhere_is_not_asked(self, app):
        assert b"validatorUrl: null" in (await call(app, "/docs/start.js")).body

    async def test_may_be_kept_because_the_page_names_their_version(self, app):
        assert "immutable" in (await call(app, "/docs/swagger-ui.css")).headers["cache-control"]
        assert re.search(r"swagger-ui\.css\?v=[\d.]+-1\.2\.3", (await page(app)).body.decode())

    @pytest.mark.parametrize("name", ["nope.js", "__init__.py", "..", "%2e%2e%2fmain.py"])
    async def test_nothing_else_of_the_package_is_served(self, app, name):
        assert (await call(app, f"/docs/{name}")).status == 404
