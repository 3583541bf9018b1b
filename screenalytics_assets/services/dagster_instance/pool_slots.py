"""While a process waits for a pool slot: slots of dead runs are freed, and the next step in line gets them."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from screenalytics_assets.run_owner import executed_by, release_dead_runs

_INTERVAL_S = 2.0


@contextmanager
def assigning_free_slots(
    instance: dg.DagsterInstance,
    *,
    waiting_run: str | None = None,
    say: Callable[[str], None] = lambda _line: None,
    interval_s: float = _INTERVAL_S,
) -> Iterator[None]:
    """Free the pool slots of dead runs and assign free ones to waiting steps every ``interval_s`` seconds, in a thread.

    Dagster assigns a slot to the next pending step only at the moment another step releases it. A step that queues
    up during the release is missed and waits forever if no other step follows; seen with two simultaneous runs of
    the command line.

    Args:
        instance: Has the pools.
        waiting_run: A run of this process.
        say: Receives what that run waits for, whenever that changes; it is in the run's log too.
        interval_s: Between two looks.
    """
    stopped = threading.Event()

    def watch() -> None:
        said = None
        while not stopped.wait(interval_s):
            try:
                release_dead_runs(instance)
                waits_for = _assign(instance, waiting_run)
                if waits_for and waits_for != said and waiting_run:
                    say(waits_for)
                    instance.report_engine_event(waits_for, instance.get_run_by_id(waiting_run))
                said = waits_for
            except (SQLAlchemyError, dg.DagsterError, OSError) as error:
                # For example a database that is locked for a moment: the next look is in two seconds.
                logging.getLogger(__name__).info("the pool slots could not be looked at: %s", error)

    thread = threading.Thread(target=watch, name="assign-free-slots", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _assign(instance: dg.DagsterInstance, waiting_run: str | None) -> str | None:
    """Assign free slots to pending steps; returns what the run still waits for, if it does."""
    storage: Any = instance.event_log_storage
    pools = sorted(storage.get_concurrency_keys())
    storage.assign_pending_steps([pool for pool in pools if storage.has_unassigned_slots(pool)])
    for pool in pools if waiting_run else ():
        found = storage.get_concurrency_info(pool)
        if waiting_run in found.pending_run_ids:
            holders = [f"run {run_id} ({executed_by(instance, run_id)})" for run_id in sorted(found.active_run_ids)]
            return f"waiting for a slot of the pool {pool}, held by {', '.join(holders) or 'nobody'}"
    return None
