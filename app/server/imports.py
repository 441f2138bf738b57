"""How Python runs while the program is imported, and how afterwards.

Modules make a hundred thousand objects that stay. Looking through them again and again while more are made
takes a fifth of the time until the service listens; and a thread that imports lets the others wait for as
long as Python lets it, each time that they have an answer to read.
"""

import gc
import sys
from importlib import import_module
from typing import Final

SWITCH_S: Final = 0.0005
USUAL_SWITCH_S: Final = 0.005
"""Python's own: what a thread may compute while another one waits."""


def begin_imports() -> None:
    gc.disable()
    sys.setswitchinterval(SWITCH_S)


def import_clients() -> None:
    """With which upstreams are called: what they and the API need is half of all that is imported, and
    webhooks are taken without it."""
    import_module("app.core.egress.call_engine")
    import_module("app.core.egress.fetch_engine")


def end_of_imports() -> None:
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(USUAL_SWITCH_S)
