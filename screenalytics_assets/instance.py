"""The Dagster instance that the command line and the UI share."""

import os
import socket
from contextlib import suppress
from pathlib import Path

import dagster as dg

from screenalytics_assets.core.errors import UnavailableError
from screenalytics_assets.instance_files import POSTGRES_URL, prepare_instance_file
from screenalytics_assets.paths import dagster_home

OWNER_TAG = "screenalytics/owner"
"""Tag of runs that the command line executes itself: host and process, to find runs whose process died."""


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


def owner() -> str:
    """This process, as written into the owner tag."""
    return f"{socket.gethostname()}:{os.getpid()}"


def release_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail runs of the command line whose process is gone, and free their pool slots; returns their ids.

    Runs of the daemon are watched by its run monitoring; a killed ``screenalytics run`` is not, and would
    hold the GPU slot for ever.
    """
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
    dead = [run for run in instance.get_runs(filters=unfinished) if _is_dead_process(run.tags.get(OWNER_TAG, ""))]
    for run in dead:
        instance.report_run_failed(run, message="the process that executed this run is gone")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def _is_dead_process(tag: str) -> bool:
    host, _, pid = tag.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    with suppress(PermissionError):
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
    return False
