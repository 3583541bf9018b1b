"""Faces of the episode and their crops, from one decode of the video."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import numpy as np

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.acceptance_limits import limits_of
from resources.models.configured import configured_detector, model_threads
from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import CropWriter, read_crops
from resources.videos import VideoLibraryResource
from screenalytics_assets.artifact import Stage, in_metrics, run_stage, translate_errors
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.quality.metrics import blank_warning
from screenalytics_assets.core.video.probe import VideoProbe
from screenalytics_assets.metadata import picture
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.reports.pictures.contact_sheets import SheetRow, contact_sheet

_SAMPLES = 64

FRAMES_AHEAD = 16
"""Frames that are decoded before they are asked for, so that the decoder does not wait for their analysis."""


def describe_detections(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Counts, rates and the measures of the faces."""
    found = artifact.table("detections.parquet", ["confidence", "face_px", "quality_score"])
    refused = Counter(artifact.table("refused.parquet", ["reason"])["reason"].to_pylist())
    analysed = artifact.manifest.rows("analysed_frames.parquet")
    medians = {
        f"median_{name}": float(np.median(column_of(found, name))) for name in found.schema.names if found.num_rows
    }
    return {
        "dagster/row_count": found.num_rows,
        "detections": found.num_rows,
        "shots": artifact.manifest.rows("shots.parquet"),
        "analysed_frames": analysed,
        "faces_per_frame": found.num_rows / analysed if analysed else 0.0,
        "refused_boxes": sum(refused.values()),
        **medians,
    }


def describe_crops(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many crops there are, and some of them spread over the episode."""
    path = artifact.path("face_crops.parquet")
    ids = artifact.table("face_crops.parquet", ["detection_id"])["detection_id"].to_pylist()
    chosen = np.unique(np.linspace(0, len(ids) - 1, min(_SAMPLES, len(ids))).round().astype(int))
    samples = [jpeg for _, jpeg in read_crops(path, [ids[i] for i in chosen])]
    rows = [
        SheetRow(f"{i + 1} to {i + len(samples[i : i + 8])}", "", samples[i : i + 8]) for i in range(0, len(samples), 8)
    ]
    return {
        "dagster/row_count": len(ids),
        "crops": len(ids),
        "samples": picture(contact_sheet(rows), "crops spread over the episode"),
    }


STAGE = Stage(
    "detections",
    code_version="5",
    inputs=("episode_video",),
    outputs={"detections": describe_detections, "face_crops": describe_crops},
)


@dg.multi_asset(
    name=STAGE.name,
    partitions_def=EPISODES,
    group_name="episode",
    pool="gpu",
    specs=[
        dg.AssetSpec(
            "detections",
            deps=["episode_video"],
            kinds={"onnx", "parquet"},
            code_version=STAGE.code_version,
            description="Shot cuts, and each face with box, landmarks, confidence, sharpness, pose and quality.",
        ),
        dg.AssetSpec(
            "face_crops",
            deps=["episode_video"],
            kinds={"opencv", "parquet"},
            code_version=STAGE.code_version,
            description="The aligned crop of each detected face; blank ones are counted and never written.",
        ),
    ],
)
def detections(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    videos: VideoLibraryResource,
    artifacts: ArtifactStoreResource,
    progress: ProgressResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Decode the video once: find the cuts, detect and measure the faces, keep their crops."""
    with translate_errors():
        run = settings.load(context.log.warning)
        detection = run.resolved.settings.detection

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        # PyAV and SciPy, which no other start of a process needs.
        from resources.storage.video_decoder import read_frames
        from resources.system.parallel import parallel_map, prefetch
        from screenalytics_assets.core.detection.scan import effective_stride, max_step, scan

        document = inputs["episode_video"].json("video.json")
        probe = VideoProbe.from_dict(document)
        video = videos.find(context.partition_key)
        at_once = model_threads(run)
        detector = configured_detector(run, overlapping=at_once)
        with (
            progress.task("detections", probe.frame_count, "frames", context.log.info) as task,
            CropWriter(outputs["face_crops"].path("face_crops.parquet")) as crops,
            parallel_map(at_once) as ordered_map,
            prefetch(read_frames(video, probe, every_frame=detection.every_frame), FRAMES_AHEAD) as frames,
        ):
            found = scan(
                context.partition_key,
                frames,
                detector,
                detection,
                confidence_th=run.thresholds.confidence_th,
                fps=probe.fps,
                keep_crop=crops.add,
                on_frame=task.advance,
                ordered_map=ordered_map,
            )
        outputs["face_crops"].count_rows("face_crops.parquet", crops.count)
        for stem in ("shots", "analysed_frames", "detections", "refused"):
            outputs["detections"].write_table(stem, getattr(found, stem))
        warning = blank_warning(
            crops=crops.count,
            blank=found.blank_crops,
            most=limits_of(context.partition_key, "blank_fraction")["blank_fraction"].get("warn"),
            confidence_th=run.thresholds.confidence_th,
        )
        return {
            "detections": {
                "decoded_frames": found.frames,
                "corrupt_frames": found.corrupt_frames,
                "close_looks": found.high_resolution_passes,
                "frame_stride": effective_stride(detection, probe.fps),
                "longest_step": max_step(detection, probe.fps),
                "provider": detector.provider,
            },
            "face_crops": {"blank_crops": found.blank_crops, **in_metrics(warning)},
        }

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={**detection.model_dump(), "detector": run.pack.detector.file.sha256},
        force=settings.force,
        compute=compute,
    )
