"""The Dagster instance that the command line and the UI share."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from resources.system.paths import dagster_home
from screenalytics_assets.core.common.errors import UnavailableError
from screenalytics_assets.run_owner import release_dead_runs
from screenalytics_assets.services.instance_files import POSTGRES_URL, prepare_instance_file


def prepare_home() -> Path:
    """Make the instance's folder and point ``DAGSTER_HOME`` at it; returns the folder."""
    home = dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    prepare_instance_file(home)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def open_instance() -> dg.DagsterInstance:
    """The instance that the UI shows, with the slots of dead runs given back.

    Raises:
        UnavailableError: The instance's database does not answer.
    """
    prepare_home()
    instance = _instance_in_postgres() if os.environ.get(POSTGRES_URL) else dg.DagsterInstance.get()
    release_dead_runs(instance)
    return instance


def _instance_in_postgres() -> dg.DagsterInstance:
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return dg.DagsterInstance.get()
    except (DagsterPostgresException, SQLAlchemyError) as error:
        reason = str(getattr(error.__cause__ or error, "orig", error)).splitlines()[0]
        raise UnavailableError(f"{POSTGRES_URL}: {reason}; start the database, or correct the address") from error


@contextmanager
def history_kept_open(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Meanwhile, the SQLite files that take the events of a run stay open; a database needs nothing of the kind.

    Dagster opens and closes them for each event, and whoever is the last to close such a file folds its write-ahead
    log into it: a third of the time of an event, and two of its three waits for the disk. It also makes an engine of
    SQLAlchemy for each, which knows none of the statements that the ones before have compiled.
    """
    # Known to Dagster by now; whoever has no instance yet does not wait for it.
    from dagster._core.storage.event_log.sqlite import sqlite_event_log

    storage = instance.event_log_storage
    if not isinstance(storage, sqlite_event_log.SqliteEventLogStorage):
        yield
        return
    storage.get_logs_for_run(run_id)  # makes the run's file
    with ExitStack() as stack:
        stack.enter_context(_engines_kept(sqlite_event_log))
        for shard in (sqlite_event_log.INDEX_SHARD_NAME, run_id):
            connection = stack.enter_context(closing(sqlite3.connect(storage.path_for_shard(shard))))
            connection.execute("select count(*) from alembic_version")  # opened by the first look into it
        yield


@contextmanager
def _engines_kept(module: Any) -> Iterator[None]:  # noqa: ANN401 - a module of Dagster, whose name is not exported
    """Meanwhile, the engine that the module has made for an address is what it gets when it asks for one again."""
    create_engine, engines = module.create_engine, {}

    def kept(address: str, **options: Any) -> Any:  # noqa: ANN401 - an engine of SQLAlchemy
        if address not in engines:
            engines[address] = create_engine(address, **options)
        return engines[address]

    module.create_engine = kept
    try:
        yield
    finally:
        module.create_engine = create_engine


@contextmanager
def waiting_steps_served(instance: dg.DagsterInstance, interval_s: float = 2.0) -> Iterator[None]:
    """Meanwhile, steps that wait for a slot of a pool get it when there is one.

    Dagster gives a slot to the next step in line when a step gives it back. A step that gets in line just then is
    passed over, and would wait for ever if no other step comes: seen with two runs of the command line at once.
    """
    storage: Any = instance.event_log_storage
    over = threading.Event()

    def serve() -> None:
        while not over.wait(interval_s):
            free = [pool for pool in storage.get_concurrency_keys() if storage.has_unassigned_slots(pool)]
            storage.assign_pending_steps(free)

    server = threading.Thread(target=serve, name="waiting-steps", daemon=True)
    server.start()
    try:
        yield
    finally:
        over.set()
        server.join()
