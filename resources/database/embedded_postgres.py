"""A PostgreSQL server of our own, shared by processes: it runs from the first connection to the last."""

import logging
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import psycopg

from resources.database.limited_connection import LimitedConnection, limits_of_waits
from resources.database.postgres_server import PostgresServer, server_errors_collected
from resources.system.error_translation import error_of_disk
from resources.system.liveness import RENEWAL_S
from resources.system.locks import locked
from screenalytics_assets.core.common.errors import DatabaseError

_LOCK_TIMEOUT_S = 60.0
_DISCONNECT_S = 0.5
_NEEDS_BYTES = 64 * 1024**2
"""To start: 40 MB for the files of an empty database, which a failure removes, and 16 MB for a piece of the log."""
_CLOSING_SILENCE_S = 5.0


class EmbeddedPostgres:
    """One user's share in the server of a folder; the server ends with the last share.

    A share is a connection, which ends with its process. The package itself counts users in a file, where a killed
    process would stay for ever.

    Attributes:
        folder: Holds the server's data in ``postgres``, and the lock under which it is started and stopped.
        application: Marks the connections of this share; pass it to each as ``application_name``.
        conninfo: Where to connect; empty until the share is opened.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.application = f"screenalytics {uuid.uuid4().hex}"
        self.conninfo = ""
        self._server = PostgresServer(self.folder / "postgres")
        self._lease: LimitedConnection | None = None
        self._closed = threading.Event()

    def open(self) -> str:
        """Start the server unless it runs, and keep it running until `close`; returns where to connect.

        Raises:
            DatabaseError: It does not start; the message names its log.
            StorageError: Its disk is full or read-only.
            MissingPackageError: The package with the server is not installed.
        """
        with self._exclusive():
            self.conninfo = self._server.start()
            # Still under the lock: `close` of another process looks for connections under the same lock.
            options = limits_of_waits(self.conninfo)
            self._lease = LimitedConnection.connect(
                self.conninfo, autocommit=True, application_name=self.application, **options
            )
        threading.Thread(target=self._renew, name="renew-database", daemon=True).start()
        return self.conninfo

    def initialise(self) -> None:
        """Make the server's files unless they exist; this does not start it. `open` does the same if need be.

        Raises:
            DatabaseError: They cannot be made; the message says why.
            StorageError: Their disk is full or read-only.
            MissingPackageError: The package with the server is not installed.
        """
        with self._exclusive():
            self._server.initialise()

    def close(self) -> None:
        """Give the share back; the last one stops the server.

        Nothing that is stored depends on this, so it logs problems instead of failing the run.
        """
        lease, self._lease = self._lease, None
        self._closed.set()
        if lease is None:
            return
        lease.silence_s = _CLOSING_SILENCE_S
        try:
            with self._lock():
                # A client that disconnected a moment ago may still be listed.
                deadline = time.monotonic() + _DISCONNECT_S
                while (is_shared := self._is_shared(lease)) and time.monotonic() < deadline:
                    time.sleep(0.05)
                if not is_shared:
                    self._server.stop()
                lease.close()
        except (DatabaseError, OSError, psutil.Error) as error:
            logging.getLogger(__name__).warning(
                "the embedded database in %s keeps running: %s", self._server.data, error
            )
        finally:
            lease.close()

    def _renew(self) -> None:
        while not self._closed.wait(RENEWAL_S):
            self._server.renew()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock of the folder; what fails is an error with the reason and what to do."""
        with server_errors_collected() as messages:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with self._lock():
                    yield
            except (OSError, subprocess.SubprocessError, psycopg.Error) as error:
                data = self._server.data
                if (disk := error_of_disk(data, _NEEDS_BYTES)) is not None:
                    raise disk from error
                reason = "; ".join([_first_line(error), *messages[-1:]])
                raise DatabaseError(
                    f"the embedded database in {data} does not start: {reason}. Its log is {data / 'log'}. "
                    "What it holds can be made again: move the folder away and run again, or name a PostgreSQL server "
                    "in SCREENALYTICS_DATABASE_URL"
                ) from error

    def _lock(self) -> AbstractContextManager[None]:
        return locked(
            self.folder / "lock",
            "starting or stopping the database",
            timeout_s=_LOCK_TIMEOUT_S,
            error=DatabaseError,
        )

    def _is_shared(self, lease: LimitedConnection) -> bool:
        """Whether another share is connected; also true if the server no longer answers."""
        try:
            row = lease.execute(
                "select count(*) from pg_stat_activity "
                "where backend_type = 'client backend' and application_name <> %s",
                [self.application],
            ).fetchone()
        except psycopg.OperationalError:
            return True
        return row is None or row[0] > 0


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
