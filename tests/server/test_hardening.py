import subprocess
import sys

PROBE = """
import ctypes, os, resource
from app.server.hardening import harden_process
harden_process()
print(oct(os.umask(0)), *resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
"""3 is PR_GET_DUMPABLE."""


class TestHardenProcess:
    def test_leaves_neither_core_nor_readable_files_nor_a_way_in(self):
        probe = [sys.executable, "-c", PROBE]
        umask, soft, hard, dumpable = subprocess.run(
            probe, check=True, capture_output=True, text=True
        ).stdout.split()
        assert (umask, soft, hard) == ("0o77", "0", "0")
        assert dumpable == "0" or sys.platform != "linux"
