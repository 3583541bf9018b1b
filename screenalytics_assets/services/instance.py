"""The Dagster instance that the command line and the UI share."""

import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg

from resources.system.paths import dagster_home
from screenalytics_assets.core.common.errors import UnavailableError
from screenalytics_assets.services.instance_files import POSTGRES_URL, prepare_instance_file

OWNER_TAG = "screenalytics/owner"
"""Tag of a run with the host, the process and the run itself, to find runs whose process died.

A run that is launched again takes over the tags of the first one, so that the tag only speaks of the run it names.
"""


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


def owner(run_id: str) -> str:
    """This process executes this run, as written into the owner tag."""
    return f"{socket.gethostname()}:{os.getpid()}:{run_id}"


def claim_run(context: dg.AssetExecutionContext) -> None:
    """Note which process executes the run, whoever launched it."""
    run = context.run
    if run.tags.get(OWNER_TAG) != owner(run.run_id):
        context.instance.add_run_tags(run.run_id, {OWNER_TAG: owner(run.run_id)})


def release_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail runs of this machine whose process is gone, and free their pool slots; returns their ids.

    A code server that runs notices when one of them dies. It does not outlive a power cut, and knows nothing of a
    killed ``screenalytics run``: without this, such a run would hold the GPU slot until ``max_runtime_seconds``.
    """
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
    dead = [run for run in instance.get_runs(filters=unfinished) if _is_dead(run)]
    for run in dead:
        instance.report_run_failed(run, message="the process that executed this run is gone")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def _is_dead(run: dg.DagsterRun) -> bool:
    host, pid, run_id = [*run.tags.get(OWNER_TAG, "").rsplit(":", 2), "", ""][:3]
    if host != socket.gethostname() or run_id != run.run_id or not pid.isdigit():
        return False
    with suppress(PermissionError):
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
    return False


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
