"""One decode of the video: find the cuts, detect and measure the faces, keep their crops."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from resources.configuration.acceptance_limits import limits_of
from resources.models.configured import configured_detector, model_threads
from resources.storage.artifacts import Artifact
from resources.storage.crop_file import CropWriter, read_crops
from screenalytics_assets.artifact import ArtifactSpec, Output, Outputs, add_warning
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.intervals import Intervals
from screenalytics_assets.core.documents.damage import Damage
from screenalytics_assets.core.documents.video import VideoProbe
from screenalytics_assets.core.quality.metrics import blank_warning
from screenalytics_assets.core.video.damage import damage_warning
from screenalytics_assets.metadata import picture
from screenalytics_assets.reports.pictures.contact_sheets import sample_sheet
from screenalytics_assets.run_context import Run

_SAMPLES = 64
FRAMES_AHEAD = 16
"""Frames that are decoded ahead of the analysis, so that it does not wait for the decoder."""


def config(run: Run) -> dict[str, Any]:
    """The keys of detection, and the models."""
    return {**run.keys.detection.model_dump(), **run.pack.detection_config}


def compute(run: Run, outputs: Outputs) -> None:
    """Scan the video once."""
    # PyAV and SciPy take long to import, and nothing else needs them.
    from resources.system.parallel import parallel_map, prefetch
    from resources.video.decoder import read_frames
    from screenalytics_assets.core.detection.scan import effective_stride, max_step, scan

    detection, confidence_th = run.keys.detection, run.thresholds.confidence_th
    probe = run.inputs["episode_video"].document("video.json", VideoProbe)
    video = run.resources.videos.find(run.key)
    at_once = model_threads(run.settings)
    detector = configured_detector(run.settings, overlapping=at_once)
    damaged: list[Intervals] = []
    decoded = read_frames(video, probe, every_frame=detection.every_frame, on_damage=damaged.append)
    table_output, crop_output = outputs["detections"], outputs["face_crops"]
    with (
        run.progress(probe.frame_count, "frames") as task,
        CropWriter(crop_output.path("face_crops.parquet")) as crops,
        parallel_map(at_once) as ordered_map,
        prefetch(decoded, FRAMES_AHEAD) as frames,
    ):
        found = scan(
            run.key,
            frames,
            detector,
            detection,
            confidence_th=confidence_th,
            fps=probe.fps,
            end_s=probe.duration_s,
            missing=probe.missing,
            keep_crop=crops.add,
            on_frame=task.advance,
            ordered_map=ordered_map,
        )
    for stem in ("shots", "analysed_frames", "detections", "refused"):
        table_output.write_table(stem, getattr(found, stem))
    table_output.write_document("damage.json", Damage.of(damaged[0]))
    add_warning(table_output, damage_warning(damaged[0]))
    table_output.metrics |= {
        "decoded_frames": found.frames,
        "close_looks": found.high_resolution_passes,
        "frame_stride": effective_stride(detection, probe.fps),
        "longest_step": max_step(detection, probe.fps),
        "provider": detector.provider,
    }
    crop_output.count_rows("face_crops.parquet", crops.count)
    crop_output.metrics["blank_crops"] = found.blank_crops
    most = limits_of(run.key, "blank_fraction")["blank_fraction"].get("warn")
    warning = blank_warning(crops=crops.count, blank=found.blank_crops, most=most, confidence_th=confidence_th)
    add_warning(crop_output, warning)


def describe_detections(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Counts, rates, the measures of the faces and the damaged seconds."""
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
        "not_a_face": refused["not_a_face"],
        "damaged_s": artifact.document("damage.json", Damage).damaged_s,
        **medians,
    }


def describe_crops(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many crops there are, and some of them spread over the episode."""
    path = artifact.path("face_crops.parquet")
    ids = artifact.table("face_crops.parquet", ["detection_id"])["detection_id"].to_pylist()
    chosen = np.unique(np.linspace(0, len(ids) - 1, min(_SAMPLES, len(ids))).round().astype(int))
    samples = [jpeg for _, jpeg in read_crops(path, [ids[i] for i in chosen])]
    return {
        "dagster/row_count": len(ids),
        "crops": len(ids),
        "samples": picture(sample_sheet(samples), "crops spread over the episode"),
    }


SPEC = ArtifactSpec(
    "detections",
    code_version="9",
    group="detect",
    kinds={"onnx", "parquet"},
    description="Shot cuts, and each face with box, landmarks, confidence, sharpness, pose and quality.",
    reads=("episode_video",),
    config=config,
    compute=compute,
    describe=describe_detections,
    resources=frozenset({"videos", "progress"}),
    runs_models=True,
    beside={
        "face_crops": Output(
            kinds={"opencv", "parquet"},
            description="The aligned crop of each detected face; blank crops are counted but not stored.",
            describe=describe_crops,
        )
    },
)
