"""How far the latest run of an episode is, from the events that the orchestrator keeps."""

import time
from dataclasses import asdict, dataclass

import dagster as dg

from resources.progress import fraction_of

_PARTITION_TAG = "dagster/partition"
_ENDS = frozenset(
    {
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_SKIPPED,
    }
)


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        ep_id: The episode.
        run_id: The run, as the UI shows it.
        status: Its status in the orchestrator's words, for example ``STARTED``.
        phase: The step that is running, or the last one that ran; None before the first.
        phase_index: Its number, from 1; 0 before the first.
        phase_total: Number of steps of the run that make assets.
        phase_progress: Part of the phase that is done, 0 to 1.
        fraction: Part of the run that is done, each step counting the same.
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
        """As JSON can hold it."""
        return asdict(self)


def latest_progress(instance: dg.DagsterInstance, ep_id: str) -> RunProgress | None:
    """The progress of the latest run of an episode, or nothing where none was ever started."""
    records = instance.get_run_records(dg.RunsFilter(tags={_PARTITION_TAG: ep_id}), limit=1)
    if not records:
        return None
    run = records[0].dagster_run
    planned: list[str] = []
    started: list[str] = []
    ended: set[str] = set()
    within: dict[str, float] = {}
    for entry in instance.all_logs(run.run_id):
        step = entry.step_key
        if entry.dagster_event is None:
            done = fraction_of(entry.user_message)
            if step is not None and done is not None:
                within[step] = done
            continue
        kind = entry.dagster_event.event_type
        if kind == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED and step is not None and step not in planned:
            planned.append(step)
        elif kind == dg.DagsterEventType.STEP_START and step in planned:
            started.append(step)
        elif kind in _ENDS and step in planned:
            ended.add(step)
            if kind == dg.DagsterEventType.STEP_SUCCESS:
                within[step] = 1.0
    running = [step for step in started if step not in ended]
    phase = running[0] if running else (started[-1] if started else None)
    end_s = records[0].end_time or time.time()
    return RunProgress(
        ep_id=ep_id,
        run_id=run.run_id,
        status=run.status.value,
        phase=phase,
        phase_index=started.index(phase) + 1 if phase else 0,
        phase_total=len(planned),
        phase_progress=round(within.get(phase, 0.0), 4) if phase else 0.0,
        fraction=round(sum(within.get(step, 0.0) for step in planned) / len(planned), 4) if planned else 0.0,
        total_elapsed_seconds=round(max(0.0, end_s - (records[0].start_time or end_s)), 3),
    )
