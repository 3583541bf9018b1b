"""The people of an episode in the database, to be searched."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.store import ArtifactStore
from resources.vectors import VectorDatabaseResource
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.config.keys import digest_of
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, _inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """How many tracks are in the database, and by which model."""
    document = artifact.json("episode_vectors.json")
    return {"dagster/row_count": document["tracks"], **document}


STAGE = Stage(
    "episode_vectors",
    "2",
    inputs=("split_tracks", "reembed", "recluster", "group_clusters"),
    outputs={"episode_vectors": describe},
)


def searchable_tracks(
    track_ids: list[str], tracks: pa.Table, faces: pa.Table, identities: Mapping[str, Any]
) -> pa.Table:
    """When each track is seen, who it is and its best face, in the order of the ids."""
    identity_of = {track_id: identity for identity in identities["identities"] for track_id in identity["track_ids"]}
    nobody: Mapping[str, Any] = {}
    who = [identity_of.get(track_id, nobody) for track_id in track_ids]
    found = {key: pa.array([entry.get(key) for entry in who], pa.string()) for key in _WHO}
    best = faces.filter(pc.equal(faces["quality_rank"], 1)).select(["track_id", "detection_id"])
    wanted = pa.array(track_ids, pa.string())
    times, shown = (
        part.take(pc.index_in(wanted, value_set=part["track_id"].combine_chunks()))
        for part in (tracks.select(["track_id", "start_s", "end_s"]), best)
    )
    return pa.table(
        {**{name: times[name] for name in times.column_names}, "detection_id": shown["detection_id"], **found}
    )


_WHO = ("identity_id", "person_id", "name")


def is_stored(store: ArtifactStore, vectors: VectorDatabaseResource, ep_id: str) -> bool:
    """Whether the database holds what was published last; it may have been lost, or be another one."""
    manifest = store.manifest("episode_vectors", ep_id)
    digest = vectors.database().episode_digest(ep_id)
    return manifest is not None and digest is not None and digest == manifest.metrics.get("stored_digest")


def stored_digest(model_digest: str, tracks: pa.Table, vectors: NDArray[Any]) -> str:
    """Of everything that is stored of an episode."""
    return digest_of([model_digest, tracks.to_pylist(), hashlib.sha256(vectors.tobytes()).hexdigest()])


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"postgres"},
    deps=["group_clusters"],
    code_version=STAGE.code_version,
)
def episode_vectors(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    artifacts: ArtifactStoreResource,
    vectors: VectorDatabaseResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """One vector a track in the database, with who it is, its seconds and its best face, for `screenalytics find`.

    The tracks and people are those of the finished episode: cut, grouped, named and corrected. Stored in one
    transaction instead of what was there of the episode. Nothing else of the episode depends on it: when the database
    is away, this asset fails alone, and ``group_clusters`` where the show has a facebank.
    """
    ep_id = context.partition_key
    with translate_errors():
        run = settings.load()
        force = settings.force or not is_stored(artifacts.store(), vectors, ep_id)

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        faces = inputs["reembed"].table("faces.parquet", ["track_id", "detection_id", "quality_rank", "model_digest"])
        made_by = faces["model_digest"].unique().to_pylist() or [run.pack.embedder.file.sha256]
        pooled = inputs["recluster"].array("tracks.npy")
        track_ids = inputs["recluster"].json("track_ids.json")["track_ids"]
        document = inputs["group_clusters"].json("identities.json")
        tracks = searchable_tracks(track_ids, inputs["split_tracks"].table("tracks.parquet"), faces, document)
        digest = stored_digest(made_by[0], tracks, pooled)
        vectors.database().replace_episode(
            ep_id,
            show=show_of(ep_id),
            content_digest=digest,
            model_digest=made_by[0],
            tracks=tracks,
            vectors=pooled,
        )
        stored = {"ep_id": ep_id, "show": show_of(ep_id), "model_digest": made_by[0], "tracks": len(track_ids)}
        outputs["episode_vectors"].write_json("episode_vectors.json", stored)
        return {"episode_vectors": {"stored_digest": digest}}

    yield from run_stage(context, STAGE, artifacts.store(), run.resolved, config={}, force=force, compute=compute)
