import hashlib
from codecs import BOM_UTF8, BOM_UTF16_BE

import orjson
import pytest

from app.openapi_sync.document import read
from app.openapi_sync.errors import DocumentTooComplex, DocumentUnreadable, GotHtmlPage, NotOpenApi

MINIMAL = '{"openapi": "3.0.3", "info": {"title": "Würste"}, "paths": {}}'


class TestRead:
    def test_reads_json(self):
        found = read(MINIMAL.encode())
        assert orjson.loads(found.text) == orjson.loads(MINIMAL)
        assert found.version == "3.0.3"
        assert found.content_hash == hashlib.sha256(MINIMAL.encode()).hexdigest()
        assert found.warnings == ()
        assert not found.is_swagger2

    def test_reads_yaml(self):
        found = read(b"swagger: '2.0'\npaths:\n  /a: {get: {responses: {200: {}}}}\n")
        assert orjson.loads(found.text)["paths"]["/a"] == {"get": {"responses": {"200": {}}}}
        assert found.is_swagger2

    @pytest.mark.parametrize(("written", "version"), [("2.0", "2.0"), ("'2.0'", "2.0"), ("2", "2")])
    def test_takes_a_version_that_is_a_number(self, written, version):
        assert read(f"swagger: {written}\npaths: {{}}".encode()).version == version

    def test_goes_by_the_version_that_is_read(self):
        found = read(b'{"swagger": "1.2", "openapi": "3.0.0", "paths": {}}')
        assert (found.version, found.is_swagger2) == ("3.0.0", False)

    def test_reads_a_document_of_webhooks_only(self):
        assert read(b'{"openapi": "3.1.0", "webhooks": {}}').version == "3.1.0"


class TestRepairs:
    @pytest.mark.parametrize(
        "raw",
        [
            BOM_UTF8 + MINIMAL.encode(),
            MINIMAL.encode("utf-16"),
            BOM_UTF16_BE + MINIMAL.encode("utf-16-be"),
            MINIMAL.encode("utf-16-le"),
            MINIMAL.encode("utf-16-be"),
            MINIMAL.encode("cp1252"),
            MINIMAL.replace("{}}", "{},}").encode(),
            MINIMAL.replace('"info"', "'info'").encode(),
        ],
        ids=["utf-8 mark", "utf-16", "utf-16-be mark", "utf-16-le", "utf-16-be", "cp1252", "comma", "quotes"],
    )
    def test_reads_what_is_nearly_right_and_says_so(self, raw):
        found = read(raw)
        assert orjson.loads(found.text) == orjson.loads(MINIMAL)
        assert len(found.warnings) == 1

    def test_says_where_json_is_broken(self):
        [oddity] = read(b'{"openapi": "3.0.0",\n "paths": {},}').warnings
        assert "line 2" in oddity.message

    def test_replaces_nul_characters_and_no_others(self):
        raw = rb'{"openapi": "3.0.0", "paths": {}, "x-a": "1\u00002", "x-b": "1\\u00002", "x-\u0000": 1}'
        found = read(raw)
        data = orjson.loads(found.text)
        assert data["x-a"] == "1\ufffd2"
        assert data["x-b"] == r"1\u00002"
        assert "x-\ufffd" in data
        assert len(found.warnings) == 1


class TestRefusals:
    @pytest.mark.parametrize("page", ["<!DOCTYPE html><html>", " \n<html>", "<?xml version='1.0'?>"])
    def test_recognises_a_page(self, page):
        with pytest.raises(GotHtmlPage, match="HTML page"):
            read(page.encode())

    @pytest.mark.parametrize(
        ("raw", "place"),
        [
            (b'{"openapi": "3.0.0",\n "paths": ', "line 2"),
            (b'{"openapi": "3.0.0"} }', "line 1, column 22"),
            (b"openapi: 3.0.0\npaths: [\n", "line 3, column 1"),
            (b"\x89PNG\r\n\x1a\n\0\0", "line 2, column 1"),
        ],
    )
    def test_names_the_place_where_reading_ended(self, raw, place):
        with pytest.raises(DocumentUnreadable, match=place):
            read(raw)

    @pytest.mark.parametrize(
        ("raw", "missing"),
        [
            (b"", "empty"),
            (b"Not Found", "text, not an object"),
            (b"[]", "not an object"),
            (b'{"paths": {}}', "neither `openapi` nor `swagger`"),
            (b'{"openapi": "3.0.0"}', "neither a `paths` nor a `webhooks`"),
            (b'{"openapi": "3.0.0", "paths": []}', "neither a `paths` nor a `webhooks`"),
            (b'{"swagger": "1.2", "paths": {}}', "`swagger: 1.2` is not a version"),
            (b'{"openapi": {"a": 1}, "paths": {}}', "is not a version"),
        ],
    )
    def test_names_what_is_missing(self, raw, missing):
        with pytest.raises(NotOpenApi, match=missing):
            read(raw)

    def test_refuses_json_that_is_nested_too_deeply(self):
        nested = b'{"openapi": "3.0.0", "paths": {}, "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        with pytest.raises(DocumentTooComplex, match="deeply"):
            read(nested)

    def test_accepts_json_that_is_nested_just_less(self):
        read(b'{"openapi": "3.0.0", "paths": {}, "x": ' + b"[" * 400 + b"]" * 400 + b"}")

    def test_repeats_little_of_the_document(self):
        with pytest.raises(NotOpenApi) as caught:
            read(orjson.dumps({"openapi": "x" * 5000, "paths": {}}))
        assert "x" * 81 not in caught.value.detail

    @pytest.mark.parametrize("number", [b"9" * 40, b"1e999", b"9" * 5000])
    def test_accepts_numbers_of_any_size(self, number):
        assert read(b'{"openapi": "3.0.0", "paths": {}, "x": ' + number + b"}").warnings == ()
