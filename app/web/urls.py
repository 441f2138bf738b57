"""URLs that a tenant stores."""

from urllib.parse import urlsplit


def check_base_url(url: str) -> str:
    """An absolute http(s) URL without user name, query or fragment; a trailing ``/`` is dropped.

    Whether its addresses may be called is decided when it is called. Raises ``ValueError``.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an absolute http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL without user name and password")
    if parts.query or parts.fragment or any(ord(character) <= ord(" ") for character in url):
        raise ValueError("a URL without query, fragment or white space")
    if parts.port == 0:
        raise ValueError("a URL with a port that exists")
    return url.rstrip("/")
