"""JSON, and what is nearly JSON, that is made to hurt: see ``hostile_yaml``."""

from itertools import product

import orjson

from harness.hostile_yaml import Made, numbered, repeated

_HEAD = b'{"openapi": "3.1.0", "paths": {}, "x": '
_OPERATION = b'{"get": {}}'
MANY = 20_000


def paths(item: object, count: int = MANY, **parts: object) -> bytes:
    """The same path item under many paths."""
    text = orjson.dumps({"openapi": "3.1.0", **parts})[:-1] + b',"paths":{'
    items = b",".join(b'"/%d":%b' % (number, orjson.dumps(item)) for number in range(count))
    return text + items + b"}}"


def body(schema: object) -> dict[str, object]:
    return {"post": {"requestBody": {"content": {"application/json": {"schema": schema}}}}}


def schema_of(name: str, schema: object, **parts: object) -> bytes:
    """One operation whose body refers to ``schema``."""
    schemas = {name: schema}
    return paths(body({"$ref": f"#/components/schemas/{name}"}), 1, components={"schemas": schemas}, **parts)


def chain(length: int, end: object) -> dict[str, object]:
    return {f"c{number}": {"$ref": f"#/x/c{number + 1}"} for number in range(length)} | {f"c{length}": end}


def spelled(count: int) -> list[str]:
    """Ways to write one reference: an escape that is none stands for itself."""
    ways = ("".join(way) for way in product(("~", "~0"), repeat=16))
    return [f"#/x/{way}/p" for _, way in zip(range(count), ways, strict=False)]


