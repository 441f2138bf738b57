"""Input that breaks services like this one: always a 4xx that says so, and the service goes on."""

import json

import anyio
import pytest

from app.core.strict_json import MAX_DEPTH
from tests.fixtures.operations import BODIES, GUARDED, OPERATIONS, described
from tests.web.asgi import Exchange, http_scope

pytestmark = pytest.mark.anyio

TAKING_JSON = [operation for operation in GUARDED if operation.takes_json]
PAGED = {
    name
    for name, operation in described()
    if "limit" in {parameter["name"] for parameter in operation.get("parameters", ())}
}
LISTS = [operation for operation in GUARDED if str(operation) in PAGED]
DEEP = 100_000

NOT_JSON = {
    "empty": b"",
    "white space": b" \n",
    "nothing but a brace": b"{",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a key twice": b'{"a": 1, "a": 2}',
    "a comment": b'{} // "a"',
    "two values": b"{}{}",
    "single quotes": b"{'a': 1}",
    "a trailing comma": b'{"a": 1,}',
    "a raw control character": b'{"a": "\x01"}',
    "a raw NUL": b'{"a": "\x00"}',
    "invalid UTF-8": b'{"a": "\xff"}',
    "an overlong form": b'{"a": "\xc0\x80"}',
    "a raw surrogate": b'{"a": "\xed\xa0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32-le"),
    "unclosed to a great depth": b"[" * DEEP,
    "a text of backslashes": b'"' + b"\\" * 1_000_000,
}
NOT_STORABLE = {
    "NUL": b'{"a": "\\u0000"}',
    "NUL in a key": b'{"\\u0000": 1}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a surrogate the wrong way round": b'{"a": "\\udc00\\ud800"}',
    "more than int64": b'{"a": 9223372036854775808}',
    "less than int64": b'{"a": -9223372036854775809}',
    "more than a double": b'{"a": 1e400}',
    "a megabyte of digits": b'{"a": ' + b"9" * 1_000_000 + b"}",
    "great depth": b"[" * DEEP + b"]" * DEEP,
    "great depth of objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "one level too many": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
}
NOT_A_REQUEST = {
    "null": b"null",
    "a list": b"[]",
    "a text": b'"a"',
    "a number": b"0",
    "an unknown field": b'{"a": 1}',
}

PATHS = [
    "%00",
    "a%00b",
    "%ff",
    "%c0%80",
    "%ed%a0%80",
    "%0a",
    "%7f",
    "x" * 5000,
    "%2e%2e%2f",
    "..;",
    "' OR 1=1--",
]
"""Where an id should be."""

INTEGERS = ["99999999999999999999", "9" * 4000, "-1", "0", "1e3", "1.5", "٣", "0x10", "", "NaN", "true"]
"""What no ``limit`` can be."""

TEXTS = ["%00", "a%00", "%ff", "%ed%a0%80", "%c3%28"]
"""In a query: nothing that could be stored."""

HEADERS = {
    "if-match": ["\x00", "ä", '"' * 2000, "W/" * 900, ",,,", "*" * 2049],
    "if-none-match": ["\x00", "ä", ",,,"],
    "authorization": ["", "Bearer", "Bearer  ", "Basic !!!", "Bearer \xff", "Bearer " + "x" * 5000, "\x00"],
    "content-type": ["", "/", "application/json; charset=utf-16", "\xff", "application/" + "x" * 5000],
    "idempotency-key": ["\xff", "x" * 1021, "\x7f"],
    "x-request-id": ["\xff", "x" * 5000, "\r\nSet-Cookie: a=b"],
    "user-agent": ["\x00", "\xff" * 600, "x" * 9000],
    "content-length": ["-1", "x", "9" * 5000, "+1", "1_0"],
    "prefer": ["wait=" + "9" * 4000, "wait=-1", "\xff", ";" * 3000],
    "host": ["", "\xff", "a" * 5000, "[::1"],
}
"""Neither a secret nor a crash: such a header is refused, ignored, or means nothing."""

BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 9))
    for name in range(ord("b"), ord("j"))
)
DOCUMENTS = {
    "great depth": b"[" * DEEP,
    "great depth of mappings": b"{a: " * DEEP,
    "great depth by indentation": b"".join(b" " * depth + b"-\n" for depth in range(2000)),
    "aliases of aliases": BOMB,
    "an alias of itself": b"a: &a [*a]",
    "merges of merges": b"a: &a {x: 1}\n" + b"b: &b {<<: [" + b", ".join([b"*a"] * 5000) + b"]}\n",
    "a constructor": b"!!python/object/apply:os.system ['true']",
    "a tag of its own": b"!x {openapi: 3.1.0}",
    "NUL": b"openapi: '\x00'",
    "invalid UTF-8": b"openapi: \xff",
    "no document": b"",
    "two documents": b"a: 1\n---\nb: 2\n",
    "a number": b"7",
    "a huge integer": b"openapi: " + b"9" * 100_000,
    "references in a ring": json.dumps(
        {"openapi": "3.1.0", "info": {}, "paths": {"/x": {"$ref": "#/paths/~1x"}}}
    ).encode(),
}


@pytest.fixture
async def every_body(api, furnished, operator):
    """Sends one body to each operation that takes JSON; the answers that are not what the test wants."""

    async def send(content: bytes, wanted: set[int], content_type="application/json") -> list[object]:
        wrong = []
        for operation in TAKING_JSON:
            client = operator if operation.needs == "tenants:admin" else furnished.member.client
            response = await operation.call(
                client, furnished.ids, json=None, content=content, headers={"Content-Type": content_type}
            )
            if response.status_code not in wanted or not is_problem(response):
                wrong.append((str(operation), response.status_code, response.text[:200]))
        return wrong

    return send


@pytest.fixture(autouse=True)
async def _goes_on(acme):
    """After whatever the test did, the same process answers."""
    yield
    assert (await acme.client.get("/integrations")).status_code == 200


def is_problem(response) -> bool:
    problem = response.json()
    return (
        response.headers["content-type"] == "application/problem+json"
        and problem["status"] == response.status_code
        and problem["type"] == f"/problems/{problem['code']}"
        and len(response.content) < 20_000
    )


class TestBodies:
    """Of every operation that takes JSON."""

    async def test_that_are_no_json_are_malformed(self, every_body):
        wrong = {name: await every_body(body, {400, 422}) for name, body in NOT_JSON.items()}
        assert {name: answers for name, answers in wrong.items() if answers} == {}

    async def test_that_cannot_be_stored_are_refused(self, every_body):
        wrong = {name: await every_body(body, {400, 422}) for name, body in NOT_STORABLE.items()}
        assert {name: answers for name, answers in wrong.items() if answers} == {}

    async def test_that_are_other_json_are_refused(self, every_body):
        wrong = {name: await every_body(body, {422}) for name, body in NOT_A_REQUEST.items()}
        assert {name: answers for name, answers in wrong.items() if answers} == {}

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/xml",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "json",
            "*/*",
        ],
    )
    async def test_of_other_types_are_unsupported(self, every_body, content_type):
        assert await every_body(b"{}", {415}, content_type) == []

    async def test_that_are_missing_are_refused_at_once(self, every_body):
        """A reader that asks twice for what is not there would wait for ever."""
        with anyio.fail_after(60):
            assert await every_body(b"", {422}, "") == []

    async def test_that_are_too_large_are_not_read(self, every_body):
        assert await every_body(b'{"a": "' + b"x" * 2**20 + b'"}', {413}) == []

    async def test_that_are_compressed_are_unsupported(self, client):
        response = await client.post(
            "/integrations", json={"name": "x"}, headers={"Content-Encoding": "gzip"}
        )
        assert response.status_code == 415


