"""As whom the embedded PostgreSQL runs. It refuses to run as root, and is right."""

import os
import pwd
from pathlib import Path
from typing import Any, NamedTuple

from app.db.errors import EmbeddedUnavailable

_CANDIDATES = ("jackfield", "postgres", "nobody")


class Account(NamedTuple):
    """An unprivileged user that this process, being root, becomes for PostgreSQL's programs."""

    uid: int
    gid: int

    def for_subprocess(self) -> dict[str, Any]:
        """Arguments of ``subprocess`` that drop every privilege, supplementary groups included."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, folder: Path) -> None:
        os.chown(folder, self.uid, self.gid)


def account_for(pgdata: Path) -> Account | None:
    """None: as this very user. As root: whoever owns the cluster, or will."""
    if os.geteuid() != 0:
        return None
    if pgdata.is_dir() and (owner := pgdata.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedUnavailable(
        f"PostgreSQL does not run as root, and none of the users {', '.join(_CANDIDATES)} exists: "
        "start as another user, or set JACKFIELD_DATABASE_URL to use another PostgreSQL."
    )
