"""Why a request was not sent, or not answered.

    Unprocessable
    ├── EgressRefused
    └── ForbiddenHeader
    UpstreamFailed
    ├── UpstreamMalformed
    ├── UpstreamRefused
    ├── UpstreamTimedOut (app.core.errors)
    └── UpstreamUnreachable

No detail ever holds a header's value, a body, a query string or userinfo: these are shown to tenants
and stored with attempts.
"""

from app.core.errors import Unprocessable, UpstreamFailed


class EgressRefused(Unprocessable):
    """Requests to this URL are not allowed."""


class ForbiddenHeader(Unprocessable):
    """A header cannot be sent: it belongs to the connection, or its name or value is malformed."""


class UpstreamMalformed(UpstreamFailed):
    """The upstream answered with something that is not HTTP, or broke its answer off."""


class UpstreamRefused(UpstreamFailed):
    """The upstream answered with a status other than success."""


class UpstreamUnreachable(UpstreamFailed):
    """No connection to the upstream could be made or kept."""
