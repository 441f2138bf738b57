"""Schemas of OpenAPI's dialects into JSON Schema 2020-12 that stands alone, one at a time.

What a schema refers to is collected beside it, and what has no meaning outside of OpenAPI is left out.
"""

import re
from collections.abc import Mapping
from typing import Any

from app.openapi_sync.references import Dangling, References

Schema = dict[str, Any]

DEFINITION = "#/$defs/"
"""Before the names of definitions, which need no escaping."""
MAX_DEFINITIONS = 200
MAX_SCHEMAS = 50_000
"""Looked at for one result; as many, written down, are more than ``tool_schemas.LARGEST``."""
MAX_DEPTH = 32

MAX_READ = 4 * 1024 * 1024
"""Bytes of definitions, thirty times what is given of them."""

_LEFT_OUT = frozenset(
    (
        "discriminator",
        "xml",
        "externalDocs",
        "example",
        "nullable",
        "readOnly",
        "writeOnly",
        "collectionFormat",
    )
)
_SCHEMAS = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LISTS_OF_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE_SCHEMAS = frozenset(
    (
        "items",
        "additionalProperties",
        "not",
        "if",
        "then",
        "else",
        "contains",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    )
)
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated"})
_NAME = re.compile(r"[^\w.-]+")
FILE: Schema = {
    "type": "object",
    "properties": {
        "base64": {"type": "string", "contentEncoding": "base64"},
        "filename": {"type": "string"},
        "contentType": {"type": "string"},
    },
    "required": ["base64"],
    "additionalProperties": False,
}


class Translation:
    """Of schemas into ones of today, collecting what they refer to."""

    file = FILE

    def __init__(self, references: References, *, hidden: str) -> None:
        """``hidden``: the keyword that marks properties to be left out."""
        self._references = references
        self._hidden = hidden
        self._names: dict[str, str] = {}
        self._seen = 0
        self._last_byte = references.read_bytes + MAX_READ

    def schema(self, stated: object, depth: int = 0) -> Any:
        """Anything goes where the document says nothing that can be used, or too much."""
        self._seen += 1
        if isinstance(stated, bool):
            return stated
        if not isinstance(stated, dict) or depth > MAX_DEPTH or self._seen > MAX_SCHEMAS:
            return {}
        if isinstance(reference := stated.get("$ref"), str):
            return self._referred(reference, stated)
        if stated.get("format") == "binary" and stated.get("type") == "string":
            return self.file
        said = ((key, value) for key, value in stated.items() if not _is_left_out(key))
        made = {key: self._keyword(key, value, depth) for key, value in said}
        if "required" in made:
            names = dict.fromkeys(texts(made["required"]))
            made["required"] = [name for name in names if not self._is_hidden(stated, name)]
        return self.file if made.get("type") == "file" else self._finished(_of_today(made, stated), stated)

    def definitions(self) -> dict[str, Schema | bool]:
        """What was referred to, and what that refers to: looked through one after the other, not inside each
        other."""
        made: dict[str, Schema | bool] = {}
        while len(made) < len(self._names):
            for reference, name in list(self._names.items())[len(made) :]:
                made[name] = self._definition(reference)
        return made

    def _definition(self, reference: str) -> Any:
        if self._references.read_bytes > self._last_byte:
            return {}
        try:
            return self.schema(self._references.value({"$ref": reference}))
        except Dangling:
            return {}

    def properties(self, stated: Mapping[str, object], depth: int = 0) -> dict[str, Schema]:
        return {
            name: self.schema(one, depth + 1)
            for name, one in stated.items()
            if not (isinstance(one, dict) and one.get(self._hidden) is True)
        }

    def _finished(self, made: Schema, _: Schema) -> Schema:
        return made

    def _keyword(self, key: str, value: object, depth: int) -> object:
        if key == "properties" and isinstance(value, dict):
            return self.properties(value, depth)
        if key in _SCHEMAS and isinstance(value, dict):
            return {name: self.schema(one, depth + 1) for name, one in value.items()}
        if (key in _LISTS_OF_SCHEMAS or key == "items") and isinstance(value, list):
            return [self.schema(one, depth + 1) for one in value]
        return self.schema(value, depth + 1) if key in _SINGLE_SCHEMAS else value

    def _is_hidden(self, stated: Mapping[str, Any], name: object) -> bool:
        properties = stated.get("properties")
        one = properties.get(name) if isinstance(properties, dict) else None
        return isinstance(one, dict) and one.get(self._hidden) is True

    def _referred(self, reference: str, stated: Schema) -> Schema:
        if reference not in self._names:
            if len(self._names) >= MAX_DEFINITIONS:
                return {}
            self._names[reference] = self._free_name(reference)
        beside: Schema = {key: stated[key] for key in ("description", "default", "title") if key in stated}
        return {"$ref": f"{DEFINITION}{self._names[reference]}", **beside}

    def _free_name(self, reference: str) -> str:
        base = _NAME.sub("-", reference.rpartition("/")[2])[:64] or "schema"
        taken = set(self._names.values())
        names = (f"{base}{number or ''}" for number in range(len(taken) + 1))
        return next(name for name in names if name not in taken)


class CheckTranslation(Translation):
    """Of schemas into ones that values are checked by, and nobody reads.

    Alternatives may overlap: that a document does not tell its ``oneOf`` apart is no reason to refuse what
    one of them allows. How bytes are given is for whoever sends them to check.
    """

    file: Schema = {}

    def _finished(self, made: Schema, stated: Schema) -> Schema:
        made = {key: value for key, value in made.items() if key not in _ANNOTATIONS}
        if "oneOf" in made:
            one_of = {"anyOf": made.pop("oneOf")}
            made = {**one_of, **made} if "anyOf" not in made else {**made, "allOf": [one_of]}
        if stated.get("nullable") is True and not isinstance(stated.get("type"), str):
            return {"anyOf": [made, {"type": "null"}]}
        return made


def _of_today(made: Schema, stated: Schema) -> Schema:
    """OpenAPI 3.0's ways, and 2.0's, of what JSON Schema says otherwise now."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(flag := made.get(exclusive), bool):
            del made[exclusive]
            if flag and limit in made:
                made[exclusive] = made.pop(limit)
    if isinstance(made.get("items"), list):
        made["prefixItems"] = made.pop("items")
    if "example" in stated and "examples" not in made:
        made["examples"] = [stated["example"]]
    if stated.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(values := made.get("enum"), list) and None not in values:
            made["enum"] = [*values, None]
    return made


def texts(listed: object) -> list[str]:
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def _is_left_out(key: str) -> bool:
    """What OpenAPI adds, and names and anchors: the definitions have others here."""
    return key in _LEFT_OUT or key.startswith(("x-", "$"))
