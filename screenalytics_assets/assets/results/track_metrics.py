"""The figures by which an episode is judged."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import decode_jpeg, read_crops
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.config.keys import flatten
from screenalytics_assets.core.detection.alignment import embedding_crop
from screenalytics_assets.core.detection.quality import is_blank
from screenalytics_assets.core.quality.metrics import crop_stats, detect_track_metrics, face_stats
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Every figure by its name, so that the UI plots it over the episodes, and the time of each stage."""
    document = artifact.json("track_metrics.json")
    figures_of_runs = {name: source.manifest.metrics for name, source in inputs.items()}
    runtimes_s = {name: run["runtime_s"] for name, run in figures_of_runs.items() if "runtime_s" in run}
    duration_s = document["detect_track_metrics"]["duration_s"]
    figures = {
        name: value
        for group in ("detect_track_metrics", "crop_stats", "cluster_metrics")
        for name, value in flatten(document[group]).items()
    }
    return {
        **figures,
        "runtime_per_duration": (runtimes_s["detections"] + runtimes_s["tracks"]) / duration_s,
        "runtimes_s": runtimes_s,
    }


def blank_crops_written(crops: Artifact, detection_ids: Sequence[str]) -> int:
    """How many stored crops of these detections show nothing, looked at once more; there should be none."""
    stored = read_crops(crops.path("face_crops.parquet"), detection_ids)
    return sum(is_blank(embedding_crop(decode_jpeg(jpeg))) for _, jpeg in stored)


STAGE = Stage(
    "track_metrics",
    "2",
    inputs=("episode_video", "detections", "face_crops", "tracks", "faces", "identities"),
    outputs={"track_metrics": describe},
)


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"json"},
    deps=["identities"],
    code_version=STAGE.code_version,
)
def track_metrics(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Tracks per minute, short tracks, identity switches, crop quality, singletons: the acceptance figures."""
    with translate_errors():
        resolved = settings.load().resolved
    match_thresh = resolved.settings.tracking.match_thresh

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        detections = inputs["detections"].manifest.rows("detections.parquet")
        untracked = inputs["tracks"].table("untracked.parquet")
        faces = inputs["faces"].table("faces.parquet", ["track_id", "detection_id", "quality_score"])
        document = {
            "ep_id": context.partition_key,
            "detect_track_metrics": detect_track_metrics(
                inputs["tracks"].table("tracks.parquet"),
                untracked,
                inputs["detections"].table("shots.parquet"),
                detections=detections,
                duration_s=inputs["episode_video"].json("video.json")["duration_s"],
                match_thresh=match_thresh,
            ),
            "crop_stats": {
                **crop_stats(
                    inputs["faces"].table("crops_debug.parquet", ["reason"]),
                    crops=inputs["face_crops"].manifest.rows("face_crops.parquet"),
                    blank=inputs["face_crops"].manifest.metrics["blank_crops"],
                    candidates=detections - untracked.num_rows,
                    faces=faces.num_rows,
                    quality=column_of(faces, "quality_score"),
                ),
                **face_stats(
                    faces,
                    inputs["faces"].array("faces.npy"),
                    blank_written=blank_crops_written(inputs["face_crops"], faces["detection_id"].to_pylist()),
                    max_crops_per_track=inputs["faces"].manifest.config["max_crops_per_track"],
                ),
            },
            "cluster_metrics": inputs["identities"].json("identities.json")["stats"],
        }
        outputs["track_metrics"].write_json("track_metrics.json", document)
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        resolved,
        config={"match_thresh": match_thresh},
        force=settings.force,
        compute=compute,
    )