class TestPaths:
    async def test_with_no_id_where_one_should_be_lead_nowhere(self, furnished, client, operator):
        wrong = []
        for operation in OPERATIONS:
            caller = operator if operation.needs == "tenants:admin" else client
            for name in operation.parameters:
                for value in PATHS:
                    response = await operation.call(
                        caller, {"code": "not_found", **furnished.ids, name: value}
                    )
                    if response.status_code != 404 or not is_problem(response):
                        wrong.append((str(operation), name, value[:20], response.status_code))
        assert wrong == []

    @pytest.mark.parametrize(
        "path", ["/webhook/%00", "/webhook/acme/%ff", "/webhook/" + "x" * 5000, "/webhook//x"]
    )
    async def test_of_webhooks_lead_nowhere_either(self, client, path):
        response = await client.post(path, content=b"x")
        assert response.status_code in {404, 405}
        assert is_problem(response)


class TestQueries:
    async def test_with_no_number_where_one_should_be_are_refused(self, furnished, client, operator):
        wrong = []
        for operation in LISTS:
            caller = operator if operation.needs == "tenants:admin" else client
            for value in INTEGERS:
                response = await operation.call(caller, furnished.ids, params={"limit": value})
                if response.status_code != 422 or not is_problem(response):
                    wrong.append((str(operation), value[:20], response.status_code))
        assert wrong == []

    async def test_that_hold_no_text_are_refused(self, furnished, client):
        wrong = []
        for operation in LISTS:
            for name in ("search", "cursor", "sort", "status", "from", "integrationId", "action", "unknown"):
                for value in TEXTS:
                    response = await client.get(f"{operation.address(furnished.ids)}?{name}={value}")
                    if response.status_code != 422 or not is_problem(response):
                        wrong.append((str(operation), name, value, response.status_code))
        assert wrong == []

    async def test_reach_no_time_that_cannot_be(self, client):
        values = [
            "0.5",
            "1e400",
            "99999999999999999",
            "0",
            "2026",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "now",
            "",
        ]
        for path in ("/executions", "/audit-logs"):
            for name in ("from", "to"):
                refused = {(await client.get(path, params={name: value})).status_code for value in values}
                assert refused == {422}
                for value in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-23:59"):
                    assert (await client.get(path, params={name: value})).status_code in {200, 422}
                known = {name: "2026-01-01T00:00:00+14:00"}
                assert (await client.get(path, params=known)).status_code == 200


class TestHeaders:
    @pytest.mark.parametrize("name", HEADERS)
    async def test_of_no_sense_do_no_harm(self, api, furnished, name):
        """Below the HTTP library of a client, which would refuse to send most of them."""
        home = f"/integrations/{furnished.ids['integration_id']}"
        for value in HEADERS[name]:
            for method, path in (
                ("GET", home),
                ("PUT", home),
                ("POST", "/integrations"),
                ("POST", "/webhook/acme/x"),
            ):
                given = {
                    "authorization": f"Bearer {furnished.member.token}",
                    "content-type": "application/json",
                    name: value,
                }
                scope = http_scope(path, method=method)
                scope["headers"] = [(key.encode(), text.encode("latin-1")) for key, text in given.items()]
                answer = await Exchange(scope, [json.dumps(BODIES["POST /integrations"]).encode()]).run(api)
                assert answer.status < 500, (method, path, value[:30], answer.body[:200])


class TestDocuments:
    """Of an upload: YAML is a language in which a short text can mean a very long one."""

    @pytest.mark.parametrize("name", DOCUMENTS)
    async def test_that_are_bombs_do_not_go_off(self, furnished, client, name):
        address = f"/integrations/{furnished.ids['integration_id']}/sync-handlers/document"
        before = (await client.get("/handlers")).json()
        for media_type in ("application/yaml", "application/json"):
            response = await client.post(
                address,
                content=DOCUMENTS[name],
                headers={"Content-Type": media_type},
                params={"dryRun": "true"},
            )
            if name == "references in a ring":
                assert response.json()["created"] == 0
            else:
                assert response.status_code in {400, 413, 422}, response.text[:500]
                assert is_problem(response)
        assert (await client.get("/handlers")).json() == before
