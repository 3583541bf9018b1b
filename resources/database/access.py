"""Opens the vector database. Its driver is imported only then."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resources.system.paths import embedded_database_dir
from screenalytics_assets.core.common.errors import DatabaseError, MissingPackageError, StorageError

if TYPE_CHECKING:
    from resources.database.vector_database import VectorDatabase


def open_database(url: str | None = None, *, may_upgrade: bool = False) -> "VectorDatabase":
    """Open the vector database; close it, or use it as a context.

    Args:
        url: A PostgreSQL server; empty takes ``SCREENALYTICS_DATABASE_URL``, or the embedded server below the data
            root.
        may_upgrade: Also change tables of an older version on a server that is named by a URL.

    Raises:
        DatabaseError: It does not answer, or is of another version.
        StorageError: The disk of the embedded server is full or read-only.
    """
    from resources.database.vector_database import VectorDatabase

    return VectorDatabase(url or os.environ.get("SCREENALYTICS_DATABASE_URL") or None, may_upgrade=may_upgrade)


def database_exists() -> bool:
    """Whether there is a database to read: a URL names one, or the embedded one was used before."""
    return bool(os.environ.get("SCREENALYTICS_DATABASE_URL")) or (embedded_database_dir() / "postgres").exists()


@contextmanager
def database_made_in_background() -> Iterator[None]:
    """Make the files of the embedded database in the background, unless there is a database.

    This takes half a second on a core that is idle while a run starts. The server is not started: if this process were
    killed, it would keep running. An error is only logged; opening the database tries again and raises it.
    """
    if database_exists():
        yield
        return
    maker = threading.Thread(target=_make_database, name="database")
    maker.start()
    try:
        yield
    finally:
        maker.join()


def _make_database() -> None:
    try:
        from resources.database.embedded_postgres import EmbeddedPostgres

        EmbeddedPostgres(embedded_database_dir()).initialise()
    except (DatabaseError, StorageError, MissingPackageError) as error:
        logging.getLogger(__name__).info("the database was not made in the background: %s", error)
