"""What ``faces`` and ``reembed`` have in common: faces are selected, embedded and published in the same way."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from resources.models.embed_crops import embed_crops
from resources.storage.artifacts import Artifact, StagedArtifact
from screenalytics_assets.artifact import ArtifactSpec, Config, Describe, Outputs
from screenalytics_assets.core.common.arrow import column_of
from screenalytics_assets.core.common.layout import crops_dir
from screenalytics_assets.core.embedding.face_selection import Selection, select_faces
from screenalytics_assets.core.embedding.poor_faces import select_poor_faces
from screenalytics_assets.core.embedding.quality_filter import StricterLimits
from screenalytics_assets.core.tracking.resplit import Vectors, known_vectors
from screenalytics_assets.run_context import Run

if TYPE_CHECKING:
    from resources.models.embedder import FaceEmbedder


def face_spec(
    name: str,
    *,
    write: Callable[[Run, StagedArtifact], None],
    code_version: str,
    group: str,
    description: str,
    reads: tuple[str, ...],
    config: Config,
    describe: Describe,
) -> ArtifactSpec:
    """The declaration of faces that ``write`` writes, by `embed_faces` or otherwise."""

    def compute(run: Run, outputs: Outputs) -> None:
        write(run, outputs[name])

    return ArtifactSpec(
        name,
        code_version=code_version,
        group=group,
        kinds={"onnx", "parquet", "numpy"},
        description=description,
        reads=reads,
        config=config,
        compute=compute,
        describe=describe,
        resources=frozenset({"progress"}),
        runs_models=True,
    )


def embed_faces(
    run: Run,
    output: StagedArtifact,
    *,
    tracks: str,
    split: Vectors,
    known: Vectors,
    load: Callable[[], "FaceEmbedder"],
    stricter: StricterLimits | None = None,
) -> Selection:
    """Select the faces of the tracks, embed those without a vector, and write everything.

    Args:
        run: Its inputs have the detections, their crops and the tracks.
        output: Takes the faces.
        tracks: The artifact whose tracks the faces are of.
        split: Vectors that were made to split these tracks by appearance, by detection id.
        known: All vectors that the embedder has made before.
        load: Gives the embedder; not called if all vectors are known.
        stricter: Further limits for tracks that have better faces.
    """
    detections, crops, keys = run.inputs["detections"], run.inputs["face_crops"], run.keys.faces
    selection = select_faces(
        run.inputs[tracks].table("tracks.parquet"),
        detections.table("detections.parquet"),
        crops.table("face_crops.parquet", ["detection_id"])["detection_id"],
        keys,
        min_confidence=run.thresholds.min_confidence,
        model_digest=run.pack.embedder.file.sha256,
        embedded=split,
        stricter=stricter,
        asset=run.spec.name,
    )
    if keys.save_crops:
        output.bundle(crops_dir(run.key, run.spec.name))
    crop_file = crops.path("face_crops.parquet")
    with run.progress(selection.faces.num_rows, "faces") as task:
        vectors = embed_crops(selection.faces, crop_file, load, output, known=known, on_face=task.advance)
    output.write_table("faces", selection.faces)
    output.write_array("faces.npy", vectors)
    refused = detections.table("refused.parquet")
    output.write_table("crops_debug", pa.concat_tables([refused, selection.rejected]))
    output.metrics["newly_embedded"] = sum(i not in known for i in selection.faces["detection_id"].to_pylist())
    return selection


def embed_poor_faces(
    run: Run,
    output: StagedArtifact,
    faces: pa.Table,
    *,
    tracks: str,
    known: Vectors,
    load: Callable[[], "FaceEmbedder"],
) -> None:
    """Embed the best faces of the tracks without an accepted one, and write them beside the faces.

    Args:
        run: As of `embed_faces`.
        output: Takes the poor faces.
        faces: The accepted faces.
        tracks: The artifact whose tracks they are of.
        known: All vectors that the embedder has made before, by detection id.
        load: Gives the embedder; not called if all vectors are known.
    """
    crops = run.inputs["face_crops"]
    poor = select_poor_faces(
        run.inputs[tracks].table("tracks.parquet"),
        faces,
        run.inputs["detections"].table("detections.parquet"),
        crops.table("face_crops.parquet", ["detection_id"])["detection_id"],
        run.keys.faces,
        min_confidence=run.thresholds.min_confidence,
        model_digest=run.pack.embedder.file.sha256,
    )
    with run.progress(poor.num_rows, "faces of tracks without an accepted face") as task:
        crop_file = crops.path("face_crops.parquet")
        vectors = embed_crops(poor, crop_file, load, output, known=known, on_face=task.advance)
    output.write_table("poor_faces", poor)
    output.write_array("poor_faces.npy", vectors)


def split_vectors(tracks: Artifact, model_digest: str) -> Vectors:
    """The vectors that an embedder made to split tracks by appearance, by detection id."""
    return known_vectors(tracks.table("gate.parquet"), tracks.array("gate.npy"), model_digest)


def face_vectors(faces: Artifact, model_digest: str) -> Vectors:
    """The vectors of faces that an embedder made, by detection id."""
    rows = faces.table("faces.parquet", ["detection_id", "model_digest"])
    return known_vectors(rows, faces.array("faces.npy"), model_digest)


def describe_faces(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> dict[str, Any]:
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
