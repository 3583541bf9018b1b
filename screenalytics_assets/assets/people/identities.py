"""Who is who in the episode."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import read_crops
from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import identify
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, identity_boxes
from screenalytics_assets.core.identity.track_templates import pool_tracks
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.reports.pictures.cast import cast_of, cast_sheet, cast_timeline


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The figures of the clustering, a table of the people, their best crops, and when they are seen."""
    document = artifact.json("identities.json")
    cast = cast_of(document, inputs["tracks"].table("tracks.parquet"), inputs["faces"].table("faces.parquet"))
    shown = {face for member in cast for face in member.best_faces}
    crops = dict(read_crops(inputs["face_crops"].path("face_crops.parquet"), shown))
    return {
        **document["stats"],
        "unassigned_tracks": len(document["unassigned"]),
        "people": table([member.row() for member in cast]),
        "contact_sheet": picture(cast_sheet(cast, crops), "the best crops of each identity"),
        "timeline": picture(
            cast_timeline(cast, inputs["detections"].table("shots.parquet")), "when each identity is seen"
        ),
    }


STAGE = Stage(
    "identities",
    "3",
    inputs=("detections", "face_crops", "tracks", "faces"),
    outputs={"identities": describe},
)


def earlier_identities(store: ArtifactStore, ep_id: str, log: dg.DagsterLogManager) -> EarlierIdentities | None:
    """What was published before of an episode, if it is whole and tells where its identities are in the picture."""
    manifest = store.manifest("identities", ep_id)
    if manifest is None:
        return None
    if not store.is_intact(manifest):
        log.warning(f"the earlier identities of {ep_id} are damaged: their ids cannot be kept and begin anew")
        return None
    if not manifest.has("identity_boxes.parquet"):
        return None
    artifact = store.artifact(manifest)
    last_number = artifact.document("identities.json", Identities).last_identity_number
    return EarlierIdentities(artifact.table("identity_boxes.parquet"), last_number)


@dg.asset(
    partitions_def=EPISODES,
    group_name="episode",
    kinds={"scikitlearn", "json"},
    deps=["faces"],
    code_version=STAGE.code_version,
)
def identities(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Tracks grouped into people: one vector a track, average linkage on cosine similarity, first tight, then bridged.

    Tracks that are seen together are never one person. Each track is in one identity, or listed as unassigned with
    the reason. Identities that were published before keep their ids: ids, and nothing else, depend on what is already
    in the store, and computing again what did not change gives the same bytes.
    """
    with translate_errors():
        run = settings.load()
    clustering = run.resolved.settings.clustering

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        faces = inputs["faces"].table("faces.parquet")
        track_ids, vectors = pool_tracks(faces, inputs["faces"].array("faces.npy"))
        tracks = EpisodeTracks(inputs["tracks"].table("tracks.parquet"), faces, track_ids, vectors)
        document = identify(
            context.partition_key,
            tracks,
            clustering,
            run.thresholds,
            earlier=earlier_identities(artifacts.store(), context.partition_key, context.log),
        )
        output = outputs["identities"]
        output.write_document("identities.json", document)
        output.write_table("identity_boxes", identity_boxes(document.ep_id, document.tracks_of, tracks.table))
        output.write_array("tracks.npy", vectors)
        output.write_document("track_ids.json", TrackIds(track_ids=tuple(track_ids)))
        return {}

    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config=clustering.model_dump(),
        force=settings.force,
        compute=compute,
    )
