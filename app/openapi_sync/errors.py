"""What a sync refuses.

Unprocessable                 422
├── DocumentUnreadable        neither JSON nor YAML; names line and column
│   └── GotHtmlPage           a login page or an error page, most of the time
├── NotOpenApi                names what is missing
├── OperationUnknown          of a command that is about one operation
└── DocumentTooComplex        a limit of depth, aliases, nodes, operations, time or memory
Conflict                      409
└── TooManyMissing            the document would drop most handlers; ``force`` overrides
"""

from app.core.errors import Conflict, Unprocessable
from app.openapi_sync.oddities import quote

MAX_DEPTH = 400
"""Levels of a document in YAML. One in JSON may be as deep as the parser goes: what is below is not read."""


class DocumentUnreadable(Unprocessable):
    """The document is neither JSON nor YAML."""


def unreadable(problem: str, line: int, column: int) -> DocumentUnreadable:
    """The refusal that names a place, counted from 1."""
    message = f"line {line}, column {column}: {quote(problem)}"
    return DocumentUnreadable(message, extra={"line": line, "column": column})


class GotHtmlPage(DocumentUnreadable):
    """Got an HTML page where an OpenAPI document was expected."""


class NotOpenApi(Unprocessable):
    """The document is not an OpenAPI description."""


class DocumentTooComplex(Unprocessable):
    """The document goes beyond a limit that keeps reading it bounded."""


class OperationUnknown(Unprocessable):
    """The document has no such operation, or several."""


class TooManyMissing(Conflict):
    """The document lacks so many operations of the last sync that it looks wrong; `force` accepts it."""
