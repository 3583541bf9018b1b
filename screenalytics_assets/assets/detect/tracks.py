"""Faces followed through their shots, one face a track."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.models.configured import configured_embedder
from resources.models.embed_crops import embed_detections, face_patches
from resources.progress import ProgressResource, ProgressTask
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.embedding.quality_filter import ACCEPTED, rejection_reasons
from screenalytics_assets.core.tracking.appearance_split import SplitLimits
from screenalytics_assets.core.tracking.split_and_link import SplitTracks, no_split_embeddings, split_and_link
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Counts and lengths of the tracks."""
    tracks = artifact.table("tracks.parquet", ["start_s", "end_s", "split_reason"])
    lengths_s = column_of(tracks, "end_s") - column_of(tracks, "start_s")
    return {
        "dagster/row_count": tracks.num_rows,
        "tracks": tracks.num_rows,
        "untracked_detections": artifact.manifest.rows("untracked.parquet"),
        "longest_track_s": float(lengths_s.max(initial=0.0)),
        "mean_track_s": float(lengths_s.mean()) if len(lengths_s) else 0.0,
        "splits": tracks.num_rows - tracks["split_reason"].null_count,
        "embedded_detections": artifact.manifest.rows("gate.parquet"),
    }


STAGE = Stage("tracks", "3", inputs=("episode_video", "detections", "face_crops"), outputs={"tracks": describe})

_GATE_KEYS = (
    "min_quality_score",
    "min_face_size",
    "min_inside_fraction",
    "min_sharpness",
    "max_yaw_angle",
    "max_pitch_angle",
)
"""Of the faces' settings, those that say which crops mean something; no other is embedded, here as there."""


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"onnx", "parquet", "numpy"},
    deps=["detections", "face_crops"],
    pool="gpu",
    code_version=STAGE.code_version,
)
def tracks(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    artifacts: ArtifactStoreResource,
    progress: ProgressResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Detections of one face linked through a shot by ByteTrack, with buffers in seconds; tracks end at cuts.

    The appearance gate divides a track where another face takes its place, and joins the pieces of a shot that are
    one face. A crop whose picture is that of one before is not embedded. The vectors are published, so that no crop
    is embedded twice. A detection in no track
    is listed in ``untracked`` with its reason.
    """
    with translate_errors():
        run = settings.load(context.log.warning)
    tracking = run.resolved.settings.tracking

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        # The trackers bring annotators and plots along, half a second of imports.
        from screenalytics_assets.core.tracking.bytetrack import track_faces

        video = inputs["episode_video"].json("video.json")
        followed = track_faces(
            inputs["detections"].table("analysed_frames.parquet"),
            inputs["detections"].table("detections.parquet"),
            frame_size_px=(video["width"], video["height"]),
            track_thresh=run.thresholds.track_thresh,
            match_thresh=tracking.match_thresh,
            track_buffer_s=tracking.track_buffer_s,
        )
        found = SplitTracks(followed.tracks, *no_split_embeddings())
        if tracking.gate_enabled:
            found = _gated(
                followed.tracks, inputs, run, lambda crops: progress.task("tracks", crops, "crops", context.log.info)
            )
        output = outputs["tracks"]
        output.write_table("tracks", found.tracks)
        output.write_table("untracked", followed.untracked)
        output.write_table("gate", found.embedded)
        output.write_array("gate.npy", found.vectors)
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={**tracking.model_dump(), **(_gate_config(run) if tracking.gate_enabled else {})},
        force=settings.force,
        compute=compute,
    )


Task = Callable[[int], AbstractContextManager[ProgressTask]]
"""From a number of crops to the progress of embedding them."""


def _gate_config(run: RunSettings) -> dict[str, Any]:
    faces = run.resolved.settings.faces.model_dump(include=set(_GATE_KEYS))
    return {**faces, "min_confidence": run.thresholds.min_confidence, "embedder": run.pack.embedder.file.sha256}


def _gated(tracks: pa.Table, inputs: Mapping[str, Artifact], run: RunSettings, task: Task) -> SplitTracks:
    settings = run.resolved.settings
    detections = inputs["detections"].table("detections.parquet")
    crop_file = inputs["face_crops"].path("face_crops.parquet")
    cropped_ids = inputs["face_crops"].table("face_crops.parquet", ["detection_id"])["detection_id"]
    has_crop = pc.is_in(detections["detection_id"], value_set=cropped_ids).to_numpy()
    embedder = configured_embedder(run)

    def embed(detection_ids: Sequence[str]) -> NDArray[np.float32]:
        with task(len(detection_ids)) as embedding:
            return embed_detections(detection_ids, crop_file, embedder, on_face=embedding.advance)

    reasons = rejection_reasons(detections, has_crop, settings.faces, min_confidence=run.thresholds.min_confidence)
    return split_and_link(
        tracks,
        detections,
        np.asarray(reasons == ACCEPTED),
        embed,
        SplitLimits(
            hard_sim=run.thresholds.gate_hard_sim,
            soft_sim=run.thresholds.gate_soft_sim,
            streak=settings.tracking.gate_streak,
            min_iou=settings.tracking.gate_iou,
        ),
        interval_s=settings.tracking.gate_interval_s,
        max_gap_s=settings.tracking.rejoin_gap_s,
        model_digest=embedder.digest,
        patches=face_patches(detections["detection_id"].to_pylist(), crop_file),
        max_duplicate_s=settings.tracking.gate_still_s,
    )
