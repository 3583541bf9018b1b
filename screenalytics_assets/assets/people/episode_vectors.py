"""One vector per track in the database, with the person, the seconds and the best face, for `screenalytics find`.

The tracks and people are those of the finished episode: split, grouped, named and corrected. In one transaction they
replace what the database had of the episode. Nothing else of the episode depends on it: if the database is
unavailable, only this asset fails.
"""

from collections.abc import Mapping
from typing import Any

from resources.database.index import EPISODE_ARTIFACTS, embedder_digest, index_episode
from resources.storage.artifacts import Artifact
from screenalytics_assets.artifact import ArtifactSpec, Indexed, Outputs
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.documents.episode_vectors import EpisodeVectors
from screenalytics_assets.core.documents.identities import TrackIds
from screenalytics_assets.run_context import Run


def index(run: Run, _artifact: Artifact | None = None) -> Indexed:
    """Store the tracks and people in the database, unless it holds them."""
    return Indexed(index_episode(run.resources.vectors.database(), run.inputs, run.pack.embedder.file.sha256))


def compute(run: Run, outputs: Outputs) -> None:
    """Store the tracks, and note how many there are and by which model."""
    index(run)
    document = EpisodeVectors(
        ep_id=run.key,
        show=show_of(run.key),
        model_digest=embedder_digest(run.inputs["reembed"], run.pack.embedder.file.sha256),
        tracks=len(run.inputs["recluster"].document("track_ids.json", TrackIds).track_ids),
    )
    outputs["episode_vectors"].write_document("episode_vectors.json", document)


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
    reads=EPISODE_ARTIFACTS,
    config=lambda _run: {},
    compute=compute,
    describe=describe,
    index=index,
    resources=frozenset({"vectors"}),
)
