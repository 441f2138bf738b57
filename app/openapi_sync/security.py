"""What an operation asks of a caller's identity: requirements resolved to the schemes they name."""

from msgspec import Raw

from app.openapi_sync.oddities import Notes, Place, quote
from app.openapi_sync.operation import SecurityScheme
from app.openapi_sync.pieces import SchemePiece, take
from app.openapi_sync.references import References

MAX_ALTERNATIVES = 32
MAX_SCHEMES = 16
LONGEST_NAME = 256
LONGEST_HTTP_SCHEME = 64

Security = tuple[tuple[SecurityScheme, ...], ...]

_PLACES = frozenset({"header", "query", "cookie"})


class SecurityReader:
    """Reads ``security`` lists of one document."""

    def __init__(self, references: References, definitions: dict[str, Raw]) -> None:
        self._references = references
        self._definitions = definitions
        self._schemes: dict[str, SecurityScheme] = {}

    def read(self, requirements: object, place: Place, notes: Notes) -> Security:
        """The alternatives that can be met. One with a scheme that cannot be used is dropped whole: without
        that scheme it would be a weaker promise than the document's.
        """
        if requirements is None:
            return ()
        if not isinstance(requirements, list):
            notes.add(place, "`security` is not a list")
            return ()
        alternatives = []
        for index, requirement in enumerate(requirements[:MAX_ALTERNATIVES]):
            here = (*place, index)
            if not isinstance(requirement, dict) or len(requirement) > MAX_SCHEMES:
                notes.add(here, "a security requirement that is not an object was left out")
                continue
            schemes = [self._scheme(key, here, notes) for key in requirement]
            usable = [scheme for scheme in schemes if scheme is not None]
            if len(usable) == len(schemes):
                alternatives.append(tuple(usable))
        return tuple(alternatives)

    def _scheme(self, key: str, place: Place, notes: Notes) -> SecurityScheme | None:
        if key in self._schemes:
            return self._schemes[key]
        if key not in self._definitions or not 0 < len(key) <= LONGEST_NAME:
            notes.degrade(place, f"the security scheme {quote(key)} is not defined")
            return None
        defined = take(SchemePiece, self._definitions[key])
        piece = self._references.follow(defined, SchemePiece, place, notes)
        scheme = _scheme(key, piece) if piece is not None else None
        if scheme is None:
            notes.degrade(place, f"the security scheme {quote(key)} is of no kind that is supported")
            return None
        self._schemes[key] = scheme
        return scheme


def _scheme(key: str, piece: SchemePiece) -> SecurityScheme | None:
    """A definition of OpenAPI 2.0 (section "Security Scheme Object") or 3.x in one shape."""
    kind, name, location, http = piece.type, piece.name, piece.location, piece.scheme
    if kind == "basic":
        return SecurityScheme(key, "http", http_scheme="basic")
    if kind == "http" and isinstance(http, str) and 0 < len(http) <= LONGEST_HTTP_SCHEME:
        return SecurityScheme(key, "http", http_scheme=http.lower())
    if kind == "apiKey" and isinstance(name, str) and isinstance(location, str) and location in _PLACES:
        return SecurityScheme(key, "apiKey", location, name) if 0 < len(name) <= LONGEST_NAME else None
    return SecurityScheme(key, str(kind)) if kind in ("oauth2", "openIdConnect") else None
