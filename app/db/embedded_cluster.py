"""One cluster of the embedded PostgreSQL: its folders, ``initdb``, ``postgres``; not who shares it.

As root the programs run under an unprivileged account, and no parent folder is opened for it: the account is
handed *open* folders. ``/proc/self/fd/N`` leads to an open folder directly, so the account needs no right on
the way there, and the length of the real path does not count against the 107 bytes of a socket's path.
"""

import errno
import os
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.db.embedded_account import Account
from app.db.embedded_binaries import MAJOR_VERSION, find_programs
from app.db.errors import DataFolderUnusable, DiskFull, ServerDied

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"

_DESCRIPTORS = Path("/proc/self/fd")
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_ANSWER_TIMEOUT = 1.0
_ROOM_FOR_A_LOG = 64 * 1024

# `trust` is right here and only here: there is no TCP listener, and the folder of the one socket belongs to
# the operating-system user with mode 0700. Who can enter it could as well read the files of the cluster.
_HOST_BASED_ACCESS = "local all all trust\n"

# Durability is left at PostgreSQL's defaults: fsync, full_page_writes and synchronous_commit are on.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "cluster_name": "jackfield",
    "shared_buffers": "128MB",
    "max_connections": "200",
    # Short transactions on a small machine: compiling them, or spreading them over processes, costs more than
    # it gives, and parallel plans need more of /dev/shm than a container has.
    "jit": "off",
    "max_parallel_workers": "0",
    "io_method": "sync",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Not ERROR: the text of a refused statement names constraints and values, and would grow without bound.
    "log_min_messages": "log",
    "log_checkpoints": "off",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The folders of one cluster and, as root, the account they belong to."""

    pgdata: Path
    sockets: Path
    log: Path
    account: Account | None

    def prepare(self) -> None:
        """Make what is missing. An interrupted ``initdb`` leaves only a draft, never half a cluster."""
        _make_private(self.sockets, self.account)
        if not self.pgdata.exists():
            self._initialise()
        self._check_version()

    def launch(self, lock: int) -> None:
        """Start ``postgres``, which inherits the descriptor `lock`, and return without waiting for it.

        The shell puts it in the background, so that it is nobody's child: the process that started it may
        leave while others still use it.
        """
        for leftover in ("postmaster.pid", self.sockets / f"{SOCKET_NAME}.lock"):
            (self.pgdata / leftover).unlink(missing_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.1"))
        program = str(find_programs(self.account) / "postgres")
        with ExitStack() as stack:
            log = stack.enter_context(open(self.log, "wb", opener=_open_private))
            pgdata, sockets = stack.enter_context(self._handed_over(self.pgdata, self.sockets))
            settings = _SETTINGS | {"unix_socket_directories": sockets.path}
            arguments = [f"--{name}={value}" for name, value in settings.items()]
            self._run(
                ["/bin/sh", "-c", '"$@" &', "sh", program, "-D", pgdata.path, *arguments],
                pass_fds=[*pgdata.descriptors, *sockets.descriptors, lock],
                output=log.fileno(),
            )

    def pid(self) -> int | None:
        """The server's process, if ``postmaster.pid`` names a living one that serves this cluster."""
        lines = self._pid_file()
        pid = int(lines[0]) if lines and lines[0].strip().isdigit() else None
        return pid if pid is not None and self._is_served_by(pid) else None

    def is_ready(self) -> bool:
        lines = self._pid_file()
        return bool(lines) and lines[-1].strip() == "ready" and self.pid() is not None and self._answers()

    def signal(self, number: signal.Signals) -> None:
        if (pid := self.pid()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def death(self) -> DiskFull | ServerDied:
        """Why the server ended, from the last complaint in its log."""
        complaints = [
            line.partition(level)[2].strip()
            for line in self.log.read_text(errors="replace").splitlines()
            for level in ("FATAL:", "PANIC:", "sh:")
            if level in line
        ]
        reason = complaints[-1] if complaints else "it left no reason"
        # On a full disk the log, too, may have had no room for a complaint.
        silenced = not complaints and shutil.disk_usage(self.pgdata).free < _ROOM_FOR_A_LOG
        if silenced or os.strerror(errno.ENOSPC) in reason:
            return DiskFull(f"The disk of {self.pgdata} is full: {reason}.")
        return ServerDied(f"The embedded PostgreSQL died while starting: {reason} (log: {self.log}).")

    def _pid_file(self) -> list[str]:
        """``postmaster.pid``: its first line is the process, its last one says how far that is."""
        try:
            return (self.pgdata / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _initialise(self) -> None:
        draft = self.pgdata.with_name(f"{self.pgdata.name}.new")
        if draft.exists():
            shutil.rmtree(draft)
        _make_private(draft, self.account)
        try:
            self._run_initdb(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(self.pgdata)
        _sync(self.pgdata.parent)

    def _run_initdb(self, draft: Path) -> None:
        """Lay out the files and flush them to the disk once, at the end."""
        program = str(find_programs(self.account) / "initdb")
        with self._handed_over(draft) as (pgdata,):
            base = [program, "-D", pgdata.path]
            self._check_initdb(
                [
                    *base,
                    *("--username=postgres", "--encoding=UTF8", "--auth=trust", "--no-sync"),
                    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
                ],
                pgdata.descriptors,
            )
            (draft / "pg_hba.conf").write_text(_HOST_BASED_ACCESS)
            self._check_initdb([*base, "--sync-only"], pgdata.descriptors)

    def _check_initdb(self, command: Sequence[str], pass_fds: Sequence[int]) -> None:
        finished = self._run(command, pass_fds=pass_fds, output=subprocess.PIPE)
        if finished.returncode == 0:
            return
        complaints = [line for line in finished.stdout.splitlines() if "error:" in line or "FATAL:" in line]
        reason = complaints[0] if complaints else f"exit code {finished.returncode}"
        if os.strerror(errno.ENOSPC) in finished.stdout:
            raise DiskFull(f"The disk of {self.pgdata} is full: {reason}.")
        raise ServerDied(f"The embedded database could not be made in {self.pgdata}: {reason}.")

    def _run(
        self, command: Sequence[str], *, pass_fds: Sequence[int], output: int
    ) -> subprocess.CompletedProcess[str]:
        """Run a program with nothing of ours: neither environment (it holds keys) nor terminal nor umask."""
        return subprocess.run(  # noqa: S603 -- our own programs, no input from outside
            command,
            check=False,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0o077,
            start_new_session=True,
            pass_fds=pass_fds,
            **(self.account.for_subprocess() if self.account else {}),
        )

    @contextmanager
    def _handed_over(self, *folders: Path) -> Iterator[list["_Folder"]]:
        """The folders as the programs are to name them."""
        if self.account is None or not _DESCRIPTORS.is_dir():
            yield [_Folder(str(folder), ()) for folder in folders]
            return
        descriptors = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders]
        try:
            yield [_Folder(str(_DESCRIPTORS / str(number)), (number,)) for number in descriptors]
        finally:
            for number in descriptors:
                os.close(number)

    def _check_version(self) -> None:
        try:
            version = (self.pgdata / "PG_VERSION").read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            raise DataFolderUnusable(f"{self.pgdata} exists but is no PostgreSQL data folder.") from None
        if version != str(MAJOR_VERSION):
            raise DataFolderUnusable(
                f"{self.pgdata} was made by PostgreSQL {version}, this release runs {MAJOR_VERSION}: "
                "dump it with the old release and restore it into a new folder."
            )

    def _is_served_by(self, pid: int) -> bool:
        """Pids are used again, most of all in containers: believe one only if it works in our folder.

        Where there is no ``/proc`` to ask, being alive has to do.
        """
        try:
            os.kill(pid, 0)
            if _DESCRIPTORS.is_dir():
                return Path(f"/proc/{pid}/cwd").samefile(self.pgdata)
        except OSError:
            return False
        return True

    def _answers(self) -> bool:
        """Whether the server speaks. A dying one still accepts connections; it does not answer them.

        The least question there is: SSLRequest (PostgreSQL, "Message Formats"), answered by N or S.
        """
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_ANSWER_TIMEOUT)
            try:
                client.connect(str(self.sockets / SOCKET_NAME))
                client.sendall(_SSL_REQUEST)
                return client.recv(1) in {b"N", b"S"}
            except OSError:
                return False


class _Folder(NamedTuple):
    path: str
    descriptors: tuple[int, ...]


def _make_private(folder: Path, account: Account | None) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        account.own(folder)
    folder.chmod(0o700)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
