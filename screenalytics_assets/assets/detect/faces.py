"""The faces that stand for each track, as vectors."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from resources.artifact_store import ArtifactStoreResource
from resources.models.configured import configured_embedder
from resources.models.embed_crops import embed_crops
from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from screenalytics_assets.artifact import Stage, in_metrics, run_stage, translate_errors
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.layout import crops_dir
from screenalytics_assets.core.embedding.face_selection import select_faces, volume_warning
from screenalytics_assets.core.tracking import resplit as core
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many faces were embedded, how good they are, and what was rejected for what."""
    faces = artifact.table("faces.parquet", ["track_id", "quality_score"])
    reasons = artifact.table("crops_debug.parquet", ["reason"])["reason"].value_counts().to_pylist()
    per_track = faces["track_id"].value_counts().field("counts").to_numpy()
    return {
        "dagster/row_count": faces.num_rows,
        "faces": faces.num_rows,
        "tracks_with_faces": len(per_track),
        "max_faces_per_track": int(per_track.max(initial=0)),
        "quality_mean": float(column_of(faces, "quality_score").mean()) if faces.num_rows else 0.0,
        "rejected": {entry["values"]: entry["counts"] for entry in reasons},
    }


def known_vectors(tracks: Artifact, model_digest: str) -> Mapping[str, NDArray[np.float32]]:
    """The vectors that the appearance gate has made with this model, by detection id."""
    return core.known_vectors(tracks.table("gate.parquet"), tracks.array("gate.npy"), model_digest)


STAGE = Stage("faces", "3", inputs=("detections", "face_crops", "tracks"), outputs={"faces": describe})


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"onnx", "parquet", "numpy"},
    deps=["face_crops", "tracks"],
    pool="gpu",
    code_version=STAGE.code_version,
)
def faces(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    artifacts: ArtifactStoreResource,
    progress: ProgressResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Up to ``max_crops_per_track`` good crops of each track, embedded; row i of the table is vector i.

    Where the gate has embedded crops of a track, they are chosen among those: it took the best of each moment.
    Crops that are too small, blurred, turned away or otherwise poor are listed in ``crops_debug`` with the
    reason and the measured values.
    """
    with translate_errors():
        run = settings.load(context.log.warning)
    config = run.resolved.settings.faces

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        output = outputs["faces"]
        crop_file = inputs["face_crops"].path("face_crops.parquet")
        embedder = configured_embedder(run)
        known = known_vectors(inputs["tracks"], embedder.digest)
        selection = select_faces(
            inputs["tracks"].table("tracks.parquet"),
            inputs["detections"].table("detections.parquet"),
            inputs["face_crops"].table("face_crops.parquet", ["detection_id"])["detection_id"],
            config,
            min_confidence=run.thresholds.min_confidence,
            model_digest=embedder.digest,
            embedded=known,
        )
        if config.save_crops:
            output.bundle(crops_dir(context.partition_key))
        with progress.task("faces", selection.faces.num_rows, "faces", context.log.info) as task:
            vectors = embed_crops(
                selection.faces, crop_file, lambda: embedder, output, known=known, on_face=task.advance
            )
        refused = inputs["detections"].table("refused.parquet")
        output.write_table("faces", selection.faces)
        output.write_array("faces.npy", vectors)
        output.write_table("crops_debug", pa.concat_tables([refused, selection.rejected]))
        embedded = [i for i in selection.faces["detection_id"].to_pylist() if i not in known]
        warning = volume_warning(selection.faces, selection.rejected, config)
        return {
            "faces": {"provider": embedder.provider, "newly_embedded": len(embedded), **in_metrics(warning)},
        }

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={**config.model_dump(), "embedder": run.pack.embedder.file.sha256},
        force=settings.force,
        compute=compute,
    )
