"""A real PostgreSQL in the data folder, shared by every process that uses the folder.

<data>/postgres        the cluster
<data>/run             the folder of its socket, unless that path is too long for one
<data>/socket-folder   where the socket is then
<data>/postgres.log    the server's log since its start; postgres.log.1 is the one before
<data>/*.lock          who may do what, as ``flock``: the kernel lets go of a lock when its holder dies

start.lock    exclusive, while a process starts, joins or leaves
users.lock    shared, by every process that uses the server; the last to leave stops it
server.lock   exclusive, by PostgreSQL's own processes: free means that none of them is alive,
              whatever ``postmaster.pid`` says
"""

import errno
import fcntl
import hashlib
import os
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from app.db.embedded_account import account_for
from app.db.embedded_cluster import PORT, SOCKET_NAME, Cluster
from app.db.errors import (
    DataFolderNotWritable,
    DataFolderUnusable,
    DiskFull,
    ServerDied,
    StartTimedOut,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

# sun_path of sockaddr_un, with its terminating zero: 108 bytes on Linux, 104 on BSD and macOS.
_LONGEST_SOCKET_PATH = 103
_POLL = 0.005
_STOP_TIMEOUT = 30.0


class EmbeddedPostgres:
    """The server of one data folder, from ``start`` to ``stop``.

    Both block: call them before the event loop runs, or in a thread.
    """

    def __init__(self, data: Path, *, timeout: float = 120.0) -> None:
        """`timeout`: seconds until the server has to be ready, recovery after a crash included."""
        self.data = data.absolute()
        self._timeout = timeout
        self._cluster: Cluster | None = None
        self._users: int | None = None

    def start(self) -> None:
        """Start the server or join the one that runs; or raise a ``BootFailure`` and leave nothing behind."""
        if self._users is not None:
            return
        deadline = time.monotonic() + self._timeout
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone(deadline):
                self._join(deadline)
        except OSError as error:
            raise self._explain(error) from error

    def stop(self) -> None:
        """Leave; the last one stops the server and waits until its files are closed."""
        if self._users is None or self._cluster is None:
            return
        users, self._users = self._users, None
        try:
            with self._alone(time.monotonic() + self._timeout):
                if _try_lock(users):
                    self._shut_down(self._cluster)
        finally:
            os.close(users)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_laid_out(self) -> bool:
        """Whether the folder holds a cluster: ``start`` makes one where there is none."""
        return (self.data / "postgres").exists()

    @property
    def sockets(self) -> Path:
        """The folder of the server's socket, for ``host=`` of any client."""
        return self._started().sockets

    @property
    def pid(self) -> int | None:
        """The server's process, if it is alive."""
        return self._started().pid()

    def url(self, role: str, database: str = "jackfield") -> "URL":
        """Where `role` connects: the socket's folder lets nobody in but us, so no password is asked."""
        from sqlalchemy.engine import URL  # a server starts while SQLAlchemy is imported

        return URL.create(
            "postgresql+asyncpg",
            username=role,
            database=database,
            # In the query, because a URL's authority cannot hold a path; the port, or PGPORT would count.
            query={"host": str(self.sockets), "port": str(PORT)},
        )

    def _started(self) -> Cluster:
        if self._cluster is None:
            raise RuntimeError("the embedded PostgreSQL was not started")
        return self._cluster

    def _join(self, deadline: float) -> None:
        users = self._open("users.lock")
        try:
            fcntl.flock(users, fcntl.LOCK_SH)
            self._cluster = self._prepare_cluster()
            self._ensure_running(self._cluster, deadline)
        except BaseException:
            os.close(users)
            raise
        self._users = users

    def _prepare_cluster(self) -> Cluster:
        pgdata = self.data / "postgres"
        account = account_for(pgdata)
        cluster = Cluster(
            pgdata=pgdata,
            sockets=self._socket_folder({os.geteuid(), account.uid if account else os.geteuid()}),
            log=self.data / "postgres.log",
            account=account,
        )
        cluster.prepare()
        return cluster

    def _socket_folder(self, owners: set[int]) -> Path:
        """``<data>/run``, or a short path made from it, which is written down for the next process.

        The comma: clients take it for the end of one host's name.
        """
        folder, record = self.data / "run", self.data / "socket-folder"
        if _fits(folder):
            return folder
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        short = Path(tempfile.gettempdir()) / f"jackfield-{name}"
        if record.exists():
            short = Path(record.read_text().strip())
        if not _fits(short):
            raise DataFolderUnusable(f"The paths {folder} and {short} are too long for a Unix socket.")
        short.mkdir(mode=0o700, exist_ok=True)
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise DataFolderUnusable(f"Somebody else made {short}, the folder for our socket: remove it.")
        record.write_text(f"{short}\n")
        return short

    def _ensure_running(self, cluster: Cluster, deadline: float) -> None:
        """Join a living server, or launch one and stop it again if it does not get ready.

        Nobody else launches meanwhile (start.lock). A server that is being stopped frees server.lock once,
        and then we launch; that it is free after we launched means that ours is dead.
        """
        launched = False
        with ExitStack() as undo:
            while not (cluster.is_ready() and self._is_alive()):
                with self._server_lock() as lock:
                    if lock is not None and launched:
                        raise cluster.death()
                    if lock is not None:
                        self._refuse_a_strangers_server(cluster)
                        undo.callback(self._shut_down, cluster)
                        cluster.launch(lock)
                        launched = True
                if time.monotonic() > deadline:
                    raise StartTimedOut(
                        f"The embedded PostgreSQL in {self.data} was not ready after {self._timeout:g} s "
                        f"(log: {cluster.log})."
                    )
                time.sleep(_POLL)
            undo.pop_all()

    def _refuse_a_strangers_server(self, cluster: Cluster) -> None:
        if (stranger := cluster.pid()) is not None:
            raise DataFolderUnusable(
                f"A PostgreSQL that Jackfield did not start (pid {stranger}) serves {cluster.pgdata}: "
                "stop it."
            )

    def _is_alive(self) -> bool:
        with self._server_lock() as lock:
            return lock is None

    def _shut_down(self, cluster: Cluster) -> None:
        """Fast shutdown; if that hangs an immediate one, which the next start recovers from."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            deadline = time.monotonic() + _STOP_TIMEOUT
            while time.monotonic() < deadline:
                cluster.signal(number)  # again and again: a server just launched has not said its pid yet
                if not self._is_alive():
                    return
                time.sleep(_POLL)

    @contextmanager
    def _server_lock(self) -> Iterator[int | None]:
        """The descriptor that holds server.lock, or None if a server lives.

        A server launched meanwhile keeps it locked: a ``flock`` belongs to the open file, which it inherits.
        """
        descriptor = self._open("server.lock")
        try:
            yield descriptor if _try_lock(descriptor) else None
        finally:
            os.close(descriptor)

    @contextmanager
    def _alone(self, deadline: float) -> Iterator[None]:
        descriptor = self._open("start.lock")
        try:
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise StartTimedOut(f"Another process has been starting in {self.data} for too long.")
                time.sleep(_POLL)
            yield
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        return os.open(self.data / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode=0o600)

    def _explain(self, error: OSError) -> DiskFull | DataFolderNotWritable | ServerDied:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return DiskFull(f"The disk of the data folder {self.data} is full.")
        reason = error.strerror or str(error)
        place = error.filename or self.data
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}:
            return DataFolderNotWritable(
                f"The data folder {self.data} cannot be written: {reason} ({place}). "
                "Name another one in JACKFIELD_DATA."
            )
        return ServerDied(f"The embedded PostgreSQL could not be started: {reason} ({place}).")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fits(folder: Path) -> bool:
    return "," not in str(folder) and len(os.fsencode(folder / SOCKET_NAME)) <= _LONGEST_SOCKET_PATH
