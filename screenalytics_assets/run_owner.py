"""Which process executes a run, and what happens to runs whose process is gone."""

import os
import socket
from contextlib import suppress

import dagster as dg

OWNER_TAG = "screenalytics/owner"
"""Tag of a run with the host, the process and the id of the run, to find runs whose process died.

The id is there because a run that is launched again inherits the tags of the first one.
"""


def owner(run_id: str) -> str:
    """The value of the owner tag of a run that this process executes."""
    return f"{socket.gethostname()}:{os.getpid()}:{run_id}"


def claim_run(context: dg.AssetExecutionContext) -> None:
    """Tag the run with the process that executes it."""
    run = context.run
    if run.tags.get(OWNER_TAG) != owner(run.run_id):
        context.instance.add_run_tags(run.run_id, {OWNER_TAG: owner(run.run_id)})


def release_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail runs of this machine whose process is gone, and free their pool slots; returns their ids.

    A code server notices when one of its own runs dies, but not after a power cut, and not when ``screenalytics run``
    is killed: without this, such a run would hold the GPU slot until ``max_runtime_seconds``.
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
