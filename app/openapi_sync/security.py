"""What an operation asks of a caller's identity: requirements resolved to the schemes they name."""

from collections.abc import Mapping

from app.openapi_sync.oddities import Notes, join_pointer, quote
from app.openapi_sync.operation import SecurityScheme
from app.openapi_sync.references import References

MAX_ALTERNATIVES = 32
MAX_SCHEMES = 16
LONGEST_NAME = 256
LONGEST_HTTP_SCHEME = 64

Security = tuple[tuple[SecurityScheme, ...], ...]

_PLACES = frozenset({"header", "query", "cookie"})


class SecurityReader:
    """Reads ``security`` lists of one document."""

    def __init__(self, references: References, definitions: object) -> None:
        self._references = references
        self._definitions = definitions if isinstance(definitions, dict) else {}

    def read(self, requirements: object, pointer: str, notes: Notes) -> Security:
        """The alternatives that can be met. One with a scheme that cannot be used is dropped whole: without
        that scheme it would be a weaker promise than the document's.
        """
        if requirements is None:
            return ()
        if not isinstance(requirements, list):
            notes.add(pointer, "`security` is not a list")
            return ()
        alternatives = []
        for index, requirement in enumerate(requirements[:MAX_ALTERNATIVES]):
            here = join_pointer(pointer, index)
            if not isinstance(requirement, dict) or len(requirement) > MAX_SCHEMES:
                notes.add(here, "a security requirement that is not an object was left out")
                continue
            schemes = [self._scheme(key, here, notes) for key in requirement]
            usable = [scheme for scheme in schemes if scheme is not None]
            if len(usable) == len(schemes):
                alternatives.append(tuple(usable))
        return tuple(alternatives)

    def _scheme(self, key: str, pointer: str, notes: Notes) -> SecurityScheme | None:
        definition = self._definitions.get(key)
        if definition is None or not 0 < len(key) <= LONGEST_NAME:
            notes.degrade(pointer, f"the security scheme {quote(key)} is not defined")
            return None
        node = self._references.mapping(definition, pointer, notes)
        scheme = _scheme(key, node) if node is not None else None
        if scheme is None:
            notes.degrade(pointer, f"the security scheme {quote(key)} is of no kind that is supported")
        return scheme


def _scheme(key: str, node: Mapping[str, object]) -> SecurityScheme | None:
    """A definition of OpenAPI 2.0 (section "Security Scheme Object") or 3.x in one shape."""
    kind, name, location, http = (node.get(field) for field in ("type", "name", "in", "scheme"))
    if kind == "basic":
        return SecurityScheme(key, "http", http_scheme="basic")
    if kind == "http" and isinstance(http, str) and 0 < len(http) <= LONGEST_HTTP_SCHEME:
        return SecurityScheme(key, "http", http_scheme=http.lower())
    if kind == "apiKey" and isinstance(name, str) and isinstance(location, str) and location in _PLACES:
        return SecurityScheme(key, "apiKey", location, name) if 0 < len(name) <= LONGEST_NAME else None
    return SecurityScheme(key, str(kind)) if kind in ("oauth2", "openIdConnect") else None
