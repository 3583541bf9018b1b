"""Faces followed through their shots."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import Artifact, ArtifactStoreResource, StagedArtifact
from resources.settings import SettingsResource
from screenalytics_assets.core.tables import column_of
from screenalytics_assets.core.track import track_faces
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.stage import Stage, run_stage, user_errors


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Counts and lengths of the tracks."""
    tracks = artifact.table("tracks.parquet", ["start_s", "end_s", "num_detections"])
    lengths_s = column_of(tracks, "end_s") - column_of(tracks, "start_s")
    return {
        "dagster/row_count": tracks.num_rows,
        "tracks": tracks.num_rows,
        "untracked_detections": artifact.manifest.rows("untracked.parquet"),
        "longest_track_s": float(lengths_s.max(initial=0.0)),
        "mean_track_s": float(lengths_s.mean()) if len(lengths_s) else 0.0,
    }


STAGE = Stage("tracks", "1", inputs=("episode_video", "detections"), outputs={"tracks": describe})


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"parquet"},
    deps=["detections"],
    code_version=STAGE.code_version,
)
def tracks(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Detections of one face linked through a shot by ByteTrack, with buffers in seconds; tracks end at cuts.

    A detection in no track is listed in ``untracked`` with its reason.
    """
    with user_errors():
        run = settings.load()
    tracking = run.resolved.settings.tracking

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        video = inputs["episode_video"].json("video.json")
        found = track_faces(
            inputs["detections"].table("analysed_frames.parquet"),
            inputs["detections"].table("detections.parquet"),
            frame_size_px=(video["width"], video["height"]),
            track_thresh=run.thresholds.track_thresh,
            match_thresh=tracking.match_thresh,
            track_buffer_s=tracking.track_buffer_s,
        )
        outputs["tracks"].write_table("tracks", found.tracks)
        outputs["tracks"].write_table("untracked", found.untracked)
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config=tracking.model_dump(),
        force=settings.force,
        compute=compute,
    )
