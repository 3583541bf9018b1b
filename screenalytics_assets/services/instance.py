"""The Dagster instance that the command line and the UI share."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from resources.system.paths import dagster_home
from screenalytics_assets.core.common.errors import UnavailableError
from screenalytics_assets.run_owner import release_dead_runs
from screenalytics_assets.services.instance_files import POSTGRES_URL, prepare_instance_file


def prepare_home() -> Path:
    """Create the instance's folder, point ``DAGSTER_HOME`` at it, and return it."""
    home = dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    prepare_instance_file(home)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def open_instance() -> dg.DagsterInstance:
    """The instance that the UI shows; runs whose process died are failed and their pool slots released.

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
def assigning_free_slots(instance: dg.DagsterInstance, interval_s: float = 2.0) -> Iterator[None]:
    """Assign free pool slots to waiting steps every ``interval_s`` seconds, in a thread.

    Dagster assigns a slot to the next pending step only at the moment another step releases it. A step that queues
    up during the release is missed and waits forever if no other step follows; seen with two simultaneous runs of
    the command line.
    """
    storage: Any = instance.event_log_storage
    stopped = threading.Event()

    def assign() -> None:
        while not stopped.wait(interval_s):
            free = [pool for pool in storage.get_concurrency_keys() if storage.has_unassigned_slots(pool)]
            storage.assign_pending_steps(free)

    thread = threading.Thread(target=assign, name="assign-free-slots", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
