"""What each step of a run took: its seconds from the event log, CPU and memory from samples of the process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import numpy as np

from resources.storage.local_store import LocalArtifactStore
from resources.storage.store import require_artifact
from screenalytics_assets.services.running.runs import asset_names
from tests.benchmarks.measure import Measured, Sample

Interval = tuple[float, float]


class Step(NamedTuple):
    """A step of a run, in seconds since the epoch."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class StageUse:
    """What a part of a run took.

    Attributes:
        name: The step, or what several of them have in common.
        wall_s: Seconds.
        cpu_s: Of the process; steps that overlap in time each count all of it.
        peak_mb: Peak resident memory of the process during the stage.
        amount: Frames, faces and so on that went through it.
    """

    name: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    amount: str = ""


def read_steps(home: Path) -> list[Step]:
    """The steps of the last run of an instance, in the order in which they began."""
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_run_records(limit=1)
        entries = instance.all_logs(run.dagster_run.run_id, of_type=kinds)
    return paired(
        (entry.step_key or "", entry.dagster_event_type is dg.DagsterEventType.STEP_START, entry.timestamp)
        for entry in entries
    )


def paired(events: Iterable[tuple[str, bool, float]]) -> list[Step]:
    """Steps from (name, whether it begins, time); one that never ended is left out."""
    began: dict[str, float] = {}
    steps = []
    for name, begins, at_s in sorted(events, key=lambda event: event[2]):
        if begins:
            began[name] = at_s
        elif name in began:
            steps.append(Step(name, began.pop(name), at_s))
    return sorted(steps, key=lambda step: step.start_s)


def stage_uses(steps: Sequence[Step], measured: Measured, assets: Sequence[str]) -> list[StageUse]:
    """The start, each step of an asset, all checks as one, what lies between the steps, and the end.

    Args:
        steps: In the order in which they began; at least one.
        measured: The process that ran them.
        assets: Names of the steps that are no checks.
    """
    start_s, end_s = measured.started_s, measured.started_s + measured.wall_s
    first_s, last_s = steps[0].start_s, max(step.end_s for step in steps)
    checks = [(step.start_s, step.end_s) for step in steps if step.name not in assets]
    parts: list[tuple[str, list[Interval]]] = [
        ("start-up", [(start_s, first_s)]),
        *((step.name, [(step.start_s, step.end_s)]) for step in steps if step.name in assets),
        (f"{len(checks)} checks", checks),
        ("between the steps", _gaps(steps)),
        ("end", [(last_s, end_s)]),
    ]
    return [_use(name, intervals, measured.samples) for name, intervals in parts]


def _gaps(steps: Sequence[Step]) -> list[Interval]:
    gaps, reached_s = [], steps[0].end_s
    for step in steps[1:]:
        if step.start_s > reached_s:
            gaps.append((reached_s, step.start_s))
        reached_s = max(reached_s, step.end_s)
    return gaps


def _use(name: str, intervals: Sequence[Interval], samples: Sequence[Sample]) -> StageUse:
    wall_s = sum(end_s - start_s for start_s, end_s in intervals)
    if not samples or not intervals:
        return StageUse(name, wall_s, 0.0, 0.0)
    at_s, cpu_s, resident_mb = (np.array(column) for column in zip(*samples, strict=True))
    edges = np.array(intervals)
    used_s = np.diff(np.interp(edges, at_s, cpu_s), axis=1).sum()
    inside = ((at_s[:, None] >= edges[:, 0]) & (at_s[:, None] <= edges[:, 1])).any(axis=1)
    peak_mb = max(resident_mb[inside].max(initial=0.0), np.interp(edges, at_s, resident_mb).max())
    return StageUse(name, wall_s, float(used_s), float(peak_mb))


def counts(store: LocalArtifactStore, ep_id: str) -> dict[str, Any]:
    """How much an episode has of what, as published."""
    names = ("episode_video", "detections", "tracks", "faces", "reembed")
    found = {name: require_artifact(store, name, ep_id) for name in names}
    probe, detections = found["episode_video"].json("video.json"), found["detections"].manifest
    looks = detections.rows("analysed_frames.parquet")
    return {
        "video": {key: probe[key] for key in ("width", "height", "fps", "duration_s", "codec", "size_bytes")},
        "frames": detections.metrics["decoded_frames"],
        "looks": looks,
        "detections": detections.rows("detections.parquet"),
        "faces_per_frame": detections.rows("detections.parquet") / max(1, looks),
        "shots": detections.rows("shots.parquet"),
        "tracks": found["tracks"].manifest.rows("tracks.parquet"),
        "embedded_for_tracks": found["tracks"].manifest.rows("gate.parquet"),
        "faces": found["faces"].manifest.rows("faces.parquet"),
        "embedded_for_faces": found["faces"].manifest.metrics["newly_embedded"],
        "embedded_again": found["reembed"].manifest.metrics["newly_embedded"],
    }


def amounts(known: dict[str, Any]) -> dict[str, str]:
    """What went through the steps that look at pictures, in words, from `counts`."""
    return {
        "detections": f"{known['frames']} frames, {known['looks']} looked at, {known['detections']} faces",
        "tracks": f"{known['tracks']} tracks, {known['embedded_for_tracks']} crops embedded",
        "faces": f"{known['faces']} faces, {known['embedded_for_faces']} crops embedded",
        "reembed": f"{known['embedded_again']} crops embedded",
    }


def stages_of(folder: Path, ep_id: str, measured: Measured) -> tuple[list[StageUse], dict[str, Any]]:
    """The parts of a run in a folder that `measure.run_in` filled, and the counts of its episode."""
    known = counts(LocalArtifactStore(folder / "data"), ep_id)
    named = amounts(known)
    uses = stage_uses(read_steps(folder / "home"), measured, asset_names())
    return [replace(use, amount=named.get(use.name, "")) for use in uses], known
