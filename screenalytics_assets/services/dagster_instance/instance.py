"""The Dagster instance that the command line and the UI share."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import rmtree

import dagster as dg
from dagster import _check as dg_check

from resources.system.error_translation import reason_of, translated
from resources.system.locks import locked
from resources.system.paths import dagster_home
from resources.system.redaction import without_passwords
from screenalytics_assets.core.common.errors import ConfigurationError, UnavailableError
from screenalytics_assets.run_owner import release_dead_runs
from screenalytics_assets.services.dagster_instance.instance_files import POSTGRES_URL, prepare_instance_file

_REASON_CHARACTERS = 300
_BEING_MADE = ".being_made"
"""In the instance's folder from the first moment on until its databases are complete."""
_DATABASES = ("history", "schedules")
_REVISIONS_BEFORE_HEAD = frozenset({"5771160a95ad"})
"""What Dagster writes beside the current revision if it finds tables that another process is just making."""


def prepare_home() -> Path:
    """Create the instance's folder, point ``DAGSTER_HOME`` at it, and return it."""
    home = dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    prepare_instance_file(home)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def open_instance() -> dg.DagsterInstance:
    """The instance that the UI shows; runs whose process died are failed and their pool slots released.

    Processes take turns: Dagster looks whether its databases and tables exist and then makes them, so that two
    processes at once would break a new instance.

    Raises:
        ConfigurationError: Dagster does not accept the instance's ``dagster.yaml``.
        UnavailableError: The instance's database does not answer.
        StorageError: Another process has been opening the instance for minutes.
    """
    home = dagster_home()
    with locked(home / ".opening.lock", "opening the Dagster instance"):
        prepare_home()
        with _file_named(home / "dagster.yaml"):
            if os.environ.get(POSTGRES_URL):
                instance = _instance_in_postgres()
            else:
                with _made_whole(home):
                    instance = dg.DagsterInstance.get()
    release_dead_runs(instance)
    return instance


@contextmanager
def _file_named(path: Path) -> Iterator[None]:
    """Name the file whose content Dagster does not accept."""
    try:
        yield
    except (dg.DagsterError, dg_check.CheckError, ImportError) as error:
        if translated(error) is not None:
            raise
        found = error.errors[0].message if isinstance(error, dg.DagsterInvalidConfigError) else str(error)
        reason = without_passwords(" ".join(found.split()))[:_REASON_CHARACTERS]
        raise ConfigurationError(f"{path}: Dagster does not accept it: {reason}; correct it") from error


@contextmanager
def _made_whole(home: Path) -> Iterator[None]:
    """Begin again with databases whose making was interrupted, and mend those that two processes made at once."""
    mark = home / _BEING_MADE
    runs = home / "history" / "runs.db"
    if mark.exists() and not _rows(runs, "select 1 from runs limit 1"):
        for name in _DATABASES:
            rmtree(home / name, ignore_errors=True)
    if not runs.exists():
        mark.touch()
    for database in (runs, home / "schedules" / "schedules.db"):
        _remove_second_revision(database)
    yield
    mark.unlink(missing_ok=True)


def _remove_second_revision(database: Path) -> None:
    revisions = {str(name) for (name,) in _rows(database, "select version_num from alembic_version")}
    if len(revisions) > 1:
        with closing(sqlite3.connect(database)) as connection, connection:
            for revision in revisions & _REVISIONS_BEFORE_HEAD:
                connection.execute("delete from alembic_version where version_num = ?", [revision])


def _rows(database: Path, query: str) -> list[tuple[object, ...]]:
    """The rows of a query; none if the file or the table does not exist."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def _instance_in_postgres() -> dg.DagsterInstance:
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return dg.DagsterInstance.get()
    except (DagsterPostgresException, SQLAlchemyError) as error:
        reason = reason_of(getattr(error.__cause__ or error, "orig", error))
        raise UnavailableError(f"{POSTGRES_URL}: {reason}; start the database, or correct the address") from error
