"""Why there is no database to work with. Each is raised with the one line that the operator reads.

BootFailure
├── DiskFull
├── ServerDied
├── StartTimedOut
├── DatabaseUnreachable
│   └── DatabaseMissing
├── MigrationBlocked
└── Misconfigured
    ├── DataFolderNotWritable
    ├── DataFolderUnusable
    ├── EmbeddedUnavailable
    ├── AdministratorUnfit
    ├── RoleTooPowerful
    ├── RoleTooWeak
    └── DatabaseNotMigrated
"""

from app.core.boot import BootFailure, Misconfigured


class DiskFull(BootFailure):
    """The disk that holds the data folder has no space left."""


class ServerDied(BootFailure):
    """The embedded PostgreSQL, or the program that lays out its files, ended instead of serving."""


class StartTimedOut(BootFailure):
    """The embedded PostgreSQL was not ready in time."""


class DatabaseUnreachable(BootFailure):
    """The database does not answer, or refuses the login."""


class DatabaseMissing(DatabaseUnreachable):
    """The server has no database of that name."""


class MigrationBlocked(BootFailure):
    """A lock that the migration needs was not free in time. Running it again continues where it stopped."""


class DataFolderNotWritable(Misconfigured):
    """The data folder cannot be made or written."""


class DataFolderUnusable(Misconfigured):
    """The data folder holds something that is no cluster, or one of another version of PostgreSQL."""


class EmbeddedUnavailable(Misconfigured):
    """This machine cannot run the embedded PostgreSQL."""


class AdministratorUnfit(Misconfigured):
    """The administrator's login lacks a privilege that preparing the database needs."""


class RoleTooPowerful(Misconfigured):
    """The service's login could step around row-level security."""


class RoleTooWeak(Misconfigured):
    """The worker's login may not claim executions."""


class DatabaseNotMigrated(Misconfigured):
    """The database is not at the revision that this release works with."""
