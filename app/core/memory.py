"""How much memory this process takes."""

import resource
import sys
from pathlib import Path

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Of ``ru_maxrss``, in bytes."""


def peak_bytes() -> int:
    """The most that it ever had. On Linux ``getrusage`` would tell a new process of its parent's."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
