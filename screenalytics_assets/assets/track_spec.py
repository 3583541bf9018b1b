"""What ``tracks`` and ``split_tracks`` have in common: the tables that they publish."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
from numpy.typing import NDArray

from screenalytics_assets.artifact import ArtifactSpec, Config, Describe, Outputs
from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.run_context import Run


class TrackTables(NamedTuple):
    """Everything that is published about tracks.

    Attributes:
        tracks: The tracks.
        untracked: Detections in no track, each with the reason.
        embedded: Detections that were embedded to split the tracks; row i has vector i.
        vectors: (N, 512) float32.
        more: Further tables, by the stem of their file.
    """

    tracks: pa.Table
    untracked: pa.Table
    embedded: pa.Table
    vectors: NDArray[Any]
    more: Mapping[str, pa.Table] = {}


def track_spec(
    name: str,
    *,
    find: Callable[[Run], TrackTables],
    code_version: str,
    group: str,
    kinds: frozenset[str],
    description: str,
    reads: tuple[str, ...],
    config: Config,
    describe: Describe,
    runs_models: bool = False,
) -> ArtifactSpec:
    """The declaration of tracks that ``find`` gives."""

    def compute(run: Run, outputs: Outputs) -> None:
        found, output = find(run), outputs[name]
        output.write_table("tracks", found.tracks)
        for stem, table in found.more.items():
            output.write_table(stem, table)
        output.write_table("untracked", found.untracked)
        output.write_table("gate", found.embedded)
        output.write_array("gate.npy", found.vectors)

    return ArtifactSpec(
        name,
        code_version=code_version,
        group=group,
        kinds=kinds,
        description=description,
        reads=reads,
        config=config,
        compute=compute,
        describe=describe,
        resources=frozenset({"progress"}) if runs_models else frozenset(),
        runs_models=runs_models,
    )


def split_limits(run: Run) -> SplitLimits:
    """When a track shows another face."""
    tracking = run.keys.tracking
    return SplitLimits(
        hard_sim=run.thresholds.gate_hard_sim,
        soft_sim=run.thresholds.gate_soft_sim,
        streak=tracking.gate_streak,
        min_iou=tracking.gate_iou,
    )