def many_spellings(size: int) -> bytes:
    listed = [{"$ref": one} for one in spelled(512)]
    inside = b'{"%b": {"p": {"name": "p", "in": "query"}, "y": "%b"}}' % (b"~" * 16, b"a" * (size // 2))
    item = orjson.dumps({"get": {"parameters": listed}})
    return b'{"openapi": "3.1.0", "paths": {"/a": %b}, "x": %b}' % (item, inside)


def nested_references(size: int) -> bytes:
    """Sixteen schemas, each of them most of the document."""
    inside = b'{"y": [' + b'{"a":1},' * (min(size, 32_000_000) // 32) + b"1]}"
    for _ in range(12):
        inside = b'{"a": %b}' % inside
    refs = [{"$ref": "#/x" + "/a" * depth} for depth in range(13)]
    item = orjson.dumps(body({"oneOf": refs}))
    return b'{"openapi": "3.1.0", "paths": {"/a": %b}, "x": %b}' % (item, inside)


def nuls(size: int) -> bytes:
    return _HEAD + b'"' + b"\\u0000" * (size // 6 - 20) + b'"}'


def utf16(piece: bytes) -> Made:
    head = (_HEAD + b'"').decode().encode("utf-16")
    return repeated(piece, before=head, after='"}'.encode("utf-16-le"))


def properties(count: int, one: object) -> dict[str, object]:
    return {"properties": {f"p{number}": one for number in range(count)}}


def at(text: bytes, *, after: bytes = b'"}') -> Made:
    return repeated(text, before=_HEAD + b'"', after=after)


def in_operation(key: str, piece: bytes, before: bytes, after: bytes, most: int | None = None) -> Made:
    head = b'{"openapi": "3.1.0", "paths": {"/a": {"get": {"%b": %b' % (key.encode(), before)
    return repeated(piece, before=head, after=after + b"}}}}", most=most)


JSON_CASES: dict[str, Made] = {
    "json depth": repeated(b"[", before=_HEAD),
    "json depth that ends": lambda _: _HEAD + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "json small objects": repeated(b"{},", before=_HEAD + b"[", after=b"1]}"),
    "json objects as allowed": repeated(b"{},", before=_HEAD + b"[", after=b"1]}", most=1_240_000),
    "json tags of objects": in_operation("tags", b'{"a":[]},', b"[", b"1]", 1_240_000),
    "json tags of lists": in_operation("tags", b"[[],0],", b"[", b"1]", 1_490_000),
    "json tags of long texts": in_operation("tags", b'"' + b"a" * 16 + b'",', b"[", b"1]", 2_900_000),
    "json giant tags": repeated(
        b'{"name":"aaaaaaaaaaaaaaaa"},',
        before=b'{"openapi": "3.0.0", "paths": {}, "tags": [',
        after=b"1]}",
        most=1_200_000,
    ),
    "json parameters of numbers": in_operation("parameters", b"1,", b"[", b"1]", 2_900_000),
    "json parameters of objects": in_operation("parameters", b"{},", b"[", b"1]", 1_240_000),
    "json paths": numbered(
        '"/%d":{},', before=b'{"openapi": "3.0.0", "paths": {', after=b'"/":{}}}', most=1_200_000
    ),
    "json operations": numbered(
        '"/%d":{"get":{}},', before=b'{"openapi": "3.0.0", "paths": {', after=b'"/":{}}}', most=19_990
    ),
    "json operations, too many": numbered(
        '"/%d":{"get":{},"put":{},"post":{}},',
        before=b'{"openapi": "3.0.0", "paths": {',
        after=b'"/":{}}}',
        most=99_990,
    ),
    "json operations of one id": numbered(
        '"/%d":{"get":{"operationId":"' + "a" * 500 + '"}},',
        before=b'{"openapi": "3.0.0", "paths": {',
        after=b'"/":{}}}',
        most=19_990,
    ),
    "json additional operations": numbered(
        '"/%d":{"additionalOperations":{"a":1}},',
        before=b'{"openapi": "3.2.0", "paths": {',
        after=b'"/":{}}}',
        most=99_990,
    ),
    "json long ASCII, one astral": in_operation("summary", b"a", b'"\xf0\x9f\x98\x80', b'"'),
    "json escapes": at(b"\\u0041"),
    "json escapes in a summary": in_operation("summary", b"\\u0041", b'"', b'"'),
    "json surrogates in a summary": in_operation("summary", b"\\ud83d\\ude00", b'"', b'"'),
    "json lone surrogate in a summary": in_operation("summary", b"\\ud83d", b'"', b'"'),
    "json NULs": nuls,
    "json backslashes": at(b"\\\\", after=b'\\u0000"}'),
    "json cp1252": at(b"\xe4"),
    "json cp1252, not defined": at(b"\x81"),
    "json UTF-16": utf16("\u20ac".encode("utf-16-le")),
    "json UTF-16, surrogates": utf16(b"\x00\xd8"),
    "json huge number": in_operation("summary", b"9", b"", b""),
    "json huge fraction": in_operation("summary", b"9", b"0.", b""),
    "json numbers": in_operation("tags", b"1,", b"[1e999,", b"1]", 2_900_000),
    "json long numbers": in_operation("tags", b"9" * 4000 + b",", b"[1e999,", b"1]"),
    "json error at the end": repeated(b"{},", before=_HEAD + b"[", after=b"]]", most=1_240_000),
    "json trailing comma": repeated(
        b'"aaaaaaaaaaaaaaaaaa",', before=_HEAD + b"[", after=b"],}", most=2_900_000
    ),
    "json comma and a long text": at(b"a", after=b'",}'),
    "json comma and escapes": at(b"\\u0041", after=b'",}'),
    "json comma and repeated keys": repeated(b'"a":1,', before=_HEAD + b"{", after=b"},}", most=2_900_000),
    "json comma and keys": numbered('"k%d":1,', before=_HEAD + b"{", after=b"},}", most=2_900_000),
    "shared parameters": lambda _: paths(
        {"$ref": "#/x/a"},
        x={"a": {"get": {"parameters": [{"name": f"p{n}", "in": "query"} for n in range(512)]}}},
    ),
    "parameters by reference": lambda _: paths(
        {"get": {"parameters": [{"$ref": f"#/x/c{n}"} for n in range(40)]}},
        x={f"c{n}": {"name": f"p{n}", "in": "query"} for n in range(40)},
    ),
    "odd parameters": lambda _: paths(
        {"$ref": "#/x/a"},
        x={
            "a": {
                "get": {
                    "parameters": [{"name": f"p{n}", "in": "query", "style": "x" * 90} for n in range(48)]
                }
            }
        },
    ),
    "unknown security": lambda _: paths(
        {"$ref": "#/x/a"}, x={"a": {"get": {"security": [{f"s{n}": [] for n in range(16)}] * 32}}}
    ),
    "shared properties": lambda _: paths(body({"$ref": "#/x/a"}), x={"a": properties(100_000, {})}),
    "properties by chains": lambda _: paths(
        body({"$ref": "#/x/a"}),
        1,
        x=chain(30, {"default": 1}) | {"a": properties(1_000_000, {"$ref": "#/x/c0"})},
    ),
    "many members of allOf": lambda _: paths(
        body({"$ref": "#/x/a"}), x={"a": {"allOf": [{"$ref": "#/x/b"}] * 1_000_000}, "b": properties(10, {})}
    ),
    "deep allOf": lambda _: schema_of(
        "a", {"allOf": [{"allOf": [{"allOf": [properties(30, {})] * 60}] * 60}]}
    ),
    "chains of path items": lambda _: paths({"$ref": "#/x/c0"}, x=chain(31, {"get": {}})),
    "circles": lambda _: paths({"$ref": "#/x/a"}, x={"a": {"$ref": "#/x/b"}, "b": {"$ref": "#/x/a"}}),
    "many spellings of a reference": many_spellings,
    "server variables": lambda _: paths(
        {"get": {}},
        servers=[{"url": "{a}" * 680, "variables": {"a": {"default": "x" * 2048}}}] * 32,
    ),
    "servers of operations": lambda _: paths(
        {"$ref": "#/x/a"},
        x={
            "a": {
                "get": {"servers": [{"url": "{a}" * 680, "variables": {"a": {"default": "x" * 2048}}}] * 32}
            }
        },
    ),
    "huge enum": lambda _: schema_of("a", {"type": "string", "enum": [f"value {n}" for n in range(200_000)]}),
    "many types": lambda _: schema_of("a", {"type": [f"t{n}" for n in range(500_000)]}),
    "wide schema": lambda _: schema_of("a", properties(1_000_000, {"type": "string"})),
    "wide schema by reference": lambda _: schema_of(
        "a", properties(500_000, {"$ref": "#/components/schemas/a"})
    ),
    "schemas inside schemas": nested_references,
    "deep defaults": lambda _: schema_of("a", {"properties": {"p": {"default": [[["x" * 60] * 100] * 90]}}}),
    "long path templates": numbered(
        '"/' + "{a}" * 600 + '%d":{"get":{}},',
        before=b'{"openapi": "3.0.0", "paths": {',
        after=b'"/":{}}}',
        most=MANY,
    ),
    "open braces": numbered(
        '"/' + "{" * 2000 + '%d":{"get":{}},',
        before=b'{"openapi": "3.0.0", "paths": {',
        after=b'"/":{}}}',
        most=MANY,
    ),
    "camel case": numbered(
        '"/%d":{"get":{"operationId":"' + "aA" * 250 + '"}},',
        before=b'{"openapi": "3.0.0", "paths": {',
        after=b'"/":{}}}',
        most=MANY,
    ),
}
