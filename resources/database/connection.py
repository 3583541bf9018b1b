"""An open PostgreSQL database: a connection pool, and its errors as the user can act on them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout

from resources.database import limited_connection
from resources.database.embedded_postgres import EmbeddedPostgres
from resources.database.limited_connection import LimitedConnection
from resources.database.schema import migrate
from resources.system.error_translation import error_of_disk
from resources.system.paths import embedded_database_dir
from screenalytics_assets.core.common.errors import DatabaseAwayError, DatabaseError

_POOL_SIZE = 4
_NEEDS_BYTES = 16 * 1024**2
"""The embedded server makes its log in pieces of this size, and ends if there is no room for one."""


class DatabaseConnection:
    """An open database whose tables have this version's schema; close it, or use it as a context."""

    def __init__(self, url: str | None = None, *, may_upgrade: bool = False) -> None:
        """Connect, and create the tables in an empty database.

        Args:
            url: A PostgreSQL server; without one, the embedded server below the data root.
            may_upgrade: Also change tables of an older version on that server; those of the embedded one always are.

        Raises:
            DatabaseError: The server does not answer, or its tables are of another version.
            StorageError: The disk of the embedded server is full or read-only.
            MissingPackageError: There is no URL, and the embedded server is not installed.
        """
        self._embedded = None if url else EmbeddedPostgres(embedded_database_dir())
        self.place = "SCREENALYTICS_DATABASE_URL" if url else f"the embedded database in {embedded_database_dir()}"
        self._pool: ConnectionPool | None = None
        conninfo = self._embedded.open() if self._embedded else url or ""
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._open(conninfo, may_upgrade=may_upgrade or self._embedded is not None)
            on_failure.pop_all()

    def _open(self, conninfo: str, *, may_upgrade: bool) -> None:
        with self._errors():  # the address may not be one
            options = limited_connection.limits_of_waits(conninfo)
        if self._embedded:
            options["application_name"] = self._embedded.application
        with self._errors(), LimitedConnection.connect(conninfo, autocommit=True, **options) as connection:
            migrate(connection, may_upgrade=may_upgrade)
        self._pool = ConnectionPool(
            conninfo,
            connection_class=LimitedConnection,
            min_size=1,
            max_size=_POOL_SIZE,
            timeout=limited_connection.CONNECT_TIMEOUT_S,
            kwargs=options,
            configure=_configure,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def close(self) -> None:
        """Disconnect; the last user's close stops the embedded server."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        if self._embedded is not None:
            self._embedded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            if self._embedded and (disk := error_of_disk(self._embedded.folder, _NEEDS_BYTES)) is not None:
                raise disk from error
            raise DatabaseAwayError(
                f"{self.place} does not answer: {str(error).splitlines()[0]}. Start it or correct the address, then "
                "run again: what was stored before is as it was"
            ) from error
        except psycopg.ProgrammingError:
            if self._pool is not None:
                raise
            # Its message repeats the address, and with it the password.
            raise DatabaseError(
                f"{self.place} is not a PostgreSQL address: expected postgresql://user:password@host:port/name"
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        if self._pool is None:
            raise DatabaseError(f"{self.place} was closed: open it again")
        with self._errors(), self._pool.connection() as connection:
            yield connection


def _configure(connection: psycopg.Connection) -> None:
    register_vector(connection)
    connection.commit()
