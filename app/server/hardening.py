"""What keeps keys and secrets in this process's memory from reaching a file or another process."""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4  # <linux/prctl.h>


def harden_process() -> None:
    """No core dump, no debugger of the same user (Linux), and files that only the owner may read."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A sandbox may refuse; then the kernel's own rules for ptrace have to do.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
