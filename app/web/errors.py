"""What is wrong with a request before any feature has seen it.

AppError
├── MalformedRequest
│   └── MalformedHttp         400
├── MethodNotAllowed          405   ``Allow`` names the methods
├── RequestTimedOut           408
├── UriTooLong                414
├── UnsupportedMediaType      415
└── HeadersTooLarge           431
"""

from app.core.errors import AppError, MalformedRequest


class MalformedHttp(MalformedRequest):
    """What was sent is not a valid HTTP/1.1 request (RFC 9112)."""


class MethodNotAllowed(AppError):
    """This resource does not have that method; the Allow header names those it has."""

    status = 405


class RequestTimedOut(AppError):
    """The request did not arrive in time."""

    status = 408


class UriTooLong(AppError):
    """The request target is longer than is accepted."""

    status = 414


class UnsupportedMediaType(AppError):
    """The body is of a type or in an encoding that is not accepted here."""

    status = 415


class HeadersTooLarge(AppError):
    """The headers are more or larger than is accepted."""

    status = 431
