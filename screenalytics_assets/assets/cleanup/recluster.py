"""Third phase of the cleanup: who is who among the cleaned tracks."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from resources.artifact_store import ArtifactStoreResource
from resources.configuration.run_settings import RunSettings
from resources.settings import SettingsResource
from resources.storage.artifacts import Artifact, StagedArtifact
from resources.storage.store import ArtifactStore
from screenalytics_assets.artifact import Stage, run_stage, translate_errors
from screenalytics_assets.core.documents.identities import Identities, TrackIds
from screenalytics_assets.core.identity.episode_tracks import EpisodeTracks
from screenalytics_assets.core.identity.identities import cannot_link_constraints, identify
from screenalytics_assets.core.identity.remap import remap_identities
from screenalytics_assets.core.identity.stable_ids import EarlierIdentities, combined, identity_boxes
from screenalytics_assets.core.identity.track_templates import pool_tracks
from screenalytics_assets.partitions import EPISODES


def describe(artifact: Artifact, inputs: Mapping[str, Artifact]) -> Mapping[str, Any]:
    """The figures of the clustering, before and now."""
    document = artifact.json("clusters.json")
    before = inputs["identities"].json("identities.json")["stats"]
    return {
        **document["stats"],
        "unassigned_tracks": len(document["unassigned"]),
        "clusters_before": before["clusters"],
        "singleton_fraction_before": before["singleton_fraction"],
        "largest_cluster_fraction_before": before["largest_cluster_fraction"],
    }


STAGE = Stage(
    "recluster",
    "2",
    inputs=("tracks", "faces", "identities", "split_tracks", "reembed"),
    outputs={"recluster": describe},
)


def earlier_clusters(store: ArtifactStore, identities: Artifact, log: dg.DagsterLogManager) -> EarlierIdentities:
    """Who has which id: as in ``identities``, and beyond that as this phase published before."""
    published = EarlierIdentities(
        identities.table("identity_boxes.parquet"),
        identities.document("identities.json", Identities).last_identity_number,
    )
    manifest = store.manifest("recluster", identities.manifest.ep_id)
    if manifest is None:
        return published
    if not store.is_intact(manifest):
        log.warning(f"the earlier clusters of {manifest.ep_id} are damaged: ids that only they have begin anew")
        return published
    own = store.artifact(manifest)
    last_number = own.document("clusters.json", Identities).last_identity_number
    return combined(published, EarlierIdentities(own.table("identity_boxes.parquet"), last_number))


@dg.asset(
    partitions_def=EPISODES,
    group_name="cleanup",
    kinds={"scikitlearn", "json"},
    deps=["identities", "reembed"],
    code_version=STAGE.code_version,
)
def recluster(
    context: dg.AssetExecutionContext, settings: SettingsResource, artifacts: ArtifactStoreResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """The cleaned tracks grouped into people from scratch, with thresholds of the cleanup's own.

    Those are the embedder's unless set otherwise, so that a bad ``cluster_thresh`` of ``identities`` does not come
    back. Who is in ``identities`` has the same id here. Switched by ``actions``; switched off, each track stays with
    the identity that its detections were in.
    """
    with translate_errors():
        run = settings.load()
    enabled = "recluster" in run.resolved.settings.cleanup.actions
    clustering = run.resolved.settings.clustering.model_copy(
        update={
            "cluster_thresh": run.thresholds.recluster_thresh,
            "tight_thresh": run.thresholds.recluster_tight_thresh,
        }
    )

    def compute(inputs: Mapping[str, Artifact], outputs: Mapping[str, StagedArtifact]) -> Mapping[str, Any]:
        faces = inputs["reembed"].table("faces.parquet")
        track_ids, vectors = pool_tracks(faces, inputs["reembed"].array("faces.npy"))
        tracks = EpisodeTracks(inputs["split_tracks"].table("tracks.parquet"), faces, track_ids, vectors)
        if enabled:
            document = identify(
                context.partition_key,
                tracks,
                clustering,
                run.thresholds._replace(
                    cluster_thresh=run.thresholds.recluster_thresh, tight_thresh=run.thresholds.recluster_tight_thresh
                ),
                earlier=earlier_clusters(artifacts.store(), inputs["identities"], context.log),
            )
        else:
            document = _pass_through(inputs, run, tracks)
        output = outputs["recluster"]
        output.write_document("clusters.json", document)
        output.write_table("identity_boxes", identity_boxes(document.ep_id, document.tracks_of, tracks.table))
        output.write_array("tracks.npy", vectors)
        output.write_document("track_ids.json", TrackIds(track_ids=tuple(track_ids)))
        return {}

    config = clustering.model_dump() if enabled else {"min_cohesion": clustering.min_cohesion}
    yield from run_stage(
        context,
        STAGE,
        artifacts.store(),
        run.resolved,
        config={"enabled": enabled, **config},
        force=settings.force,
        compute=compute,
    )


def _pass_through(inputs: Mapping[str, Artifact], run: RunSettings, tracks: EpisodeTracks) -> Identities:
    document = inputs["identities"].document("identities.json", Identities)
    before = inputs["tracks"].table("tracks.parquet")
    if tracks.table.equals(before) and tracks.faces.equals(inputs["faces"].table("faces.parquet")):
        return document
    return remap_identities(
        document,
        before,
        tracks,
        cannot_link=cannot_link_constraints(tracks.table, run.resolved.settings.clustering),
        min_cohesion=run.thresholds.min_cohesion,
    )
