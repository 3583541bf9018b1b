"""Second phase of the cleanup: better faces for the tracks as they are now."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.models.configured import configured_embedder
from resources.models.embed_crops import embed_crops
from resources.progress import ProgressResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.assets.cleanup.split_tracks import vectors_there_are
from screenalytics_assets.assets.detect.faces import describe as describe_faces
from screenalytics_assets.assets.detect.faces import known_vectors as gate_vectors
from screenalytics_assets.core.common.layout import crops_dir
from screenalytics_assets.core.embedding.face_selection import select_faces
from screenalytics_assets.core.embedding.quality_filter import StricterLimits
from screenalytics_assets.core.identity.remap import remap_faces, remap_rejected
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many faces there were and are, how good they are, and what was rejected for what."""
    before = describe_faces(inputs["faces"], inputs)
    return {
        **describe_faces(artifact, inputs),
        "faces_before": before["faces"],
        "quality_mean_before": before["quality_mean"],
    }


STAGE = Stage(
    "reembed", "2", inputs=("detections", "face_crops", "faces", "split_tracks"), outputs={"reembed": describe}
)


@dg.asset(
    partitions_def=EPISODES,
    group_name="cleanup",
    kinds={"onnx", "parquet", "numpy"},
    deps=["face_crops", "split_tracks"],
    pool="gpu",
    code_version=STAGE.code_version,
)
def reembed(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    artifacts: ArtifactStoreResource,
    progress: ProgressResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """The faces of the cleaned tracks, chosen more strictly; only crops without a vector are embedded.

    A track that has no better faces keeps its best ones, so that none is left without. Switched by ``actions``;
    switched off, the faces pass through, each with the track that it is in now.
    """
    with translate_errors():
        run = settings.load(context.log.warning)
    config, cleanup = run.resolved.settings.faces, run.resolved.settings.cleanup
    enabled = "reembed" in cleanup.actions
    stricter = StricterLimits(
        cleanup.reembed_min_quality_score, cleanup.reembed_max_yaw_angle, cleanup.reembed_min_faces
    )

    model_digest = run.pack.embedder.file.sha256

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        output = outputs["reembed"]
        if not enabled:
            return {"reembed": _pass_through(inputs, output)}
        tracks = inputs["split_tracks"].table("tracks.parquet")
        selection = select_faces(
            tracks,
            inputs["detections"].table("detections.parquet"),
            inputs["face_crops"].table("face_crops.parquet", ["detection_id"])["detection_id"],
            config,
            min_confidence=run.thresholds.min_confidence,
            model_digest=model_digest,
            embedded=gate_vectors(inputs["split_tracks"], model_digest),
            stricter=stricter,
            asset="reembed",
        )
        if config.save_crops:
            output.bundle(crops_dir(context.partition_key, "reembed"))
        known = vectors_there_are(inputs, "split_tracks", model_digest)
        crop_file = inputs["face_crops"].path("face_crops.parquet")
        with progress.task("reembed", selection.faces.num_rows, "faces", context.log.info) as task:
            vectors = embed_crops(
                selection.faces, crop_file, lambda: configured_embedder(run), output, known=known, on_face=task.advance
            )
        output.write_table("faces", selection.faces)
        output.write_array("faces.npy", vectors)
        refused = inputs["detections"].table("refused.parquet")
        output.write_table("crops_debug", pa.concat_tables([refused, selection.rejected]))
        reused = sum(i in known for i in selection.faces["detection_id"].to_pylist())
        return {"reembed": {"newly_embedded": selection.faces.num_rows - reused, "vectors_reused": reused}}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={"enabled": enabled, **(_config(run, stricter) if enabled else {})},
        force=settings.force,
        compute=compute,
    )


def _config(run: RunSettings, stricter: StricterLimits) -> dict[str, Any]:
    faces = run.resolved.settings.faces.model_dump()
    limits = {f"reembed_{name}": value for name, value in stricter._asdict().items()}
    return {**faces, **limits, "embedder": run.pack.embedder.file.sha256}


def _pass_through(inputs: Mapping[str, Artifact], output: StagedArtifact) -> Mapping[str, Any]:
    tracks, faces = inputs["split_tracks"].table("tracks.parquet"), inputs["faces"]
    output.write_table("faces", remap_faces(faces.table("faces.parquet"), tracks))
    output.write_array("faces.npy", faces.array("faces.npy"))
    output.write_table("crops_debug", remap_rejected(faces.table("crops_debug.parquet"), tracks))
    return {"newly_embedded": 0, "vectors_reused": faces.manifest.rows("faces.parquet")}
