"""The vector database as a resource of a run; its driver is imported when it is asked for."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resources.system.paths import embedded_database_dir
from screenalytics_assets.core.common.errors import DatabaseError, MissingPackageError

if TYPE_CHECKING:
    from resources.database.vector_database import VectorDatabase


def open_database(url: str | None = None, *, may_upgrade: bool = False) -> "VectorDatabase":
    """The database of the vectors; close it, or use it as a context.

    Args:
        url: A PostgreSQL server; empty takes ``SCREENALYTICS_DATABASE_URL``, or the embedded server below the data
            root.
        may_upgrade: Also change the tables of an older version on a server that was named.

    Raises:
        DatabaseError: It is away, or of another version.
    """
    from resources.database.vector_database import VectorDatabase

    return VectorDatabase(url or os.environ.get("SCREENALYTICS_DATABASE_URL") or None, may_upgrade=may_upgrade)


def is_database_made() -> bool:
    """Whether there is a database to look into: one is named, or the embedded one was used before."""
    return bool(os.environ.get("SCREENALYTICS_DATABASE_URL")) or (embedded_database_dir() / "postgres").exists()


@contextmanager
def database_prepared_in_background() -> Iterator[None]:
    """Meanwhile, the files of the embedded database are made, unless there is a database.

    They take half a second of one core, which nothing else uses while a run starts. No server is started yet, which
    somebody would have to stop if this process were killed. What goes wrong is told to who asks for the database,
    where it is tried again.
    """
    if is_database_made():
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
    except (DatabaseError, MissingPackageError) as error:
        logging.getLogger(__name__).info("the database was not made ahead: %s", error)
