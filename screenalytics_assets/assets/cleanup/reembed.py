"""The faces of the cleaned tracks, selected more strictly; only crops without a vector are embedded.

A track without better faces keeps its best ones, so no track loses all its faces. Of tracks without an accepted face
the best ones are embedded too, as ``poor_faces``: nothing is clustered by them, but ``group_clusters`` compares them.
Switched by ``actions``; if switched off, the faces pass through, each with its present track, and there are no poor
ones.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from resources.models.configured import configured_embedder
from resources.storage.artifacts import Artifact, StagedArtifact
from screenalytics_assets.assets.face_spec import (
    describe_faces,
    embed_faces,
    embed_poor_faces,
    face_spec,
    face_vectors,
    split_vectors,
)
from screenalytics_assets.core.common import schemas
from screenalytics_assets.core.embedding.quality_filter import StricterLimits
from screenalytics_assets.core.identity.remap import remap_faces, remap_rejected
from screenalytics_assets.run_context import Run


def _is_enabled(run: Run) -> bool:
    return "reembed" in run.keys.cleanup.actions


def _stricter(run: Run) -> StricterLimits:
    keys = run.keys.cleanup
    return StricterLimits(keys.reembed_min_quality_score, keys.reembed_max_yaw_angle, keys.reembed_min_faces)


def config(run: Run) -> dict[str, Any]:
    """Whether the phase is on; if so, the keys of the faces, the stricter limits, and the embedder."""
    if not _is_enabled(run):
        return {"enabled": False}
    limits = {f"reembed_{name}": value for name, value in _stricter(run)._asdict().items()}
    return {"enabled": True, **run.keys.faces.model_dump(), **limits, "embedder": run.pack.embedder.file.sha256}


def write(run: Run, output: StagedArtifact) -> None:
    """Select and embed, or pass the faces through."""
    tracks, faces = run.inputs["split_tracks"], run.inputs["faces"]
    if not _is_enabled(run):
        tracks_table = tracks.table("tracks.parquet")
        output.write_table("faces", remap_faces(faces.table("faces.parquet"), tracks_table))
        output.write_array("faces.npy", faces.array("faces.npy"))
        output.write_table("crops_debug", remap_rejected(faces.table("crops_debug.parquet"), tracks_table))
        output.write_table("poor_faces", schemas.FACES.empty_table())
        output.write_array("poor_faces.npy", np.empty((0, schemas.EMBEDDING_DIMENSION), np.float32))
        output.metrics |= {"newly_embedded": 0, "vectors_reused": faces.manifest.rows("faces.parquet")}
        return
    model_digest = run.pack.embedder.file.sha256
    split = split_vectors(tracks, model_digest)
    known = {**split, **face_vectors(faces, model_digest)}
    selection = embed_faces(
        run,
        output,
        tracks="split_tracks",
        split=split,
        known=known,
        load=lambda: configured_embedder(run.settings),
        stricter=_stricter(run),
    )
    embed_poor_faces(
        run,
        output,
        selection.faces,
        tracks="split_tracks",
        known=known,
        load=lambda: configured_embedder(run.settings),
    )
    output.metrics["vectors_reused"] = selection.faces.num_rows - output.metrics["newly_embedded"]


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many faces there were and are, how good they are, and what was rejected for what."""
    before = describe_faces(inputs["faces"], inputs)
    return {
        **describe_faces(artifact, inputs),
        "faces_before": before["faces"],
        "quality_mean_before": before["quality_mean"],
    }


SPEC = face_spec(
    "reembed",
    code_version="3",
    group="cleanup",
    description=__doc__,
    reads=("detections", "face_crops", "faces", "split_tracks"),
    config=config,
    write=write,
    describe=describe,
)
