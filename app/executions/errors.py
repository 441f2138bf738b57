"""Why a handler cannot be run, or its request not be put together.

Unprocessable
├── ArgumentInvalid
├── BaseUrlMissing
└── BodyNotSupported
Conflict
├── ExecutionFinished
├── ExecutionRunning
└── HandlerDisabled
Unavailable
├── AdmissionQueueFull
├── ExecutionInterrupted
└── RulesUnreadable
"""

from app.core.errors import Conflict, Unavailable, Unprocessable


class ArgumentInvalid(Unprocessable):
    """An argument is missing, or cannot be sent where the operation wants it."""


class BaseUrlMissing(Unprocessable):
    """The integration has no base URL that this handler's request could be sent to."""


class BodyNotSupported(Unprocessable):
    """The operation takes a body of a media type that cannot be made from these arguments."""


class HandlerDisabled(Conflict):
    """The handler, or its integration, is disabled."""


class ExecutionFinished(Conflict):
    """The execution has ended already."""


class ExecutionRunning(Conflict):
    """The execution is calling its upstream at this moment."""


class ExecutionInterrupted(Unavailable):
    """The execution was interrupted before it ended, more than once in a row."""


class AdmissionQueueFull(Unavailable):
    """More webhooks arrive than can be stored right now; this one was not. Send it again."""


class RulesUnreadable(Unavailable):
    """What the operation's description says of arguments could not be read right now."""
