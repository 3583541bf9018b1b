"""Detections of one face linked through a shot by ByteTrack, with buffers in seconds; tracks end at cuts.

The appearance split divides a track where another face takes its place, and links tracklets of a shot that are one
face. Of near-duplicate crops only one is embedded. The vectors are published, so that no crop is embedded twice. A
detection in no track is listed in ``untracked`` with its reason.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from resources.models.configured import configured_embedder
from resources.models.embed_crops import embed_detections, face_patches
from resources.storage.artifacts import Artifact
from screenalytics_assets.assets.track_spec import TrackTables, split_limits, track_spec
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.embedding.quality_filter import ACCEPTED, rejection_reasons
from screenalytics_assets.core.tracking.split_and_link import SplitTracks, no_split_embeddings, split_and_link
from screenalytics_assets.run_context import Run

_QUALITY_KEYS = (
    "min_quality_score",
    "min_face_size",
    "min_inside_fraction",
    "min_sharpness",
    "max_yaw_angle",
    "max_pitch_angle",
)
"""Of the keys of the faces, those that say which crops are good enough to be embedded, for tracks as for faces."""


def config(run: Run) -> dict[str, Any]:
    """The keys of tracking, and those of the appearance split where it is on."""
    tracking = run.keys.tracking
    if not tracking.gate_enabled:
        return tracking.model_dump()
    return {
        **tracking.model_dump(),
        **run.keys.faces.model_dump(include=set(_QUALITY_KEYS)),
        "min_confidence": run.thresholds.min_confidence,
        "embedder": run.pack.embedder.file.sha256,
    }


def find(run: Run) -> TrackTables:
    """Track the detections, then split and link the tracks by appearance."""
    # The trackers import annotators and plots, which take half a second.
    from screenalytics_assets.core.tracking.bytetrack import track_faces

    video, tracking = run.inputs["episode_video"].document("video.json", VideoProbe), run.keys.tracking
    followed = track_faces(
        run.inputs["detections"].table("analysed_frames.parquet"),
        run.inputs["detections"].table("detections.parquet"),
        frame_size_px=(video.width, video.height),
        track_thresh=run.thresholds.track_thresh,
        match_thresh=tracking.match_thresh,
        track_buffer_s=tracking.track_buffer_s,
    )
    found = SplitTracks(followed.tracks, *no_split_embeddings())
    if tracking.gate_enabled:
        found = _split_by_appearance(run, followed.tracks)
    return TrackTables(found.tracks, followed.untracked, found.embedded, found.vectors)


def _split_by_appearance(run: Run, tracks: pa.Table) -> SplitTracks:
    detections = run.inputs["detections"].table("detections.parquet")
    crop_file = run.inputs["face_crops"].path("face_crops.parquet")
    cropped_ids = run.inputs["face_crops"].table("face_crops.parquet", ["detection_id"])["detection_id"]
    has_crop = pc.is_in(detections["detection_id"], value_set=cropped_ids).to_numpy()
    embedder = configured_embedder(run.settings)

    def embed(detection_ids: Sequence[str]) -> NDArray[np.float32]:
        with run.progress(len(detection_ids), "crops") as task:
            return embed_detections(detection_ids, crop_file, embedder, on_face=task.advance)

    reasons = rejection_reasons(detections, has_crop, run.keys.faces, min_confidence=run.thresholds.min_confidence)
    return split_and_link(
        tracks,
        detections,
        np.asarray(reasons == ACCEPTED),
        embed,
        split_limits(run),
        interval_s=run.keys.tracking.gate_interval_s,
        max_gap_s=run.keys.tracking.rejoin_gap_s,
        model_digest=embedder.digest,
        patches=face_patches(detections["detection_id"].to_pylist(), crop_file),
        max_duplicate_s=run.keys.tracking.gate_still_s,
    )


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


SPEC = track_spec(
    "tracks",
    code_version="4",
    group="detect",
    kinds=frozenset({"onnx", "parquet", "numpy"}),
    description=__doc__,
    reads=("episode_video", "detections", "face_crops"),
    config=config,
    find=find,
    describe=describe,
    runs_models=True,
)
