"""Fourth phase of the cleanup: who the people are."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.crop_file import read_crops
from resources.storage.store import ArtifactStore
from resources.vectors import VectorDatabaseResource
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.common.episode_ids import show_of
from screenalytics_assets.core.common.errors import DatabaseError
from screenalytics_assets.core.documents.grouping import Grouping
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, combined, identity_boxes
from screenalytics_assets.core.people.corrections import Corrections
from screenalytics_assets.core.people.naming import Facebank
from screenalytics_assets.core.people.resolve_people import resolve_people
from screenalytics_assets.metadata import picture, table
from screenalytics_assets.partitions import EPISODES
from screenalytics_assets.reports.pictures.cast import cast_of, cast_sheet


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """Who was named and why, a table of the people, their best crops, and what became of each correction."""
    document = artifact.json("identities.json")
    grouping = artifact.document("grouping.json", Grouping)
    cast = cast_of(document, inputs["split_tracks"].table("tracks.parquet"), inputs["reembed"].table("faces.parquet"))
    shown = {face for member in cast for face in member.best_faces}
    crops = dict(read_crops(inputs["face_crops"].path("face_crops.parquet"), shown))
    people = [{"name": member.name or "", **member.row()} for member in cast]
    outcomes = [{**outcome.to_dict(), "remarks": "; ".join(outcome.remarks)} for outcome in grouping.corrections]
    decisions = [entry.to_dict() for entry in grouping.decisions if entry.decision not in ("named", "not_compared")]
    return {
        **document["stats"],
        "centroids": grouping.centroids,
        "within_episode": grouping.within_episode,
        "across_episodes": grouping.across_episodes,
        "corrections": len(outcomes),
        "corrections_in_doubt": sum(outcome.is_doubtful for outcome in grouping.corrections),
        "people": table(people),
        "decisions": decisions[:_SHOWN],
        "contact_sheet": picture(cast_sheet(cast, crops), "the best crops of each person"),
    } | ({"correction_list": table(outcomes)} if outcomes else {})


_SHOWN = 50
STAGE = Stage(
    "group_clusters",
    "2",
    inputs=("face_crops", "split_tracks", "reembed", "recluster", "corrections"),
    outputs={"group_clusters": describe},
)


def earlier_people(store: ArtifactStore, clusters: Artifact) -> EarlierIdentities:
    """Who has which id: as in the clusters, and beyond that as this phase published before."""
    last_number = clusters.document("clusters.json", Identities).last_identity_number
    published = EarlierIdentities(clusters.table("identity_boxes.parquet"), last_number)
    manifest = store.manifest("group_clusters", clusters.manifest.ep_id)
    own = store.open("group_clusters", clusters.manifest.ep_id) if manifest and store.is_intact(manifest) else None
    if own is None:
        return published
    last_number = own.document("identities.json", Identities).last_identity_number
    return combined(published, EarlierIdentities(own.table("people_boxes.parquet"), last_number))


@dg.asset(
    partitions_def=EPISODES,
    group_name="cleanup",
    kinds={"postgres", "json"},
    deps=[
        "split_tracks",
        "reembed",
        "recluster",
        "corrections",
        # Of all shows: which show an episode is of is in its id, and a mapping of our own would not reach the UI.
        dg.AssetDep("facebank", partition_mapping=dg.AllPartitionMapping()),
    ],
    code_version=STAGE.code_version,
)
def group_clusters(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    artifacts: ArtifactStoreResource,
    vectors: VectorDatabaseResource,
) -> Iterator[dg.MaterializeResult[Any]]:
    """The people of the episode: corrections carried out, related clusters merged, names given by the facebank.

    A person's similarity is the mean over the photos and over the identity's tracks; it must reach
    ``name_similarity`` and lead the second best person by ``name_margin``. Who is not in the facebank has no name;
    two identities that are seen together are never one person. ``grouping.json`` holds every decision with its
    figures. Switched by ``actions``; switched off, only what people corrected is carried out.
    """
    with translate_errors():
        run = settings.load()
        store = artifacts.store()
        show = show_of(context.partition_key)
        digest = run.pack.embedder.file.sha256
        enabled = "group_clusters" in run.resolved.settings.cleanup.actions
        facebank = enrolled(store, show) if enabled else None
    clustering = run.resolved.settings.clustering

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        tracks = EpisodeTracks(
            inputs["split_tracks"].table("tracks.parquet"),
            inputs["reembed"].table("faces.parquet"),
            inputs["recluster"].document("track_ids.json", TrackIds).track_ids,
            inputs["recluster"].array("tracks.npy"),
        )
        known = compare(vectors, show, facebank, digest, tracks) if facebank else None
        people = resolve_people(
            inputs["recluster"].document("clusters.json", Identities),
            tracks,
            known,
            inputs["corrections"].document("corrections.json", Corrections),
            clustering,
            run.thresholds,
            automatic=enabled,
            earlier=earlier_people(store, inputs["recluster"]),
        )
        output = outputs["group_clusters"]
        output.write_document("identities.json", people.identities)
        output.write_document("grouping.json", people.grouping)
        tracks_of = people.identities.tracks_of
        output.write_table("people_boxes", identity_boxes(context.partition_key, tracks_of, tracks.table))
        return {}

    yield from run_stage(
        context,
        STAGE,
        store,
        run.resolved,
        config={
            "enabled": enabled,
            "facebank": facebank["version"] if facebank else None,
            "name_similarity": run.thresholds.name_similarity,
            "name_margin": run.thresholds.name_margin,
            **clustering.model_dump(exclude={"cluster_thresh", "min_identity_sim", "min_cluster_size"}),
        },
        force=settings.force,
        compute=compute,
    )


def enrolled(store: ArtifactStore, show: str) -> Mapping[str, Any] | None:
    """What is published of a show's facebank, if it has one; the database is not asked for that."""
    artifact = store.open("facebank", show)
    return artifact.json("facebank.json") if artifact else None


def compare(
    vectors: VectorDatabaseResource, show: str, facebank: Mapping[str, Any], model_digest: str, tracks: EpisodeTracks
) -> Facebank:
    """The tracks next to the photos of the facebank.

    Raises:
        DatabaseError: The database is away, or does not hold the facebank that is published.
    """
    database = vectors.database()
    if database.facebank_version(show, model_digest) != facebank["version"]:
        raise DatabaseError(
            f"the database does not hold the facebank of {show} that is published: run `screenalytics facebank {show}`"
        )
    similarities = database.facebank_similarities(show, model_digest, tracks.track_ids, tracks.vectors)
    names = {person["person_id"]: person["name"] for person in facebank["people"]}
    return Facebank(similarities, names, facebank["version"])
