"""One vector a track in the database, with the person, the seconds and the best face, for `screenalytics find`.

The tracks and people are those of the finished episode: cut, grouped, named and corrected. They replace, in one
transaction, what the database had of the episode. Nothing else of the episode depends on it: if the database is away,
this asset fails alone, and ``group_clusters`` if the show has a facebank.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from resources.storage.artifacts import Artifact, Manifest
from screenalytics_assets.artifact import ArtifactSpec, Outputs
from screenalytics_assets.core.common.digests import digest_of, sha256_of
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.documents.episode_vectors import EpisodeVectors
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.run_context import Run

_PERSON = ("identity_id", "person_id", "name")


def compute(run: Run, outputs: Outputs) -> None:
    """Write the tracks to the database."""
    faces = run.inputs["reembed"].table("faces.parquet", ["track_id", "detection_id", "quality_rank", "model_digest"])
    model_digest, *_ = faces["model_digest"].unique().to_pylist() or [run.pack.embedder.file.sha256]
    vectors = run.inputs["recluster"].array("tracks.npy")
    track_ids = run.inputs["recluster"].document("track_ids.json", TrackIds).track_ids
    people = run.inputs["group_clusters"].document("identities.json", Identities)
    tracks = searchable_tracks(track_ids, run.inputs["split_tracks"].table("tracks.parquet"), faces, people)
    digest, show = stored_digest(model_digest, tracks, vectors), show_of(run.key)
    run.resources.vectors.database().replace_episode(
        run.key, show=show, content_digest=digest, model_digest=model_digest, tracks=tracks, vectors=vectors
    )
    stored = EpisodeVectors(ep_id=run.key, show=show, model_digest=model_digest, tracks=len(track_ids))
    outputs["episode_vectors"].write_document("episode_vectors.json", stored)
    outputs["episode_vectors"].metrics["stored_digest"] = digest


def searchable_tracks(track_ids: Sequence[str], tracks: pa.Table, faces: pa.Table, identities: Identities) -> pa.Table:
    """When each track is seen, the person and the best face, in the order of the ids."""
    identity_of = identities.identity_of
    people = [identity_of.get(track_id) for track_id in track_ids]
    best = faces.filter(pc.equal(faces["quality_rank"], 1)).select(["track_id", "detection_id"])
    wanted = pa.array(track_ids, pa.string())
    times, shown = (
        part.take(pc.index_in(wanted, value_set=part["track_id"].combine_chunks()))
        for part in (tracks.select(["track_id", "start_s", "end_s"]), best)
    )
    return pa.table(
        {
            **{name: times[name] for name in times.column_names},
            "detection_id": shown["detection_id"],
            **{key: pa.array([getattr(person, key, None) for person in people], pa.string()) for key in _PERSON},
        }
    )


def stored_digest(model_digest: str, tracks: pa.Table, vectors: NDArray[Any]) -> str:
    """Digest of everything that is stored of an episode."""
    return digest_of([model_digest, tracks.to_pylist(), sha256_of(vectors.tobytes())])


def is_stored(run: Run, manifest: Manifest) -> bool:
    """Whether the database holds this publication; it may have been lost, or be another database."""
    digest = run.resources.vectors.database().episode_digest(run.key)
    return digest is not None and digest == manifest.metrics.get("stored_digest")


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many tracks are in the database, and by which model."""
    stored = artifact.document("episode_vectors.json", EpisodeVectors)
    return {"dagster/row_count": stored.tracks, **stored.to_dict()}


SPEC = ArtifactSpec(
    "episode_vectors",
    code_version="2",
    group="people",
    kinds={"postgres"},
    description=__doc__,
    reads=("split_tracks", "reembed", "recluster", "group_clusters"),
    config=lambda _run: {},
    compute=compute,
    describe=describe,
    is_stored=is_stored,
    resources=frozenset({"vectors"}),
)
