"""Tracks per minute, short tracks, identity switches, crop quality, singletons: the acceptance figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from resources.storage.artifacts import Artifact
from resources.storage.crop_file import read_crops
from screenalytics_assets.artifact import ArtifactSpec, Outputs
from screenalytics_assets.core.config.keys import flatten
from screenalytics_assets.core.detection.alignment import decode_jpeg, embedding_crop
from screenalytics_assets.core.detection.quality import is_blank
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.identities import Identities
from screenalytics_assets.core.documents.track_metrics import TrackMetrics
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.quality.metrics import crop_stats, detect_track_metrics
from screenalytics_assets.run_context import Run


def config(run: Run) -> dict[str, Any]:
    """When two boxes are the same face."""
    return {"match_thresh": run.keys.tracking.match_thresh}


def compute(run: Run, outputs: Outputs) -> None:
    """Measure the episode."""
    tracks, faces, crops = run.inputs["tracks"], run.inputs["faces"], run.inputs["face_crops"]
    detections = run.inputs["detections"].manifest.rows("detections.parquet")
    untracked = tracks.table("untracked.parquet")
    face_table = faces.table("faces.parquet", ["track_id", "detection_id", "quality_score"])
    metrics = TrackMetrics(
        ep_id=run.key,
        detect_track_metrics=detect_track_metrics(
            tracks.table("tracks.parquet"),
            untracked,
            run.inputs["detections"].table("shots.parquet"),
            detections=detections,
            duration_s=run.inputs["episode_video"].document("video.json", VideoProbe).duration_s,
            damaged_s=run.inputs["detections"].document("damage.json", Damage).damaged_s,
            match_thresh=run.keys.tracking.match_thresh,
        ),
        crop_stats=crop_stats(
            face_table,
            faces.array("faces.npy"),
            faces.table("crops_debug.parquet", ["reason"]),
            crops=crops.manifest.rows("face_crops.parquet"),
            blank=crops.manifest.metrics["blank_crops"],
            blank_written=blank_crops_written(crops, face_table["detection_id"].to_pylist()),
            candidates=detections - untracked.num_rows,
            max_crops_per_track=faces.manifest.config["max_crops_per_track"],
        ),
        cluster_metrics=run.inputs["identities"].document("identities.json", Identities).stats,
    )
    outputs["track_metrics"].write_document("track_metrics.json", metrics)


def blank_crops_written(crops: Artifact, detection_ids: Sequence[str]) -> int:
    """How many stored crops of these detections show nothing, decoded again to be sure; there should be none."""
    stored = read_crops(crops.path("face_crops.parquet"), detection_ids)
    return sum(is_blank(embedding_crop(decode_jpeg(jpeg))) for _, jpeg in stored)


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Every figure by its name, so that the UI plots it over the episodes, and the time of each stage."""
    published = artifact.document("track_metrics.json", TrackMetrics)
    metrics = {name: source.manifest.metrics for name, source in inputs.items()}
    runtimes_s = {name: run["runtime_s"] for name, run in metrics.items() if "runtime_s" in run}
    duration_s = published.detect_track_metrics.duration_s
    parts = (published.detect_track_metrics, published.crop_stats, published.cluster_metrics)
    figures = {name: value for part in parts for name, value in flatten(part.to_dict()).items()}
    return {
        **figures,
        "runtime_per_duration": (runtimes_s["detections"] + runtimes_s["tracks"]) / duration_s,
        "runtimes_s": runtimes_s,
    }


SPEC = ArtifactSpec(
    "track_metrics",
    code_version="3",
    group="results",
    kinds={"json"},
    description=__doc__,
    reads=("episode_video", "detections", "face_crops", "tracks", "faces", "identities"),
    config=config,
    compute=compute,
    describe=describe,
)
