"""Which runs are alive: the process that executes one holds a file of the instance, named after the run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from resources.system.liveness import HeldFile, hold_new, read_holder, try_hold

_UNFINISHED = frozenset(
    {
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    }
)
_SUFFIX = ".held"
_claimed: dict[str, HeldFile] = {}
"""Runs that Dagster started in processes of their own, until these end."""


@contextmanager
def owned_run(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold a run while this process executes it; begin before the run is recorded.

    After an error the file stays: the instance may not have been told the end, on a full disk for example. Then
    `release_dead_runs` fails the run and frees its slots.
    """
    held = _claimed[run_id] = hold_new(_file(instance, run_id))
    has_ended = False
    try:
        yield
        has_ended = True
    finally:
        del _claimed[run_id]
        held.release(remove=has_ended)


def claim_run(context: dg.AssetExecutionContext) -> None:
    """Hold the run that this process executes until the process ends, unless `owned_run` does."""
    run_id = context.run.run_id
    if run_id not in _claimed and not context.instance.is_ephemeral:
        _claimed[run_id] = hold_new(_file(context.instance, run_id))


def release_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Fail runs whose process is gone, on this machine or another, and free their pool slots; returns their ids.

    A code server notices when one of its own runs dies, but not after a power cut, and not when ``screenalytics run``
    is killed: without this, such a run would hold the GPU slot until ``max_runtime_seconds``. A run that never held
    a file of this instance is left alone: it may be executed by a machine with another home and the same database.
    """
    dead = []
    for path in sorted(_folder(instance).glob(f"*{_SUFFIX}")):
        held = try_hold(path)
        if not isinstance(held, HeldFile):
            continue
        run = instance.get_run_by_id(path.stem)
        if run is not None and run.status in _UNFINISHED:
            # The slots first: if this process dies in between, the next one finds the run unfinished.
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            instance.report_run_failed(run, message="the process that executed this run is gone")
            dead.append(run.run_id)
        held.release()
    return dead


def executed_by(instance: dg.DagsterInstance, run_id: str) -> str:
    """Which process executes a run, in words."""
    return str(read_holder(_file(instance, run_id)))


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "running"


def _file(instance: dg.DagsterInstance, run_id: str) -> Path:
    return _folder(instance) / f"{run_id}{_SUFFIX}"
