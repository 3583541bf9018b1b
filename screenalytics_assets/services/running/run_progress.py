"""Progress of the latest run of an episode, read from Dagster's event log and the run's tags."""

import time
from dataclasses import asdict, dataclass
from typing import NamedTuple

import dagster as dg

from resources.progress import reported_fractions
from screenalytics_assets.partitions import PARTITION_TAG

_ENDS = frozenset(
    {
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_SKIPPED,
    }
)


@dataclass(frozen=True)
class RunProgress:
    """Progress of a run.

    Attributes:
        ep_id: The episode.
        run_id: The run, as the UI shows it.
        status: Dagster's status, for example ``STARTED``.
        phase: The step that is running, or the last one that ran; None before the first.
        phase_index: Its number, from 1; 0 before the first.
        phase_total: Number of steps of the run that produce assets.
        phase_progress: Finished part of the phase, 0 to 1.
        fraction: Finished part of the run, 0 to 1; each step counts the same.
        total_elapsed_seconds: Seconds since the run began, up to its end.
    """

    ep_id: str
    run_id: str
    status: str
    phase: str | None
    phase_index: int
    phase_total: int
    phase_progress: float
    fraction: float
    total_elapsed_seconds: float

    def to_dict(self) -> dict[str, object]:
        """The fields as JSON values."""
        return asdict(self)


class _Steps(NamedTuple):
    """Steps of a run that produce assets, in the order of their events."""

    planned: list[str]
    started: list[str]
    ended: set[str]
    succeeded: set[str]


def latest_progress(instance: dg.DagsterInstance, ep_id: str) -> RunProgress | None:
    """Progress of the latest run of an episode, or None if the episode was never run."""
    records = instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: ep_id}), limit=1)
    if not records:
        return None
    run = records[0].dagster_run
    steps = _steps_of(instance, run.run_id)
    fractions = reported_fractions(run) | dict.fromkeys(steps.succeeded, 1.0)
    running = [step for step in steps.started if step not in steps.ended]
    phase = next(iter(running or steps.started[-1:]), None)
    done = sum(fractions.get(step, 0.0) for step in steps.planned)
    end_s = records[0].end_time or time.time()
    return RunProgress(
        ep_id=ep_id,
        run_id=run.run_id,
        status=run.status.value,
        phase=phase,
        phase_index=steps.started.index(phase) + 1 if phase else 0,
        phase_total=len(steps.planned),
        phase_progress=round(fractions.get(phase, 0.0), 4) if phase else 0.0,
        fraction=round(done / len(steps.planned), 4) if steps.planned else 0.0,
        total_elapsed_seconds=round(max(0.0, end_s - (records[0].start_time or end_s)), 3),
    )


def _steps_of(instance: dg.DagsterInstance, run_id: str) -> _Steps:
    steps = _Steps([], [], set(), set())
    for entry in instance.all_logs(run_id):
        step = entry.step_key
        if entry.dagster_event is None or step is None:
            continue
        kind = entry.dagster_event.event_type
        if kind == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            if step not in steps.planned:
                steps.planned.append(step)
        elif step not in steps.planned:
            continue
        elif kind == dg.DagsterEventType.STEP_START:
            steps.started.append(step)
        elif kind in _ENDS:
            steps.ended.add(step)
            if kind == dg.DagsterEventType.STEP_SUCCESS:
                steps.succeeded.add(step)
    return steps
