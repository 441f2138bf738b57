"""Why the process does not start: one clear line and an exit code, never a traceback."""

from typing import ClassVar

EX_CONFIG = 78
"""``EX_CONFIG`` of sysexits.h: something is wrong in the configuration."""


class BootFailure(Exception):
    """The process cannot start. ``str`` is the one line an operator reads."""

    exit_code: ClassVar[int] = 1


class Misconfigured(BootFailure):
    """A setting, a key or a role is wrong; starting again without a change is useless."""

    exit_code = EX_CONFIG
